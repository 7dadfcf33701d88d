/*
 * monitor/part.h - one process of a session: worker, login or broker
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing that the process sends.
 * Owns:    its child (child.h), its request to the template.
 *
 * A part lives from the request to fork until its process is gone and waited for,
 * whatever happens in between; the session lives as long as any part of it. What happens
 * to a part is told to its session through a table of functions (session.c, which decides).
 */
#ifndef SP_MONITOR_PART_H
#define SP_MONITOR_PART_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/err.h"
#include "monitor/child.h"
#include "monitor/process.h"
#include "monitor/spawn.h"
#include "wire/channel.h"

struct part;
struct session;

/* The owner of the child is the part. */
struct part_calls {
    struct child_calls child;
    /* There will be no process: an errno, or ECANCELED. */
    void (*failed)(struct part *part, int error);
};

struct part {
    LIST_ENTRY(part) entry;
    struct session *session;
    const struct part_calls *calls;
    struct pool *pool;
    unsigned kind;              /* WORKER, BROKER or LOGIN                              */
    struct child child;
    struct spawn_request request;
    bool doomed;                /* to be killed as soon as it exists                    */
    bool finished;              /* nothing is sent to it any more                       */
    int worker_end;             /* broker: the worker's end of their channel, until sent */
    struct part *login;         /* broker: the login that may end after it, or NULL     */
    char *account;              /* broker: "backend:user", for the account's limit      */
};

LIST_HEAD(part_list, part);

/* state: ours, for what the process may send. */
struct part_birth {
    const struct part_calls *calls;
    struct session *session;
    struct part_list *all;
    struct pool *pool;
    unsigned kind, state;
};

/*
 * Makes the channel, puts first into it and asks the template for the process. *extra
 * (may be -1) is moved to the process too: a worker's client before the channel, a
 * broker's channel to its worker behind it.
 */
SP_CHECK enum sp_err part_new(const struct part_birth *birth, struct message *first, int *extra,
                              struct part **out);
/* Its process is gone, or there never was one. */
void part_free(struct part *part);
/*
 * SP_AGAIN: it does not read; SP_CLOSED: it is gone or finished. m is cleared, and wiped
 * where a password may be in it (login).
 */
SP_CHECK enum sp_err part_send(struct part *part, struct message *m);
/*
 * Nothing more is sent to it, so that it sees the end of the channel; its log is still
 * heard. If it is not gone in time it is killed.
 */
void part_finish(struct part *part, int grace_ms);
/* A deadline without closing the channel. */
void part_give(struct part *part, int grace_ms);
/* At once; nothing it says is heard any more. */
void part_kill(struct part *part);
/* It died by a signal or broke its sandbox: its template is replaced. */
void part_suspect(const struct part *part);
/* The monitor ends: kills and frees without waiting. */
void part_abandon(struct part *part);

#endif
