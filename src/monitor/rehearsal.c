/* monitor/rehearsal.c - see rehearsal.h */
#include "monitor/rehearsal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "process/template.h"

#define NO_CAPABILITY (-1)
#define FOR_ROOT true
#define NOBODY 65534            /* where worker_user is unknown, which is told elsewhere */

/* What the child knows, and where it says how far it came: both processes see this page. */
struct stage {
    uid_t uid;
    gid_t gid;
    pid_t made;                 /* by template_fork: a child of the monitor */
    volatile unsigned step;     /* the one that is being tried */
    volatile int error;
};

/* ---- the calls ------------------------------------------------------------------------
 *
 * 0, or -1 with errno. One whose arguments can only be refused for what they are (-1 is no
 * descriptor) was made: it is there, and nothing keeps us from it.
 */

static int
is_there(int result)
{
    return result == -1 && (errno == ENOSYS || errno == EPERM || errno == EACCES) ? -1 : 0;
}

static int
try_clone(struct stage *s)
{
    int pidfd = -1;
    pid_t pid = template_fork(&pidfd);

    if (pid == 0)
        _exit(0);
    s->made = pid;
    fd_close(&pidfd);
    return pid == -1 ? -1 : 0;
}

static int
try_pidfd_open(struct stage *s)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int rc = fd == -1 ? -1 : 0;

    (void)s;
    fd_close(&fd);
    return rc;
}

static int
try_pidfd_send_signal(struct stage *s)
{
    (void)s;
    return is_there((int)syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0));
}

static int
try_memfd_create(struct stage *s)
{
    int fd = memfd_create("rehearsal", MFD_CLOEXEC);
    int rc = fd == -1 ? -1 : 0;

    (void)s;
    fd_close(&fd);
    return rc;
}

static int
try_openat2(struct stage *s)
{
    const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                  .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
    int rc = fd == -1 ? -1 : 0;

    (void)s;
    fd_close(&fd);
    return rc;
}

static int
try_statx(struct stage *s)
{
    struct statx st;

    (void)s;
    return statx(AT_FDCWD, "/", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st);
}

static int
try_renameat2(struct stage *s)
{
    (void)s;
    return is_there((int)syscall(SYS_renameat2, -1, "a", -1, "b", 0));
}

static int
try_fchmod(struct stage *s)
{
    (void)s;
    /* cppcheck-suppress invalidFunctionArg; the kernel is to refuse it, not a filter */
    return is_there(fchmod(-1, 0600));
}

static int
try_utimensat(struct stage *s)
{
    (void)s;
    return is_there(utimensat(-1, "a", NULL, 0));
}

static int
try_flock(struct stage *s)
{
    (void)s;
    /* cppcheck-suppress invalidFunctionArg; the kernel is to refuse it, not a filter */
    return is_there(flock(-1, LOCK_SH));
}

static int
try_sendfile(struct stage *s)
{
    (void)s;
    /* cppcheck-suppress invalidFunctionArg; the kernel is to refuse it, not a filter */
    return is_there((int)sendfile(-1, -1, NULL, 1));
}

static int
try_splice(struct stage *s)
{
    (void)s;
    /* cppcheck-suppress invalidFunctionArg; the kernel is to refuse it, not a filter */
    return is_there((int)splice(-1, NULL, -1, NULL, 1, 0));
}

static int
try_setgroups(struct stage *s)
{
    (void)s;
    return setgroups(0, NULL);
}

static int
try_chroot(struct stage *s)
{
    (void)s;
    return chroot("/");
}

static int
try_setresgid(struct stage *s)
{
    return setresgid(s->gid, s->gid, s->gid);
}

static int
try_setresuid(struct stage *s)
{
    return setresuid(s->uid, s->uid, s->uid);
}

static int
try_capset(struct stage *s)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

    (void)s;
    return (int)syscall(SYS_capset, &head, none);
}

static int
try_prctl(struct stage *s)
{
    (void)s;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int
try_setrlimit(struct stage *s)
{
    const struct rlimit none = { 0, 0 };

    (void)s;
    return setrlimit(RLIMIT_CORE, &none);
}

/* A filter that lets everything pass. */
static int
try_seccomp(struct stage *s)
{
    struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { 1, &pass };

    (void)s;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* In this order: ids go before the capabilities that it takes to change them. */
static const struct step {
    const char *call, *use;
    int (*attempt)(struct stage *s);
    bool for_root;
    int capability;
} steps[] = {
    { "clone", "makes each session's processes", try_clone, false, NO_CAPABILITY },
    { "pidfd_open", "watches them", try_pidfd_open, false, NO_CAPABILITY },
    { "pidfd_send_signal", "ends them", try_pidfd_send_signal, false, NO_CAPABILITY },
    { "memfd_create", "passes certificates on", try_memfd_create, false, NO_CAPABILITY },
    { "openat2", "keeps every opened path inside the jail", try_openat2, false,
      NO_CAPABILITY },
    { "statx", "looks at files", try_statx, false, NO_CAPABILITY },
    { "renameat2", "gives an upload its name", try_renameat2, false, NO_CAPABILITY },
    { "fchmod", "sets the mode of an upload", try_fchmod, false, NO_CAPABILITY },
    { "utimensat", "sets the time of a file", try_utimensat, false, NO_CAPABILITY },
    { "flock", "keeps two uploads of one file apart", try_flock, false, NO_CAPABILITY },
    { "sendfile", "sends files", try_sendfile, false, NO_CAPABILITY },
    { "splice", "receives files", try_splice, false, NO_CAPABILITY },
    { "setgroups", "drops the groups of root", try_setgroups, FOR_ROOT, CAP_SETGID },
    { "chroot", "enters jails", try_chroot, FOR_ROOT, CAP_SYS_CHROOT },
    { "setresgid", "switches to the group of a user", try_setresgid, FOR_ROOT, CAP_SETGID },
    { "setresuid", "switches to a user", try_setresuid, FOR_ROOT, CAP_SETUID },
    { "capset", "drops capabilities", try_capset, false, NO_CAPABILITY },
    { "prctl", "drops further privileges", try_prctl, false, NO_CAPABILITY },
    { "setrlimit", "limits a session's processes", try_setrlimit, false, NO_CAPABILITY },
    { "seccomp", "limits the system calls of a session", try_seccomp, false,
      NO_CAPABILITY },
};

#define STEPS (sizeof steps / sizeof *steps)

/* ---- capabilities ----------------------------------------------------------------------- */

static const struct { int number; const char *name, *use; } capabilities[] = {
    { CAP_SETUID, "CAP_SETUID", "processes need it to switch to the uid of a user" },
    { CAP_SETGID, "CAP_SETGID", "processes need it to switch to the groups of a user" },
    { CAP_SYS_CHROOT, "CAP_SYS_CHROOT", "processes need it to enter jails" },
    { CAP_KILL, "CAP_KILL", "the server needs it to end the processes of a session" },
};

static enum sp_err
check_capabilities(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct have[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
    enum sp_err rc = SP_OK;

    if (syscall(SYS_capget, &head, have) != 0)
        return SP_OK;           /* the steps themselves will tell */
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
        if ((have[0].effective >> capabilities[i].number & 1) != 0)
            continue;
        log_event(EVENT_START_MISSING, "capability=%s use=\"%s\" remedy=\"add it "
                  "(CapabilityBoundingSet= of the unit, --cap-add of the container), or "
                  "start sallyportd as an ordinary user\"", capabilities[i].name,
                  capabilities[i].use);
        rc = SP_REFUSED;
    }
    return rc;
}

/* ---- the child -------------------------------------------------------------------------- */

static _Noreturn void
perform(struct stage *s, bool root)
{
    for (unsigned i = 0; i < STEPS; i++) {
        if (steps[i].for_root && !root)
            continue;
        s->step = i;
        if (steps[i].attempt(s) == 0)
            continue;
        s->error = errno;
        _exit(1);
    }
    s->step = STEPS;
    _exit(0);
}

/* What whoever runs us has to change. */
static const char *
remedy(const struct step *step, int error)
{
    if (error == EINVAL && step->for_root)
        return "the ids of worker_user are not mapped in this user namespace; map them, or "
               "set another worker_user";
    if (strcmp(step->call, "openat2") == 0)
        return "remove RestrictSUIDSGID= from the unit (it makes systemd forbid openat2), "
               "or use a container runtime that supports the call";
    return "allow it (SystemCallFilter= of the unit, the seccomp profile of the container)";
}

static void
report(const struct stage *s, int status)
{
    const struct step *step = &steps[s->step < STEPS ? s->step : STEPS - 1];

    if (WIFSIGNALED(status))
        log_event(EVENT_START_MISSING, "call=%s signal=%d use=\"it %s\" remedy=\"allow "
                  "it (SystemCallFilter= of the unit, the seccomp profile of the "
                  "container)\"", step->call, WTERMSIG(status), step->use);
    else
        log_event(EVENT_START_MISSING, "call=%s error=\"%s\" use=\"it %s\" remedy=\"%s\"",
                  step->call, strerror(s->error), step->use, remedy(step, s->error));
}

enum sp_err
rehearsal_run(const struct settings *settings, bool root)
{
    const struct passwd *pw = root ? getpwnam(settings->worker_user) : NULL;
    struct stage *s = MAP_FAILED;
    int status = 0;
    pid_t child = -1;
    enum sp_err rc = SP_OS;

    if (root && (rc = check_capabilities()) != SP_OK)
        return rc;
    rc = SP_OS;
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        goto out;
    *s = (struct stage){ .uid = pw != NULL ? pw->pw_uid : NOBODY,
                         .gid = pw != NULL ? pw->pw_gid : NOBODY };
    if ((child = fork()) == 0)
        perform(s, root);
    if (child == -1) {
        if (errno != ENOSYS && errno != EPERM)
            goto out;
        s->error = errno;       /* fork(3) is a clone(2), and that is the first step */
        report(s, 1 << 8);    /* as an exit with 1 */
        rc = SP_REFUSED;
        goto out;
    }
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            goto out;
    /* the clone was ours from its birth */
    while (s->made > 0 && waitpid(s->made, NULL, __WALL) == -1 && errno == EINTR)
        continue;
    rc = SP_OK;
    if (status != 0) {
        report(s, status);
        rc = SP_REFUSED;
    }
out:
    if (rc == SP_OS)
        log_event(EVENT_START_FAILED, "step=fork fault=\"%s\"", strerror(errno));
    if (s != MAP_FAILED)
        (void)munmap(s, sizeof *s);
    return rc;
}
