/*
 * monitor/admission.h - how many sessions there may be, and who is shut out
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: who connects chooses the keys of the table (with a random seed).
 * Owns:    one small entry for each address with a session or a violation; the bans.
 *
 * An IPv4 address counts as itself, an IPv6 address as its /64, and in its /48. Sessions in
 * which nobody is logged in have a share of the places: half, of all and of each address.
 * Who comes to a full share is let in, and the oldest such session of the network with the
 * most of them ends.
 */
#ifndef SP_MONITOR_ADMISSION_H
#define SP_MONITOR_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/net.h"
#include "monitor/bans.h"
#include "monitor/crowd.h"

#define ADMISSION_AROUND 4u             /* a /48 has so many times what an address has */

enum admission_verdict {
    ADMISSION_YES, ADMISSION_FULL, ADMISSION_ADDRESS_FULL, ADMISSION_NETWORK_FULL,
    ADMISSION_BANNED, ADMISSION_NOMEM
};

struct admission_limits {
    unsigned sessions, per_address;     /* at the same time                        */
    unsigned violations;                /* after so many an address is shut out     */
    int64_t ban_ms;                     /* for so long; 0: never                    */
};

struct admission_entry;

struct admission {
    struct admission_entry **table;
    uint64_t seed;
    unsigned sessions;                  /* admitted and not yet left                */
    size_t entries, kept;               /* all; those without a session             */
    struct crowd crowd;                 /* sessions before login                    */
    struct bans bans;
};

/* The network that the address counts as: itself, or of IPv6 the /64. */
struct net_network admission_network(const struct net_addr *a);

SP_CHECK enum sp_err admission_init(struct admission *a, uint64_t seed);
void admission_clear(struct admission *a);

/*
 * ADMISSION_YES: the session is counted until admission_leave, and *self is silent until
 * somebody logs in (crowd_settle). If *gone is not NULL then, that session has to be ended
 * to make room: it is not counted as silent any more. now: clock_ms().
 */
enum admission_verdict
admission_enter(struct admission *a, const struct admission_limits *l,
                const struct net_addr *peer, int64_t now, struct crowd_member *self,
                struct crowd_member **gone);
void admission_leave(struct admission *a, const struct net_addr *peer,
                     struct crowd_member *self, int64_t now);
/* A crash or a broken rule of a worker that served peer. True: peer is shut out from now
 * on. */
bool admission_violation(struct admission *a, const struct admission_limits *l,
                         const struct net_addr *peer, int64_t now);
/* Forgets the violations of every address in the network (its ban was lifted). */
void admission_forgive(struct admission *a, const struct net_network *n, int64_t now);
/* A word for the log. */
const char *admission_text(enum admission_verdict verdict);

#endif
