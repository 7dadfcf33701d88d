/*
 * config/inspect.h - one look at this machine, and what it finds
 *
 * Runs in: the monitor and the administrator's tool.     Blocks: as the caller's sink does.
 */
#ifndef SP_CONFIG_INSPECT_H
#define SP_CONFIG_INSPECT_H

#include <stdbool.h>

#include "config/report.h"

struct inspect { struct settings *s; struct report report; bool root; };

void inspect_begin(struct inspect *i, struct settings *s, config_fault *fault, void *context);
/*
 * What is wrong with a setting, or (NULL) with none of them, at its line. Nothing is said of a
 * setting that is noted as faulty: it has its default, which nobody has written.
 */
void inspect_fault(struct inspect *i, const char *key, const char *format, ...)
    SP_PRINTF(3, 4);
void inspect_warning(struct inspect *i, const char *key, const char *format, ...)
    SP_PRINTF(3, 4);

#endif
