/*
 * monitor/dataport.h - the sockets of data connections
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing that a worker says; the addresses are those of the control connection.
 * Owns:    nothing: a socket made here is the caller's.
 *
 * A worker gets sockets that can reach its own peer and nobody else: FTP bounce is then
 * impossible rather than forbidden, also for a worker that has been taken over.
 */
#ifndef SP_MONITOR_DATAPORT_H
#define SP_MONITOR_DATAPORT_H

#include <stdint.h>

#include "base/err.h"
#include "base/net.h"

struct gate;

/*
 * A listener, non-blocking, on the local address of the control connection and a random
 * port of least..most, which takes segments from the peer's address only. gate: the
 * session's, and so always with the same peer. SP_OS: no such port is free, or errno says
 * why.
 */
SP_CHECK enum sp_err
dataport_listen(struct gate *gate, const struct net_addr *local, const struct net_addr *peer,
                unsigned least, unsigned most, int *fd, uint16_t *port);
/*
 * A socket, non-blocking, on its way to that port of the peer's address, from the local
 * address and, where it is free, from_port (0: any). SP_REFUSED: a port below 1024.
 * SP_OS.
 */
SP_CHECK enum sp_err
dataport_connect(const struct net_addr *local, const struct net_addr *peer, uint16_t port,
                 unsigned from_port, int *fd);

#endif
