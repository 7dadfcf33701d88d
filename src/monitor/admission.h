/*
 * monitor/admission.h - how many sessions there may be, and who is shut out
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: who connects chooses the keys of the table (with a random seed).
 * Owns:    one small entry for each address with a session, a violation or a ban.
 *
 * An IPv4 address counts as itself, an IPv6 address as its /64.
 */
#ifndef SP_MONITOR_ADMISSION_H
#define SP_MONITOR_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/net.h"

enum admission_verdict {
    ADMISSION_YES, ADMISSION_FULL, ADMISSION_ADDRESS_FULL, ADMISSION_BANNED,
    ADMISSION_NOMEM
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
};

SP_CHECK enum sp_err admission_init(struct admission *a, uint64_t seed);
void admission_clear(struct admission *a);

/* ADMISSION_YES: the session is counted until admission_leave. now: clock_ms(). */
enum admission_verdict
admission_enter(struct admission *a, const struct admission_limits *l,
                const struct net_addr *peer, int64_t now);
void admission_leave(struct admission *a, const struct net_addr *peer, int64_t now);
/* A crash or a broken rule of a worker that served peer. True: peer is shut out from now
 * on. */
bool admission_violation(struct admission *a, const struct admission_limits *l,
                         const struct net_addr *peer, int64_t now);
/* A word for the log. */
const char *admission_text(enum admission_verdict verdict);

#endif
