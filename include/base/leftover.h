/*
 * base/leftover.h - an upload that broke off: how old it is, and away with it
 *
 * Runs in: broker; the administrator's tool, in a process that is the account in its jail.
 * Blocks:  as the file system does, never on a FIFO.
 * Trusts:  nothing that lies in the directory.
 *
 * Its bytes lie beside the final name, in a hidden file that whoever writes it has locked
 * (broker/partial.h says more). Here it is only looked at from outside: what cannot be
 * locked is left alone, since somebody may be writing it.
 */
#ifndef SP_BASE_LEFTOVER_H
#define SP_BASE_LEFTOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

#define LEFTOVER_PREFIX ".sp-part."

/* Is the name one of those that the server keeps for unfinished uploads? */
bool leftover_is_name(const char *name);
/*
 * What lies in dir under one name, which is not followed. SP_OS (ENOENT): nothing, or no
 * regular file, and so no upload.
 */
SP_CHECK enum sp_err leftover_stat(int dir, const char *name, struct statx *st);
/*
 * When somebody last did anything to it: wrote, resumed, renamed. A client can set the time
 * of the content back, but not that of the inode. Seconds since the epoch.
 */
int64_t leftover_touched(const struct statx *st);
/*
 * Holds it, so that nobody begins to write it before *fd is closed. SP_AGAIN: a session
 * writes it, or the name means another file by now. SP_OS: it cannot be opened or locked.
 */
SP_CHECK enum sp_err leftover_hold(int dir, const char *name, int *fd);
/*
 * Removes it, if nobody has touched it since before. SP_AGAIN: somebody has, or writes it.
 * SP_OS: as leftover_stat and leftover_hold, or it may not be removed.
 */
SP_CHECK enum sp_err leftover_remove(int dir, const char *name, int64_t before);

#endif
