/* monitor/prepare.c - see prepare.h */
#include "monitor/prepare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dots.h"
#include "base/fd.h"
#include "base/landlock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "monitor/gate.h"

#define FDS_OF_SESSION 9  /* channels and pidfds of three processes, gate, listener, one more */
#define FDS_OF_SERVER 288       /* listeners, templates of two generations, log, loop; and
                                   sessions that made room and are ending (admission.c) */
#define PID_FILE "sallyportd.pid"

/* ---- the process ------------------------------------------------------------------- */

/*
 * The faults of a program (SEGV, BUS, ...) end it, SIGCHLD must not be ignored (children
 * would vanish before they are waited for), job control is the terminal's. The monitor
 * gives TERM, INT, QUIT, HUP and USR1 a meaning; none of the rest may end it by default.
 */
static bool
is_left_alone(int number)
{
    static const int those[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,
                                 SIGABRT, SIGSYS,  SIGTRAP, SIGTERM, SIGINT,  SIGQUIT,
                                 SIGHUP,  SIGUSR1, SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN,
                                 SIGTTOU };

    for (size_t i = 0; i < sizeof those / sizeof *those; i++)
        if (those[i] == number)
            return true;
    return false;
}

static enum sp_err
prepare_signals(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN },
                     usual = { .sa_handler = SIG_DFL };
    sigset_t kept;

    /* kept until there is somebody to take them: prepare_let_signals */
    (void)sigemptyset(&kept);
    (void)sigaddset(&kept, SIGHUP);
    (void)sigaddset(&kept, SIGUSR1);
    if (sigprocmask(SIG_SETMASK, &kept, NULL) == -1)
        return SP_OS;
    for (int i = 1; i <= SIGRTMAX; i++)     /* EINVAL: the C library's own */
        if (sigaction(i, is_left_alone(i) ? &usual : &ignore, NULL) == -1
            && errno != EINVAL)
            return SP_OS;
    return SP_OK;
}

enum sp_err
prepare_let_signals(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == -1 ? SP_OS : SP_OK;
}

enum sp_err
prepare_process(void)
{
    const struct rlimit none = { 0, 0 };
    enum sp_err rc = SP_OS;

    if ((rc = fd_null_std(false)) != SP_OK || (rc = fd_close_from(3)) != SP_OK
        || (rc = prepare_signals()) != SP_OK)
        return rc;
    if (clearenv() != 0 || chdir("/") == -1)
        return SP_OS;
    (void)umask(077);
    /* passwords and grants pass through this memory */
    if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        return SP_OS;
    return SP_OK;
}

static rlim_t
raise_limit(__rlimit_resource_t which, rlim_t want)
{
    struct rlimit limit = { 0, 0 };
    struct rlimit more = { want, want };

    if (getrlimit(which, &limit) == -1)
        return 0;
    if (want > limit.rlim_max && setrlimit(which, &more) == 0)
        return want;            /* root may */
    if (limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(which, &limit) == -1)
            (void)getrlimit(which, &limit);
    }
    return limit.rlim_cur;
}

unsigned
prepare_limits(const struct settings *s)
{
    rlim_t want = (rlim_t)s->max_sessions * FDS_OF_SESSION + FDS_OF_SERVER;
    rlim_t have = raise_limit(RLIMIT_NOFILE, want);
    rlim_t sessions = have > FDS_OF_SERVER ? (have - FDS_OF_SERVER) / FDS_OF_SESSION : 1;

    (void)raise_limit(RLIMIT_NPROC, 0);
    if (sessions < 1)
        sessions = 1;
    if (sessions >= (rlim_t)s->max_sessions)
        return (unsigned)s->max_sessions;
    log_event(EVENT_LIMIT_DESCRIPTORS, "sessions=%lu max_sessions=%lld remedy=\"raise "
              "the hard limit of open files to %lu (LimitNOFILE=, ulimit -Hn), or lower "
              "max_sessions\"", (unsigned long)sessions, (long long)s->max_sessions,
              (unsigned long)want);
    return (unsigned)sessions;
}

/* ---- directories ------------------------------------------------------------------- */

/*
 * Opened, ours, of that mode, and not a link; made if it is missing. The fault is logged.
 */
static enum sp_err
make_directory(const char *path, mode_t mode, int *fd)
{
    struct stat st;
    struct log_escaped text;
    const char *wrong = NULL;
    int made = -1;

    /* NOLINTNEXTLINE(bugprone-branch-clone): the same words for another call's errno */
    if (mkdir(path, 0700) == -1 && errno != EEXIST) {
        wrong = strerror(errno);
    } else if ((made = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1
               || fstat(made, &st) == -1) {
        wrong = strerror(errno);
    } else if (st.st_uid != geteuid()) {
        wrong = "it is owned by another user; remove it, or set another run_directory";
    } else if ((st.st_mode & 07777) != mode && fchmod(made, mode) == -1) {
        wrong = strerror(errno);
    }
    if (wrong == NULL) {
        *fd = made;
        return SP_OK;
    }
    log_event(EVENT_CONFIGURATION_FAULT, "key=run_directory directory=%s fault=\"%s\"",
              log_text(slice_of(path), &text), wrong);
    fd_close(&made);
    return SP_INPUT;
}

enum sp_err
prepare_private_directory(const char *path, int *fd)
{
    return make_directory(path, 0700, fd);
}

/* Takes *fd over. */
static enum sp_err
check_empty(const char *path, int *fd)
{
    struct log_escaped text;
    const struct dirent *entry = NULL;
    bool empty = true;
    DIR *dir = fdopendir(*fd);

    if (dir == NULL)
        return SP_OS;
    *fd = -1;
    while (empty && (entry = readdir(dir)) != NULL)
        empty = dots_name(entry->d_name);
    (void)closedir(dir);
    if (empty)
        return SP_OK;
    log_event(EVENT_CONFIGURATION_FAULT, "key=run_directory directory=%s fault=\"it is "
              "the root directory of the workers and must be empty; remove the files in "
              "it\"", log_text(slice_of(path), &text));
    return SP_INPUT;
}

enum sp_err
prepare_directories(const struct settings *s)
{
    char empty[PREPARE_PATH];
    int run_fd = -1, empty_fd = -1;
    enum sp_err rc = SP_INPUT;

    if (!text_printf(empty, sizeof empty, "%s/empty", s->run_directory))
        return SP_INPUT;
    if ((rc = make_directory(s->run_directory, 0755, &run_fd)) != SP_OK)
        goto out;
    if ((rc = make_directory(empty, 0555, &empty_fd)) != SP_OK)
        goto out;
    rc = check_empty(empty, &empty_fd);
out:
    fd_close(&run_fd);
    fd_close(&empty_fd);
    return rc;
}

/* ---- walls, pid -------------------------------------------------------------------- */

void
prepare_report_walls(bool root)
{
    if (!root)
        log_event(EVENT_WALL_MISSING, "what=uids fault=\"started without root: every "
                  "process runs as uid %lu, accounts have no uid of their own, and PAM "
                  "cannot be used\"", (unsigned long)geteuid());
    if (!gate_possible())
        log_event(EVENT_WALL_MISSING, "what=data-filter fault=\"this kernel allows "
                  "socket filters to root only; who connects to a passive port is "
                  "checked by the worker alone\"");
    if (landlock_abi() == 0)
        log_event(EVENT_WALL_MISSING, "what=landlock fault=\"this kernel has none; "
                  "chroot and openat2 still keep brokers in their jails\"");
}

void
prepare_report_settings(const struct settings *s)
{
    if (settings_reporting(s))
        log_event(EVENT_WALL_MISSING, "what=seccomp fault=\"sandbox = report: forbidden "
                  "system calls are logged and carried out\" remedy=\"set sandbox = "
                  "enforce before you serve people whom you do not trust\"");
}

/*
 * networking/tls.rst of the kernel. A module that is not loaded is loaded where we have
 * CAP_NET_ADMIN.
 */
static bool
kernel_has_tls(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = false;

    if (fd == -1)               /* a kernel without IPv4 */
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* it takes connected sockets only; where there is none, that is said first (ENOENT) */
    there = fd != -1 && (setsockopt(fd, SOL_TCP, TCP_ULP, "tls", sizeof "tls") == 0
                         || errno == ENOTCONN);
    fd_close(&fd);
    return there;
}

void
prepare_fit_settings(struct settings *s)
{
    if (!s->tls_kernel || kernel_has_tls())
        return;
    log_event(EVENT_TLS_KERNEL, "available=false remedy=\"modprobe tls\"");
    s->tls_kernel = false;
}

static bool
pid_path(const struct settings *s, char path[PREPARE_PATH])
{
    return text_printf(path, PREPARE_PATH, "%s/" PID_FILE, s->run_directory);
}

void
prepare_write_pid(const struct settings *s)
{
    char path[PREPARE_PATH], text[32];
    int fd = -1, len = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    if (!pid_path(s, path))
        return;
    if (unlink(path) == -1 && errno != ENOENT)
        log_event(EVENT_PID_FAILED, "fault=\"%s\"", strerror(errno));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd == -1 || fchmod(fd, 0644) == -1
        || fd_write_all(fd, text, (size_t)len) != SP_OK)
        log_event(EVENT_PID_FAILED, "fault=\"%s\"", strerror(errno));
    fd_close(&fd);
}

void
prepare_remove_pid(const struct settings *s)
{
    char path[PREPARE_PATH];

    if (pid_path(s, path) && unlink(path) == -1 && errno != ENOENT)
        log_event(EVENT_PID_FAILED, "fault=\"%s\"", strerror(errno));
}
