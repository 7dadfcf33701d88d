/* monitor/ports.c - see ports.h */
#include "monitor/ports.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/dataport.h"
#include "monitor/generation.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/session.h"

#define LOOK_MS 1000            /* deadlines are looked at so often                        */
#define GRACE_MS 5000           /* the worker closes it by itself, before we have to       */
#define NONE_MS 50              /* so long "none is free" is believed without another look */

/* ---- who holds how many ------------------------------------------------------------- */

/* Of an IPv6 address the /64: usually one customer. */
static unsigned
counter_of(const struct ports *p, const struct net_addr *local, const struct net_addr *peer)
{
    unsigned char text[2 * NET_PACKED] = { 0 };
    struct net_addr a = *peer, l = *local;

    if (a.family == AF_INET6)
        memset(a.bytes + 8, 0, 8);
    a.port = l.port = 0;
    net_pack(&l, text);
    net_pack(&a, text + NET_PACKED);
    return (unsigned)(keyed_hash(&p->key, slice_from(text, sizeof text)) % PORTS_COUNTERS);
}

static unsigned
site_of(const struct ports *p, const struct net_addr *local)
{
    return counter_of(p, local, local);
}

static unsigned
account_of(const struct ports *p, const struct session *s)
{
    const char *account = s->broker == NULL || s->broker->account == NULL
        ? "" : s->broker->account;

    return (unsigned)(keyed_hash(&p->key, slice_of(account)) % PORTS_COUNTERS);
}

static void
drop(struct ports *p, struct port_hold *h)
{
    if (h->fd == -1)
        return;
    /* the worker's descriptor is the same socket: it listens no more, and its port is free */
    (void)shutdown(h->fd, SHUT_RDWR);
    fd_close(&h->fd);
    TAILQ_REMOVE(&p->held, h, entry);
    SP_ASSERT(p->count > 0 && p->by_address[h->address] > 0
              && p->by_account[h->account] > 0);
    p->count--;
    p->by_address[h->address]--;
    p->by_account[h->account]--;
    p->none_until = 0;
}

/* ---- time --------------------------------------------------------------------------- */

static void
look_again(struct ports *p)
{
    const struct timeval after = { LOOK_MS / 1000, 0 };

    if (!TAILQ_EMPTY(&p->held) && event_pending(&p->timer, EV_TIMEOUT, NULL) == 0)
        (void)event_add(&p->timer, &after);     /* without memory: with the next listener */
}

static void
on_timer_event(evutil_socket_t fd, short what, void *context)
{
    struct ports *p = context;
    struct port_hold *h = NULL, *next = NULL;
    int64_t now = clock_ms();

    (void)fd;
    (void)what;
    for (h = TAILQ_FIRST(&p->held); h != NULL; h = next) {
        next = TAILQ_NEXT(h, entry);
        if (now >= h->until)
            drop(p, h);
    }
    look_again(p);
}

enum sp_err
ports_init(struct ports *p, struct event_base *loop)
{
    enum sp_err rc = keyed_init(&p->key);

    if (rc != SP_OK)
        return rc;
    TAILQ_INIT(&p->held);
    bucket_init(&p->lines, 1, 1, clock_us() / 60);      /* a minute is its second */
    return event_assign(&p->timer, loop, -1, 0, on_timer_event, p) == -1 ? SP_NOMEM : SP_OK;
}

void
ports_clear(struct ports *p)
{
    (void)event_del(&p->timer);
}

/* ---- listening ---------------------------------------------------------------------- */

/*
 * The oldest one of whoever holds most, if that is at least two more than the one who asks
 * holds: afterwards nobody is worse off than that one was. Counted by address or by account.
 */
static struct port_hold *
who_gives_way(const struct ports *p, const struct port_hold *asks, bool by_address)
{
    const unsigned *counts = by_address ? p->by_address : p->by_account;
    unsigned most = counts[by_address ? asks->address : asks->account] + 1;
    struct port_hold *h = NULL, *found = NULL;

    TAILQ_FOREACH(h, &p->held, entry) {
        unsigned count = counts[by_address ? h->address : h->account];

        if (h->site != asks->site || count <= most)
            continue;
        most = count;
        found = h;
    }
    return found;
}

static bool
make_room(struct ports *p, const struct port_hold *asks)
{
    struct port_hold *h = who_gives_way(p, asks, true);

    if (h == NULL)
        h = who_gives_way(p, asks, false);
    if (h == NULL)
        return false;
    drop(p, h);
    return true;
}

static void
say_short(struct ports *p, struct session *s)
{
    const struct settings *set = &s->generation->settings;

    if (!bucket_take(&p->lines, clock_us() / 60))
        return;
    report_session(s, EVENT_PASSIVE_SHORT, "ports=%lld-%lld held=%u "
                   "remedy=\"passive_port_least, passive_port_most\"",
                   (long long)set->passive_port_least, (long long)set->passive_port_most,
                   p->count);
}

enum sp_err
ports_listen(struct ports *p, struct session *s, bool wanted, int *fd, uint16_t *port)
{
    const struct settings *set = &s->generation->settings;
    struct port_hold *h = &s->port;
    int64_t now = clock_ms();
    enum sp_err rc = SP_OS;
    int made = -1, fault = EADDRINUSE;

    drop(p, h);
    if (!h->known) {
        h->site = site_of(p, &s->local);
        h->address = counter_of(p, &s->local, &s->peer);
        h->known = true;
    }
    h->account = account_of(p, s);
    for (int tries = 0; rc != SP_OK && tries < 2; tries++) {
        if (tries > 0 && (fault != EADDRINUSE || !wanted || !make_room(p, h)))
            break;
        if (now < p->none_until)
            continue;
        rc = dataport_listen(&s->gate, &s->local, &s->peer,
                             (unsigned)set->passive_port_least,
                             (unsigned)set->passive_port_most, &made, port);
        fault = errno;
    }
    if (rc != SP_OK) {
        if (fault == EADDRINUSE) {
            p->none_until = now + NONE_MS;
            say_short(p, s);
        }
        errno = fault;
        return rc;
    }
    *fd = h->fd = made;
    h->until = now + 2 * set->data_connect_timeout * 1000 + GRACE_MS;
    p->count++;
    p->by_address[h->address]++;
    p->by_account[h->account]++;
    TAILQ_INSERT_TAIL(&p->held, h, entry);
    look_again(p);
    return SP_OK;
}

void
ports_release(struct ports *p, struct session *s)
{
    drop(p, &s->port);
}
