/*
 * monitor/ledger.h - guessers and bans, kept across restarts by a process of its own
 *
 * Runs in: monitor.                      Blocks: never; at the stop, two seconds at most.
 * Trusts:  nothing the ledger says (kept.h).
 * Owns:    the process (helper.h).
 *
 * The ledger is asked once, at the first start, for what was kept. From then on it is told
 * what changed, every few seconds and in pieces. Where there is none, where it dies, or its
 * disk hangs or is full, the log says so, and the service goes on with what it remembers.
 */
#ifndef SP_MONITOR_LEDGER_H
#define SP_MONITOR_LEDGER_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>

#include "monitor/helper.h"
#include "monitor/kept.h"
#include "monitor/retry.h"

struct monitor;

enum ledger_step {
    LEDGER_IDLE, LEDGER_KNOWNS, LEDGER_NETWORKS, LEDGER_BANS, LEDGER_END, LEDGER_SENT
};

#define LEDGER_PROGRAM "sallyport-ledger"

struct ledger {
    struct monitor *monitor;
    struct helper helper;
    struct retry retry;         /* starts that came to nothing */
    struct event tick;
    bool ready;
    bool heard;                 /* what was kept has been taken over; it is not again */
    struct kept taken;
    enum ledger_step step;      /* how far this batch is */
    unsigned waited;            /* ticks since the batch was sent  */
    size_t place, name;         /* in the table of that step */
};

/* SP_NOMEM. */
SP_CHECK enum sp_err ledger_init(struct ledger *l, struct monitor *m);
/* Starts it, where the settings name a state_directory. A failure is logged. */
void ledger_start(struct ledger *l);
/* Tells it the last news and lets it go. */
void ledger_stop(struct ledger *l);

#endif
