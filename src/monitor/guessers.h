/*
 * monitor/guessers.h - who guesses passwords is slowed down, then shut out
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: a client chooses the names and, of IPv6, its address in the network.
 * Owns:    tables of fixed size. What counts most in a row of a table stays: to make itself
 *          forgotten, an address needs others that guess as much, in places that it cannot
 *          compute.
 *
 * Counted are names that failed, for each address (an IPv4 address, an IPv6 /64) and for
 * each IPv6 /48. A name that fails a thousand times is one name: a program with an old
 * password is slowed, and whoever shares its address is not. A login that succeeds takes
 * its own name out of the count, and no other.
 *
 * An account that has logged in from an address in the last weeks is known there. Failures
 * of others, there or elsewhere, do not slow it there, and do not shut it out there.
 *
 * Whether a name exists plays no part, so nothing here tells it. That an account is known
 * at an address can be noticed by who guesses from that same address.
 *
 * Times are clock_ms().
 */
#ifndef SP_MONITOR_GUESSERS_H
#define SP_MONITOR_GUESSERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/net.h"
#include "monitor/keyed.h"
#include "monitor/known.h"

#define GUESSERS_NAMES 64u              /* remembered of one network                     */
#define GUESSERS_FREE_TRIES 3u          /* of one name at one address, without a delay   */
#define GUESSERS_FREE_NAMES 4u          /* failing at one address, without a delay       */
#define GUESSERS_AROUND 3u              /* a /48 may have so many times what a /64 may   */
#define GUESSERS_FREE_STRANGE 10u       /* failures of one name from strange addresses   */
#define GUESSERS_SHUT (-1)

struct guessers_limits {
    unsigned names;                     /* failing names, then the address is shut out   */
    int64_t delay_most;                 /* milliseconds; 0: nobody is slowed             */
    int64_t memory;                     /* for so long a failure counts                  */
    int64_t ban;                        /* at the first time; 0: nobody is shut out      */
};

struct guesser_name { uint64_t name; int64_t last, next; unsigned tries; };

struct guesser {
    struct network network;
    unsigned count, strikes;            /* names in use; how often it was shut out       */
    int64_t last, next, shut_until;     /* 0: it is not                                  */
    struct guesser_name names[GUESSERS_NAMES];
};

struct guesser_account { uint64_t name; unsigned failures; int64_t last; };

struct guessers {
    struct keyed key;
    struct guesser *networks;
    struct guesser_account *accounts;
    struct known known;
    bool changed;                       /* something, since somebody set it to false    */
};

/* What guessers_failed decided. */
struct guessers_shut {
    struct network network;
    unsigned names;                     /* that failed there                             */
    bool whole;                         /* nobody is known there: refuse its connections */
    int64_t until;
};

SP_CHECK enum sp_err guessers_init(struct guessers *g);
void guessers_clear(struct guessers *g);

/*
 * May the password be checked that peer gave for name at the time began? 0: now, and that
 * turn is taken. GUESSERS_SHUT: not at all. Else ask again in so many milliseconds.
 */
int64_t guessers_turn(struct guessers *g, const struct guessers_limits *l,
                      const struct net_addr *peer, struct slice name, int64_t began,
                      int64_t now);
/* A check failed, or was given up. True: *shut is shut out from now on. */
bool guessers_failed(struct guessers *g, const struct guessers_limits *l,
                     const struct net_addr *peer, struct slice name, int64_t now,
                     struct guessers_shut *shut);
/* A check succeeded. remember: the account is known at this address from now on. */
void guessers_succeeded(struct guessers *g, const struct net_addr *peer, struct slice name,
                        bool remember, int64_t now);
/* The i-th place of the table of networks, used or not; NULL: there are not so many. */
const struct guesser *guessers_at(const struct guessers *g, size_t i);
/* Starts anew, with the key under which names and networks were kept. */
void guessers_rekey(struct guessers *g, const struct keyed *key);
/* What was kept: a network without its names; a name of a network that was given before. */
void guessers_restore(struct guessers *g, const struct guessers_limits *l,
                      const struct guesser *kept, int64_t now);
void guessers_restore_name(struct guessers *g, const struct network *n,
                           const struct guesser_name *kept);
/* Everything about networks in n, and about one around n that is not shut out. */
void guessers_forgive(struct guessers *g, const struct net_network *n);

#endif
