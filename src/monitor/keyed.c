/* monitor/keyed.c - see keyed.h */
#include "monitor/keyed.h"

#include "base/bytes.h"
#include "base/random.h"

#define BELOW_48 0xffffu                 /* of the first 64 bits of an address */

enum sp_err
keyed_init(struct keyed *k)
{
    enum sp_err rc = SP_OK;

    if ((rc = random_u64(&k->k0)) != SP_OK)
        return rc;
    return random_u64(&k->k1);
}

static uint64_t
turn(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void
mix(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = turn(v[1], 13) ^ v[0];
    v[0] = turn(v[0], 32);
    v[2] += v[3];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

static void
take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    mix(v);
    v[0] ^= word;
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012). */
uint64_t
keyed_hash(const struct keyed *k, struct slice what)
{
    uint64_t v[4] = { k->k0 ^ 0x736f6d6570736575u, k->k1 ^ 0x646f72616e646f6du,
                      k->k0 ^ 0x6c7967656e657261u, k->k1 ^ 0x7465646279746573u };
    uint64_t word = 0;

    for (size_t i = 0; i < what.len; i++) {
        word |= (uint64_t)what.at[i] << i % 8 * 8;
        if (i % 8 == 7) {
            take_word(v, word);
            word = 0;
        }
    }
    take_word(v, word | (uint64_t)what.len << 56);
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
keyed_network(const struct keyed *k, const struct network *n)
{
    unsigned char bytes[9] = { (unsigned char)n->kind };

    bytes_put_little(bytes + 1, n->prefix, 8);
    return keyed_hash(k, slice_from(bytes, sizeof bytes));
}

/* ---- networks ---------------------------------------------------------------------- */

struct network
network_of(const struct net_addr *a)
{
    return a->family == AF_INET ? (struct network){ NETWORK_IPV4, bytes_get_big(a->bytes, 4) }
                                : (struct network){ NETWORK_64, bytes_get_big(a->bytes, 8) };
}

struct network
network_around(const struct net_addr *a)
{
    return a->family == AF_INET
               ? (struct network){ NETWORK_NONE, 0 }
               : (struct network){ NETWORK_48, bytes_get_big(a->bytes, 6) << 16 };
}

struct network
network_widest(const struct net_addr *a)
{
    return a->family == AF_INET ? network_of(a) : network_around(a);
}

bool
network_valid(const struct network *n)
{
    switch (n->kind) {
    case NETWORK_NONE: break;
    case NETWORK_IPV4: return n->prefix <= UINT32_MAX;
    case NETWORK_64: return true;
    case NETWORK_48: return (n->prefix & BELOW_48) == 0;
    }
    return false;
}

struct net_network
network_whole(const struct network *n)
{
    unsigned bytes = n->kind == NETWORK_IPV4 ? 4 : 8;
    struct net_network out = { NET_ADDR_EMPTY, n->kind == NETWORK_IPV4 ? 32
                                               : n->kind == NETWORK_48 ? 48 : 64 };

    SP_ASSERT(network_valid(n));
    out.base.family = n->kind == NETWORK_IPV4 ? AF_INET : AF_INET6;
    for (unsigned i = 0; i < bytes; i++)
        out.base.bytes[i] = (unsigned char)(n->prefix >> (bytes - 1 - i) * 8);
    return out;
}

bool
network_same(const struct network *a, const struct network *b)
{
    return a->kind == b->kind && a->prefix == b->prefix;
}

bool
network_holds(const struct network *outer, const struct network *inner)
{
    if (outer->kind == NETWORK_48 && inner->kind == NETWORK_64)
        return outer->prefix == (inner->prefix & ~(uint64_t)BELOW_48);
    return network_same(outer, inner);
}
