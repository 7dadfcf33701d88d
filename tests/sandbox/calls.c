/*
 * tests/sandbox/calls.c - every system call, from inside one side's filter
 *
 * Each try is a child of its own that enters the side's real sandbox and makes one call.
 * What is off the list has to end it, by the SANDBOX message with that number and exit
 * code 159; what is on the list must not. Arguments are -1, which no call does harm with,
 * and root becomes nobody first: a side without its filter must not harm the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sides.h"
#include "wire/channel.h"
#include "wire/pack.h"

#define CALLS_MOST 600          /* numbers beyond every table of today */
#define VALUES_MOST 1100        /* of a narrowed argument: fcntl's commands end at 1038 */
#define VALUES_FEW 32           /* of any other call: flags, advices, levels, options   */
#define NOBODY 61234
#define PATIENCE 5              /* seconds of one child */
#define REFUSED 159             /* the handler's exit code */
#define PEERPIDFD 77             /* SO_PEERPIDFD, Linux 6.5 */
#define OLD_SIGSUSPEND 72       /* i386: without a filter it would sleep for ever */
#define X32 0x40000000L         /* the bit of numbers of the x32 ABI */

struct try { long call; long a[6]; bool old_gate; };

static struct channel monitor = CHANNEL_EMPTY;
static int inside = -1;         /* the child's end */

/* ---- one try ----------------------------------------------------------------------- */

static void
make_call(const struct try *t)
{
#ifdef __x86_64__
    long result = t->call;

    if (t->old_gate) {
        __asm__ volatile("int $0x80" : "+a"(result) : "b"(-1L), "c"(-1L), "d"(-1L)
                         : "memory", "r8", "r9", "r10", "r11");
        return;
    }
#endif
    (void)syscall(t->call, t->a[0], t->a[1], t->a[2], t->a[3], t->a[4], t->a[5]);
}

static void
child(const struct try *t)
{
    (void)alarm(PATIENCE);
    if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) != 0
                           || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        _exit(90);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || side_enter(inside) != SP_OK)
        _exit(91);
    make_call(t);
    _exit(0);
}

/* The exit code, or 256 and the signal. */
static int
end_of(const struct try *t)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        child(t);
    while (pid > 0 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
        continue;
    if (pid == -1)
        return -1;
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The number of the SANDBOX message; -1: there was none. */
static long
told(void)
{
    static struct message m;
    struct msg_sandbox said = { 0 };

    if (channel_receive(&monitor, &m) != SP_OK
        || msg_sandbox_unpack(&m, &said) != SP_OK || said.arch != seccomp_arch_native())
        return -1;
    return (long)said.call;
}

static unsigned
wrong(const struct try *t, const char *what, int end, long number)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)t->call);

    printf("%s: call %ld (%s) with %ld, %ld, %ld: %s (ended %d, told %ld)\n",
           the_side.name, t->call, name == NULL ? "no name" : name, t->a[0], t->a[1],
           t->a[2], what, end, number);
    return 1;
}

static unsigned
must_be_refused(const struct try *t)
{
    int end = end_of(t);
    long number = told();

    return end == REFUSED && number == t->call ? 0
        : wrong(t, "not refused as it should be", end, number);
}

/* Another machine's call: the kernel ends the process at once. */
static unsigned
must_kill(const struct try *t)
{
    int end = end_of(t);

    /* a kernel without the i386 gate answers the instruction itself with SIGSEGV */
    if (end == 256 + SIGSYS || (t->old_gate && end == 256 + SIGSEGV))
        return 0;
    return wrong(t, "lives on", end, told());
}

static unsigned
must_pass(const struct try *t)
{
    int end = end_of(t);
    long number = told();

    return end != REFUSED && end != 256 + SIGSYS && end != 256 + SIGALRM && end != 90
        && end != 91 && number == -1 ? 0
        : wrong(t, "is on the list and was refused", end, number);
}

static struct try
try_of(long call)
{
    return (struct try) { call, { -1, -1, -1, -1, -1, -1 }, false };
}

/* ---- the list ---------------------------------------------------------------------- */

/* Would a rule let this call pass? */
static bool
allowed(const struct try *t)
{
    for (size_t i = 0; i < the_side.count; i++) {
        const struct seccomp_rule *r = &the_side.rules[i];
        uint64_t value = (uint64_t)t->a[r->argument];

        if (r->call == t->call
            && (r->test == SECCOMP_ANY || (r->test == SECCOMP_EQUAL && value == r->value)
                || (r->test == SECCOMP_MASKED && (value & r->mask) == r->value)
                || (r->test == SECCOMP_PAIR && value == r->mask
                    && (uint64_t)t->a[r->argument + 1] == r->value)))
            return true;
    }
    return false;
}

/* The rule that narrows the call, if one does; *listed: is there any? */
static const struct seccomp_rule *
narrowed(long call, bool *listed)
{
    const struct seccomp_rule *found = NULL;

    *listed = false;
    for (size_t i = 0; i < the_side.count; i++)
        if (the_side.rules[i].call == call) {
            *listed = true;
            found = &the_side.rules[i];
        }
    return *listed && found->test != SECCOMP_ANY ? found : NULL;
}

static unsigned
try_value(struct try *t, unsigned argument, uint64_t value, unsigned *refused)
{
    t->a[argument] = (long)value;
    if (allowed(t))
        return 0;
    (*refused)++;
    return must_be_refused(t);
}

/* Small values (commands, levels), single bits (flags), all bits but one. */
static unsigned
try_argument(struct try *t, unsigned argument, uint64_t most, uint64_t value,
             unsigned *refused)
{
    unsigned bad = 0;

    for (uint64_t v = 0; v < most; v++)
        bad += try_value(t, argument, v, refused);
    for (unsigned bit = 0; bit < 64; bit++) {
        bad += try_value(t, argument, (uint64_t)1 << bit, refused);
        bad += try_value(t, argument, value | (uint64_t)1 << bit, refused);
        bad += try_value(t, argument, ~((uint64_t)1 << bit), refused);
    }
    t->a[argument] = (long)value;
    return bad;
}

/* t is left as a call that is on the list. */
static unsigned
try_narrowed(const struct seccomp_rule *r, struct try *t, unsigned *refused)
{
    uint64_t most = r->call == SYS_fcntl ? VALUES_MOST : VALUES_FEW;
    unsigned bad = 0;

    if (r->test != SECCOMP_PAIR)
        return try_argument(t, r->argument, most, r->value, refused);
    t->a[r->argument] = (long)r->mask;
    bad = try_argument(t, r->argument + 1, most, r->value, refused);
    return bad + try_argument(t, r->argument, most, r->mask, refused);
}

/*
 * uretprobe(2) and uprobe(2): Linux shows them to no filter. Outside of a probe that root
 * has set they end the process, or fail.
 */
static bool
never_filtered(long call)
{
#ifdef __x86_64__
    return call == 335 || call == 336;
#else
    (void)call;
    return false;
#endif
}

/* ---- all of them ------------------------------------------------------------------- */

static unsigned
try_numbers(void)
{
    unsigned refused = 0, passed = 0, values = 0, bad = 0;

    for (long call = 0; call < CALLS_MOST; call++) {
        struct try t = try_of(call);
        bool listed = false;
        const struct seccomp_rule *narrow = narrowed(call, &listed);

        if (never_filtered(call))
            continue;
        if (!listed) {
            refused++;
            bad += must_be_refused(&t);
            continue;
        }
        passed++;
        if (narrow != NULL)
            bad += try_narrowed(narrow, &t, &values);
        bad += must_pass(&t);
    }
    printf("tried %u system calls on the list of the %s: allowed\n", passed,
           the_side.name);
    printf("tried %u system calls off the list of the %s: refused\n", refused,
           the_side.name);
    printf("tried %u arguments that the list of the %s narrows: refused\n", values,
           the_side.name);
    return bad;
}

/* What no list may ever have, whatever it narrows: not computed from the list. */
static unsigned
try_never(void)
{
    static const struct { long call; unsigned argument; long value, next; } rows[] = {
        { SYS_mmap, 2, PROT_EXEC, -1 }, { SYS_mmap, 2, PROT_READ | PROT_EXEC, -1 },
        { SYS_mmap, 2, PROT_READ | PROT_WRITE | PROT_EXEC, -1 },
        { SYS_mprotect, 2, PROT_EXEC, -1 }, { SYS_mprotect, 2, PROT_READ | PROT_EXEC, -1 },
        { SYS_mprotect, 2, PROT_READ | PROT_WRITE | PROT_EXEC, -1 },
        { SYS_fcntl, 1, F_SETOWN, -1 }, { SYS_fcntl, 1, F_SETLEASE, -1 },
        { SYS_fcntl, 1, F_NOTIFY, -1 }, { SYS_fcntl, 1, F_SETLK, -1 },
        { SYS_fcntl, 1, F_SETSIG, -1 }, { SYS_fcntl, 1, F_ADD_SEALS, -1 },
        { SYS_fcntl, 1, F_DUPFD, -1 }, { SYS_fcntl, 1, F_SETFD, 0 },
        { SYS_fcntl, 1, F_SETFL, O_ASYNC }, { SYS_fcntl, 1, F_SETFL, O_APPEND },
        { SYS_fcntl, 1, F_SETFL, O_DIRECT }, { SYS_fcntl, 1, F_SETFL, O_NOATIME },
        { SYS_getsockopt, 1, IPPROTO_IP, SO_ERROR },
        { SYS_getsockopt, 1, IPPROTO_TCP, SO_ERROR },
        { SYS_getsockopt, 1, SOL_SOCKET, SO_PEERCRED },
        { SYS_getsockopt, 1, SOL_SOCKET, PEERPIDFD },
        { SYS_sendmsg, 2, MSG_FASTOPEN, -1 }, { SYS_sendto, 3, MSG_FASTOPEN, 0 },
        { SYS_sendto, 3, MSG_OOB, 0 },
        { SYS_pipe2, 1, O_DIRECT | O_CLOEXEC | O_NONBLOCK, -1 }, { SYS_pipe2, 1, O_EXCL, -1 },
        { SYS_madvise, 2, MADV_MERGEABLE, -1 }, { SYS_madvise, 2, MADV_WIPEONFORK, -1 },
        { SYS_madvise, 2, MADV_HWPOISON, -1 },
        { SYS_mremap, 3, MREMAP_MAYMOVE | MREMAP_FIXED, -1 },
        { SYS_futex, 1, FUTEX_LOCK_PI, -1 }, { SYS_futex, 1, FUTEX_CMP_REQUEUE_PI, -1 },
        { SYS_futex, 1, FUTEX_FD, -1 },
    };
    unsigned count = sizeof rows / sizeof *rows, bad = 0;

    for (unsigned i = 0; i < count; i++) {
        struct try t = try_of(rows[i].call);

        t.a[rows[i].argument] = rows[i].value;
        t.a[rows[i].argument + 1] = rows[i].next;
        bad += must_be_refused(&t);
    }
    printf("tried %u calls that no list may have, from the %s: refused\n", count,
           the_side.name);
    return bad;
}

/* Numbers with other meanings: x32, the gate of 32 bit programs, -1. */
static unsigned
try_other_gates(void)
{
    unsigned count = 0, bad = 0;

#ifdef __x86_64__
    for (long call = 0; call < CALLS_MOST; call++) {
        struct try t = try_of(X32 | call);

        bad += must_kill(&t);
        if (call == OLD_SIGSUSPEND)
            continue;
        t.call = call;
        t.old_gate = true;
        bad += must_kill(&t);
        count += 2;
    }
#endif
    printf("tried %u system calls by other gates to the %s's kernel: the end\n", count,
           the_side.name);
    return bad;
}

unsigned
try_calls(void)
{
    int pair[2] = { -1, -1 };

    if (channel_pair(&pair[0], &pair[1]) != SP_OK || side_prepare() != SP_OK)
        return 1;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    channel_init(&monitor, fd_move(&pair[0]), MONITOR, WORKER, ST_USER);
    inside = pair[1];
    return try_numbers() + try_never() + try_other_gates();
}
