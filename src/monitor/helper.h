/*
 * monitor/helper.h - a program that is executed beside the sessions: a template, the
 * keyholder, the ledger
 *
 * Runs in: monitor.                      Blocks: never, but for its execve.
 * Trusts:  the program, not the form of what it sends.
 * Owns:    its child (child.h).
 *
 * What is the same for all of them: it is executed and told its settings, its lines are
 * logged, and one that breaks a rule or cannot be heard is killed. The rest is its owner's,
 * told through a table of functions.
 */
#ifndef SP_MONITOR_HELPER_H
#define SP_MONITOR_HELPER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/settings.h"
#include "monitor/child.h"
#include "monitor/rundir.h"
#include "monitor/starter.h"

/* What the helpers of one reading of the configuration share. */
struct helper_home {
    struct children *children;
    struct rundir *rundir;
    const struct settings *settings;
    const struct buf *certificates;     /* settings->certificate.count of them           */
    struct text_list *clear_names;      /* may log in without TLS, as a login template told */
    bool lost;                          /* the start has failed: nothing is tried again  */
    /* One of them became ready, or (failed) could not be started. */
    void (*changed)(struct helper_home *home, bool failed);
};

struct helper_calls {
    const char *side, *kind;    /* for the log; kind may be NULL                          */
    unsigned peer;              /* of the channel                                         */
    unsigned sender;            /* whose lines it may say, and whose settings it is told  */
    unsigned at_once;           /* child.h                                                */
    long start_ms;              /* from execve to READY; 0: however long it takes         */
    /* What is sent between its settings and START. May be NULL. */
    enum sp_err (*greet)(void *owner);
    /* All messages but lines for the log. */
    enum sp_err (*hear)(void *owner, struct message *m);
    void (*overdue)(void *owner);
    void (*ended)(void *owner, const struct process_end *how);
    /* A line for the log: it could not be started, or be heard. */
    void (*failed)(const void *owner, const char *fault);
};

struct helper {
    struct child child;
    struct child_calls told;
    const struct helper_calls *calls;
    void *owner;
    bool reporting;             /* its sandbox tells of a call, and does not stop it */
};

void helper_init(struct helper *h, const struct helper_calls *calls, void *owner);
/* On failure, which is logged, there is no process; one that could not be told is killed. */
SP_CHECK enum sp_err helper_start(struct helper *h, const struct helper_home *home,
                                  const struct starter_program *program);
bool helper_is_running(const struct helper *h);
/* The deadline. Without memory for it, which is logged, it has none. */
void helper_give(struct helper *h, long milliseconds);
/* READY came. */
void helper_enter_ready(struct helper *h);
/* Its end is told when it is seen. */
void helper_kill(struct helper *h);
/* It is killed, and its end is told to nobody. Harmless on an empty one. */
void helper_abandon(struct helper *h);

#endif
