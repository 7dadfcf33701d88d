/* worker/serve.c - the loop of a session: commands, transfer, clocks (see worker.h) */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "ftp/listing.h"
#include "ftp/reply.h"
#include "tls/stream.h"
#include "worker/ask_monitor.h"
#include "worker/commands.h"
#include "worker/presence.h"
#include "worker/worker.h"

enum { POLL_CONTROL, POLL_MONITOR, POLL_BROKER, POLL_LINGER, POLL_FIXED };

/* The session's own end: nothing more is served, what waits is sent. */
static bool
is_ending(const struct worker *w)
{
    return w->quitting || w->shutdown;
}

static enum sp_err
serve_line(struct worker *w, struct slice line)
{
    enum sp_err rc = SP_OK;

    w->active = clock_ms();
    rc = command_serve(w, line, &w->control.out);
    if (!w->line_held)
        presence_forget_line(w);        /* it may have been this one */
    /* a reply that finds no memory cannot be told either */
    return rc == SP_OK ? SP_OK : SP_CLOSED;
}

/* The next line that may be served now. LINE_NONE: wait. */
static enum line_kind
next_line(struct worker *w, struct slice *line)
{
    bool busy = transfer_runs(&w->transfer);
    enum line_kind kind = LINE_NONE;

    if (w->line_held) {
        if (busy)
            return LINE_NONE;
        w->line_held = false;
        *line = buf_slice(&w->held);
        return LINE_READY;
    }
    kind = line_next(&w->control.in, line);
    if (kind == LINE_READY && busy && !command_is_immediate(*line)) {
        presence_forget_line(w);
        if (buf_add(&w->held, line->at, line->len) != SP_OK)
            return LINE_TOO_LONG;
        line_forget(&w->control.in);
        w->line_held = true;
        return LINE_NONE;
    }
    return kind;
}

/*
 * As many lines as are here, as far as the transfer and the client's reading let us. *more:
 * it stopped for the replies that wait; poll(2) does not tell of the lines behind.
 */
static enum sp_err
serve_lines(struct worker *w, bool *more)
{
    struct control *c = &w->control;
    struct slice line = SLICE_EMPTY;
    enum sp_err rc = SP_OK;

    *more = false;
    while (rc == SP_OK && !is_ending(w) && c->out.len < CONTROL_OUT_FULL) {
        switch (next_line(w, &line)) {
        case LINE_NONE:
            /* ABOR behind a line that waits: it is what ends the waiting */
            if (w->line_held && transfer_runs(&w->transfer) && line_has_abort(&c->in))
                rc = transfer_abort(w, &c->out);
            else
                return SP_OK;
            break;
        case LINE_READY:
            rc = serve_line(w, line);
            break;
        case LINE_TOO_LONG:
            rc = command_unreadable(w, "Command line too long.", &c->out);
            break;
        case LINE_HAS_NUL:
            rc = command_unreadable(w, "Command contains a NUL character.", &c->out);
            break;
        }
    }
    *more = !is_ending(w) && c->out.len >= CONTROL_OUT_FULL;
    return rc;
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* clock_ms when something has to happen by itself. */
static int64_t
next_deadline(const struct worker *w)
{
    int64_t at = 0;

    if (transfer_runs(&w->transfer))
        at = transfer_deadline(w);
    else if (!w->account.active)
        at = w->begun + w->settings.login_timeout * 1000;
    else
        at = earlier(earlier(w->active + w->idle_seconds * 1000, data_idle_deadline(&w->data)),
                     data_asks_again(&w->data));
    at = earlier(at, linger_deadline(&w->data.linger));
    return earlier(at, ahead_deadline(&w->ahead));
}

/* Idle or never logged in: 421 and the end. No idle clock runs during a transfer. */
static enum sp_err
check_clocks(struct worker *w)
{
    int64_t now = clock_ms();

    if (transfer_runs(&w->transfer) || is_ending(w))
        return SP_OK;
    if (!w->account.active) {
        if (now < w->begun + w->settings.login_timeout * 1000)
            return SP_OK;
        log_event(EVENT_SESSION_TIMEOUT, "reason=not-logged-in");
        w->quitting = true;
        return reply_line(&w->control.out, 421,
                          "Timeout: no login within %lld seconds; closing connection.",
                          (long long)w->settings.login_timeout);
    }
    if (now < w->active + w->idle_seconds * 1000)
        return SP_OK;
    log_event(EVENT_SESSION_TIMEOUT, "reason=idle");
    w->quitting = true;
    return reply_line(&w->control.out, 421,
                      "Timeout: idle for %lld seconds; closing connection.",
                      (long long)w->idle_seconds);
}

/* Is there work that poll(2) does not know of? What is not read now is none. */
static bool
has_hidden_work(const struct worker *w, bool reading)
{
    const struct transfer *t = &w->transfer;

    if (reading && control_has_input(&w->control))
        return true;
    if (!transfer_runs(t))
        return false;
    if (t->state == TRANSFER_OPENING)
        return data_is_decided(&w->data);
    return t->state == TRANSFER_MOVING && t->kind == TRANSFER_RECEIVE_FILE
        && w->data.tls != NULL && tls_stream_has_input(w->data.tls);
}

static enum sp_err
read_control(struct worker *w)
{
    enum sp_err rc = control_read(&w->control);

    if (rc == SP_CLOSED) {
        w->client_gone = true;
        return SP_OK;
    }
    (void)line_interrupted(&w->control.in);     /* ABOR itself follows, and is what counts */
    return rc == SP_AGAIN ? SP_OK : rc;
}

/* Waits, then looks at everything but the transfer. *moves: the transfer has work. */
static enum sp_err
wait_and_hear(struct worker *w, bool *moves)
{
    struct pollfd p[POLL_FIXED + TRANSFER_POLL];
    struct control *c = &w->control;
    bool reading = !w->client_gone && !is_ending(w) && line_room(&c->in) > 0
        && c->out.len < CONTROL_OUT_FULL;
    size_t n = 0;
    int64_t now = clock_ms(), wait = 0;
    enum sp_err rc = ahead_release(w, now);

    if (rc != SP_OK)
        return rc;
    wait = next_deadline(w) - now;
    if (wait < 0 || has_hidden_work(w, reading) || linger_has_more(&w->data.linger))
        wait = 0;
    /* a negative descriptor is passed over by poll(2) */
    p[POLL_CONTROL] = (struct pollfd){
        .fd = (w->client_gone || is_ending(w)) && !c->stuck ? -1 : c->fd,
        .events = (short)((reading ? POLLIN : 0) | (c->stuck ? POLLOUT : 0)) };
    p[POLL_MONITOR] = (struct pollfd){ .fd = ahead_is_deaf(w, now) ? -1 : w->monitor.fd,
                                       .events = POLLIN };
    p[POLL_BROKER] = (struct pollfd){ .fd = w->broker.fd, .events = 0 };
    p[POLL_LINGER] = (struct pollfd){
        .fd = linger_is_looked_at(&w->data.linger, now) ? w->data.linger.fd : -1,
        .events = POLLIN };
    n = transfer_poll(w, p + POLL_FIXED);
    if (poll(p, POLL_FIXED + n, (int)(wait > 3600000 ? 3600000 : wait)) == -1
        && errno != EINTR)
        return SP_OS;
    now = clock_ms();
    *moves = has_hidden_work(w, reading) || now >= next_deadline(w);
    ahead_tend(&w->ahead, now);
    if (!transfer_runs(&w->transfer))
        data_tend_listener(w, now);
    data_heard(&w->data, p + POLL_FIXED, n);
    for (size_t i = 0; i < n; i++)
        *moves = *moves || p[POLL_FIXED + i].revents != 0;
    if (p[POLL_MONITOR].revents != 0 && (rc = hear_monitor(w)) != SP_OK)
        return rc;
    if ((p[POLL_BROKER].revents & (POLLHUP | POLLERR)) != 0)
        return SP_CLOSED;
    linger_tend(&w->data.linger, now, p[POLL_LINGER].revents != 0);
    if (reading && (p[POLL_CONTROL].revents != 0 || control_has_input(c)))
        return read_control(w);
    /* a reset takes with it what was not read yet, and ends the wait for a transfer */
    if (!reading && (p[POLL_CONTROL].revents & (POLLHUP | POLLERR)) != 0)
        w->client_gone = true;
    return SP_OK;
}

static enum sp_err
flush(struct worker *w)
{
    struct control *c = &w->control;
    enum sp_err rc = control_flush(c);

    if (rc != SP_CLOSED)
        return rc == SP_AGAIN ? SP_OK : rc;
    w->client_gone = true;
    buf_consume(&c->out, c->out.len);
    return presence_quits(w) ? SP_OK : SP_CLOSED;
}

/* RFC 959 section 4.1.1: a close that was not announced is an ABOR and a QUIT. */
static bool
is_deserted(const struct worker *w, bool more)
{
    return w->client_gone && !more && !presence_quits(w);
}

/* Once, behind the login: many sessions idle from there on. */
static void
give_memory_back(struct worker *w)
{
    w->memory_due = false;
    if (w->control.tls != NULL)
        heap_give_back();
    stack_give_back();
}

/* Until the session is to end. SP_OK: in order; SP_CLOSED: a peer left. */
static enum sp_err
serve(struct worker *w)
{
    bool moves = true, more = false, brief = false;
    enum sp_err rc = SP_OK;

    for (;;) {
        if ((rc = serve_lines(w, &more)) != SP_OK)
            return rc;
        brief = moves && transfer_is_brief(w);
        if (!brief && (rc = flush(w)) != SP_OK)
            return rc;
        if (w->shutdown && transfer_runs(&w->transfer)
            && (rc = transfer_abort(w, &w->control.out)) != SP_OK)
            return rc;
        if (is_deserted(w, more) && transfer_needs_client(w))
            return SP_CLOSED;
        if (moves && transfer_runs(&w->transfer)) {
            rc = transfer_step(w, &w->control.out);
            if (rc == SP_OK)
                continue;               /* it ended: its reply goes out, lines may wait */
            if (rc != SP_AGAIN || (brief && (rc = flush(w)) != SP_OK))
                return rc;
        }
        if (moves && !transfer_runs(&w->transfer) && data_waits_early(&w->data))
            data_early(w);
        if (is_ending(w) && !transfer_runs(&w->transfer))
            return SP_OK;
        if (is_deserted(w, more))
            return SP_CLOSED;
        if (more && w->control.out.len < CONTROL_OUT_FULL)
            continue;                   /* there is room again */
        if (w->memory_due)
            give_memory_back(w);
        if ((rc = wait_and_hear(w, &moves)) != SP_OK || (rc = check_clocks(w)) != SP_OK)
            return rc;
        moves = moves || !transfer_runs(&w->transfer);
    }
}

int
worker_serve(struct worker *w)
{
    enum sp_err rc = SP_OK;

    w->begun = w->active = clock_ms();
    if (w->session.implicit_tls && (w->tls == NULL || control_secure(w) != SP_OK))
        goto out;
    worker_forget_account(w);
    rc = reply_line(&w->control.out, 220, "%s", w->settings.banner);
    if (rc == SP_OK)
        rc = serve(w);
    if (transfer_runs(&w->transfer))    /* the client left it: settled, and in the log */
        SP_IGNORE(transfer_abort(w, &w->control.out));
    if (w->shutdown)
        SP_IGNORE(reply_line(&w->control.out, 421, "%s", w->shutdown_text)); /* a courtesy */
    else if (rc != SP_OK && !w->client_gone)
        SP_IGNORE(reply_line(&w->control.out, 421, "Internal error; closing connection."));
out:
    command_tell_unsaid(w);
    data_clear(&w->data);
    control_end(&w->control);
    return 0;
}
