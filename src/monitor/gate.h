/*
 * monitor/gate.h - the one filter of addresses: a listener hears its peer alone
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing that a worker says; the address is that of the control connection.
 * Owns:    the program's descriptor.
 *
 * A filter that the kernel compiles for each listener anew costs half of that listener: it
 * takes 12.7 us of CPU, and with the same program, loaded once for a session, 5.9 us (AMD EPYC,
 * Linux 6.18; 20.1 and 10.4 us elsewhere). A small file in clear costs the server some 130 us,
 * of which that is a twentieth: so there are two ways. The second takes CAP_BPF, and only pays
 * where a session has many listeners: the kernel verifies and compiles it at a cost of some of
 * the others. So the first few have the one, and where it can be loaded, all behind them the
 * other. Where it cannot, no wall is missing.
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
 * Segments from any other address than the peer's are dropped before the socket sees them, so
 * that nobody but the peer can open a connection. Accepted connections inherit the filter and
 * its lock: the worker cannot take it off again. The peer of one gate is always the same.
 * SP_OK, too, where this kernel keeps filters for root (gate_possible). SP_OS.
 */
SP_CHECK enum sp_err gate_attach(struct gate *g, int fd, const struct net_addr *peer);
/*
 * May this process put a filter on a socket? Some kernels keep that for root; a listener then
 * takes segments from everybody, and the worker alone looks where a connection comes from.
 */
bool gate_possible(void);
void gate_clear(struct gate *g);

#endif
