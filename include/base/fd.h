/*
 * base/fd.h - descriptors with one owner
 *
 * Runs in: every process.                Blocks: never, but for what is said below.
 * Owns:    nothing; it moves and closes what others own. -1 is the empty value.
 */
#ifndef SP_BASE_FD_H
#define SP_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Closes *fd unless it is -1, leaves -1. errno stays. */
void fd_close(int *fd);
/* Hands *fd on: returns it and leaves -1. */
int fd_move(int *fd);
/* O_NONBLOCK on or off. SP_OS. */
SP_CHECK enum sp_err fd_set_nonblocking(int fd, bool on);
/* Close every descriptor from first upwards (close_range(2)). SP_OS. */
SP_CHECK enum sp_err fd_close_from(unsigned first);
/*
 * Moves fds[i] to the number first + i, for all i, without losing one to another
 * (they may overlap), with close-on-exec off; closes the old numbers. SP_OS.
 */
SP_CHECK enum sp_err fd_arrange(int *fds, size_t count, int first);
/* Opens /dev/null on 0, 1 and 2 where they are closed (all three when force). SP_OS. */
SP_CHECK enum sp_err fd_null_std(bool force);
/* Writes all of it to a blocking descriptor. SP_OS. */
SP_CHECK enum sp_err fd_write_all(int fd, const void *at, size_t len);

#endif
