/* src/process/seccomp.c - see process/seccomp.h */
#include "process/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/bytes.h"
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
    ALLOW(rt_sigprocmask),                      /* the same                             */
    ALLOW(getpid), ALLOW(gettid),               /* the head of a report                 */
    ALLOW(getuid),                              /* the same                             */
    ALLOW(prctl),                               /* names of threads                     */
    ALLOW(getrlimit), ALLOW(prlimit64),         /* bounds of the stack                  */
    ALLOW(write), ALLOW(writev), ALLOW(read),   /* the report itself                    */
    ALLOW(open), ALLOW(openat), ALLOW(close),   /* /proc/self/maps, to name modules     */
    ALLOW(readlink), ALLOW(readlinkat),         /* /proc/self/exe                       */
    ALLOW(stat), ALLOW(fstat), ALLOW(newfstatat), /* modules, to name functions         */
    ALLOW(lseek), ALLOW(pread64),               /* the same                             */
    ALLOW(access), ALLOW(ioctl),                /* is the report's target a terminal?   */
    ALLOW(pipe), ALLOW(pipe2),                  /* is this memory readable? (UBSan)     */
    ALLOW(clock_gettime), ALLOW(nanosleep),     /* its locks wait so                    */
};
#endif

/* ---- compile ----------------------------------------------------------------------- */

static enum sp_err
add_rules(scmp_filter_ctx filter, const struct seccomp_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct seccomp_rule *rule = &rules[i];
        struct scmp_arg_cmp test = { rule->argument, SCMP_CMP_EQ, rule->value, 0 };
        struct scmp_arg_cmp pair[2] = { { rule->argument, SCMP_CMP_EQ, rule->mask, 0 },
                                        { rule->argument + 1, SCMP_CMP_EQ, rule->value, 0 } };
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
        case SECCOMP_PAIR:
            rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, 2, pair);
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

/* ---- reporting --------------------------------------------------------------------- */

/*
 * A forbidden call is made again by the handler, from the one place that the filter lets
 * pass whatever the call: the instruction at whose end seccomp_repeated stands.
 */
#if defined __x86_64__
#define CAN_REPORT 1
__asm__(".text\n"
        ".type seccomp_repeat, @function\n"
        "seccomp_repeat:\n"
        "    movq %rdi, %rax\n"
        "    movq %rsi, %rdi\n"
        "    movq %rdx, %rsi\n"
        "    movq %rcx, %rdx\n"
        "    movq %r8, %r10\n"
        "    movq %r9, %r8\n"
        "    movq 8(%rsp), %r9\n"
        "    syscall\n"
        "seccomp_repeated:\n"
        "    ret\n"
        ".size seccomp_repeat, . - seccomp_repeat\n");
#elif defined __aarch64__
#define CAN_REPORT 1
__asm__(".text\n"
        ".type seccomp_repeat, %function\n"
        "seccomp_repeat:\n"
        "    mov x8, x0\n"
        "    mov x0, x1\n"
        "    mov x1, x2\n"
        "    mov x2, x3\n"
        "    mov x3, x4\n"
        "    mov x4, x5\n"
        "    mov x5, x6\n"
        "    svc #0\n"
        "seccomp_repeated:\n"
        "    ret\n"
        ".size seccomp_repeat, . - seccomp_repeat\n");
#endif

#ifdef CAN_REPORT
#define CALLS_TOLD 1024         /* numbers below it are told once */
#define KERNEL_SIGSET 8         /* bytes of the kernel's signal set */

/* The kernel's answer: -errno, or the result. */
long seccomp_repeat(long call, long a, long b, long c, long d, long e, long f);
extern const char seccomp_repeated[];

/* What the filter checks of a pointer: two halves. */
#define HALF_AT(word) \
    (offsetof(struct seccomp_data, instruction_pointer) + sizeof(uint32_t) * (word))

enum sp_err
seccomp_report(struct seccomp_filter *f)
{
    uint64_t at = (uint64_t)(uintptr_t)seccomp_repeated;
    const struct sock_filter head[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        /* back from the handler, which is not on every list */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 4, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, HALF_AT(0)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)at, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, HALF_AT(1)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(at >> 32), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    size_t count = sizeof head / sizeof *head;
    struct sock_filter *program = NULL;

    SP_ASSERT(f->program != NULL && !f->reporting);
    if ((program = calloc(f->count + count, sizeof *program)) == NULL)
        return SP_NOMEM;
    memcpy(program, head, sizeof head);
    memcpy(program + count, f->program, f->count * sizeof *program);
    free(f->program);
    *f = (struct seccomp_filter) { program, f->count + count, true };
    return SP_OK;
}

/* Calls whose child would come back to life on the handler's stack. */
static bool
shares_the_stack(long call)
{
    switch (call) {
    case SYS_clone:
#ifdef SYS_clone3
    case SYS_clone3:
#endif
#ifdef SYS_vfork
    case SYS_vfork:
#endif
        return true;
    default:
        return false;
    }
}

static long
repeat(long call, const long a[6], ucontext_t *where)
{
    long result = 0;

    if (shares_the_stack(call))
        return -ENOSYS;
    result = seccomp_repeat(call, a[0], a[1], a[2], a[3], a[4], a[5]);
    /* The mask that is in force when the handler returns is the saved one. */
    if (call == SYS_rt_sigprocmask && result == 0)
        (void)seccomp_repeat(call, SIG_BLOCK, 0, (long)(uintptr_t)&where->uc_sigmask,
                             KERNEL_SIGSET, 0, 0);
    return result;
}

/* The call, with its own arguments; the result goes where the caller looks for it. */
static void
make_the_call(ucontext_t *where, long call)
{
#if defined __x86_64__
    greg_t *r = where->uc_mcontext.gregs;
    const long a[6] = { (long)r[REG_RDI], (long)r[REG_RSI], (long)r[REG_RDX],
                        (long)r[REG_R10], (long)r[REG_R8], (long)r[REG_R9] };

    r[REG_RAX] = repeat(call, a, where);
#else
    unsigned long long *r = where->uc_mcontext.regs;
    const long a[6] = { (long)r[0], (long)r[1], (long)r[2],
                        (long)r[3], (long)r[4], (long)r[5] };

    r[0] = (unsigned long long)repeat(call, a, where);
#endif
}
#else
#define CAN_REPORT 0

enum sp_err
seccomp_report(struct seccomp_filter *f)
{
    (void)f;
    return SP_OK;
}
#endif

/* ---- enter ------------------------------------------------------------------------- */

/*
 * Only calls that are safe in a handler and on every list (sendto, exit_group): the
 * SANDBOX message is put together by hand, as wire/channel frames it. If sendto is not
 * on a list the kernel ends the process by SIGSYS, since that is blocked in here.
 */
static void
tell(const siginfo_t *info)
{
    unsigned char record[2 + 4 + 4];

    bytes_put_little(record, MSG_SANDBOX, 2);
    bytes_put_little(record + 2, (uint32_t)info->si_arch, 4);
    bytes_put_little(record + 6, (uint32_t)info->si_syscall, 4);
    if (report_fd != -1)
        (void)send((int)report_fd, record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
on_forbidden_call(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    tell(info);
    _exit(EXIT_SANDBOX);
}

#if CAN_REPORT
/* Runs with the caller's signal mask (SA_NODEFER), which the call may be about. */
static void
on_reported_call(int number, siginfo_t *info, void *context)
{
    static unsigned char told[CALLS_TOLD];
    unsigned call = (unsigned)info->si_syscall;
    int saved = errno;

    (void)number;
    if (call >= CALLS_TOLD || told[call] == 0)
        tell(info);
    if (call < CALLS_TOLD)
        told[call] = 1;
    make_the_call(context, (long)(int)call);
    errno = saved;
}
#endif

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
#if CAN_REPORT
    if (f->reporting) {
        action.sa_sigaction = on_reported_call;
        action.sa_flags |= SA_NODEFER;
    }
#endif
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
