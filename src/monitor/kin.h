/*
 * monitor/kin.h - the sessions of one account from one network, and what they share
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: who connects chooses the network, but not its place in the table.
 * Owns:    one entry for each account and network (an IPv4 address, an IPv6 /48) that has a
 *          session, and for some a while longer: who logs in anew finds what he left of
 *          his budget.
 */
#ifndef SP_MONITOR_KIN_H
#define SP_MONITOR_KIN_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net.h"
#include "monitor/bond.h"
#include "monitor/budget.h"
#include "monitor/keyed.h"

#define KIN_CHAINS 1024u
#define KIN_TICKETS 8u          /* sessions that have ended, of which these are remembered */
#define KIN_IDLE 1024u          /* entries without a session; the oldest goes */

struct event_base;

/* Zeros: none. */
struct kin_ticket { struct net_addr peer; unsigned char name[BOND_NAME], keys[BOND_KEYS]; };

struct kin {
    LIST_ENTRY(kin) chain;
    TAILQ_ENTRY(kin) idle;
    uint64_t account;
    struct network network;
    unsigned sessions;
    struct budget signatures;
    struct kin_ticket tickets[KIN_TICKETS];     /* the oldest is overwritten; see bond.h */
    unsigned next;
};

LIST_HEAD(kin_chain, kin);
TAILQ_HEAD(kin_queue, kin);

struct kins {
    struct keyed key;
    struct kin_chain table[KIN_CHAINS];
    struct kin_queue idle;      /* longest without a session first */
    unsigned idle_count;
};

struct kin_figures { uint32_t burst, rate; budget_go *go; };

/* SP_OS: no random key. */
SP_CHECK enum sp_err kins_init(struct kins *k);
void kins_clear(struct kins *k);
/* One more session; the figures are those of all from now on. NULL: no memory. */
struct kin *kin_join(struct kins *k, struct event_base *loop, const char *account,
                     const struct net_addr *peer, const struct kin_figures *figures);
/* NULL is harmless. */
void kin_leave(struct kins *k, struct kin *one);
/* Of a session that ends: what opens its TLS tickets, until the last session has left. */
void kin_remember(struct kin *one, const struct net_addr *peer,
                  const unsigned char name[BOND_NAME], const unsigned char keys[BOND_KEYS]);
/* Those keys, if it was at that very address. NULL. */
const unsigned char *kin_recall(const struct kin *one, const struct net_addr *peer,
                                const unsigned char name[BOND_NAME]);

#endif
