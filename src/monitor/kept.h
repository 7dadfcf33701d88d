/*
 * monitor/kept.h - what the ledger keeps, as rows: made for it, and taken from it
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing in a row that comes back. Who has taken the ledger over can say who is
 *          shut out, but within bounds: by its word nobody is shut out for failures or
 *          violations longer than a server would do it, or where an account is known, and
 *          bans by hand cover a small part of all addresses at most.
 */
#ifndef SP_MONITOR_KEPT_H
#define SP_MONITOR_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/pack.h"

#define KEPT_SPARE 1024u                /* places of bans that stay free for new ones   */

struct ban;
struct guesser;
struct guesser_name;
struct known_entry;
struct monitor;

/* What has been taken. */
struct kept {
    unsigned rows;                      /* since the ledger started                     */
    uint64_t covered[2];                /* by bans: /24 of IPv4, /48 of IPv6            */
    bool told;                          /* that a ban was left out                      */
};

struct msg_row kept_known(const struct known_entry *e);
struct msg_row kept_network(const struct guesser *e);
/* The i-th of its names. */
struct msg_row kept_name(const struct guesser *e, unsigned i);
struct msg_row kept_ban(const struct ban *ban);

/*
 * Takes one row. What cannot be, or is past a bound, is left out. SP_INPUT: there are more
 * rows than an honest ledger can have.
 */
SP_CHECK enum sp_err kept_take(struct monitor *m, struct kept *k, const struct msg_stored *in);

#endif
