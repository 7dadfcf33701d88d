/* monitor/part.c - see part.h */
#include "monitor/part.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/deaths.h"
#include "monitor/expel.h"
#include "monitor/generation.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "monitor/takeover.h"

#define PATIENCE_MS 20          /* so long a session that says too much is not heard */
#define LINES_FEW 16            /* who has caused no more of late does not fill the log */

static struct pool *
pool_of(const struct part *part)
{
    struct pool *pools = part->session->generation->pools;

    return &pools[part->kind == WORKER ? POOL_WORKER
                  : part->kind == BROKER ? POOL_BROKER : POOL_LOGIN];
}

/* ---- hearing ----------------------------------------------------------------------- */

static void
close_channel(struct part *part)
{
    if (part->channel.fd == -1)
        return;
    (void)event_del(&part->readable);
    (void)event_del(&part->patience);
    fd_close(&part->channel.fd);        /* the state stays: it says how far it came */
}

/* False: nothing more comes now. *line: it was one for the log, which has its own measure. */
static bool
hear_one(struct part *part, bool *line)
{
    struct message m;
    const char *fault = "malformed";
    unsigned type = MSG_NONE;
    enum sp_err rc = SP_OK;

    if (part->channel.fd == -1)
        return false;
    rc = channel_receive(&part->channel, &m);
    if (rc == SP_INPUT)
        fault = part->channel.fault;
    type = m.type;
    *line = type == MSG_LOG;
    if (rc == SP_OK)
        rc = session_hear(part, &m, &fault);
    if (type == MSG_LOGIN || type == MSG_LOGIN_ANSWER)
        message_wipe(&m);
    else
        message_clear(&m);
    switch (rc) {
    case SP_OK:
        return true;
    case SP_AGAIN:
        return false;
    case SP_INPUT:
        session_broke(part, type, fault);
        return false;
    case SP_CLOSED: case SP_REFUSED: case SP_NOMEM: case SP_OS:
        close_channel(part);
        session_closed(part);
        return false;
    }
    return false;
}

/* Has it caused too many lines: for itself, or for a log that is behind? */
static bool
fills_the_log(struct session *s, int64_t now)
{
    uint32_t lines = bucket_used(&s->lines, now);

    return lines == s->lines.burst || (lines >= LINES_FEW && logsink_is_behind(&s->monitor->sink));
}

static bool
has_its_share(struct session *s)
{
    int64_t now = clock_us();

    return !fills_the_log(s, now) && bucket_take(&s->messages, now);
}

/*
 * A session that says more than its share, or causes more lines in the log, is not heard for a
 * moment: its processes wait for room in their channels, and the loop has time for others.
 * That is no breach: a client may pipeline as many commands as it likes, and each of them may
 * be worth a message. So no line has to be left out.
 */
static void
on_readable_event(evutil_socket_t fd, short what, void *context)
{
    const struct timeval after = { 0, PATIENCE_MS * 1000L };
    struct part *part = context;
    struct session *s = part->session;
    bool line = false;

    (void)fd;
    (void)what;
    if (has_its_share(s)) {
        /* what else there is is told once more */
        if (hear_one(part, &line) && line)
            bucket_give_back(&s->messages);
    } else if (event_add(&part->patience, &after) == 0) {
        (void)event_del(&part->readable);
    }
}

static void
on_patience_event(evutil_socket_t fd, short what, void *context)
{
    struct part *part = context;

    (void)fd;
    (void)what;
    if (part->channel.fd != -1 && event_add(&part->readable, NULL) == -1)
        session_end(part->session, "memory");
}

/* ---- beginning and end ------------------------------------------------------------- */

static void
free_part(struct part *part)
{
    close_channel(part);
    takeover_gone(part);
    (void)event_del(&part->deadline);
    spawn_request_clear(&part->request);
    fd_close(&part->worker_end);
    free(part->account);
    LIST_REMOVE(part, entry);
    free(part);
}

/*
 * Could somebody who feeds the process have done it? A fault can be: it is raised by what the
 * process itself does. All other signals come from outside: memory that ran out, a limit, an
 * administrator.
 */
static bool
is_fault(int signal)
{
    switch (signal) {
    case SIGSEGV: case SIGBUS: case SIGILL: case SIGFPE: case SIGTRAP: case SIGABRT: case SIGSYS:
        return true;
    default:
        return false;
    }
}

/*
 * A broker can be sent any signal by every process of its account: that counts against the
 * account, and not against the address, where others are.
 */
static void
blame(const struct part *part)
{
    const struct session *s = part->session;
    struct monitor *m = s->monitor;
    const struct admission_limits *limits = &m->current->limits;
    struct log_escaped account;

    if (part->kind != BROKER)
        session_violation(part->session);
    else if (part->account != NULL
             && deaths_count(&m->deaths, limits, part->account, clock_ms()))
        log_event(EVENT_ACCOUNT_SHUT, "account=%s seconds=%lld deaths=%u",
                  log_text(slice_of(part->account), &account),
                  (long long)(limits->ban_ms / 1000), limits->violations);
}

static void
on_process_end(void *owner, const struct process_end *how)
{
    struct part *part = owner;
    struct session *s = part->session;
    bool line = false;

    while (hear_one(part, &line))       /* what it said before it ended */
        continue;
    if (how->signal != 0 && !how->by_us) {
        report_crash(part, how);
        part_suspect(part);
        if (is_fault(how->signal)) {
            blame(part);
            (void)expel_siblings(part);
        }
    }
    session_gone(part, how);
    free_part(part);
    session_settle(s);
}

static void
on_spawn_answer(void *owner, struct spawn_request *r, pid_t pid, int *pidfd, int error)
{
    struct part *part = owner;
    struct session *s = part->session;

    (void)r;
    part->spawning = false;
    if (error == 0) {
        if (process_watch(&part->process, &s->monitor->children, pid, pidfd,
                          on_process_end, part)
            == SP_OK) {
            if (part->doomed)
                process_kill(&part->process);
            return;
        }
        log_event(EVENT_CHILD_UNWATCHABLE, "side=%s pid=%ld", peer_name(part->kind),
                  (long)pid);
        error = EINVAL;
    }
    if (error != ECANCELED)
        session_spawn_failed(part, error);
    session_gone(part, NULL);
    free_part(part);
    session_settle(s);
}

static void
on_deadline_event(evutil_socket_t fd, short what, void *context)
{
    struct part *part = context;

    (void)fd;
    (void)what;
    report_session(part->session, EVENT_PROCESS_KILLED, "kind=%s pid=%ld",
                   peer_name(part->kind), (long)part->process.pid);
    part_kill(part);
}

enum sp_err
part_new(struct session *s, unsigned kind, unsigned state, struct message *first,
         int *extra, struct part **out)
{
    struct event_base *loop = s->monitor->loop;
    struct part *part = NULL;
    int ours = -1, theirs = -1;
    enum sp_err rc = SP_NOMEM;

    if ((part = calloc(1, sizeof *part)) == NULL)
        goto out;
    part->session = s;
    part->kind = kind;
    part->channel = (struct channel)CHANNEL_EMPTY;     /* calloc's 0 is a descriptor */
    part->worker_end = -1;
    process_init(&part->process);
    spawn_request_init(&part->request, on_spawn_answer, part);
    if ((rc = channel_pair(&ours, &theirs)) != SP_OK)
        goto out;
    channel_init(&part->channel, fd_move(&ours), MONITOR, kind, state);
    if ((rc = channel_send(&part->channel, first)) != SP_OK)
        goto out;
    rc = SP_NOMEM;
    if (event_assign(&part->readable, loop, part->channel.fd, EV_READ | EV_PERSIST,
                     on_readable_event, part) == -1
        || event_assign(&part->patience, loop, -1, 0, on_patience_event, part) == -1
        || event_assign(&part->deadline, loop, -1, 0, on_deadline_event, part) == -1
        || event_add(&part->readable, NULL) == -1)
        goto out;
    if (kind == WORKER)
        part->request.fds[0] = fd_move(extra);
    part->request.fds[kind == WORKER ? 1 : 0] = fd_move(&theirs);
    if (kind == BROKER)
        part->request.fds[1] = fd_move(extra);
    part->spawning = true;
    LIST_INSERT_HEAD(&s->parts, part, entry);
    pool_ask(pool_of(part), &part->request);
    *out = part;
    part = NULL;
    rc = SP_OK;
out:
    if (part != NULL)
        channel_clear(&part->channel);
    free(part);
    fd_close(&ours);
    fd_close(&theirs);
    message_wipe(first);
    return rc;
}

enum sp_err
part_send(struct part *part, struct message *m)
{
    enum sp_err rc = SP_CLOSED;

    if (!part->finished && part->channel.fd != -1)
        rc = channel_send(&part->channel, m);
    if (part->kind == LOGIN)
        message_wipe(m);        /* a password, or the answer to a question */
    else
        message_clear(m);
    return rc;
}

void
part_give(struct part *part, int grace_ms)
{
    struct timeval after = { grace_ms / 1000, grace_ms % 1000 * 1000L };

    if (event_add(&part->deadline, &after) == -1)
        part_kill(part);
}

void
part_finish(struct part *part, int grace_ms)
{
    /* our half only: what it has to say of its end is still heard */
    if (part->channel.fd != -1 && !part->finished) {
        (void)shutdown(part->channel.fd, SHUT_WR);
        channel_enter(&part->channel, ST_ANY); /* and what crosses with it is no breach */
    }
    part->finished = true;
    spawn_cancel(&part->request);
    part_give(part, grace_ms);
}

void
part_kill(struct part *part)
{
    close_channel(part);
    part->finished = true;
    part->doomed = true;
    (void)event_del(&part->deadline);
    spawn_cancel(&part->request);
    process_kill(&part->process);
}

void
part_suspect(const struct part *part)
{
    pool_suspect(pool_of(part), part->request.template_serial);
}

void
part_abandon(struct part *part)
{
    /*
     * Login and broker see the end of their channel, and still have something to settle.
     */
    if (part->kind == WORKER)
        process_kill(&part->process);
    process_clear(&part->process);
    spawn_forget(&part->request);
    free_part(part);
}
