/* src/base/seccomp.c - see base/seccomp.h */
#include "base/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/message.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define EXIT_SANDBOX 159        /* what a shell would call a death by SIGSYS: 128 + 31 */

/*
 * Where the handler writes. A signal handler has no other way to learn it; set once,
 * before the filter is loaded.
 */
static volatile sig_atomic_t report_fd = -1;

/* ---- calls of instrumented builds, never of a release ------------------------------ */

#ifdef SP_SANITIZERS
#define INSTRUMENTED 1
static const struct seccomp_rule instrumented[] = {
    ALLOW(mmap), ALLOW(munmap), ALLOW(mremap),  /* shadow memory, allocator, quarantine */
    ALLOW(mprotect), ALLOW(madvise),            /* the same                             */
    ALLOW(futex), ALLOW(sched_yield),           /* locks of the runtime                 */
    ALLOW(sigaltstack), ALLOW(rt_sigaction),    /* the handler of deadly signals        */
    ALLOW(rt_sigprocmask),
    ALLOW(getpid), ALLOW(gettid),               /* the head of a report                 */
    ALLOW(getuid),                              /* the same                             */
    ALLOW(prctl),                               /* names of threads                     */
    ALLOW(getrlimit), ALLOW(prlimit64),         /* bounds of the stack                  */
    ALLOW(write), ALLOW(writev), ALLOW(read),   /* the report itself                    */
    ALLOW(open), ALLOW(openat), ALLOW(close),   /* /proc/self/maps, to name modules     */
    ALLOW(readlink), ALLOW(readlinkat),         /* /proc/self/exe                       */
    ALLOW(stat), ALLOW(fstat), ALLOW(newfstatat), ALLOW(lseek), ALLOW(pread64),
    ALLOW(access), ALLOW(ioctl),                /* is the report's target a terminal?   */
    ALLOW(pipe), ALLOW(pipe2),                  /* is this memory readable? (UBSan)     */
    ALLOW(clock_gettime), ALLOW(nanosleep),
};
#endif

#ifdef SP_COVERAGE
#define COVERED 1
static const struct seccomp_rule covered[] = {
    /* the .gcda files, at exit */
    ALLOW(open), ALLOW(openat), ALLOW(mkdir), ALLOW(mkdirat),
    ALLOW(read), ALLOW(write), ALLOW(lseek), ALLOW(close), ALLOW(fcntl), ALLOW(fstat),
    ALLOW(newfstatat), ALLOW(access), ALLOW(getpid), ALLOW(mmap), ALLOW(munmap),
    ALLOW(brk),
};
#endif

/* ---- compile ----------------------------------------------------------------------- */

static enum sp_err
add_rules(scmp_filter_ctx filter, const struct seccomp_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct seccomp_rule *rule = &rules[i];
        struct scmp_arg_cmp test = { rule->argument, SCMP_CMP_EQ, rule->value, 0 };
        int rc = 0;

        if (rule->call < 0)
            continue;           /* this architecture has no such call */
        switch (rule->test) {
        case SECCOMP_ANY:
            rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, 0, NULL);
            break;
        case SECCOMP_EQUAL:
            rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, 1, &test);
            break;
        case SECCOMP_MASKED:
            test.op = SCMP_CMP_MASKED_EQ;
            test.datum_a = rule->mask;
            test.datum_b = rule->value;
            rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, 1, &test);
            break;
        }
        if (rc != 0 && rc != -EEXIST) {
            errno = -rc;
            return rc == -ENOMEM ? SP_NOMEM : SP_OS;
        }
    }
    return SP_OK;
}

static enum sp_err
read_program(int fd, struct seccomp_filter *out)
{
    struct stat st = {0};
    struct seccomp_filter f = SECCOMP_FILTER_EMPTY;
    size_t size = 0;

    if (fstat(fd, &st) != 0)
        return SP_OS;
    size = (size_t)st.st_size;
    SP_ASSERT(size > 0 && size % sizeof(struct sock_filter) == 0);
    if ((f.program = malloc(size)) == NULL)
        return SP_NOMEM;
    f.count = size / sizeof(struct sock_filter);
    /* A memfd gives all of it at once, or something is very wrong. */
    if (pread(fd, f.program, size, 0) != (ssize_t)size) {
        seccomp_filter_free(&f);
        return SP_OS;
    }
    *out = f;
    return SP_OK;
}

enum sp_err
seccomp_compile(const struct seccomp_rule *rules, size_t count,
                struct seccomp_filter *out)
{
    scmp_filter_ctx filter = NULL;
    enum sp_err rc = SP_NOMEM;
    int fd = -1;
    int failed = 0;

    if ((filter = seccomp_init(SCMP_ACT_TRAP)) == NULL)
        goto out;
    /* Another architecture's calls (32 bit on a 64 bit kernel) have other numbers:
     * nothing of ours makes them, and the handler could not be trusted to name them. */
    if ((failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
                                   SCMP_ACT_KILL_PROCESS)) != 0
        || (failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)) != 0) {
        errno = -failed;
        rc = SP_OS;
        goto out;
    }
    if ((rc = add_rules(filter, rules, count)) != SP_OK)
        goto out;
#ifdef INSTRUMENTED
    if ((rc = add_rules(filter, instrumented,
                        sizeof instrumented / sizeof *instrumented)) != SP_OK)
        goto out;
#endif
#ifdef COVERED
    if ((rc = add_rules(filter, covered, sizeof covered / sizeof *covered)) != SP_OK)
        goto out;
#endif
    rc = SP_OS;
    if ((fd = memfd_create("filter", MFD_CLOEXEC)) == -1)
        goto out;
    if ((failed = seccomp_export_bpf(filter, fd)) != 0) {
        errno = -failed;
        goto out;
    }
    rc = read_program(fd, out);
out:
    fd_close(&fd);
    if (filter != NULL)
        seccomp_release(filter);
    return rc;
}

/* ---- enter ------------------------------------------------------------------------- */

static void
put_u32_le(unsigned char *at, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (unsigned char)(v >> 8 * i);
}

/*
 * Only calls that are safe in a handler and on every list (sendmsg, exit_group): the
 * SANDBOX message is put together by hand, as wire/channel frames it. If sendmsg is not
 * on a list the kernel ends the process by SIGSYS, since that is blocked in here.
 */
static void
on_forbidden_call(int number, siginfo_t *info, void *context)
{
    unsigned char record[2 + 4 + 4];
    struct iovec part = { record, sizeof record };
    struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };

    (void)number;
    (void)context;
    record[0] = (unsigned char)(MSG_SANDBOX & 0xff);
    record[1] = (unsigned char)(MSG_SANDBOX >> 8);
    put_u32_le(record + 2, (uint32_t)info->si_arch);
    put_u32_le(record + 6, (uint32_t)info->si_syscall);
    if (report_fd != -1)
        (void)sendmsg((int)report_fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL);
    _exit(EXIT_SANDBOX);
}

enum sp_err
seccomp_enter(const struct seccomp_filter *f, int channel_fd)
{
    struct sigaction action = {0};
    struct sock_fprog program = {0};
    sigset_t sigsys;

    SP_ASSERT(f->program != NULL && f->count > 0 && f->count <= UINT16_MAX);
    program.len = (unsigned short)f->count;
    program.filter = f->program;
    report_fd = channel_fd;
    action.sa_sigaction = on_forbidden_call;
    action.sa_flags = SA_SIGINFO;
    (void)sigemptyset(&action.sa_mask);
    (void)sigemptyset(&sigsys);
    (void)sigaddset(&sigsys, SIGSYS);
    if (sigaction(SIGSYS, &action, NULL) != 0
        || sigprocmask(SIG_UNBLOCK, &sigsys, NULL) != 0)
        return SP_OS;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
        return SP_OK;
    if (errno != ENOSYS)
        return SP_OS;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
        return SP_OK;
    return SP_OS;
}

void
seccomp_filter_free(struct seccomp_filter *f)
{
    free(f->program);
    *f = (struct seccomp_filter)SECCOMP_FILTER_EMPTY;
}
