/*
 * monitor/budget.h - who asks more often than a bucket allows waits for his turn
 *
 * Runs in: monitor.                      Blocks: never: who waits is called back.
 * Owns:    a timer. What waits is the caller's.
 */
#ifndef SP_MONITOR_BUDGET_H
#define SP_MONITOR_BUDGET_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "monitor/bucket.h"

struct budget;

/* Something that waits. Zeros: it does not. */
struct budget_turn {
    TAILQ_ENTRY(budget_turn) entry;
    struct budget *budget;
};

/* Its turn has come; it waits no longer. It may be freed, and so may the budget. */
typedef void budget_go(struct budget_turn *turn);

struct budget {
    struct bucket bucket;
    TAILQ_HEAD(budget_queue, budget_turn) waiting;
    unsigned count;             /* so many wait */
    struct event timer;
    budget_go *go;
};

SP_CHECK enum sp_err budget_init(struct budget *b, struct event_base *loop, uint32_t burst,
                                 uint32_t rate, budget_go *go);
/* Nobody may wait any more. */
void budget_clear(struct budget *b);
/* Other figures from now on (a reload). What is left of the old ones stays, if it fits. */
void budget_change(struct budget *b, uint32_t burst, uint32_t rate);
/*
 * SP_OK: now. SP_AGAIN: go is called later, in the order in which they asked. SP_REFUSED:
 * it would have to wait longer than most_us. SP_OS: no timer.
 */
SP_CHECK enum sp_err budget_ask(struct budget *b, struct budget_turn *turn, int64_t most_us);
/* It does not wait any more; harmless where it did not. */
void budget_leave(struct budget_turn *turn);
/* Is it as if nobody had ever asked? */
bool budget_is_full(struct budget *b);

#endif
