/*
 * monitor/rehearsal.h - may this process, and what it starts, do what sessions will need?
 *
 * Runs in: monitor, once, before it starts anything.     Blocks: until its child has ended.
 *
 * Containers and units refuse system calls and capabilities, and what they refuse holds for
 * every process from the first one on. A server that finds out with its first client has
 * said "ready" to nobody's use.
 */
#ifndef SP_MONITOR_REHEARSAL_H
#define SP_MONITOR_REHEARSAL_H

#include <stdbool.h>

#include "base/err.h"
#include "config/settings.h"

/*
 * A child makes the calls of workers and brokers, as they do: with root as worker_user.
 * SP_REFUSED: one is missing; one line in the log names it, and what to do. SP_OS: no child
 * could be made (logged).
 */
SP_CHECK enum sp_err rehearsal_run(const struct settings *s, bool root);

#endif
