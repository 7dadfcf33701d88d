/*
 * worker/sandbox.h - what a worker may still ask the kernel for
 *
 * Runs in: worker; sandbox_prepare in its template.      Blocks: never.
 */
#ifndef SP_WORKER_SANDBOX_H
#define SP_WORKER_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"
#include "process/seccomp.h"

/*
 * Compiles the list, once for all workers of this template. kernel_tls: with what the
 * setting tls_kernel takes.
 */
SP_CHECK enum sp_err sandbox_prepare(bool kernel_tls, struct seccomp_filter *out);
/* Landlock (where the kernel has it) and the list. channel_fd: where a violation is told. */
SP_CHECK enum sp_err sandbox_enter(const struct seccomp_filter *f, int channel_fd);

#endif
