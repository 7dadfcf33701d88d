/*
 * monitor/process.h - a child of the monitor, watched by its pidfd
 *
 * Runs in: monitor.                      Blocks: only the call that says so.
 * Owns:    the pidfd. The child itself is waited for here and nowhere else.
 *
 * Children are made by us (templates, keyholder) or by a template for us (CLONE_PARENT).
 */
#ifndef SP_MONITOR_PROCESS_H
#define SP_MONITOR_PROCESS_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/err.h"

struct process;

/* signal: 0 where it ended by exit(status). by_us: process_kill was called before. */
struct process_end { int signal, status; bool by_us; pid_t pid; };
/* The process is over and waited for; *p is empty again. */
typedef void process_ended(void *owner, const struct process_end *how);

struct children;

struct process {
    struct children *children;
    pid_t pid;
    int pidfd;                  /* -1: empty */
    bool killed;
    struct event exited;
    process_ended *ended;
    void *owner;
    LIST_ENTRY(process) entry;
};

/* Every process that is watched. */
struct children { struct event_base *loop; LIST_HEAD(process_list, process) all; };

void children_init(struct children *c, struct event_base *loop);
/* Forgets those that were abandoned; every other one has been cleared before. */
void children_clear(struct children *c);
/*
 * Waits for children that nobody watches: a template that died between making one and
 * telling of it leaves such a child behind.
 */
void children_sweep(struct children *c);
/*
 * The monitor ends: waits until no child is left, watched or not, but not for longer than
 * this. Of none of them is told. What has not been killed has seen the end of its channel.
 * BLOCKS.
 */
void children_await(long milliseconds);

/* The empty value. */
void process_init(struct process *p);
/*
 * Takes *pidfd over and calls ended once, from the loop. SP_INPUT: it is not a pidfd of a
 * child of ours (then it stays the caller's).
 */
SP_CHECK enum sp_err process_watch(struct process *p, struct children *c, pid_t pid,
                                   int *pidfd, process_ended *ended, void *owner);
bool process_is_running(const struct process *p);
/* SIGKILL. Harmless on an empty one. */
void process_kill(struct process *p);
/* Kills it, and waits for it when it is gone; nobody is told. *p is empty. */
void process_abandon(struct process *p);
/* Forgets it: nobody waits for it any more. */
void process_clear(struct process *p);

#endif
