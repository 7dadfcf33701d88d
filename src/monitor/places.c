/* monitor/places.c - see places.h */
#include "monitor/places.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "monitor/claim.h"
#include "monitor/generation.h"
#include "monitor/monitor.h"
#include "monitor/session.h"

#define LATE_MS 2000            /* in PAM, or waiting for it: more than a check takes   */
#define TOLD_MS 60000           /* between two lines of the log that PAM hangs          */

void
places_init(struct logins *l, const struct places_calls *calls)
{
    *l = (struct logins){ .calls = calls };
    TAILQ_INIT(&l->waiting);
    TAILQ_INIT(&l->holding);
    TAILQ_INIT(&l->wanting);
    TAILQ_INIT(&l->in_pam);
    TAILQ_INIT(&l->asking);
}

static struct logins *
logins_of(const struct claim *a)
{
    return &a->session->monitor->logins;
}

static unsigned
places_of(const struct claim *a)
{
    return (unsigned)a->session->generation->settings.logins_at_once;
}

/*
 * One address has a quarter of the places at most, so that whoever floods us with attempts
 * from there lets everybody else pass.
 */
static unsigned
share_of(unsigned most)
{
    return most < 4 ? 1 : most / 4;
}

/* The same address, as admission counts them: of IPv6 the network of one customer. */
static bool
is_same_peer(const struct claim *a, const struct claim *b)
{
    const struct net_addr *x = &a->session->peer, *y = &b->session->peer;

    return x->family == y->family
           && memcmp(x->bytes, y->bytes, x->family == AF_INET ? 4 : 8) == 0;
}

/* ---- taking and leaving -------------------------------------------------------------- */

static void
take_first(struct claim *a)
{
    struct logins *l = logins_of(a);

    a->runs = a->holds = true;
    l->running++;
    TAILQ_INSERT_TAIL(&l->holding, a, entry);
}

static void
stop_running(struct claim *a)
{
    struct logins *l = logins_of(a);

    if (!a->runs)
        return;
    a->runs = a->session->member.busy = false;
    SP_ASSERT(l->running > 0);
    l->running--;
}

static void
stop_holding(struct claim *a)
{
    if (!a->holds)
        return;
    a->holds = false;
    TAILQ_REMOVE(&logins_of(a)->holding, a, entry);
}

static void
stop_waiting(struct claim *a)
{
    if (a->queued)
        TAILQ_REMOVE(&logins_of(a)->waiting, a, entry);
    a->queued = a->slowed = false;
}

static void
enter_pam(struct claim *a)
{
    struct logins *l = logins_of(a);

    a->has = true;
    l->pam++;
    l->late += a->late;
    TAILQ_INSERT_TAIL(&l->in_pam, a, beside);
}

static void
stop_wanting(struct claim *a)
{
    struct logins *l = logins_of(a);

    a->wants = false;
    l->parked -= a->late;
    TAILQ_REMOVE(&l->wanting, a, beside);
}

/* Also of who only wants to be in it. */
static void
leave_pam(struct claim *a)
{
    struct logins *l = logins_of(a);

    if (a->wants) {
        stop_wanting(a);
    } else if (a->has) {
        a->has = false;
        SP_ASSERT(l->pam > 0);
        l->pam--;
        l->late -= a->late;
        TAILQ_REMOVE(&l->in_pam, a, beside);
    } else {
        return;
    }
    (void)event_del(&a->timer);
}

static void
stop_asking(struct claim *a)
{
    struct logins *l = logins_of(a);

    if (!a->asks)
        return;
    a->asks = false;
    SP_ASSERT(l->questions > 0);
    l->questions--;
    TAILQ_REMOVE(&l->asking, a, beside);
}

/* It does not count among the first any more, nor for its address there. */
static void
become_late(struct claim *a)
{
    struct logins *l = logins_of(a);

    if (a->late || !(a->wants || a->has))
        return;
    a->late = true;
    (void)event_del(&a->timer);
    if (a->has)
        l->late++;
    else
        l->parked++;
    stop_running(a);
    stop_holding(a);
}

static void
watch(struct claim *a)
{
    const struct timeval after = { LATE_MS / 1000, LATE_MS % 1000 * 1000L };

    /* without a timer it only keeps its first place longer */
    SP_IGNORE(event_add(&a->timer, &after));
}

/* ---- who is next ---------------------------------------------------------------------- */

static unsigned
count_first(const struct logins *l, const struct claim *a)
{
    const struct claim *other = NULL;
    unsigned count = 0;

    TAILQ_FOREACH(other, &l->holding, entry)
        count += is_same_peer(other, a);
    return count;
}

static unsigned
count_pam(const struct logins *l, const struct claim *a, bool late)
{
    const struct claim *other = NULL;
    unsigned count = 0;

    TAILQ_FOREACH(other, &l->in_pam, beside)
        count += (!late || other->late) && is_same_peer(other, a);
    return count;
}

static struct claim *
next_waiting(const struct logins *l, unsigned most)
{
    struct claim *a = NULL;

    TAILQ_FOREACH(a, &l->waiting, entry)
        if (!a->slowed && count_first(l, a) < share_of(most))
            return a;
    return NULL;
}

static struct claim *
next_wanting(const struct logins *l, unsigned most)
{
    struct claim *a = NULL;

    TAILQ_FOREACH(a, &l->wanting, beside)
        if (count_pam(l, a, false) < share_of(most))
            return a;
    return NULL;
}

/* The one that has waited longest, of the address that has most of them. */
static struct claim *
most_silent(const struct claim_queue *queue, bool late)
{
    struct claim *a = NULL, *found = NULL;
    const struct claim *other = NULL;
    unsigned most = 0;

    TAILQ_FOREACH(a, queue, beside) {
        unsigned count = 0;

        if (late && !a->late)
            continue;
        TAILQ_FOREACH(other, queue, beside)
            count += is_same_peer(other, a);
        if (count <= most)
            continue;
        most = count;
        found = a;
    }
    return found;
}

/* ---- PAM ------------------------------------------------------------------------------ */

static void
give_places(struct logins *l, unsigned most)
{
    struct claim *a = NULL;

    while (l->pam < most && (a = next_wanting(l, most)) != NULL) {
        stop_wanting(a);
        if (a->veiled) {                /* it has nothing to do there */
            (void)event_del(&a->timer);
            l->calls->unveil(a);
            continue;
        }
        enter_pam(a);
        l->calls->enter_pam(a);
    }
}

/* Half of what it could have hangs: who comes now does not wait in a first place. */
static bool
is_hopeless(const struct logins *l, const struct claim *a, unsigned most)
{
    return 2 * l->late >= most || 2 * count_pam(l, a, true) >= share_of(most);
}

static void
park(struct logins *l, unsigned most)
{
    struct claim *a = NULL;

    TAILQ_FOREACH(a, &l->wanting, beside)
        if (!a->late && is_hopeless(l, a, most))
            become_late(a);
    while (l->parked > most && (a = most_silent(&l->wanting, true)) != NULL) {
        leave_pam(a);
        l->calls->turn_away(a, "there is no place in PAM");
    }
}

static void
tell(struct logins *l, unsigned most)
{
    int64_t now = clock_ms();

    if (2 * l->late < most || (l->told != 0 && now - l->told < TOLD_MS))
        return;
    l->told = now;
    log_event(EVENT_LOGIN_PAM_HANGS, "checks=%u waiting=%u "
              "remedy=\"find out what PAM or the name services wait for\"", l->late, l->parked);
}

/* ---- all queues ------------------------------------------------------------------------ */

static void
start_waiting(struct logins *l, unsigned most)
{
    struct claim *a = NULL;

    while (l->running < most && (a = next_waiting(l, most)) != NULL) {
        if (!l->calls->take_turn(a))
            continue;
        TAILQ_REMOVE(&l->waiting, a, entry);
        a->queued = false;
        take_first(a);
        l->calls->check(a);
    }
}

/* Whoever is moved may leave, and so come back here: once more then, and not deeper. */
static void
move(struct logins *l, unsigned most)
{
    l->again = true;
    if (l->moving)
        return;
    l->moving = true;
    while (l->again) {
        l->again = false;
        give_places(l, most);
        park(l, most);
        start_waiting(l, most);
    }
    l->moving = false;
}

void
places_wait(struct claim *a)
{
    struct logins *l = logins_of(a);

    a->queued = true;
    TAILQ_INSERT_TAIL(&l->waiting, a, entry);
    move(l, places_of(a));
}

void
places_go_on(struct claim *a)
{
    a->slowed = false;
    move(logins_of(a), places_of(a));
}

void
places_decided(struct claim *a)
{
    stop_waiting(a);
    stop_asking(a);
    leave_pam(a);
    stop_running(a);
    move(logins_of(a), places_of(a));
}

void
places_leave(struct claim *a)
{
    struct logins *l = logins_of(a);

    stop_waiting(a);
    leave_pam(a);
    stop_running(a);
    stop_holding(a);
    stop_asking(a);
    move(l, places_of(a));
}

void
places_want_pam(struct claim *a)
{
    struct logins *l = logins_of(a);

    SP_ASSERT(!a->wants && !a->has && !a->asks);
    a->reached = a->wants = true;
    TAILQ_INSERT_TAIL(&l->wanting, a, beside);
    watch(a);
    move(l, places_of(a));
}

void
places_late(struct claim *a)
{
    struct logins *l = logins_of(a);
    unsigned most = places_of(a);

    become_late(a);
    tell(l, most);
    move(l, most);
}

/* ---- questions ------------------------------------------------------------------------- */

/*
 * Who thinks about an answer keeps nobody from being checked; but there is a process that
 * waits with it, and so there are no more of these than places. Their end is login_timeout.
 */
void
places_pause(struct claim *a)
{
    struct logins *l = logins_of(a);

    leave_pam(a);
    a->late = false;
    stop_holding(a);
    stop_running(a);
    a->asks = true;
    l->questions++;
    TAILQ_INSERT_TAIL(&l->asking, a, beside);
    move(l, places_of(a));
    if (l->questions <= places_of(a))
        return;
    a = most_silent(&l->asking, false);     /* not this one: it came last */
    SP_ASSERT(a != NULL);
    stop_asking(a);
    l->calls->turn_away(a, "others ask, too, and this one waits longest");
}

/* Past the bounds if it must be: no more come than there are questions. */
void
places_resume(struct claim *a)
{
    stop_asking(a);
    take_first(a);
    if (!a->reached)
        return;
    enter_pam(a);
    watch(a);
}
