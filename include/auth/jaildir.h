/*
 * auth/jaildir.h - is an account's jail there, and may it be made?
 *
 * Runs in: login (root).                 Blocks: on the file system.
 * Trusts:  the parent directory only if nobody but root (or the server) can write it.
 */
#ifndef SP_AUTH_JAILDIR_H
#define SP_AUTH_JAILDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The directory exists afterwards. A missing one is made when create says so: the last
 * part of the path alone, owned by uid and gid, with exactly this mode. SP_REFUSED: *why
 * says what stands against it; SP_OS: errno, and *why names the step.
 */
SP_CHECK enum sp_err jaildir_ensure(const char *path, bool create, uint32_t mode,
                                    uint32_t uid, uint32_t gid, const char **why);

#endif
