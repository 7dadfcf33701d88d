/*
 * monitor/listener.h - the sockets that clients connect to
 *
 * Runs in: monitor.                      Blocks: never.
 * Owns:    its sockets; an accepted one goes to the callee.
 */
#ifndef SP_MONITOR_LISTENER_H
#define SP_MONITOR_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/net.h"
#include "config/settings.h"

/* *client is the callee's if it moves it out, else it is closed. */
typedef void listener_accepted(void *owner, int *client, const struct net_addr *peer,
                               const struct net_addr *local, bool implicit);

struct listener {
    TAILQ_ENTRY(listener) entry;
    struct listeners *all;
    struct net_addr at;
    bool implicit, implicit_wanted;
    int backlog, fd;
    struct event readable, resume;
};

TAILQ_HEAD(listener_list, listener);

struct listeners {
    struct event_base *loop;
    listener_accepted *accepted;
    void *owner;
    struct listener_list list, kept;    /* kept: empty but for listeners_set */
};

void listeners_init(struct listeners *l, struct event_base *loop,
                    listener_accepted *accepted, void *owner);
/*
 * Listen where the settings say. A socket of a wanted address stays open, also where its
 * backlog or its TLS changes: connections that wait in it are not lost. What is no longer
 * wanted closes once the rest listens, and who waits there is taken before. SP_OS,
 * SP_INPUT: an address cannot be listened on (logged), and everything stays as it was.
 */
SP_CHECK enum sp_err listeners_set(struct listeners *l, const struct settings *s);
void listeners_clear(struct listeners *l);

/* A bound, listening, non-blocking socket; what it sets, accepted ones inherit. SP_OS. */
SP_CHECK enum sp_err listener_socket(const struct net_addr *at, int backlog, int *fd);

#endif
