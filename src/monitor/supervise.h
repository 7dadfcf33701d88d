/*
 * monitor/supervise.h - begins sessions, and decides what becomes of one when something
 * happens to one of its processes
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing that a worker says, and little of what login and broker say.
 */
#ifndef SP_MONITOR_SUPERVISE_H
#define SP_MONITOR_SUPERVISE_H

#include <stdbool.h>

#include "base/net.h"

struct monitor;

/* A connection was accepted. *client is moved if a worker is asked for. */
void supervise_open(struct monitor *m, int *client, const struct net_addr *peer,
                    const struct net_addr *local, bool implicit);

#endif
