/*
 * monitor/admin.h - the admin socket: who connects, one request, its answer
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  that root, or who started the monitor, connects (SO_PEERCRED); not the form of
 *          what is sent.
 * Owns:    the socket, its file, a few clients and the rows that they have not read yet.
 *
 * What a request does stands in admin_verbs.c, one function for each row of the table. An
 * answer is kept here until the tool has read it: the monitor waits for no tool, and a list
 * is that of one moment.
 */
#ifndef SP_MONITOR_ADMIN_H
#define SP_MONITOR_ADMIN_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/admin.h"
#include "wire/channel.h"

struct monitor;
struct admin_client;
TAILQ_HEAD(admin_clients, admin_client);

struct admin {
    struct monitor *monitor;
    int fd, directory;          /* -1: it does not listen */
    dev_t device;
    ino_t inode;                /* of the socket's file, as we made it */
    struct event readable, resume;
    struct admin_clients clients;
    unsigned count;
};

void admin_init(struct admin *a, struct monitor *m);
/*
 * Listens in run_directory; where that is so already, nothing changes. A failure is logged:
 * the server serves without it.
 */
void admin_listen(struct admin *a, const char *run_directory);
void admin_clear(struct admin *a);

/* ---- for verbs: what goes back to the tool ------------------------------------------- */

struct monitor *admin_monitor(const struct admin_client *c);
/* The uid that asked, for the log. */
uid_t admin_uid(const struct admin_client *c);
/* One row; it is copied. */
void admin_row(struct admin_client *c, const struct message *m);
/* The end of the answer, in one of two ways. */
void admin_done(struct admin_client *c, uint64_t count);
void admin_refuse(struct admin_client *c, enum admin_refusal reason);

/* ---- a reload and who waits for its verdict ------------------------------------------ */

/* Asks for one; the answer comes with its verdict. */
void admin_await_reload(struct admin_client *c);
/* Why the one that runs will be refused: told to those who wait for its verdict. */
void admin_reload_fault(struct admin *a, const char *text);

#endif
