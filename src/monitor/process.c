/* monitor/process.c - see process.h */
#include "monitor/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define SWEEP_MOST 1000         /* orphans waited for in one go */

void
children_init(struct children *c, struct event_base *loop)
{
    c->loop = loop;
    LIST_INIT(&c->all);
}

static bool
is_watched(const struct children *c, pid_t pid)
{
    const struct process *p = NULL;

    LIST_FOREACH(p, &c->all, entry)
        if (p->pid == pid)
            return true;
    return false;
}

void
children_sweep(struct children *c)
{
    for (unsigned i = 0; i < SWEEP_MOST; i++) {
        siginfo_t info = { .si_pid = 0 };

        /* look only: a watched one is left to its own event */
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid == 0
            || is_watched(c, info.si_pid))
            return;
        if (waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG) == -1)
            return;
        log_event(EVENT_CHILD_UNKNOWN, "pid=%ld", (long)info.si_pid);
    }
}

/* SIGCHLD is held before we look: what ends after that is told, and not lost in between. */
void
children_await(long milliseconds)
{
    const int64_t until = clock_ms() + milliseconds;
    sigset_t ended;

    (void)sigemptyset(&ended);
    (void)sigaddset(&ended, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &ended, NULL);
    for (;;) {
        siginfo_t info = { .si_pid = 0 };
        int64_t left = until - clock_ms();
        struct timespec wait = { left / 1000, left % 1000 * 1000000 };

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1)
            return;             /* there is none */
        if (info.si_pid != 0)
            continue;
        if (left <= 0)
            return;
        (void)sigtimedwait(&ended, NULL, &wait);
    }
}

void
process_init(struct process *p)
{
    *p = (struct process){ .pid = 0, .pidfd = -1 };
}

void
process_clear(struct process *p)
{
    if (p->pidfd == -1)
        return;
    (void)event_del(&p->exited);
    LIST_REMOVE(p, entry);
    fd_close(&p->pidfd);
    process_init(p);
}

static void
on_exit_event(evutil_socket_t fd, short what, void *context)
{
    struct process *p = context;
    struct process_end how = { 0, 0, p->killed, p->pid };
    process_ended *ended = p->ended;
    void *owner = p->owner;
    siginfo_t info = { .si_pid = 0 };

    (void)fd;
    (void)what;
    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) == -1) {
        /* waited for already: cannot be, but must not spin */
        log_event(EVENT_CHILD_LOST, "pid=%ld error=%d", (long)p->pid, errno);
        how.status = -1;
    } else if (info.si_pid == 0) {
        return;
    } else if (info.si_code == CLD_EXITED) {
        how.status = info.si_status;
    } else {
        how.signal = info.si_status;
    }
    process_clear(p);
    ended(owner, &how);
}

enum sp_err
process_watch(struct process *p, struct children *c, pid_t pid, int *pidfd,
              process_ended *ended, void *owner)
{
    siginfo_t info = { .si_pid = 0 };

    SP_ASSERT(p->pidfd == -1);
    if (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == -1)
        return SP_INPUT;
    process_init(p);
    p->children = c;
    p->pid = pid;
    p->ended = ended;
    p->owner = owner;
    if (event_assign(&p->exited, c->loop, *pidfd, EV_READ | EV_PERSIST, on_exit_event, p)
            == -1
        || event_add(&p->exited, NULL) == -1)
        return SP_NOMEM;
    p->pidfd = fd_move(pidfd);
    LIST_INSERT_HEAD(&c->all, p, entry);
    return SP_OK;
}

bool
process_is_running(const struct process *p)
{
    return p->pidfd != -1;
}

void
process_kill(struct process *p)
{
    if (p->pidfd == -1)
        return;
    p->killed = true;
    /* ESRCH: it has ended, its event is under way */
    if (syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0) == -1
        && errno != ESRCH)
        log_event(EVENT_CHILD_KILL, "pid=%ld error=%d", (long)p->pid, errno);
}

static void
on_orphan_end(void *owner, const struct process_end *how)
{
    (void)how;
    free(owner);
}

void
process_abandon(struct process *p)
{
    struct process *orphan = NULL;
    struct children *c = p->children;
    int pidfd = -1;
    pid_t pid = p->pid;

    if (p->pidfd == -1)
        return;
    process_kill(p);
    pidfd = fcntl(p->pidfd, F_DUPFD_CLOEXEC, 3);
    process_clear(p);
    /* without room for it, children_sweep waits for it some time later */
    if ((orphan = calloc(1, sizeof *orphan)) != NULL && pidfd != -1) {
        process_init(orphan);
        if (process_watch(orphan, c, pid, &pidfd, on_orphan_end, orphan) == SP_OK)
            orphan = NULL;
    }
    free(orphan);
    fd_close(&pidfd);
}

void
children_clear(struct children *c)
{
    struct process *p = NULL;

    while ((p = LIST_FIRST(&c->all)) != NULL) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it has left the list */
        SP_ASSERT(p->ended == on_orphan_end);
        process_clear(p);
        free(p);
    }
}
