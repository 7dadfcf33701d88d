/* monitor/crowd.c - see crowd.h */
#include "monitor/crowd.h"

#include <stdlib.h>

#define BUCKETS 4096u
#define LOOKED_AT 1024u                 /* members, before it is given up */

struct crowd_network {
    LIST_ENTRY(crowd_network) chain;
    TAILQ_ENTRY(crowd_network) level;
    struct network name;
    unsigned members, silent;
    TAILQ_HEAD(crowd_members, crowd_member) list;       /* silent, the oldest first */
};

enum sp_err
crowd_init(struct crowd *c)
{
    *c = (struct crowd){ 0 };
    if (keyed_init(&c->key) != SP_OK)
        return SP_OS;
    c->table = calloc(BUCKETS, sizeof *c->table);
    c->levels = calloc(CROWD_LEVELS + 1, sizeof *c->levels);
    if (c->table == NULL || c->levels == NULL) {
        crowd_clear(c);
        return SP_NOMEM;
    }
    for (unsigned i = 0; i <= CROWD_LEVELS; i++)
        TAILQ_INIT(&c->levels[i]);
    return SP_OK;
}

void
crowd_clear(struct crowd *c)
{
    free(c->table);
    free(c->levels);
    *c = (struct crowd){ 0 };
}

/* ---- networks ---------------------------------------------------------------------- */

static struct crowd_chain *
chain_of(const struct crowd *c, const struct network *name)
{
    return &c->table[keyed_network(&c->key, name) % BUCKETS];
}

static struct crowd_network *
find(const struct crowd *c, const struct net_addr *peer)
{
    const struct network name = network_widest(peer);
    struct crowd_network *n = NULL;

    LIST_FOREACH(n, chain_of(c, &name), chain)
        if (network_same(&n->name, &name))
            return n;
    return NULL;
}

static struct crowd_network *
make(struct crowd *c, const struct net_addr *peer)
{
    struct crowd_network *n = calloc(1, sizeof *n);

    if (n == NULL)
        return NULL;
    n->name = network_widest(peer);
    TAILQ_INIT(&n->list);
    LIST_INSERT_HEAD(chain_of(c, &n->name), n, chain);
    TAILQ_INSERT_TAIL(&c->levels[0], n, level);
    return n;
}

static unsigned
level_of(const struct crowd_network *n)
{
    return n->silent < CROWD_LEVELS ? n->silent : CROWD_LEVELS;
}

static void
count_silent(struct crowd *c, const struct crowd_member *one, int by)
{
    struct crowd_network *n = one->network;

    TAILQ_REMOVE(&c->levels[level_of(n)], n, level);
    n->silent = (unsigned)((int)n->silent + by);
    c->silent = (unsigned)((int)c->silent + by);
    if (one->beside != NULL)
        *one->beside = (unsigned)((int)*one->beside + by);
    TAILQ_INSERT_TAIL(&c->levels[level_of(n)], n, level);
    if (level_of(n) > c->largest)
        c->largest = level_of(n);
    while (c->largest > 0 && TAILQ_EMPTY(&c->levels[c->largest]))
        c->largest--;
}

/* ---- members ----------------------------------------------------------------------- */

void
crowd_settle(struct crowd *c, struct crowd_member *one)
{
    if (!one->silent)
        return;
    one->silent = false;
    TAILQ_REMOVE(&one->network->list, one, entry);
    count_silent(c, one, -1);
}

void
crowd_unsettle(struct crowd *c, struct crowd_member *one, int64_t now)
{
    if (one->silent || one->network == NULL)
        return;
    one->silent = true;
    one->since = now;
    TAILQ_INSERT_TAIL(&one->network->list, one, entry);
    count_silent(c, one, 1);
}

enum sp_err
crowd_join(struct crowd *c, struct crowd_member *one, const struct net_addr *peer,
           /* NOLINTNEXTLINE(readability-non-const-parameter): it is counted in there */
           unsigned *beside, int64_t now)
{
    struct crowd_network *n = find(c, peer);

    if (n == NULL && (n = make(c, peer)) == NULL)
        return SP_NOMEM;
    *one = (struct crowd_member){ .network = n, .own = network_of(peer), .beside = beside };
    n->members++;
    crowd_unsettle(c, one, now);
    return SP_OK;
}

void
crowd_leave(struct crowd *c, struct crowd_member *one)
{
    struct crowd_network *n = one->network;

    if (n == NULL)
        return;
    crowd_settle(c, one);
    one->network = NULL;
    if (--n->members > 0)
        return;
    LIST_REMOVE(n, chain);
    TAILQ_REMOVE(&c->levels[level_of(n)], n, level);
    free(n);
}

unsigned
crowd_members(const struct crowd *c, const struct net_addr *peer)
{
    const struct crowd_network *n = find(c, peer);

    return n == NULL ? 0 : n->members;
}

unsigned
crowd_silent(const struct crowd *c, const struct net_addr *peer)
{
    const struct crowd_network *n = find(c, peer);

    return n == NULL ? 0 : n->silent;
}

unsigned
crowd_size(const struct crowd_member *one)
{
    return one->network == NULL ? 0 : one->network->silent;
}

/* ---- who has to go ------------------------------------------------------------------ */

/* own: those of this address alone. *most: so many may still be looked at. */
static struct crowd_member *
oldest_in(const struct crowd_network *n, const struct network *own, unsigned *most)
{
    struct crowd_member *one = NULL;

    TAILQ_FOREACH(one, &n->list, entry) {
        if (*most == 0)
            return NULL;
        (*most)--;
        if (!one->busy && (own == NULL || network_same(&one->own, own)))
            return one;
    }
    return NULL;
}

struct crowd_member *
crowd_oldest(const struct crowd *c)
{
    unsigned most = LOOKED_AT;

    /* of crowds of one size, the one that has been so large for the longest time */
    for (unsigned i = c->largest; i > 0 && most > 0; i--) {
        const struct crowd_network *n = NULL;
        struct crowd_member *one = NULL;

        TAILQ_FOREACH(n, &c->levels[i], level)
            if ((one = oldest_in(n, NULL, &most)) != NULL || most == 0)
                return one;
    }
    return NULL;
}

struct crowd_member *
crowd_oldest_around(const struct crowd *c, const struct net_addr *peer)
{
    const struct crowd_network *n = find(c, peer);
    unsigned most = LOOKED_AT;

    return n == NULL ? NULL : oldest_in(n, NULL, &most);
}

struct crowd_member *
crowd_oldest_of(const struct crowd *c, const struct net_addr *peer)
{
    const struct crowd_network *n = find(c, peer);
    const struct network own = network_of(peer);
    unsigned most = LOOKED_AT;

    return n == NULL ? NULL : oldest_in(n, &own, &most);
}
