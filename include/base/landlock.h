/*
 * base/landlock.h - Landlock (landlock(7)), as far as this kernel has it
 *
 * Runs in: worker, broker, keyholder and login, once, before seccomp.   Blocks: never.
 */
#ifndef SP_BASE_LANDLOCK_H
#define SP_BASE_LANDLOCK_H

#include <stdbool.h>

#include "base/err.h"

/* The ABI version of the running kernel; 0: none. */
int landlock_abi(void);
/*
 * From here on the file system is out of reach (but for the tree below beneath_fd, an
 * O_PATH descriptor, or -1 for nothing at all), and so are bind and connect of TCP (ABI 4)
 * and abstract sockets and signals to outside (ABI 6). Below beneath_fd: reading and
 * listing, and with writable also creating, writing, renaming and removing regular files,
 * directories and symbolic links; never executing, device nodes or sockets.
 * SP_REFUSED: the kernel has no Landlock (the caller logs it and goes on). SP_OS.
 * Needs no_new_privs.
 */
SP_CHECK enum sp_err landlock_enter(int beneath_fd, bool writable);

#endif
