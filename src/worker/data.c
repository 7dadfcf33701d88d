/* worker/data.c - see data.h */
#include "worker/data.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/net.h"
#include "tls/stream.h"
#include "wire/grant.h"
#include "worker/ask_monitor.h"
#include "worker/worker.h"

#define ASK_AGAIN_MS 50         /* about a ticket of a session that has not logged in yet */
/* After a connection failed its bond: how long the rightful one may still take to come. */
#define SECOND_CHANCE_MS 5000

void
data_init(struct data *d)
{
    *d = (struct data){ .mode = DATA_NONE, .listener = -1, .fd = -1,
                        .linger = LINGER_NONE };
}

static void
candidate_drop(struct data *d, size_t i)
{
    tls_stream_free(d->candidates[i].tls);
    fd_close(&d->candidates[i].fd);
    d->candidates[i] = d->candidates[--d->count];
}

static void
drop_candidates(struct data *d)
{
    while (d->count > 0)
        candidate_drop(d, d->count - 1);
}

void
data_reset(struct data *d)
{
    drop_candidates(d);
    data_cut(d);
    fd_close(&d->listener);
    d->mode = DATA_NONE;
    d->failure = DATA_FINE;
}

void
data_clear(struct data *d)
{
    data_reset(d);
    linger_end(&d->linger);
}

void
data_set_active(struct data *d, uint16_t port)
{
    data_reset(d);
    d->port = port;
    d->mode = DATA_ACTIVE;
}

static bool
is_exempt(const struct worker *w)
{
    return !w->settings.resumption_required || w->session.resumption_exempt
        || (w->account.flags & ACCOUNT_NO_RESUMPTION) != 0;
}

void
data_set_passive(struct worker *w, int listener)
{
    struct data *d = &w->data;

    data_reset(d);
    d->listener = listener;
    d->knocked = false;
    d->mode = DATA_PASSIVE;
    d->private = w->protection == PROTECTION_PRIVATE;
    d->exempt = is_exempt(w);
    d->deadline = INT64_MAX;
    d->idle_until = clock_ms() + w->settings.data_connect_timeout * 1000;
}

int64_t
data_idle_deadline(const struct data *d)
{
    return d->listener == -1 ? INT64_MAX : d->idle_until;
}

enum sp_err
data_begin(struct worker *w)
{
    struct data *d = &w->data;
    enum sp_err rc = SP_OK;
    int fd = -1, error = 0;

    if (d->failure == DATA_FINE)        /* else it is of who came early for this transfer */
        linger_end(&d->linger);
    if (d->count == 0 && d->fd == -1)
        d->knocked = true;      /* most clients connect before they ask for the transfer */
    /* PROT between PASV and here: what was agreed upon before is not what is asked now */
    if (d->private != (w->protection == PROTECTION_PRIVATE)) {
        if (d->count > 0 || d->fd != -1)
            d->failure = DATA_NOT_OPENED;       /* its client will hardly come once more */
        drop_candidates(d);
        data_cut(d);
    }
    d->private = w->protection == PROTECTION_PRIVATE;
    d->exempt = is_exempt(w);
    /* who came early and failed is most likely the client itself, and will not come again */
    d->deadline = clock_ms() + (d->failure == DATA_FINE || d->count > 0
        ? w->settings.data_connect_timeout * 1000 : SECOND_CHANCE_MS);
    if (d->mode != DATA_ACTIVE)
        return SP_OK;
    if ((rc = ask_connect(w, d->port, &fd, &error)) != SP_OK) {
        d->failure = DATA_NOT_OPENED;
        return rc;
    }
    d->candidates[0] = (struct candidate){ .fd = fd, .connecting = true, .until = INT64_MAX };
    d->count = 1;
    return SP_OK;
}

static int64_t
handshake_until(const struct worker *w)
{
    return clock_ms() + w->settings.handshake_timeout * 1000;
}

/*
 * The one that has said nothing for the longest time; who never said anything goes first.
 * So whoever connects and keeps silent, from the client's own address, keeps no place from it.
 */
static void
make_room(struct data *d)
{
    size_t least = 0;

    if (d->count < DATA_CANDIDATES)
        return;
    for (size_t i = 1; i < d->count; i++) {
        const struct candidate *a = &d->candidates[i], *b = &d->candidates[least];

        if (a->heard != b->heard ? b->heard : a->since < b->since)
            least = i;
    }
    log_event(EVENT_DATA_DISPLACED, "reason=silent");
    candidate_drop(d, least);
}

/*
 * Takes one waiting connection of the peer; poll(2) tells of the next. Not asked without
 * need: accept4(2) makes a socket before it finds that nobody is there.
 */
static enum sp_err
accept_candidate(struct worker *w)
{
    struct data *d = &w->data;

    while (d->knocked && d->listener != -1) {
        struct sockaddr_storage from = { 0 };
        socklen_t len = sizeof from;
        struct net_addr who = NET_ADDR_EMPTY;
        int fd = accept4(d->listener, (struct sockaddr *)&from, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd == -1) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            d->knocked = false;
            if (errno == EAGAIN)
                return SP_OK;
            fd_close(&d->listener);     /* the monitor gave its port to others */
            return d->count > 0 ? SP_OK : SP_OS;
        }
        if (net_from_sockaddr(&who, (struct sockaddr *)&from, len) != SP_OK
            || !net_same(&who, &w->session.peer)) {
            log_event(EVENT_DATA_REFUSED, "reason=foreign-address");
            fd_close(&fd);
            continue;
        }
        make_room(d);
        d->candidates[d->count++] = (struct candidate){ .fd = fd, .since = clock_us(),
                                                        .until = handshake_until(w) };
        d->knocked = false;
        break;
    }
    return SP_OK;
}

/* The connection failed, but the listener is still there for the rightful one. */
static void
candidate_failed(struct worker *w, size_t i, enum data_failure why)
{
    struct data *d = &w->data;
    struct candidate *c = &d->candidates[i];
    int64_t until = clock_ms() + SECOND_CHANCE_MS;

    if (why == DATA_NO_TLS) {           /* what comes is no TLS that could be read */
        tls_stream_free(c->tls);
        c->tls = NULL;
    }
    if (why != DATA_NOT_OPENED)
        linger_refused(&d->linger, &c->fd, &c->tls,
                       w->transfer.kind == TRANSFER_RECEIVE_FILE);
    candidate_drop(d, i);
    d->failure = why;
    if (until < d->deadline)
        d->deadline = until;
}

/*
 * Of what is only sent, the client's half of a handshake need not be waited for: data, the end
 * and 226 are there a round trip earlier, and two where the client's kernel holds its half
 * back for our acknowledgement.
 */
static bool
goes_early(const struct worker *w, const struct candidate *c)
{
    return (w->transfer.kind == TRANSFER_SEND_FILE || w->transfer.kind == TRANSFER_SEND_LISTING)
        && c->tls != NULL && tls_stream_is_early(c->tls);
}

/* One step of one candidate. SP_OK: it is served; SP_AGAIN; SP_REFUSED: it was dropped. */
static enum sp_err
candidate_step(struct worker *w, size_t i)
{
    struct data *d = &w->data;
    struct candidate *c = &d->candidates[i];
    struct log_escaped why;
    enum sp_err rc = SP_OK;

    if (c->connecting) {
        struct pollfd p = { .fd = c->fd, .events = POLLOUT };
        int error = 0;
        socklen_t len = sizeof error;

        if (poll(&p, 1, 0) == 0)
            return SP_AGAIN;
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1 || error != 0) {
            candidate_failed(w, i, DATA_NOT_OPENED);
            return SP_REFUSED;
        }
        c->connecting = false;
        c->until = handshake_until(w);
    }
    if (!d->private)
        return SP_OK;
    if (c->tls == NULL && tls_stream_new(&c->tls, w->tls, c->fd, TLS_DATA) != SP_OK) {
        candidate_failed(w, i, DATA_NO_TLS);
        return SP_REFUSED;
    }
    if (goes_early(w, c))
        return SP_OK;
    if ((rc = tls_stream_handshake(c->tls)) == SP_AGAIN) {
        if (goes_early(w, c))
            return SP_OK;
        c->again = tls_stream_is_undecided(c->tls) ? clock_ms() + ASK_AGAIN_MS : 0;
        if (clock_ms() < c->until)
            return SP_AGAIN;
        log_event(EVENT_TLS_FAILED, "channel=data reason=timeout");
        candidate_failed(w, i, DATA_NO_TLS);
        return SP_REFUSED;
    }
    if (rc != SP_OK) {
        log_event(EVENT_TLS_FAILED, "channel=data reason=%s",
                  rc == SP_CLOSED ? "client-left" : log_text(slice_of(tls_stream_fault(c->tls)), &why));
        candidate_failed(w, i, DATA_NO_TLS);
        return SP_REFUSED;
    }
    if (!tls_stream_resumed(c->tls)) {
        if (!d->exempt) {
            log_event(EVENT_DATA_REFUSED,
                      "reason=not-resumed remedy=no_resumption_users");
            candidate_failed(w, i, DATA_NO_BOND);
            return SP_REFUSED;
        }
        log_event(EVENT_DATA_EXEMPT, "reason=not-resumed");
    }
    return SP_OK;
}

static void
choose(struct data *d, size_t i)
{
    d->fd = fd_move(&d->candidates[i].fd);
    d->tls = d->candidates[i].tls;
    d->candidates[i].tls = NULL;
    d->resumed = d->tls != NULL && tls_stream_resumed(d->tls);
    d->bonded = d->bonded || d->resumed;
    if (d->failure != DATA_FINE)
        linger_end(&d->linger); /* who was turned away was not our client */
    drop_candidates(d);
    fd_close(&d->listener);
    d->failure = DATA_FINE;
}

/* One step of all. SP_OK: one of them is served. */
static enum sp_err
candidates_step(struct worker *w)
{
    struct data *d = &w->data;

    for (size_t i = 0; i < d->count;) {
        enum sp_err rc = candidate_step(w, i);

        if (rc == SP_OK) {
            choose(d, i);
            return SP_OK;
        }
        if (rc == SP_AGAIN)
            i++;
    }
    return SP_AGAIN;
}

bool
data_waits_early(const struct data *d)
{
    return d->mode == DATA_PASSIVE && d->fd == -1 && d->private;
}

void
data_tend_listener(struct worker *w, int64_t now)
{
    struct data *d = &w->data;

    if (now < data_idle_deadline(d))
        return;
    /* a client that connects early, in clear, sits there and waits for its own command */
    for (size_t came = 0; came < DATA_CANDIDATES && d->fd == -1; came++) {
        size_t before = d->count;

        d->knocked = true;
        if (accept_candidate(w) != SP_OK || d->count == before)
            break;
    }
    fd_close(&d->listener);
}

bool
data_is_given_up(const struct data *d)
{
    return d->mode == DATA_PASSIVE && data_is_decided(d) && d->fd == -1
        && d->failure == DATA_FINE;
}

void
data_early(struct worker *w)
{
    if (accept_candidate(w) == SP_OK)
        SP_IGNORE(candidates_step(w));      /* data_open goes on where this stops */
}

/*
 * After a failure, may the rightful connection still come? Not where this client has never
 * resumed, and so will not now, and where nobody else has connected.
 */
static bool
is_hopeless(struct worker *w)
{
    struct data *d = &w->data;

    if (d->failure == DATA_FINE || d->bonded || d->count > 0)
        return false;
    d->knocked = true;
    return accept_candidate(w) != SP_OK || d->count == 0;
}

bool
data_has_failed(struct worker *w)
{
    return w->data.failure == DATA_NO_BOND && is_hopeless(w);
}

enum sp_err
data_open(struct worker *w)
{
    struct data *d = &w->data;

    if (d->fd != -1)
        return SP_OK;
    if (accept_candidate(w) != SP_OK) {
        d->failure = DATA_NOT_OPENED;
        return SP_REFUSED;
    }
    if (candidates_step(w) == SP_OK)
        return SP_OK;
    /* an active connection has no second one to wait for */
    if (data_is_decided(d) || clock_ms() >= d->deadline || is_hopeless(w)) {
        if (d->failure == DATA_FINE)
            d->failure = d->count > 0 && d->private ? DATA_NO_TLS : DATA_NOT_OPENED;
        return SP_REFUSED;
    }
    return SP_AGAIN;
}

unsigned
data_failure_reply(const struct data *d, const char **text)
{
    switch (d->failure) {
    case DATA_NO_BOND:
        *text = "TLS session reuse required: have the client resume the control connection's "
                "session, or ask the administrator for no_resumption_users.";
        return 522;
    case DATA_NO_TLS:
        *text = "The TLS handshake on the data connection failed.";
        return 425;
    case DATA_NOT_OPENED:
    case DATA_FINE:
        break;
    }
    *text = "The data connection could not be opened.";
    return 425;
}

bool
data_is_decided(const struct data *d)
{
    return d->fd != -1 || (d->listener == -1 && d->count == 0);
}

bool
data_is_cut(const struct data *d)
{
    struct pollfd p = { .fd = d->fd, .events = 0 };

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

int64_t
data_deadline(const struct data *d)
{
    int64_t at = d->deadline;

    for (size_t i = 0; i < d->count; i++)
        if (d->private && d->candidates[i].until < at)
            at = d->candidates[i].until;
    return data_asks_again(d) < at ? data_asks_again(d) : at;
}

int64_t
data_asks_again(const struct data *d)
{
    int64_t at = INT64_MAX;

    for (size_t i = 0; i < d->count; i++)
        if (d->candidates[i].again != 0 && d->candidates[i].again < at)
            at = d->candidates[i].again;
    return at;
}

size_t
data_poll(const struct data *d, struct pollfd *out)
{
    size_t n = 0;

    if (d->listener != -1)
        out[n++] = (struct pollfd){ .fd = d->listener, .events = POLLIN };
    for (size_t i = 0; i < d->count; i++) {
        const struct candidate *c = &d->candidates[i];
        bool writing = c->connecting || (c->tls != NULL && tls_stream_wants_write(c->tls));

        out[n++] = (struct pollfd){ .fd = c->fd,
                                    .events = (short)(c->again != 0 ? 0 : writing ? POLLOUT
                                                                                  : POLLIN) };
    }
    return n;
}

void
data_heard(struct data *d, const struct pollfd *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i].revents == 0)
            continue;
        if (p[i].fd == d->listener)
            d->knocked = true;
        for (size_t k = 0; k < d->count; k++)
            if (p[i].fd == d->candidates[k].fd && (p[i].revents & POLLIN) != 0) {
                d->candidates[k].heard = true;
                d->candidates[k].since = clock_us();
            }
    }
}

void
data_finish(struct data *d, bool received)
{
    d->mode = DATA_NONE;
    if (d->fd == -1)
        return;
    tls_stream_free(d->tls);
    d->tls = NULL;
    linger_finished(&d->linger, &d->fd, received);
}

void
data_cut(struct data *d)
{
    tls_stream_free(d->tls);
    d->tls = NULL;
    fd_close(&d->fd);
}
