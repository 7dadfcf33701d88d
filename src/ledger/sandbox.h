/*
 * ledger/sandbox.h - the system calls that are left to the ledger
 *
 * Runs in: ledger, once.                 Blocks: never.
 */
#ifndef SP_LEDGER_SANDBOX_H
#define SP_LEDGER_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

/* directory: what it may write below. SP_OS. */
SP_CHECK enum sp_err sandbox_enter(int channel_fd, int directory, bool reporting);

#endif
