/*
 * base/random.h - random numbers
 *
 * Runs in: monitor.                      Blocks: only until the kernel has randomness.
 *
 * They come from a stock. A process that forks, and goes on in its child, would say the same
 * numbers twice: none of those uses this.
 */
#ifndef SP_BASE_RANDOM_H
#define SP_BASE_RANDOM_H

#include <stdint.h>

#include "base/err.h"

/* Any of 64 bits. SP_OS. */
SP_CHECK enum sp_err random_u64(uint64_t *out);

#endif
