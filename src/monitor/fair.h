/*
 * monitor/fair.h - a queue in which networks take turns
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: who connects chooses the network, but not its place in the table.
 * Owns:    one small entry for each network of which something waits. Members are the
 *          callers'.
 *
 * However much one network has waiting, what comes from another one is next but one. The
 * networks are IPv4 addresses and the /48 of IPv6.
 */
#ifndef SP_MONITOR_FAIR_H
#define SP_MONITOR_FAIR_H

#include <sys/queue.h>

#include "base/err.h"
#include "base/net.h"
#include "monitor/keyed.h"

#define FAIR_CHAINS 256u

struct fair_lane;

/* Zeros: it does not wait. */
struct fair_member {
    TAILQ_ENTRY(fair_member) entry;
    struct fair_lane *lane;
};

LIST_HEAD(fair_chain, fair_lane);
TAILQ_HEAD(fair_round, fair_lane);

struct fair {
    struct keyed key;
    struct fair_chain table[FAIR_CHAINS];
    struct fair_round round;    /* the network whose turn it is first */
};

/* SP_OS: no random key. */
SP_CHECK enum sp_err fair_init(struct fair *f);
/* SP_NOMEM. */
SP_CHECK enum sp_err fair_add(struct fair *f, struct fair_member *one,
                              const struct net_addr *peer);
/* Whose turn it is; NULL: nobody waits. It stays until fair_take. */
struct fair_member *fair_first(const struct fair *f);
/* It waits no longer, and its network has had its turn; harmless where it did not wait. */
void fair_take(struct fair *f, struct fair_member *one);

#endif
