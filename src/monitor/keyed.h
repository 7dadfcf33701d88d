/*
 * monitor/keyed.h - names and networks as short numbers
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: whoever connects chooses what is hashed, but does not know the key.
 *
 * People type their password where the name belongs. So what is remembered of a name that
 * failed is its SipHash-2-4 under a random key, never the name.
 */
#ifndef SP_MONITOR_KEYED_H
#define SP_MONITOR_KEYED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net.h"

struct keyed { uint64_t k0, k1; };

/* What failures are counted for. NETWORK_NONE: an unused place of a table. */
enum network_kind { NETWORK_NONE, NETWORK_IPV4, NETWORK_64, NETWORK_48 };

struct network { enum network_kind kind; uint64_t prefix; };

/* A random key. SP_OS. */
SP_CHECK enum sp_err keyed_init(struct keyed *k);
uint64_t keyed_hash(const struct keyed *k, struct slice what);
uint64_t keyed_network(const struct keyed *k, const struct network *n);

/* An IPv4 address, or the /64 of an IPv6 address: usually one customer. */
struct network network_of(const struct net_addr *a);
/* The /48 of an IPv6 address; NETWORK_NONE for IPv4. */
struct network network_around(const struct net_addr *a);
/* The largest that is one customer's: an IPv4 address, the /48 of an IPv6 address. */
struct network network_widest(const struct net_addr *a);
/* Can it be one that these make? A kind that is none, or bits beyond its prefix: no. */
bool network_valid(const struct network *n);
/* The same as a network with a prefix; n is valid. */
struct net_network network_whole(const struct network *n);
bool network_same(const struct network *a, const struct network *b);
/* Does the outer one, of any kind, have the inner one in it? */
bool network_holds(const struct network *outer, const struct network *inner);

#endif
