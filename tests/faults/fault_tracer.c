/*
 * fault_tracer.c - makes one system call of another process fail, or kills it there
 *
 *     fault-tracer PID self|born count|error|kill K CHOICE RULE...
 *
 * PID is seized with ptrace(2). self: its own calls are counted; born: those of the first
 * process that it forks, from its birth. RULE is CALL[,ARGUMENT,MASK,VALUE]:ERRNO,...: a
 * call that counts (where the masked argument has that value) and how it may fail. At the
 * K-th such call (1 is the first) the process is killed, or the call is not made and
 * returns the CHOICE-th of its errors, in turn. RULE may be "all:0": every call counts.
 *
 * Says "ready", "born PID", "hit CALL ERROR" as they happen; SIGTERM or the end of the
 * process ends it with "end COUNTED", after a line "call NAME TIMES" for each name where
 * it only counted. Exit 77: this kernel or machine does not let us.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77
#define RULES_MOST 128
#define ERRORS_MOST 8
#define CALLS_MOST 1024

#if defined(__x86_64__)

struct rule {
    int call;                   /* -1: every one */
    bool checks;
    unsigned argument;
    uint64_t mask, value;
    int errors[ERRORS_MOST];
    unsigned count;
};

struct tracer {
    pid_t pid, child;           /* child: what is counted; of self it is pid */
    bool counts_only, kills;
    unsigned long at, choice, counted;
    struct rule rules[RULES_MOST];
    unsigned rule_count;
    unsigned times[CALLS_MOST];
    bool spoiled;               /* the call under way is ours, and fails with this: */
    int error;
    struct user_regs_struct kept;
    bool over;
};

static void
die(const char *what)
{
    fprintf(stderr, "fault-tracer: %s: %s\n", what, strerror(errno));
    exit(errno == EPERM || errno == ENOSYS || errno == EACCES ? SKIPPED : 1);
}

/* ---- rules ------------------------------------------------------------------------- */

static bool
parse_rule(char *errors, struct rule *out)
{
    char *call = strsep(&errors, ":"), *name = strsep(&call, ","), *word = NULL;

    *out = (struct rule){ .call = -1 };
    if (strcmp(name, "all") != 0
        && (out->call = seccomp_syscall_resolve_name(name)) < 0)
        return false;
    if ((word = strsep(&call, ",")) != NULL) {
        out->checks = true;
        out->argument = (unsigned)strtoul(word, NULL, 0);
        out->mask = (word = strsep(&call, ",")) == NULL ? 0 : strtoull(word, NULL, 0);
        out->value = (word = strsep(&call, ",")) == NULL ? 0 : strtoull(word, NULL, 0);
    }
    while (out->count < ERRORS_MOST && (word = strsep(&errors, ",")) != NULL)
        out->errors[out->count++] = (int)strtol(word, NULL, 0);
    return out->count > 0 && out->argument < 6;
}

static const struct rule *
rule_of(const struct tracer *t, uint64_t call, const uint64_t args[6])
{
    for (unsigned i = 0; i < t->rule_count; i++) {
        const struct rule *r = &t->rules[i];

        if ((r->call == -1 || (uint64_t)r->call == call)
            && (!r->checks || (args[r->argument] & r->mask) == r->value))
            return r;
    }
    return NULL;
}

static const char *
call_name(uint64_t call)
{
    static char text[32];
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)call);

    (void)snprintf(text, sizeof text, "%s", name == NULL ? "?" : name);
    free(name);
    return text;
}

/* ---- the traced process ------------------------------------------------------------ */

static void
go_on(enum __ptrace_request how, pid_t pid, int sig)
{
    /* ESRCH: it was killed meanwhile, which its next status says */
    if (ptrace(how, pid, NULL, (void *)(intptr_t)sig) == -1 && errno != ESRCH)
        die("resume");
}

/*
 * A seccomp filter looks at the call after us: so the call becomes close(-1), which every
 * side may make and which does nothing, and not no call at all.
 */
static void
spoil(struct tracer *t, int error)
{
    struct user_regs_struct regs;

    if (ptrace(PTRACE_GETREGS, t->child, NULL, &regs) == -1)
        return;
    t->kept = regs;
    regs.orig_rax = (unsigned long long)seccomp_syscall_resolve_name("close");
    regs.rdi = UINT64_MAX;
    if (ptrace(PTRACE_SETREGS, t->child, NULL, &regs) == 0)
        t->spoiled = true;
    t->error = error;
}

static void
finish_spoiled(struct tracer *t)
{
    struct user_regs_struct regs;

    if (ptrace(PTRACE_GETREGS, t->child, NULL, &regs) == 0) {
        regs.rdi = t->kept.rdi;
        regs.rax = (unsigned long long)-(long long)t->error;
        (void)ptrace(PTRACE_SETREGS, t->child, NULL, &regs);
    }
    t->spoiled = false;
    go_on(PTRACE_DETACH, t->child, 0);
    t->over = true;
}

static void
on_entry(struct tracer *t, uint64_t call, const uint64_t args[6])
{
    const struct rule *r = rule_of(t, call, args);

    /* restart_syscall is our own doing: it waits on where we had it stop */
    if (r == NULL || call == (uint64_t)seccomp_syscall_resolve_name("restart_syscall"))
        return;
    t->counted++;
    if (call < CALLS_MOST)
        t->times[call]++;
    if (t->counts_only || t->counted != t->at)
        return;
    if (t->kills) {
        printf("hit %s SIGKILL\n", call_name(call));
        (void)kill(t->child, SIGKILL);
        return;
    }
    printf("hit %s %d\n", call_name(call), r->errors[t->choice % r->count]);
    spoil(t, r->errors[t->choice % r->count]);
}

static void
on_call(struct tracer *t)
{
    struct __ptrace_syscall_info info;

    memset(&info, 0, sizeof info);
    if (ptrace(PTRACE_GET_SYSCALL_INFO, t->child, (void *)sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        on_entry(t, info.entry.nr, (const uint64_t *)info.entry.args);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->spoiled)
        finish_spoiled(t);
}

/* The first that is born is what is looked for. */
static void
on_birth(struct tracer *t, pid_t child)
{
    if (t->child != 0)
        return;
    t->child = child;
    printf("born %d\n", (int)child);
}

static void
on_stop(struct tracer *t, pid_t pid, int status)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    unsigned long born = 0;

    /* either of the two may be heard of first */
    if (pid != t->pid)
        on_birth(t, pid);
    if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK) {
        if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &born) == 0)
            on_birth(t, (pid_t)born);
        go_on(PTRACE_DETACH, pid, 0);
        return;
    }
    if (event == PTRACE_EVENT_STOP && (sig == SIGSTOP || sig == SIGTSTP)) {
        go_on(PTRACE_LISTEN, pid, 0);
        return;
    }
    if (event == PTRACE_EVENT_STOP) {
        go_on(pid == t->child ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0);
        return;
    }
    if (sig == (SIGTRAP | 0x80)) {
        on_call(t);
        sig = 0;
    }
    if (!t->over)
        go_on(pid == t->child ? PTRACE_SYSCALL : PTRACE_CONT, pid, sig);
}

static void
trace(struct tracer *t, const sigset_t *wanted)
{
    while (!t->over) {
        int status = 0, sig = 0;
        pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);

        if (pid > 0 && WIFSTOPPED(status))
            on_stop(t, pid, status);
        else if (pid > 0)
            t->over = pid == t->child || t->child == 0;
        else if (pid == -1)
            t->over = true;     /* nobody left */
        else if (sigwait(wanted, &sig) == 0 && sig == SIGTERM && !t->spoiled)
            t->over = true;     /* what we still hold goes on when we end */
    }
}

static void
seize(struct tracer *t, bool born)
{
    unsigned long how = PTRACE_O_TRACESYSGOOD;
    int status = 0;

    if (born)
        how |= PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK;
    if (ptrace(PTRACE_SEIZE, t->pid, NULL, (void *)how) == -1)
        die("seize");
    if (ptrace(PTRACE_INTERRUPT, t->pid, NULL, NULL) == -1
        || waitpid(t->pid, &status, __WALL) != t->pid || !WIFSTOPPED(status))
        die("interrupt");
    t->child = born ? 0 : t->pid;
    go_on(born ? PTRACE_CONT : PTRACE_SYSCALL, t->pid, 0);
    printf("ready\n");
}

int
main(int argc, char **argv)
{
    static struct tracer t;
    sigset_t wanted;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 7 || argc - 6 > RULES_MOST) {
        fprintf(stderr, "fault-tracer PID self|born count|error|kill K CHOICE RULE...\n");
        return 2;
    }
    t.pid = (pid_t)strtol(argv[1], NULL, 10);
    t.counts_only = strcmp(argv[3], "count") == 0;
    t.kills = strcmp(argv[3], "kill") == 0;
    t.at = strtoul(argv[4], NULL, 10);
    t.choice = strtoul(argv[5], NULL, 10);
    for (int i = 6; i < argc; i++) {
        if (!parse_rule(argv[i], &t.rules[t.rule_count++])) {
            fprintf(stderr, "fault-tracer: no rule: %s\n", argv[i]);
            return 2;
        }
    }
    /* both are waited for with sigwait, and neither may come too early */
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGCHLD);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &wanted, NULL);
    seize(&t, strcmp(argv[2], "born") == 0);
    trace(&t, &wanted);
    for (unsigned i = 0; t.counts_only && i < CALLS_MOST; i++)
        if (t.times[i] > 0)
            printf("call %s %u\n", call_name(i), t.times[i]);
    printf("end %lu\n", t.counted);
    return 0;
}

#else

int
main(void)
{
    fprintf(stderr, "fault-tracer knows the registers of x86-64 only\n");
    return SKIPPED;
}

#endif
