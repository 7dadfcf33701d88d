/*
 * monitor/expel.h - ends sessions for what others did, or for what became of their account
 *
 * Runs in: monitor.                      Blocks: never.
 *
 * Their clients are told (421), as at a shutdown. Each returns how many sessions end.
 */
#ifndef SP_MONITOR_EXPEL_H
#define SP_MONITOR_EXPEL_H

#include "base/buf.h"
#include "wire/admin.h"

struct guessers_shut;
struct monitor;
struct net_network;
struct part;
struct session;

/* All of the network, which is shut out; but one that ends anyway (NULL: none). */
unsigned expel_network(struct monitor *m, const struct net_network *n,
                       const struct session *but);
/*
 * A process died of a fault, or broke its sandbox: who did that may have learnt where code
 * and data lie in it. All processes of its template are laid out alike, so the sessions of
 * the same address that have one end; for a broker, those of the same account.
 */
unsigned expel_siblings(const struct part *dead);
/*
 * Too many names failed at the address of s. Where nobody is known there it gets no
 * connection any more, and all sessions from there end but s, which is in the middle of it:
 * no password is checked in that one, either (guessers.h).
 */
void expel_guesser(const struct session *s, const struct guessers_shut *shut);
/*
 * All of that account of the users database, of which that has become. Whose password is
 * right but who has not been let in yet is refused as for a wrong one, and not counted; so
 * is who is being checked, since that may be against what the account was before.
 */
unsigned expel_account(struct monitor *m, struct slice user, enum account_change change);

#endif
