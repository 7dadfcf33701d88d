/* tests/unit/test_seccomp.c - src/process/seccomp.c; filters are loaded in children only */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "process/seccomp.h"
#include "suites.h"
#include "wire/channel.h"
#include "wire/pack.h"

static const struct seccomp_rule rules[] = {
    ALLOW(write), ALLOW(sendto), ALLOW(exit_group), ALLOW(rt_sigreturn),
    ALLOW_EQUAL(fcntl, 1, F_GETFD), ALLOW_EQUAL(fcntl, 1, F_GETFL),
    ALLOW_MASKED(dup3, 2, ~(uint64_t)O_CLOEXEC, 0),
    ALLOW_PAIR(setsockopt, 1, SOL_SOCKET, SO_KEEPALIVE),
    { __NR_SCMP_ERROR, SECCOMP_ANY, 0, 0, 0 },     /* a call this machine does not have */
};

#define RULES (sizeof rules / sizeof *rules)

static struct seccomp_filter filter = SECCOMP_FILTER_EMPTY;
static int report[2] = { -1, -1 };

static int
enter(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 90;
    return seccomp_enter(&filter, report[1]) == SP_OK ? 0 : 91;
}

static void
set_up(void)
{
    CU_ASSERT_EQUAL_FATAL(seccomp_compile(rules, RULES, &filter), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_pair(&report[0], &report[1]), SP_OK);
}

static void
tear_down(void)
{
    seccomp_filter_free(&filter);
    CU_ASSERT_PTR_NULL(filter.program);
    fd_close(&report[0]);
    fd_close(&report[1]);
}

static void
a_list_becomes_a_filter(void)
{
    struct seccomp_filter second = SECCOMP_FILTER_EMPTY;

    set_up();
    CU_ASSERT_PTR_NOT_NULL(filter.program);
    CU_ASSERT(filter.count > RULES);
    CU_ASSERT_EQUAL(seccomp_compile(rules, 1, &second), SP_OK);
    seccomp_filter_free(&second);
    seccomp_filter_free(&second);
    tear_down();
}

static int
allowed_calls(void)
{
    int rc = enter();

    if (rc != 0)
        return rc;
    if (write(1, "", 0) != 0)
        return 1;
    if (fcntl(1, F_GETFD) == -1 || fcntl(1, F_GETFL) == -1)
        return 2;
    if (syscall(SYS_dup3, 1, 30, O_CLOEXEC) != 30 || syscall(SYS_dup3, 1, 31, 0) != 31)
        return 3;
    if (setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, NULL, 0) != -1)
        return 4;
    return 0;
}

static void
calls_on_the_list_go_through(void)
{
    set_up();
    CU_ASSERT_EQUAL(run_in_child(allowed_calls), 0);
    tear_down();
}

/* The kernel's number of what a child is to try, and its second and third argument. */
static struct { long call, second, third; } attempt;

static int
try_call(void)
{
    int rc = enter();

    if (rc != 0)
        return rc;
    (void)syscall((long)attempt.call, 1L, attempt.second, attempt.third, 0L, 0L, 0L);
    return 0;
}

static void
calls_off_the_list_end_the_process_and_are_reported_with_their_number(void)
{
    static const struct { long call, second, third; } rows[] = {
        { SYS_socket, SOCK_STREAM, 0 }, { SYS_ptrace, 0, 0 }, { SYS_kill, 0, 0 },
        { SYS_execve, 0, 0 }, { SYS_setuid, 0, 0 }, { SYS_bpf, 0, 0 },
        { SYS_chroot, 0, 0 }, { SYS_fcntl, F_SETOWN, 1 }, { SYS_dup3, 40, O_NONBLOCK },
        { SYS_setsockopt, SOL_SOCKET, SO_DEBUG }, { SYS_setsockopt, SO_KEEPALIVE, SOL_SOCKET },
        { SYS_setsockopt, SOL_SOCKET + 1, SO_KEEPALIVE },
    };
    static struct message m;
    struct channel monitor = CHANNEL_EMPTY;
    struct msg_sandbox said = {0};

    set_up();
    channel_init(&monitor, fd_move(&report[0]), MONITOR, WORKER, ST_USER);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        attempt.call = rows[i].call;
        attempt.second = rows[i].second;
        attempt.third = rows[i].third;
        CU_ASSERT_EQUAL(run_in_child(try_call), 159);
        CU_ASSERT_EQUAL_FATAL(channel_receive(&monitor, &m), SP_OK);
        CU_ASSERT_EQUAL_FATAL(msg_sandbox_unpack(&m, &said), SP_OK);
        CU_ASSERT_EQUAL(said.call, (uint32_t)rows[i].call);
        CU_ASSERT_EQUAL(said.arch, seccomp_arch_native());
        CU_ASSERT_EQUAL(channel_receive(&monitor, &m), SP_AGAIN);
    }
    channel_clear(&monitor);
    tear_down();
}

static void
a_report_that_nobody_can_take_does_not_keep_the_process_alive(void)
{
    attempt.call = SYS_socket;
    set_up();
    /* Nobody at the other end, */
    fd_close(&report[0]);
    CU_ASSERT_EQUAL(run_in_child(try_call), 159);
    tear_down();
    /* nobody who reads it, */
    set_up();
    while (send(report[1], "x", 1, MSG_DONTWAIT) == 1)
        continue;
    CU_ASSERT_EQUAL(run_in_child(try_call), 159);
    tear_down();
    /* no channel at all. */
    set_up();
    fd_close(&report[1]);
    CU_ASSERT_EQUAL(run_in_child(try_call), 159);
    tear_down();
}

#ifdef __x86_64__
static int
call_by_the_old_gate(void)
{
    int rc = enter();
    long result = 20;           /* getpid of i386 */

    if (rc != 0)
        return rc;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return 0;
}
#endif

static void
calls_of_another_architecture_kill(void)
{
#ifdef __x86_64__
    int code = 0;

    set_up();
    code = run_in_child(call_by_the_old_gate);
    /* A kernel without the i386 entry answers the instruction itself with SIGSEGV. */
    CU_ASSERT(code == 256 + SIGSYS || code == 256 + SIGSEGV);
    tear_down();
#else
    skip("calls of another architecture kill", "x86-64 only");
#endif
}

#if defined __x86_64__ || defined __aarch64__
/* Calls off the list, made as if there were none; the exit code says which one failed. */
static int
reported_calls(void)
{
    sigset_t set, now;
    pid_t mother = getppid(), me = getpid(), child = 0;
    int fd = memfd_create("pages", MFD_CLOEXEC), status = 0, rc = 0;
    unsigned char *at = NULL;

    if (ftruncate(fd, 8192) != 0 || pwrite(fd, "second", 6, 4096) != 6 || (rc = enter()) != 0)
        return rc == 0 ? 92 : rc;
    if (syscall(SYS_getppid) != mother || syscall(SYS_getppid) != mother)
        return 1;
    errno = 0;
    if (open("/nonexistent", O_RDONLY | O_CLOEXEC) != -1 || errno != ENOENT)
        return 2;
    /* all six arguments */
    at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 4096);
    if (at == MAP_FAILED || memcmp(at, "second", 6) != 0)
        return 3;
    /* the mask that the call is about is the one after it */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || sigprocmask(SIG_BLOCK, NULL, &now) != 0
        || sigismember(&now, SIGUSR1) != 1 || sigismember(&now, SIGSYS) != 0)
        return 4;
    errno = 0;
    if (syscall(SYS_clone3, NULL, 0L) != -1 || errno != ENOSYS)
        return 5;
#ifdef SYS_fork
    if ((child = (pid_t)syscall(SYS_fork)) == 0)
        _exit(syscall(SYS_getppid) == me ? 7 : 8);
    if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7)
        return 6;
#else
    (void)me;
    (void)child;
    (void)status;
#endif
    return 0;
}

static void
a_reporting_filter_tells_each_call_once_and_makes_it(void)
{
    static struct message m;
    struct channel monitor = CHANNEL_EMPTY;
    struct msg_sandbox said = {0};
    unsigned told[512] = {0};

    set_up();
    CU_ASSERT_EQUAL_FATAL(seccomp_report(&filter), SP_OK);
    CU_ASSERT_TRUE(filter.reporting);
    channel_init(&monitor, fd_move(&report[0]), MONITOR, WORKER, ST_USER);
    CU_ASSERT_EQUAL(run_in_child(reported_calls), 0);
    while (channel_receive(&monitor, &m) == SP_OK) {
        CU_ASSERT_EQUAL_FATAL(msg_sandbox_unpack(&m, &said), SP_OK);
        CU_ASSERT_FATAL(said.call < 512);
        CU_ASSERT_EQUAL(++told[said.call], 1);
    }
    CU_ASSERT_EQUAL(told[SYS_getppid] + told[SYS_clone3], 2);
    CU_ASSERT_EQUAL(told[SYS_write] + told[SYS_sendto] + told[SYS_exit_group], 0);
    channel_clear(&monitor);
    tear_down();
}
#endif

static int
enter_unprepared(void)
{
    struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, 0x7fff0000u) };
    struct seccomp_filter f = { allow, 1, false };

    /* Root may load one all the same. */
    if (geteuid() == 0 && (setresgid(61235, 61235, 61235) != 0
                           || setresuid(61234, 61234, 61234) != 0))
        return 1;
    return seccomp_enter(&f, -1) == SP_OS && errno == EACCES ? 0 : 2;
}

static void
without_no_new_privs_nothing_is_loaded(void)
{
    CU_ASSERT_EQUAL(run_in_child(enter_unprepared), 0);
}

static const struct unit_test tests[] = {
    { "a list becomes a filter", a_list_becomes_a_filter },
    { "calls on the list go through", calls_on_the_list_go_through },
    { "calls off the list end the process and are reported with their number",
      calls_off_the_list_end_the_process_and_are_reported_with_their_number },
    { "a report that nobody can take does not keep the process alive",
      a_report_that_nobody_can_take_does_not_keep_the_process_alive },
    { "calls of another architecture kill", calls_of_another_architecture_kill },
#if defined __x86_64__ || defined __aarch64__
    { "a reporting filter tells each call once and makes it",
      a_reporting_filter_tells_each_call_once_and_makes_it },
#endif
    { "without no_new_privs nothing is loaded", without_no_new_privs_nothing_is_loaded },
    { NULL, NULL }
};
const struct unit_suite suite_seccomp = { "seccomp", tests };
