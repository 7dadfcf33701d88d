/*
 * monitor/validity.h - when certificates begin and end, and when the log says so
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  the dates that the keyholder read; the monitor parses no certificate.
 *
 * A certificate that is not valid is served all the same, where there is no other: whether
 * to go on is the client's to decide. But the administrator is told in time.
 */
#ifndef SP_MONITOR_VALIDITY_H
#define SP_MONITOR_VALIDITY_H

#include <stddef.h>
#include <stdint.h>

struct generation;

/* Seconds since the epoch; until 0: not known. told: the stage that the log has last. */
struct validity { int64_t from, until; long told; };

/*
 * 0: valid for more than 30 days. 1 to 4: for at most 30, 14, 7 days, one day. More: it has
 * ended, one step for each day since. Less than 0: it has not begun, one step for each day
 * to go. Where the number is another one than before, it is time to say it again.
 */
long validity_stage(const struct validity *v, int64_t now);
/* One line for each certificate of which there is something new to say. */
void validity_report(struct generation *g, int64_t now);

#endif
