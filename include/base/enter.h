/*
 * base/enter.h - a directory opened as somebody else, before that somebody is become
 *
 * Runs in: broker; the administrator's tool, in a process made for it.
 * Blocks:  as the file system does.
 */
#ifndef SP_BASE_ENTER_H
#define SP_BASE_ENTER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Opens a directory (O_PATH) with the rights of this user, never with root's: one that the
 * user cannot reach is not opened, and a link that a user has put into the way leads where
 * that user could go anyway. Afterwards the effective ids are root's again, and the groups
 * are the user's: privilege_drop is to follow. Where we are not root, with our own rights.
 * SP_OS; where the ids could not be had back, too: the process must end.
 */
SP_CHECK enum sp_err enter_open(const char *path, uid_t uid, gid_t gid, const gid_t *groups,
                                size_t group_count, int *fd);

#endif
