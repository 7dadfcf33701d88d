/*
 * monitor/capabilities.h - what stays of root's capabilities in the monitor
 *
 * Runs in: monitor, once, at start.      Blocks: never.
 */
#ifndef SP_MONITOR_CAPABILITIES_H
#define SP_MONITOR_CAPABILITIES_H

#include "base/err.h"

/*
 * Gives up what neither the monitor nor a program that it executes needs, and logs what is
 * left. Comes behind the rehearsal, which tries what programs do. SP_OS, SP_REFUSED (logged).
 */
SP_CHECK enum sp_err capabilities_keep(void);

#endif
