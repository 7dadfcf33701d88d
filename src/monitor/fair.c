/* monitor/fair.c - see fair.h */
#include "monitor/fair.h"

#include <stdlib.h>

struct fair_lane {
    TAILQ_ENTRY(fair_lane) entry;
    LIST_ENTRY(fair_lane) chain;
    struct network network;
    TAILQ_HEAD(, fair_member) members;  /* never empty */
};

enum sp_err
fair_init(struct fair *f)
{
    for (size_t i = 0; i < FAIR_CHAINS; i++)
        LIST_INIT(&f->table[i]);
    TAILQ_INIT(&f->round);
    return keyed_init(&f->key);
}

static struct fair_lane *
lane_of(struct fair *f, const struct network *n)
{
    struct fair_chain *chain = &f->table[keyed_network(&f->key, n) % FAIR_CHAINS];
    struct fair_lane *lane = NULL;

    LIST_FOREACH(lane, chain, chain)
        if (network_same(&lane->network, n))
            return lane;
    if ((lane = calloc(1, sizeof *lane)) == NULL)
        return NULL;
    lane->network = *n;
    TAILQ_INIT(&lane->members);
    LIST_INSERT_HEAD(chain, lane, chain);
    TAILQ_INSERT_TAIL(&f->round, lane, entry);
    return lane;
}

enum sp_err
fair_add(struct fair *f, struct fair_member *one, const struct net_addr *peer)
{
    const struct network n = network_widest(peer);
    struct fair_lane *lane = lane_of(f, &n);

    SP_ASSERT(one->lane == NULL);
    if (lane == NULL)
        return SP_NOMEM;
    one->lane = lane;
    TAILQ_INSERT_TAIL(&lane->members, one, entry);
    return SP_OK;
}

struct fair_member *
fair_first(const struct fair *f)
{
    const struct fair_lane *lane = TAILQ_FIRST(&f->round);

    return lane == NULL ? NULL : TAILQ_FIRST(&lane->members);
}

void
fair_take(struct fair *f, struct fair_member *one)
{
    struct fair_lane *lane = one->lane;

    if (lane == NULL)
        return;
    one->lane = NULL;
    TAILQ_REMOVE(&lane->members, one, entry);
    TAILQ_REMOVE(&f->round, lane, entry);
    if (!TAILQ_EMPTY(&lane->members)) {
        TAILQ_INSERT_TAIL(&f->round, lane, entry);
        return;
    }
    LIST_REMOVE(lane, chain);
    free(lane);
}
