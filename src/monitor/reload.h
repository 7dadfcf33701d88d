/*
 * monitor/reload.h - a new reading of the configuration takes the place of the old one
 *
 * Runs in: monitor.                      Blocks: on the files of the configuration.
 *
 * A signal or an administrator asks for it; one at a time, later ones are answered by the
 * next. Until all that is new is ready, and where it is refused, everything is as it was.
 */
#ifndef SP_MONITOR_RELOAD_H
#define SP_MONITOR_RELOAD_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "base/err.h"

struct monitor;

/* text: what stands in the way, in one line; "" if accepted. Called once, from the loop. */
typedef void reload_verdict(void *owner, bool accepted, const char *text);

/* Somebody who waits. Lies in its owner, and does not move until the verdict. */
struct reload_wait {
    TAILQ_ENTRY(reload_wait) entry;
    struct reload_waits *in;    /* NULL: does not wait */
    reload_verdict *verdict;
    void *owner;
};
TAILQ_HEAD(reload_waits, reload_wait);

#define RELOAD_FAULT_MAX 512

struct reload {
    bool asked, running;
    struct reload_waits now, later;     /* for the verdict on the one that runs, the next */
    char fault[RELOAD_FAULT_MAX];       /* the first one of this time */
    struct event due;
};

SP_CHECK enum sp_err reload_init(struct monitor *m);
/* At once, or when the one that runs, or the start, is over. w NULL: nobody waits. */
void reload_ask(struct monitor *m, struct reload_wait *w, reload_verdict *verdict,
                void *owner);
/* No verdict is called any more. Harmless on one that does not wait. */
void reload_forget(struct reload_wait *w);
/* The server serves now: what was asked for before is done. */
void reload_go_on(struct monitor *m);
/* The server ends: who waits hears that. */
void reload_clear(struct monitor *m);

#endif
