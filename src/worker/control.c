/* worker/control.c - see control.h */
#include "worker/control.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "tls/context.h"
#include "tls/stream.h"
#include "worker/ask_monitor.h"
#include "worker/worker.h"

#define PIECE 4096
#define CCC_WAIT_MS 5000        /* so long a client may take to take our close_notify       */
#define RECORD_LEAST 20         /* types of TLS records (RFC 8446 section 5.1); no command  */
#define RECORD_MOST 24          /* and no Telnet sequence begins with one                   */
#define LAST_WORD_MS 5000       /* so long a slow client may take for the rest of a reply */

void
control_init(struct control *c, int fd)
{
    c->fd = fd;
    c->tls = c->left = NULL;
    c->ticket = false;
    c->stuck = false;
    c->out = (struct buf)BUF_EMPTY(CONTROL_OUT_MAX);
    line_reader_init(&c->in);
}

/*
 * After CCC: records of TLS, to close_notify, or the first command. SP_OK: what comes now is
 * in clear. Reading stops behind close_notify, as nothing is read ahead here.
 */
static enum sp_err
read_goodbye(struct control *c)
{
    unsigned char piece[64], first = 0;
    struct log_escaped why;
    size_t got = 0;
    ssize_t n = 0;
    enum sp_err rc = SP_CLOSED;

    if (!c->left_heard) {
        if ((n = recv(c->fd, &first, sizeof first, MSG_PEEK)) == -1)
            return errno == EAGAIN || errno == EINTR ? SP_AGAIN : SP_CLOSED;
        if (n == 0)
            return SP_CLOSED;
        c->left_heard = first >= RECORD_LEAST && first <= RECORD_MOST;
        if (!c->left_heard)
            goto out;
    }
    if ((rc = tls_stream_read(c->left, piece, sizeof piece, &got)) == SP_AGAIN)
        return SP_AGAIN;
    wipe(piece, got);
    if (rc == SP_OK || !tls_stream_ended_well(c->left)) {
        log_event(EVENT_TLS_FAILED, "channel=control reason=\"after CCC: %s\"",
                  rc == SP_OK ? "the client sends more than close_notify"
                  : log_text(slice_of(tls_stream_fault(c->left)), &why));
        return SP_CLOSED;
    }
out:
    tls_stream_free(c->left);
    c->left = NULL;
    return SP_OK;
}

/* One read of at most room bytes. */
static enum sp_err
read_some(struct control *c, unsigned char *at, size_t room, size_t *got)
{
    ssize_t n = 0;
    enum sp_err rc = SP_OK;

    if (c->tls != NULL)
        return tls_stream_read(c->tls, at, room, got);
    if (c->left != NULL && (rc = read_goodbye(c)) != SP_OK)
        return rc;
    while ((n = recv(c->fd, at, room, 0)) == -1 && errno == EINTR)
        continue;
    if (n == -1)
        return errno == EAGAIN ? SP_AGAIN : SP_CLOSED;
    if (n == 0)
        return SP_CLOSED;
    *got = (size_t)n;
    return SP_OK;
}

enum sp_err
control_read(struct control *c)
{
    unsigned char piece[PIECE];
    size_t room = line_room(&c->in), got = 0;
    enum sp_err rc = SP_OK;
    struct slice answers = SLICE_EMPTY;

    if (room > sizeof piece)
        room = sizeof piece;
    if (room == 0)
        return SP_AGAIN;
    rc = read_some(c, piece, room, &got);
    if (rc == SP_OK) {
        size_t used = line_feed(&c->in, piece, got);

        SP_ASSERT(used == got);
        answers = line_answers(&c->in);
        if (answers.len > 0 && buf_add(&c->out, answers.at, answers.len) != SP_OK)
            rc = SP_CLOSED;
    }
    wipe(piece, got);                   /* a password may have been in it */
    return rc == SP_OK || rc == SP_AGAIN ? rc : SP_CLOSED;
}

bool
control_has_input(const struct control *c)
{
    return c->tls != NULL && tls_stream_has_input(c->tls) && line_room(&c->in) > 0;
}

static enum sp_err
flush_clear(struct control *c)
{
    while (c->out.len > 0) {
        ssize_t n = send(c->fd, c->out.at, c->out.len, MSG_NOSIGNAL);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return errno == EAGAIN ? SP_AGAIN : SP_CLOSED;
        buf_consume(&c->out, (size_t)n);
    }
    return SP_OK;
}

static enum sp_err
flush_tls(struct control *c)
{
    enum sp_err rc = SP_OK;

    if (c->ticket && c->out.len > 0) {
        c->ticket = false;
        if (tls_stream_put_ticket(c->tls) != SP_OK)
            return SP_CLOSED;
    }
    for (;;) {
        size_t taken = 0;

        if (c->out.len > 0) {
            if (tls_stream_put(c->tls, c->out.at, c->out.len, &taken) != SP_OK)
                return SP_CLOSED;
            buf_consume(&c->out, taken);
        }
        if (tls_stream_unsent(c->tls) == 0)
            return SP_OK;
        if ((rc = tls_stream_flush(c->tls)) != SP_OK)
            return rc == SP_AGAIN ? SP_AGAIN : SP_CLOSED;
    }
}

enum sp_err
control_flush(struct control *c)
{
    enum sp_err rc = c->tls != NULL ? flush_tls(c) : flush_clear(c);

    c->stuck = rc == SP_AGAIN;
    return rc;
}

size_t
control_unsent(const struct control *c)
{
    return c->out.len + (c->tls != NULL ? tls_stream_unsent(c->tls) : 0);
}

bool
control_has_injected(const struct control *c)
{
    unsigned char one = 0;

    return line_unread(&c->in) > 0
        || recv(c->fd, &one, sizeof one, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Waits for the socket until the deadline. SP_CLOSED: it has passed. */
static enum sp_err
wait_socket(int fd, short events, int64_t deadline)
{
    struct pollfd p = { .fd = fd, .events = events };
    int64_t left = deadline - clock_ms();
    int ready = 0;

    if (left <= 0)
        return SP_CLOSED;
    ready = poll(&p, 1, (int)left);
    return ready > 0 || (ready == -1 && errno == EINTR) ? SP_OK : SP_CLOSED;
}

/* As wait_socket, and hears the monitor meanwhile. SP_CLOSED: it wants an end, too. */
static enum sp_err
wait_handshake(struct worker *w, short events, int64_t deadline)
{
    struct pollfd p[2] = { { .fd = w->control.fd, .events = events },
                           { .fd = w->monitor.fd, .events = POLLIN } };
    int64_t left = deadline - clock_ms();

    if (left <= 0 || (poll(p, 2, (int)left) == -1 && errno != EINTR))
        return SP_CLOSED;
    if (p[1].revents != 0 && (hear_monitor(w) != SP_OK || w->shutdown))
        return SP_CLOSED;
    return clock_ms() < deadline ? SP_OK : SP_CLOSED;
}

enum sp_err
control_secure(struct worker *w)
{
    struct control *c = &w->control;
    struct tls_stream *tls = NULL;
    int64_t deadline = clock_ms() + w->settings.handshake_timeout * 1000;
    struct log_escaped why;
    enum sp_err rc = SP_OK;

    if (w->settings.resumption_shared)
        tls_context_accept(w->tls, ask_tickets, w);
    if (tls_context_begin(w->tls, ask_sign, w) != SP_OK
        || tls_stream_new(&tls, w->tls, c->fd, TLS_CONTROL) != SP_OK)
        return SP_CLOSED;
    while ((rc = tls_stream_handshake(tls)) == SP_AGAIN) {
        short events = tls_stream_wants_write(tls) ? POLLOUT : POLLIN;

        if (wait_handshake(w, events, deadline) != SP_OK) {
            log_event(EVENT_TLS_FAILED, "channel=control reason=%s",
                      w->shutdown ? "shutdown" : "timeout");
            goto out;
        }
    }
    if (rc != SP_OK) {
        log_event(EVENT_TLS_FAILED, "channel=control reason=%s",
                  rc == SP_CLOSED ? "client-left" : log_text(slice_of(tls_stream_fault(tls)), &why));
        goto out;
    }
    c->tls = tls;
    tls = NULL;
    rc = tell_secured(w, tls_stream_version(c->tls), tls_stream_cipher(c->tls),
                      tls_stream_server_name(c->tls), tls_stream_resumed(c->tls));
    if (rc == SP_OK && w->settings.resumption_shared)
        rc = tell_tickets(w);
out:
    tls_stream_free(tls);
    /* in the middle of a handshake there is no form for a last word */
    w->client_gone = rc != SP_OK;
    return rc == SP_OK ? SP_OK : SP_CLOSED;
}

enum sp_err
control_unsecure(struct worker *w)
{
    struct control *c = &w->control;
    int64_t deadline = clock_ms() + CCC_WAIT_MS;
    enum sp_err rc = SP_OK;

    if (tls_stream_put_end(c->tls) != SP_OK)
        return SP_CLOSED;
    while ((rc = tls_stream_flush(c->tls)) == SP_AGAIN)
        if (wait_socket(c->fd, POLLOUT, deadline) != SP_OK)
            break;
    if (rc != SP_OK) {
        log_event(EVENT_TLS_FAILED,
                  "channel=control reason=\"after CCC: the client does not read\"");
        return SP_CLOSED;
    }
    c->left = c->tls;
    c->left_heard = false;
    c->tls = NULL;
    return tell_cleared(w);
}

/* What waits goes out, for as long as there is hope. */
static void
say_last_word(struct control *c)
{
    int64_t deadline = clock_ms() + LAST_WORD_MS;

    while (control_flush(c) == SP_AGAIN)
        if (wait_socket(c->fd, POLLOUT, deadline) != SP_OK)
            return;
    if (c->tls != NULL && tls_stream_put_end(c->tls) == SP_OK)
        SP_IGNORE(tls_stream_flush(c->tls));
}

void
control_end(struct control *c)
{
    unsigned char scrap[PIECE];

    if (c->fd != -1) {
        say_last_word(c);
        (void)shutdown(c->fd, SHUT_WR);
        /* unread commands would make a reset of the close, and that may cost the client
         * the reply: what is here already is taken, a bounded amount of it */
        for (int i = 0; i < 16; i++)
            if (recv(c->fd, scrap, sizeof scrap, MSG_DONTWAIT) <= 0)
                break;
        wipe(scrap, sizeof scrap);
    }
    tls_stream_free(c->tls);
    tls_stream_free(c->left);
    c->tls = c->left = NULL;
    fd_close(&c->fd);
    buf_wipe(&c->out);
}
