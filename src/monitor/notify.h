/*
 * monitor/notify.h - tells a service manager what the server is about (sd_notify(3))
 *
 * Runs in: monitor.                      Blocks: never.
 * Owns:    nothing; each message has a socket of its own, and nobody answers.
 */
#ifndef SP_MONITOR_NOTIFY_H
#define SP_MONITOR_NOTIFY_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* len 0: nobody wants to know. */
/* journal: standard error is the journal's (monitor/logsink.h). */
struct notify { struct sockaddr_un to; socklen_t len; bool journal; };

/* address: the value of NOTIFY_SOCKET, a path or @ and an abstract name; NULL: none. */
void notify_init(struct notify *n, const char *address);
/* Assignments, one a line. A manager that does not listen is no fault of ours. */
void notify_send(const struct notify *n, const char *text);

/* The server serves (again). status: a few words for `systemctl status`. */
void notify_ready(const struct notify *n, const char *status);
/* notify_ready follows, whatever comes of it. */
void notify_reloading(const struct notify *n);
void notify_stopping(const struct notify *n);

#endif
