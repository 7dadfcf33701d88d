/*
 * monitor/naming.h - the names of sessions
 *
 * Runs in: monitor.                      Blocks: never.
 */
#ifndef SP_MONITOR_NAMING_H
#define SP_MONITOR_NAMING_H

#include <stdint.h>

#define NAMING_BOOT 5           /* four characters and a NUL */
#define NAMING_ID 32            /* boot, "-", a number of up to 20 digits, and a NUL */

/* Four characters that tell this run of the server from others in one log. */
void naming_boot(uint64_t random, char out[NAMING_BOOT]);
/* "K3F9-12". Returns out. */
const char *naming_id(const char *boot, uint64_t number, char out[NAMING_ID]);

#endif
