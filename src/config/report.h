/*
 * config/report.h - faults in the configuration, told one by one
 *
 * Runs in: the monitor and the administrator's tool.     Blocks: as the caller's sink does.
 */
#ifndef SP_CONFIG_REPORT_H
#define SP_CONFIG_REPORT_H

#include "base/err.h"
#include "config/load.h"

#define REPORT_TEXT_MAX 1024    /* bytes of one fault, with its NUL */

/* Where faults go, and how many there were. */
struct report { const char *file; config_fault *fault; void *context; unsigned faults; };

/* "FILE:LINE: KEY: text". A line of 0 and a key of NULL are left out. */
void report(struct report *r, unsigned line, const char *key, const char *format, ...)
    SP_PRINTF(4, 5);
/* The same, of what keeps nobody from starting: it does not count. */
void report_warning(struct report *r, unsigned line, const char *key, const char *format, ...)
    SP_PRINTF(4, 5);

#endif
