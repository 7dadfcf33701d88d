/*
 * broker/sandbox.h - the system calls that a broker may make
 *
 * Runs in: broker template (both compiled), broker (one loaded).     Blocks: never.
 */
#ifndef SP_BROKER_SANDBOX_H
#define SP_BROKER_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"
#include "process/seccomp.h"

/*
 * writes: for an account that may change something; the list of one that may only read has
 * no call that does. SP_OS, SP_NOMEM. The filter is the caller's.
 */
SP_CHECK enum sp_err sandbox_compile(bool writes, struct seccomp_filter *out);

#endif
