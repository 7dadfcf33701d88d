/*
 * base/enter.h - the directory that is to become the root directory, opened
 *
 * Runs in: broker; the administrator's tool, in a process made for it: each of them as the
 *          user that it serves (privilege_become), or without root.
 * Blocks:  as the file system does.
 */
#ifndef SP_BASE_ENTER_H
#define SP_BASE_ENTER_H

#include "base/err.h"

/*
 * Opens a directory (O_PATH) with our own rights, and looks whether they let us into it: one
 * that the user cannot reach is not opened, and a link that a user has put into the way leads
 * where that user could go anyway. SP_OS. Never as root, who could go further, or, where a
 * file system keeps root out, less far.
 */
SP_CHECK enum sp_err enter_open(const char *path, int *fd);

#endif
