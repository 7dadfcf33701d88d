/*
 * process/confine.h - the last walls of a process that is executed for itself alone
 *
 * Runs in: keyholder and ledger, once they are who they stay.      Blocks: never.
 *
 * Workers and brokers come from templates, which compile their filters ahead.
 */
#ifndef SP_PROCESS_CONFINE_H
#define SP_PROCESS_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "process/seccomp.h"

struct confinement {
    const struct seccomp_rule *rules;
    size_t count;
    unsigned files;             /* descriptors, with the standard three */
};

/*
 * Few descriptors, no other process, Landlock (directory: the one that it may write below, or
 * -1; where the kernel has none, that is logged), and the filter. channel_fd: where a call off
 * the list is told. SP_OS, SP_NOMEM: the caller ends.
 */
SP_CHECK enum sp_err confine_enter(const struct confinement *c, int directory, int channel_fd,
                                   bool reporting);

#endif
