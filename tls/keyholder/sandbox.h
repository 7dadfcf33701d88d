/*
 * tls/keyholder/sandbox.h - what the keyholder may still do once it serves
 *
 * Runs in: keyholder.                    Blocks: never.
 */
#ifndef SP_TLS_KEYHOLDER_SANDBOX_H
#define SP_TLS_KEYHOLDER_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

/*
 * No file, no address, no other process: only messages on channel_fd, memory and random
 * bytes. Needs no_new_privs. reporting: see seccomp_report. SP_OS, SP_NOMEM: the caller ends.
 */
SP_CHECK enum sp_err sandbox_enter(int channel_fd, bool reporting);

#endif
