/*
 * monitor/crowd.h - sessions in which nobody is logged in, by the network they come from
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: who connects chooses the network, but not its place in the table.
 * Owns:    one small entry for each network with a session. Members are the callers'.
 *
 * Where there is no room for one more, the oldest one of the largest crowd has to go: so
 * whoever holds all that he can makes room for everybody who comes from elsewhere. The
 * networks are IPv4 addresses and the /48 of IPv6. Nothing here walks the sessions.
 */
#ifndef SP_MONITOR_CROWD_H
#define SP_MONITOR_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/net.h"
#include "monitor/keyed.h"

#define CROWD_LEVELS 1024u              /* larger crowds are equally large */

struct crowd_network;

/* A session. Zeros: it is in no crowd. */
struct crowd_member {
    TAILQ_ENTRY(crowd_member) entry;
    struct crowd_network *network;
    struct network own;                 /* its address, or the /64 of it                 */
    unsigned *beside;                   /* counts the silent ones of that; may be NULL   */
    bool silent;                        /* nobody is logged in, and it is not going away */
    bool busy;                          /* a password is being checked: it stays         */
    int64_t since;                      /* clock_ms: silent                              */
};

LIST_HEAD(crowd_chain, crowd_network);
TAILQ_HEAD(crowd_level, crowd_network);

struct crowd {
    struct keyed key;
    struct crowd_chain *table;
    struct crowd_level *levels;         /* networks by how many silent ones they have    */
    unsigned silent;                    /* members of all networks that are              */
    unsigned largest;                   /* the level of the largest network              */
};

SP_CHECK enum sp_err crowd_init(struct crowd *c);
void crowd_clear(struct crowd *c);
/* It is silent, and counted in *beside as long as it is. SP_NOMEM. */
SP_CHECK enum sp_err crowd_join(struct crowd *c, struct crowd_member *one,
                                const struct net_addr *peer, unsigned *beside,
                                int64_t now);
void crowd_leave(struct crowd *c, struct crowd_member *one);
/* Somebody logged in, or it is going away; and nobody is logged in any more. */
void crowd_settle(struct crowd *c, struct crowd_member *one);
void crowd_unsettle(struct crowd *c, struct crowd_member *one, int64_t now);
/* Members of the network that peer is in: all, and the silent ones. */
unsigned crowd_members(const struct crowd *c, const struct net_addr *peer);
unsigned crowd_silent(const struct crowd *c, const struct net_addr *peer);
/* The silent ones of its network. */
unsigned crowd_size(const struct crowd_member *one);
/*
 * The oldest silent one of the largest crowd that is not busy; of the network of peer; of
 * its address (of IPv6 the /64). NULL: none. Looks at a bounded number of them.
 */
struct crowd_member *crowd_oldest(const struct crowd *c);
struct crowd_member *crowd_oldest_around(const struct crowd *c, const struct net_addr *peer);
struct crowd_member *crowd_oldest_of(const struct crowd *c, const struct net_addr *peer);

#endif
