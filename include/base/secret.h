/*
 * base/secret.h - a password, a key, an answer: locked, wiped, never printed
 *
 * Runs in: every process that touches one.   Blocks: never.
 * Owns:    its bytes, in place; there is nothing to free but everything to clear.
 *
 * mlock(2) may fail under RLIMIT_MEMLOCK: the secret is then still wiped and kept out of
 * core dumps (RLIMIT_CORE 0, not dumpable), only not held out of swap. A sandboxed process
 * that sets or clears one needs mlock and munlock on its list.
 */
#ifndef SP_BASE_SECRET_H
#define SP_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define SECRET_MAX 1024         /* bytes, without the NUL behind them */

struct secret { bool set; size_t len; unsigned char bytes[SECRET_MAX + 1]; };

void secret_init(struct secret *s);
/* Copies; a NUL is put behind the bytes. SP_INPUT: longer than SECRET_MAX, or a NUL inside. */
SP_CHECK enum sp_err secret_set(struct secret *s, struct slice from);
/* As text, NUL-terminated; valid until the next set or clear. */
const char *secret_text(const struct secret *s);
/* Overwrites and unlocks. Harmless on an empty one. */
void secret_clear(struct secret *s);
/* Overwrites memory in a way that no compiler removes (explicit_bzero(3)). */
void wipe(void *at, size_t len);

#endif
