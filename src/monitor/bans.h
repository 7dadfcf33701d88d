/*
 * monitor/bans.h - the networks that are shut out: why, and until when
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: who connects chooses the keys of the table (with a random seed).
 * Owns:    one small entry for each network.
 *
 * A ban is of a network; of one address it is the network of 32 bits or, for IPv6, of 64
 * (admission.h). Whoever shuts somebody out adds a ban here, so that all are listed and
 * lifted in one way.
 */
#ifndef SP_MONITOR_BANS_H
#define SP_MONITOR_BANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/net.h"
#include "wire/admin.h"

#define BAN_FOR_EVER INT64_MAX
#define BANS_MOST 16384u
#define BANS_BUCKETS 4096u      /* for who goes through them in pieces */
#define BANS_PREFIXES 130       /* 0 to 128 bits, and one for the end */

struct ban {
    struct net_network network;
    enum ban_reason reason;
    int64_t until;              /* clock_ms, or BAN_FOR_EVER */
};

struct bans_entry;

struct bans {
    struct bans_entry **table;
    uint64_t seed;
    size_t count;
    unsigned used[2][BANS_PREFIXES];    /* entries of IPv4 and IPv6, by bits */
    bool changed;                       /* something, since somebody set it to false */
};

SP_CHECK enum sp_err bans_init(struct bans *b, uint64_t seed);
void bans_clear(struct bans *b);
/*
 * Shuts the network out. One by hand replaces what was there for that network, another one
 * makes it longer at most. Where the table is full, an automatic ban takes the place of the
 * automatic one that ends first. SP_REFUSED: there is no place left; SP_NOMEM.
 */
SP_CHECK enum sp_err bans_add(struct bans *b, const struct ban *ban, int64_t now);
/* The widest ban that the address is in; NULL: none. Borrowed until the next call. */
const struct ban *bans_find(struct bans *b, const struct net_addr *a, int64_t now);
/* The widest one that all of the network is in. */
const struct ban *bans_over(struct bans *b, const struct net_network *n, int64_t now);
/* That of exactly this network, over or not. */
const struct ban *bans_exact(const struct bans *b, const struct net_network *n);
/* The i-th one of a bucket, over or not; NULL: there are not so many. */
const struct ban *bans_at(const struct bans *b, size_t bucket, size_t i);
/* Lifts all bans that lie in the network. Returns how many there were. */
unsigned bans_remove(struct bans *b, const struct net_network *n, int64_t now);
/* Calls each for every ban. */
typedef void bans_each_one(void *context, const struct ban *ban);
void bans_each(struct bans *b, int64_t now, bans_each_one *each, void *context);

#endif
