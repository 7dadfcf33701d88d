/*
 * monitor/bucket.h - how often something may happen: a token bucket
 *
 * Runs in: monitor.                      Blocks: never.
 */
#ifndef SP_MONITOR_BUCKET_H
#define SP_MONITOR_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Holds up to burst tokens and gains rate of them each second. level: millionths. */
struct bucket { uint32_t burst, rate; uint64_t level; int64_t filled; };

/* Full. now: clock_us(). */
void bucket_init(struct bucket *b, uint32_t burst, uint32_t rate, int64_t now);
/* One token; false: there was none. */
bool bucket_take(struct bucket *b, int64_t now);
/* Microseconds until there are so many; rate is not 0. */
int64_t bucket_wait(struct bucket *b, uint32_t tokens, int64_t now);
bool bucket_is_full(struct bucket *b, int64_t now);
/* What is in it stays, as far as there is room. */
void bucket_change(struct bucket *b, uint32_t burst, uint32_t rate, int64_t now);
/* What was taken last was not used after all. */
void bucket_give_back(struct bucket *b);
/* So many tokens are missing. */
uint32_t bucket_used(struct bucket *b, int64_t now);

#endif
