/*
 * broker/sandbox.h - the system calls that a broker may make
 *
 * Runs in: broker template (compiled), broker (loaded).     Blocks: never.
 */
#ifndef SP_BROKER_SANDBOX_H
#define SP_BROKER_SANDBOX_H

#include "base/err.h"
#include "base/seccomp.h"

/* SP_OS, SP_NOMEM. The filter is the caller's. */
SP_CHECK enum sp_err sandbox_compile(struct seccomp_filter *out);

#endif
