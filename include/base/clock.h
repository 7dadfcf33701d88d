/*
 * base/clock.h - time for deadlines and for people
 *
 * Runs in: every process.                Blocks: never.
 */
#ifndef SP_BASE_CLOCK_H
#define SP_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds that never go back (CLOCK_MONOTONIC); for deadlines. */
int64_t clock_ms(void);
/* Microseconds that never go back; for rates. */
int64_t clock_us(void);
/* Milliseconds since the epoch: the administrator, or a time server, may set them. */
int64_t clock_epoch_ms(void);
/* Seconds since the epoch. */
int64_t clock_seconds(void);
/* "2026-11-21T07:33:38.123Z", now, in UTC. out has room for 25 bytes. */
void clock_stamp(char out[25]);
/* "2026-11-21T07:33:38Z" for seconds since the epoch, in UTC. out has room for 21 bytes. */
void clock_date(int64_t seconds, char out[21]);

#endif
