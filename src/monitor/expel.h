/*
 * monitor/expel.h - ends sessions for what others did, or for what became of their account
 *
 * Runs in: monitor.                      Blocks: never.
 *
 * Their clients are told (421), as at a shutdown. Each returns how many sessions end.
 */
#ifndef SP_MONITOR_EXPEL_H
#define SP_MONITOR_EXPEL_H

struct monitor;
struct net_network;
struct session;

/* All of the network, which is shut out; but one that ends anyway (NULL: none). */
unsigned expel_network(struct monitor *m, const struct net_network *n,
                       const struct session *but);

#endif
