/* process/template.c - see include/process/template.h */
#include "process/template.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/heap.h"
#include "base/log.h"
#include "wire/channel.h"
#include "wire/pack.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/*
 * By hand, because the child has to be the monitor's child and the pidfd has to be made in
 * the same moment. The template has one thread, so no lock can be held here. Not clone3(2),
 * whose flags lie in memory, where no filter can look: containers and systemd's
 * RestrictNamespaces= refuse it as a whole. On x86-64 and arm64 the pointer is the third
 * argument.
 */
pid_t
template_fork(int *pidfd)       /* NOLINT(readability-non-const-parameter): clone fills it */
{
    return (pid_t)syscall(SYS_clone, CLONE_PARENT | CLONE_PIDFD, NULL, pidfd, NULL, NULL);
}

static enum sp_err
become_child(struct channel *monitor, struct message *m)
{
    int fds[MESSAGE_FDS] = { -1, -1 };
    unsigned count = m->nfds;
    enum sp_err rc = SP_OK;

    for (unsigned i = 0; i < count; i++)
        fds[i] = message_take_fd(m, i);
    message_init(m);
    channel_clear(monitor);
    if ((rc = fd_arrange(fds, count, CHILD_FD)) != SP_OK)
        return rc;
    return fd_close_from(CHILD_FD + count);
}

static enum sp_err
tell(struct channel *monitor, uint64_t number, pid_t pid, int *pidfd, int error)
{
    struct message m;

    if (pid > 0) {
        msg_spawned_pack(&m, &(struct msg_spawned){ .number = number, .pid = (uint32_t)pid });
        m.fds[0] = fd_move(pidfd);
        m.nfds = 1;
    } else {
        msg_spawn_failed_pack(&m, &(struct msg_spawn_failed){ .number = number,
                                                              .error = (uint32_t)error });
    }
    enum sp_err rc = channel_send_wait(monitor, &m);

    message_clear(&m);
    return rc;
}

/* The session's number, whatever the kind. */
static enum sp_err
read_number(const struct message *m, uint64_t *number)
{
    struct msg_spawn_worker worker = { 0 };
    struct msg_spawn_broker broker = { 0 };
    struct msg_spawn_login login = { 0 };
    enum sp_err rc = SP_INPUT;

    if (m->type == MSG_SPAWN_WORKER && (rc = msg_spawn_worker_unpack(m, &worker)) == SP_OK)
        *number = worker.number;
    else if (m->type == MSG_SPAWN_BROKER && (rc = msg_spawn_broker_unpack(m, &broker)) == SP_OK)
        *number = broker.number;
    else if (m->type == MSG_SPAWN_LOGIN && (rc = msg_spawn_login_unpack(m, &login)) == SP_OK)
        *number = login.number;
    return rc;
}

enum sp_err
template_serve(struct channel *monitor, unsigned spawn_type, uint64_t *number)
{
    struct message m;
    enum sp_err rc = SP_OK;

    heap_close_holes();
    msg_ready_pack(&m, &(struct msg_ready){ 0 });
    if ((rc = channel_send_wait(monitor, &m)) != SP_OK)
        return rc;
    channel_enter(monitor, ST_READY);
    for (;;) {
        uint64_t session = 0;
        int pidfd = -1;
        pid_t pid = 0;
        int error = 0;

        if ((rc = channel_wait(monitor, &m, -1)) != SP_OK)
            return rc;
        if (m.type != spawn_type || read_number(&m, &session) != SP_OK) {
            message_clear(&m);
            return SP_INPUT;
        }
        if ((pid = template_fork(&pidfd)) == 0) {
            *number = session;
            return become_child(monitor, &m);
        }
        error = pid == -1 ? errno : 0;
        message_clear(&m);
        rc = tell(monitor, session, pid, &pidfd, error);
        fd_close(&pidfd);
        if (rc != SP_OK)
            return rc;
    }
}

void
template_end_child(int status)
{
#ifdef SP_SANITIZERS
    exit(status);               /* LeakSanitizer looks at the end */
#else
    _exit(status);
#endif
}
