/*
 * auth/slots.h - how many password hashes are computed at the same time
 *
 * Runs in: login (root).                 Blocks: slots_take, until a slot is free.
 * Trusts:  the run directory, which is the server's alone.
 * Owns:    its descriptor; a lock ends with the process at the latest.
 *
 * A slot is a POSIX record lock on one byte of a file in the run directory. The kernel
 * gives it back when its holder dies, however it dies, and it counts across all login
 * templates, old and new ones.
 */
#ifndef SP_AUTH_SLOTS_H
#define SP_AUTH_SLOTS_H

#include <stdint.h>

#include "base/err.h"

struct slots { int fd; int64_t count, held; };

#define SLOTS_EMPTY { -1, 0, -1 }

/* Opens (or makes) the file of slots in directory. SP_OS, SP_INPUT (path too long). */
SP_CHECK enum sp_err slots_open(struct slots *s, const char *directory, int64_t count);
/* Waits for a slot and takes it. One at a time for each process. SP_OS. */
SP_CHECK enum sp_err slots_take(struct slots *s);
/* Gives the slot back; harmless without one. */
void slots_release(struct slots *s);
void slots_close(struct slots *s);

#endif
