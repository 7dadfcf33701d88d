/* monitor/part.c - see part.h */
#include "monitor/part.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"

void
part_free(struct part *part)
{
    child_clear(&part->child);
    spawn_request_clear(&part->request);
    fd_close(&part->worker_end);
    free(part->account);
    LIST_REMOVE(part, entry);
    free(part);
}

static void
on_spawn_answer(void *owner, struct spawn_request *r, pid_t pid, int *pidfd, int error)
{
    struct part *part = owner;

    (void)r;
    if (error == 0) {
        if (child_watch(&part->child, part->pool->home->children, pid, pidfd) == SP_OK) {
            if (part->doomed)
                process_kill(&part->child.process);
            return;
        }
        log_event(EVENT_CHILD_UNWATCHABLE, "side=%s pid=%ld", peer_name(part->kind),
                  (long)pid);
        error = EINVAL;
    }
    part->calls->failed(part, error);
}

enum sp_err
part_new(const struct part_birth *birth, struct message *first, int *extra, struct part **out)
{
    struct part *part = NULL;
    int ours = -1, theirs = -1;
    enum sp_err rc = SP_NOMEM;

    if ((part = calloc(1, sizeof *part)) == NULL)
        goto out;
    part->session = birth->session;
    part->calls = birth->calls;
    part->pool = birth->pool;
    part->kind = birth->kind;
    part->worker_end = -1;
    child_init(&part->child, &birth->calls->child, part);
    spawn_request_init(&part->request, on_spawn_answer, part);
    if ((rc = channel_pair(&ours, &theirs)) != SP_OK
        || (rc = child_open(&part->child, part->pool->home->children->loop, &ours, birth->kind,
                            birth->state)) != SP_OK
        || (rc = child_send(&part->child, first)) != SP_OK)
        goto out;
    if (part->kind == WORKER)
        part->request.fds[0] = fd_move(extra);
    part->request.fds[part->kind == WORKER ? 1 : 0] = fd_move(&theirs);
    if (part->kind == BROKER)
        part->request.fds[1] = fd_move(extra);
    LIST_INSERT_HEAD(birth->all, part, entry);
    pool_ask(part->pool, &part->request);
    *out = part;
    part = NULL;
out:
    if (part != NULL)
        child_clear(&part->child);
    free(part);
    fd_close(&ours);
    fd_close(&theirs);
    message_wipe(first);
    return rc;
}

enum sp_err
part_send(struct part *part, struct message *m)
{
    enum sp_err rc = part->finished ? SP_CLOSED : child_send(&part->child, m);

    if (part->kind == LOGIN)
        message_wipe(m);        /* a password, or the answer to a question */
    else
        message_clear(m);
    return rc;
}

void
part_give(struct part *part, int grace_ms)
{
    if (!child_set_deadline(&part->child, grace_ms))
        part_kill(part);
}

void
part_finish(struct part *part, int grace_ms)
{
    /* our half only: what it has to say of its end is still heard */
    if (part->child.channel.fd != -1 && !part->finished) {
        (void)shutdown(part->child.channel.fd, SHUT_WR);
        channel_enter(&part->child.channel, ST_ANY); /* and what crosses with it is no breach */
    }
    part->finished = true;
    spawn_cancel(&part->request);
    part_give(part, grace_ms);
}

void
part_kill(struct part *part)
{
    child_close(&part->child);
    part->finished = true;
    part->doomed = true;
    child_clear_deadline(&part->child);
    spawn_cancel(&part->request);
    process_kill(&part->child.process);
}

void
part_suspect(const struct part *part)
{
    pool_suspect(part->pool, part->request.template_serial);
}

void
part_abandon(struct part *part)
{
    /*
     * Login and broker see the end of their channel, and still have something to settle.
     */
    if (part->kind == WORKER)
        process_kill(&part->child.process);
    spawn_forget(&part->request);
    part_free(part);
}
