/*
 * monitor/ports.h - the passive ports of all sessions, and who gives way where they are short
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: a worker may be captured, and keep a listener for ever if it could.
 * Owns:    a descriptor of each listener that a worker was given, to shut it down with.
 *
 * A session has one listener at most, until the report of its transfer, UNLISTEN, the next
 * LISTEN, its end or its deadline. Where no port of the range is free, whoever holds the
 * fewest goes first: of the address that holds most of them the oldest listener gives way, if
 * that address still has one more than who asks would have; else the same by accounts.
 */
#ifndef SP_MONITOR_PORTS_H
#define SP_MONITOR_PORTS_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "monitor/bucket.h"
#include "monitor/keyed.h"

struct event_base;
struct session;

#define PORTS_COUNTERS 4096u

/* The listener of one session; in the list while it has one. */
struct port_hold {
    TAILQ_ENTRY(port_hold) entry;
    int fd;                     /* -1: none                                 */
    int64_t until;              /* clock_ms: it is shut down                */
    bool known;                 /* its addresses have been looked up        */
    unsigned site;              /* of the local address: ports are its own  */
    unsigned address, account;  /* places in the counters                   */
};

#define PORT_HOLD_EMPTY { .fd = -1 }

struct ports {
    TAILQ_HEAD(, port_hold) held;               /* the oldest one first     */
    unsigned count;
    struct keyed key;                           /* so that nobody aims at another's counter */
    unsigned by_address[PORTS_COUNTERS], by_account[PORTS_COUNTERS];
    int64_t none_until;         /* clock_ms: none was free, and nothing has changed since */
    struct bucket lines;
    struct event timer;
};

/* SP_OS, SP_NOMEM. */
SP_CHECK enum sp_err ports_init(struct ports *p, struct event_base *loop);
void ports_clear(struct ports *p);
/*
 * A listener of the session's own, which replaces the one before it: *fd is lent, and stays
 * ours. wanted: nobody gives way for one that is only made ahead. SP_OS: errno says why
 * (EADDRINUSE: no port is free).
 */
SP_CHECK enum sp_err
ports_listen(struct ports *p, struct session *s, bool wanted, int *fd, uint16_t *port);
/* The session's listener is shut down, in whoever's hands it is. Harmless without one. */
void ports_release(struct ports *p, struct session *s);

#endif
