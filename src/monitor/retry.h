/*
 * monitor/retry.h - when to try again what came to nothing
 *
 * Runs in: monitor.                      Blocks: never.
 */
#ifndef SP_MONITOR_RETRY_H
#define SP_MONITOR_RETRY_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include "base/err.h"

/* failures in a row: each waits twice as long as the one before, up to most_ms. */
struct retry { struct event timer; unsigned failures; long least_ms, most_ms; };

SP_CHECK enum sp_err retry_init(struct retry *r, struct event_base *loop, long least_ms,
                                long most_ms, event_callback_fn call, void *context);
/* One more failure. False: no memory for the timer. */
SP_CHECK bool retry_later(struct retry *r);
bool retry_waits(const struct retry *r);
void retry_clear(struct retry *r);

#endif
