/*
 * monitor/naming.h - random numbers, and the names of sessions made from them
 *
 * Runs in: monitor.                      Blocks: only until the kernel has randomness.
 */
#ifndef SP_MONITOR_NAMING_H
#define SP_MONITOR_NAMING_H

#include <stdint.h>

#include "base/err.h"

#define NAMING_BOOT 5           /* four characters and a NUL */
#define NAMING_ID 32            /* boot, "-", a number of up to 20 digits, and a NUL */

SP_CHECK enum sp_err naming_random(uint64_t *out);
/* Four characters that tell this run of the server from others in one log. */
void naming_boot(uint64_t random, char out[NAMING_BOOT]);
/* "K3F9-12". Returns out. */
const char *naming_id(const char *boot, uint64_t number, char out[NAMING_ID]);

#endif
