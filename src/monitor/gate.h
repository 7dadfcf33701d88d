/*
 * monitor/gate.h - one socket filter for all listeners of a session
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing that a worker says; the address is that of the control connection.
 * Owns:    the program's descriptor.
 *
 * What dataport.c has the kernel compile for each listener anew costs half of that listener
 * (10 of 20 us measured); the same program, loaded once for a session, costs next to
 * nothing. It takes CAP_BPF, and only pays where a session has many listeners: the kernel
 * verifies and compiles it at a cost of some of the others.
 */
#ifndef SP_MONITOR_GATE_H
#define SP_MONITOR_GATE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/net.h"

#define GATE_FROM 4             /* listeners before it that have a filter of their own */

struct gate {
    int program;                /* -1: none is loaded */
    unsigned wanted;            /* so many listeners were asked for, before it is loaded */
    bool refused;               /* this kernel does not load one for us */
};

#define GATE_EMPTY { -1, 0, false }

/*
 * Segments from any other address than the peer's are dropped before the socket sees them.
 * The peer of one gate is always the same. SP_REFUSED: not by this way, now or at all; the
 * socket is as it was.
 */
SP_CHECK enum sp_err gate_attach(struct gate *g, int fd, const struct net_addr *peer);
void gate_clear(struct gate *g);

#endif
