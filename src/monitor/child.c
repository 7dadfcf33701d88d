/* monitor/child.c - see child.h */
#include "monitor/child.h"

#include <event2/event.h>

#include "base/fd.h"

static void on_readable_event(evutil_socket_t fd, short what, void *context);

void
child_init(struct child *c, const struct child_calls *calls, void *owner)
{
    *c = (struct child){ .calls = calls, .owner = owner, .channel = CHANNEL_EMPTY };
    process_init(&c->process);
}

/* ---- hearing ----------------------------------------------------------------------- */

static enum sp_err
listen_to(struct child *c, struct event_base *loop)
{
    return event_assign(&c->readable, loop, c->channel.fd, EV_READ | EV_PERSIST,
                        on_readable_event, c) == 0
            && event_add(&c->readable, NULL) == 0
        ? SP_OK : SP_NOMEM;
}

static void
lose(struct child *c, enum sp_err why)
{
    child_close(c);
    c->calls->closed(c->owner, why);
}

/* False: nothing more comes now. */
static bool
hear_one(struct child *c)
{
    struct message m;
    const char *fault = NULL;
    unsigned type = MSG_NONE;
    enum sp_err rc = SP_OK;

    if (c->channel.fd == -1 || c->process.killed)
        return false;
    rc = channel_receive(&c->channel, &m);
    type = m.type;
    if (rc == SP_OK)
        rc = c->calls->hear(c->owner, &m, &fault);
    else if (rc == SP_INPUT)
        fault = c->channel.fault;
    if (type == MSG_LOGIN || type == MSG_LOGIN_ANSWER)
        message_wipe(&m);
    else
        message_clear(&m);
    if (rc == SP_INPUT)
        c->calls->broke(c->owner, type, fault == NULL ? message_name(type) : fault);
    else if (rc != SP_OK && rc != SP_AGAIN)
        lose(c, rc);
    return rc == SP_OK;
}

static void
on_pause_event(evutil_socket_t fd, short what, void *context)
{
    struct child *c = context;

    (void)fd;
    (void)what;
    if (listen_to(c, event_get_base(&c->readable)) != SP_OK)
        lose(c, SP_NOMEM);
}

/* What it says meanwhile waits in the channel, and then the process for room there. */
static void
pause_for(struct child *c, long milliseconds)
{
    const struct timeval after = { milliseconds / 1000, milliseconds % 1000 * 1000 };
    struct event_base *loop = event_get_base(&c->readable);

    (void)event_del(&c->readable);
    if (event_assign(&c->readable, loop, -1, 0, on_pause_event, c) == -1
        || event_add(&c->readable, &after) == -1)
        lose(c, SP_NOMEM);
}

static void
on_readable_event(evutil_socket_t fd, short what, void *context)
{
    struct child *c = context;
    unsigned most = c->calls->at_once;
    long pause = c->calls->pause == NULL ? 0 : c->calls->pause(c->owner);

    (void)fd;
    (void)what;
    if (pause > 0) {
        pause_for(c, pause);
        return;
    }
    /* what else there is is told once more */
    for (unsigned i = 0; i < most && hear_one(c); i++)
        continue;
}

enum sp_err
child_send(struct child *c, struct message *m)
{
    return c->channel.fd == -1 ? SP_CLOSED : channel_send(&c->channel, m);
}

/* ---- beginning and end ------------------------------------------------------------- */

static void
on_deadline_event(evutil_socket_t fd, short what, void *context)
{
    struct child *c = context;

    (void)fd;
    (void)what;
    c->calls->overdue(c->owner);
}

enum sp_err
child_open(struct child *c, struct event_base *loop, int *fd, unsigned peer, unsigned state)
{
    channel_init(&c->channel, fd_move(fd), MONITOR, peer, state);
    if (event_assign(&c->deadline, loop, -1, 0, on_deadline_event, c) == 0
        && listen_to(c, loop) == SP_OK)
        return SP_OK;
    fd_close(&c->channel.fd);
    return SP_NOMEM;
}

static void
on_process_end(void *owner, const struct process_end *how)
{
    struct child *c = owner;

    while (hear_one(c))         /* what it said before it ended */
        continue;
    c->calls->ended(c->owner, how);
}

enum sp_err
child_watch(struct child *c, struct children *all, pid_t pid, int *pidfd)
{
    return process_watch(&c->process, all, pid, pidfd, on_process_end, c);
}

bool
child_set_deadline(struct child *c, long milliseconds)
{
    const struct timeval after = { milliseconds / 1000, milliseconds % 1000 * 1000 };

    return event_add(&c->deadline, &after) == 0;
}

void
child_clear_deadline(struct child *c)
{
    if (event_initialized(&c->deadline))
        (void)event_del(&c->deadline);
}

void
child_close(struct child *c)
{
    if (c->channel.fd == -1)
        return;
    if (event_initialized(&c->readable))
        (void)event_del(&c->readable);
    fd_close(&c->channel.fd);
}

void
child_clear(struct child *c)
{
    child_close(c);
    child_clear_deadline(c);
    process_clear(&c->process);
}

/* ---- what it was asked --------------------------------------------------------------- */

struct child_asked *
child_find_asked(const struct child_asked_queue *q, uint64_t number)
{
    struct child_asked *a = NULL;

    TAILQ_FOREACH(a, q, entry)
        if (a->number == number)
            break;
    return a;
}
