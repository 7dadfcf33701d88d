/* monitor/guessers.c - see guessers.h */
#include "monitor/guessers.h"

#include <stdlib.h>

#define ROWS 512u               /* of networks */
#define PLACES 8u
#define ACCOUNT_ROWS 1024u
#define ACCOUNT_PLACES 8u
#define FIRST_DELAY 1000        /* milliseconds, then twice as much each time          */
#define STRIKES_MS (INT64_C(7) * 24 * 3600 * 1000)  /* a ban doubles the next one so long */
#define DOUBLED_MOST 5u
#define BAN_MOST (INT64_C(24) * 3600 * 1000)

enum sp_err
guessers_init(struct guessers *g)
{
    enum sp_err rc = SP_OK;

    *g = (struct guessers){ 0 };
    if ((rc = keyed_init(&g->key)) != SP_OK)
        return rc;
    /* pages that nobody fails for are never touched */
    g->networks = calloc((size_t)ROWS * PLACES, sizeof *g->networks);
    g->accounts = calloc((size_t)ACCOUNT_ROWS * ACCOUNT_PLACES, sizeof *g->accounts);
    if (g->networks == NULL || g->accounts == NULL || known_init(&g->known) != SP_OK) {
        guessers_clear(g);
        return SP_NOMEM;
    }
    return SP_OK;
}

void
guessers_clear(struct guessers *g)
{
    free(g->networks);
    free(g->accounts);
    known_clear(&g->known);
    *g = (struct guessers){ 0 };
}

/* ---- networks ---------------------------------------------------------------------- */

static void
drop_name(struct guesser *e, unsigned i)
{
    e->names[i] = e->names[--e->count];
    e->names[e->count] = (struct guesser_name){ 0 };
}

static void
forget(struct guesser *e)
{
    while (e->count > 0)
        drop_name(e, e->count - 1);
    *e = (struct guesser){ 0 };
}

/* What is over: a ban with all that led to it, names, and in the end the whole entry. */
static void
fade(struct guesser *e, const struct guessers_limits *l, int64_t now)
{
    if (e->shut_until != 0 && now >= e->shut_until) {
        e->shut_until = e->next = 0;
        while (e->count > 0)
            drop_name(e, e->count - 1);
    }
    for (unsigned i = e->count; i > 0; i--)
        if (now - e->names[i - 1].last >= l->memory)
            drop_name(e, i - 1);
    if (e->strikes > 0 && e->shut_until == 0 && now - e->last >= STRIKES_MS)
        e->strikes = 0;
    if (e->count == 0 && e->strikes == 0 && e->shut_until == 0)
        forget(e);
}

static struct guesser *
row_of(const struct guessers *g, const struct network *n)
{
    return g->networks + keyed_network(&g->key, n) % ROWS * PLACES;
}

static struct guesser *
find(const struct guessers *g, const struct network *n)
{
    struct guesser *row = row_of(g, n);

    if (n->kind == NETWORK_NONE)
        return NULL;
    for (unsigned i = 0; i < PLACES; i++)
        if (network_same(&row[i].network, n))
            return &row[i];
    return NULL;
}

static struct guesser *
find_now(const struct guessers *g, const struct guessers_limits *l, const struct network *n,
         int64_t now)
{
    struct guesser *e = find(g, n);

    if (e != NULL)
        fade(e, l, now);
    return e == NULL || e->network.kind == NETWORK_NONE ? NULL : e;
}

static unsigned
weight(const struct guesser *e)
{
    return (e->shut_until != 0 ? 1u << 16 : 0) + (e->strikes > 100 ? 100 : e->strikes) * 64
           + e->count;
}

/* An unused place, or that of the entry which counts least, the oldest of these. */
static struct guesser *
make(struct guessers *g, const struct guessers_limits *l, const struct network *n,
     int64_t now)
{
    struct guesser *row = row_of(g, n), *least = NULL;

    for (unsigned i = 0; i < PLACES; i++) {
        fade(&row[i], l, now);
        if (least == NULL || weight(&row[i]) < weight(least)
            || (weight(&row[i]) == weight(least) && row[i].last < least->last))
            least = &row[i];
    }
    forget(least);
    least->network = *n;
    return least;
}

static struct guesser_name *
find_name(struct guesser *e, uint64_t name)
{
    for (unsigned i = 0; e != NULL && i < e->count; i++)
        if (e->names[i].name == name)
            return &e->names[i];
    return NULL;
}

static struct guesser_name *
find_or_make_name(struct guesser *e, uint64_t name)
{
    struct guesser_name *n = NULL;

    SP_ASSERT(e != NULL);
    if ((n = find_name(e, name)) != NULL)
        return n;
    if (e->count < GUESSERS_NAMES) {
        n = &e->names[e->count++];
    } else {
        n = &e->names[0];
        for (unsigned i = 1; i < e->count; i++)
            if (e->names[i].last < n->last)
                n = &e->names[i];
    }
    *n = (struct guesser_name){ .name = name };
    return n;
}

/* ---- accounts ---------------------------------------------------------------------- */

static struct guesser_account *
account_row(const struct guessers *g, uint64_t name)
{
    return g->accounts + name % ACCOUNT_ROWS * ACCOUNT_PLACES;
}

static unsigned
account_failures(const struct guessers *g, const struct guessers_limits *l, uint64_t name,
                 int64_t now)
{
    const struct guesser_account *row = account_row(g, name);

    for (unsigned i = 0; i < ACCOUNT_PLACES; i++)
        if (row[i].failures > 0 && row[i].name == name)
            return now - row[i].last < l->memory ? row[i].failures : 0;
    return 0;
}

static void
count_account(struct guessers *g, const struct guessers_limits *l, uint64_t name,
              int64_t now)
{
    struct guesser_account *row = account_row(g, name), *place = NULL;

    for (unsigned i = 0; i < ACCOUNT_PLACES; i++) {
        if (row[i].failures > 0 && now - row[i].last >= l->memory)
            row[i] = (struct guesser_account){ 0 };
        if (row[i].failures > 0 && row[i].name == name) {
            place = &row[i];
            break;
        }
        if (place == NULL || row[i].failures < place->failures
            || (row[i].failures == place->failures && row[i].last < place->last))
            place = &row[i];
    }
    if (place->failures == 0 || place->name != name)
        *place = (struct guesser_account){ .name = name };
    place->failures++;
    place->last = now;
}

/* ---- delays ------------------------------------------------------------------------ */

static int64_t
delay_of(unsigned step, const struct guessers_limits *l)
{
    int64_t delay = FIRST_DELAY;

    if (step == 0)
        return 0;
    while (--step > 0 && delay < l->delay_most)
        delay *= 2;
    return delay < l->delay_most ? delay : l->delay_most;
}

static int64_t
name_delay(const struct guesser_name *n, const struct guessers_limits *l)
{
    return delay_of(n->tries > GUESSERS_FREE_TRIES ? n->tries - GUESSERS_FREE_TRIES : 0, l);
}

static int64_t
network_delay(const struct guesser *e, const struct guessers_limits *l)
{
    unsigned names =
        e->network.kind == NETWORK_48 ? e->count / GUESSERS_AROUND : e->count;

    return delay_of(names > GUESSERS_FREE_NAMES ? names - GUESSERS_FREE_NAMES : 0, l);
}

/* Twice the failures, twice the delay. It does not queue: nobody can fill it for others. */
static int64_t
account_delay(unsigned failures, const struct guessers_limits *l)
{
    unsigned step = 0;

    for (unsigned at = GUESSERS_FREE_STRANGE; failures >= at && step < 32; at *= 2)
        step++;
    return delay_of(step, l);
}

/* ---- what the monitor asks --------------------------------------------------------- */

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t
guessers_turn(struct guessers *g, const struct guessers_limits *l,
              const struct net_addr *peer, struct slice name, int64_t began, int64_t now)
{
    const struct network own = network_of(peer), around = network_around(peer);
    uint64_t hash = keyed_hash(&g->key, name);
    struct guesser *e[2] = { find_now(g, l, &own, now), find_now(g, l, &around, now) };
    struct guesser_name *n = find_name(e[0], hash);
    bool strange = !known_has(&g->known, hash, &own, now);
    int64_t due = n == NULL ? now : n->next;

    for (unsigned i = 0; strange && i < 2; i++)
        if (e[i] != NULL) {
            if (e[i]->shut_until != 0)
                return GUESSERS_SHUT;
            due = later(due, e[i]->next);
        }
    if (strange)
        due = later(due, began + account_delay(account_failures(g, l, hash, now), l));
    if (due > now && l->delay_most > 0)
        return due - now;
    if (n != NULL)
        n->next = now + name_delay(n, l);
    for (unsigned i = 0; strange && i < 2; i++)
        if (e[i] != NULL)
            e[i]->next = now + network_delay(e[i], l);
    return 0;
}

static unsigned
names_most(const struct guesser *e, const struct guessers_limits *l)
{
    unsigned most = e->network.kind == NETWORK_48 ? GUESSERS_AROUND * l->names : l->names;

    return most < GUESSERS_NAMES ? most : GUESSERS_NAMES;
}

static int64_t
ban_time(const struct guesser *e, const struct guessers_limits *l)
{
    int64_t time = l->ban;

    for (unsigned i = 0; i < e->strikes && i < DOUBLED_MOST && time < BAN_MOST; i++)
        time *= 2;
    return time < BAN_MOST ? time : later(l->ban, BAN_MOST);
}

static bool
count_network(struct guessers *g, const struct guessers_limits *l, const struct network *at,
              uint64_t name, int64_t now, struct guessers_shut *shut)
{
    struct guesser *e = find_now(g, l, at, now);
    struct guesser_name *n = NULL;

    if (e == NULL)
        e = make(g, l, at, now);
    n = find_or_make_name(e, name);
    if (n->tries < 1000)
        n->tries++;
    n->last = e->last = now;
    n->next = later(n->next, now + name_delay(n, l));
    e->next = later(e->next, now + network_delay(e, l));
    if (l->ban == 0 || e->shut_until != 0 || e->count < names_most(e, l))
        return false;
    e->shut_until = now + ban_time(e, l);
    e->strikes++;
    *shut = (struct guessers_shut){ .network = *at,
                                    .names = e->count,
                                    .whole = !known_any(&g->known, at, now),
                                    .until = e->shut_until };
    return true;
}

bool
guessers_failed(struct guessers *g, const struct guessers_limits *l,
                const struct net_addr *peer, struct slice name, int64_t now,
                struct guessers_shut *shut)
{
    const struct network own = network_of(peer), around = network_around(peer);
    uint64_t hash = keyed_hash(&g->key, name);
    bool decided = false;

    g->changed = true;
    if (!known_has(&g->known, hash, &own, now))
        count_account(g, l, hash, now);
    decided = count_network(g, l, &own, hash, now, shut);
    /* the wider one comes last, and so is what is told */
    if (around.kind != NETWORK_NONE && count_network(g, l, &around, hash, now, shut))
        decided = true;
    return decided;
}

static void
forgive_name(struct guesser *e, uint64_t name)
{
    struct guesser_name *n = find_name(e, name);

    if (n == NULL)
        return;
    drop_name(e, (unsigned)(n - e->names));
    if (e->count <= GUESSERS_FREE_NAMES)
        e->next = 0;
}

void
guessers_succeeded(struct guessers *g, const struct net_addr *peer, struct slice name,
                   bool remember, int64_t now)
{
    const struct network own = network_of(peer), around = network_around(peer);
    uint64_t hash = keyed_hash(&g->key, name);

    g->changed = true;
    forgive_name(find(g, &own), hash);
    forgive_name(find(g, &around), hash);
    if (remember)
        known_add(&g->known, hash, &own, now);
}

void
guessers_forgive(struct guessers *g, const struct net_network *n)
{
    g->changed = true;
    for (size_t i = 0; i < (size_t)ROWS * PLACES; i++) {
        struct guesser *e = &g->networks[i];
        struct net_network at = { NET_ADDR_EMPTY, 0 };

        if (e->network.kind == NETWORK_NONE)
            continue;
        at = network_whole(&e->network);
        if (net_covers(n, &at) || (e->shut_until == 0 && net_covers(&at, n)))
            forget(e);
    }
}

/* ---- what is kept ------------------------------------------------------------------ */

const struct guesser *
guessers_at(const struct guessers *g, size_t i)
{
    return i < (size_t)ROWS * PLACES ? &g->networks[i] : NULL;
}

void
guessers_rekey(struct guessers *g, const struct keyed *key)
{
    for (size_t i = 0; i < (size_t)ROWS * PLACES; i++)
        if (g->networks[i].network.kind != NETWORK_NONE)
            forget(&g->networks[i]);
    for (size_t i = 0; i < (size_t)ACCOUNT_ROWS * ACCOUNT_PLACES; i++)
        if (g->accounts[i].failures > 0)
            g->accounts[i] = (struct guesser_account){ 0 };
    for (size_t i = 0; known_at(&g->known, i) != NULL; i++)
        if (known_at(&g->known, i)->network.kind != NETWORK_NONE)
            *known_at(&g->known, i) = (struct known_entry){ 0 };
    g->key = *key;
}

void
guessers_restore(struct guessers *g, const struct guessers_limits *l,
                 const struct guesser *kept, int64_t now)
{
    struct guesser *e = find(g, &kept->network);

    if (e == NULL)
        e = make(g, l, &kept->network, now);
    e->strikes = kept->strikes;
    e->last = kept->last;
    e->shut_until = kept->shut_until;
}

void
guessers_restore_name(struct guessers *g, const struct network *n,
                      const struct guesser_name *kept)
{
    struct guesser *e = find(g, n);

    if (e != NULL)
        *find_or_make_name(e, kept->name) = *kept;
}
