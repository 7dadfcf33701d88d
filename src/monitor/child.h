/*
 * monitor/child.h - a process of ours and our end of the channel to it
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing that the process sends.
 * Owns:    the channel, the pidfd, a deadline.
 *
 * A process of a session (part.h) and a helper (helper.h) each are one. A child knows nobody:
 * what happens to it is told to its owner, who decides, through a table of functions.
 */
#ifndef SP_MONITOR_CHILD_H
#define SP_MONITOR_CHILD_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "base/err.h"
#include "monitor/process.h"
#include "wire/channel.h"

/* All are called from the loop. pause may be NULL: the child is always heard. */
struct child_calls {
    /* How many milliseconds it is not heard from now on; 0: it is heard now. */
    long (*pause)(void *owner);
    /* SP_INPUT: it broke a rule; *fault may say which, else it is the name of the message. */
    enum sp_err (*hear)(void *owner, struct message *m, const char **fault);
    /* type: of the message, MSG_NONE if none came through. The owner ends it. */
    void (*broke)(void *owner, unsigned type, const char *fault);
    /* The channel is closed, by the other side (SP_CLOSED) or because it failed. */
    void (*closed)(void *owner, enum sp_err why);
    void (*overdue)(void *owner);
    /* All that it said has been heard. The owner may free it. */
    void (*ended)(void *owner, const struct process_end *how);
    unsigned at_once;           /* messages that are heard before others have their turn */
};

struct child {
    const struct child_calls *calls;
    void *owner;
    struct channel channel;
    struct process process;
    struct event readable;      /* or, while it is not heard, until it is again */
    struct event deadline;
};

/* The empty value: no channel, no process. */
void child_init(struct child *c, const struct child_calls *calls, void *owner);
/* Takes *fd, our end, over and hears it. state: ours. SP_NOMEM: it is closed. */
SP_CHECK enum sp_err child_open(struct child *c, struct event_base *loop, int *fd,
                                unsigned peer, unsigned state);
/* As process_watch. */
SP_CHECK enum sp_err child_watch(struct child *c, struct children *all, pid_t pid, int *pidfd);
/* SP_AGAIN: it does not read. SP_CLOSED: it is gone. The message is the caller's. */
SP_CHECK enum sp_err child_send(struct child *c, struct message *m);
/* Another one takes the place of the one that is set. False: no memory. */
SP_CHECK bool child_set_deadline(struct child *c, long milliseconds);
void child_clear_deadline(struct child *c);
/* Nothing is heard any more. The state stays: it says how far it came. */
void child_close(struct child *c);
/* Its channel and deadline; the process is forgotten. Harmless on an empty one. */
void child_clear(struct child *c);

/* ---- what it was asked, by number, and has not answered ------------------------------- */

struct child_asked { TAILQ_ENTRY(child_asked) entry; uint64_t number; };
TAILQ_HEAD(child_asked_queue, child_asked);

/* NULL: nothing of that number. It stays in the queue. */
struct child_asked *child_find_asked(const struct child_asked_queue *q, uint64_t number);

#endif
