/*
 * auth/jaildir.h - is an account's jail there, and may it be made?
 *
 * Runs in: login (root).                 Blocks: on the file system.
 * Trusts:  the parent directory only if nobody but root (or the server) can write it.
 */
#ifndef SP_AUTH_JAILDIR_H
#define SP_AUTH_JAILDIR_H

#include <stdint.h>

#include "base/err.h"

enum jaildir_how {
    JAILDIR_LEAVE,              /* it has to be there            */
    JAILDIR_CREATE,             /* a missing one is made         */
    JAILDIR_LOOK                /* could it be made? Nothing is  */
};

/*
 * The directory exists afterwards (LOOK: or would, at the first login). One that is made is
 * owned by uid and gid, with exactly this mode; missing directories on the way to it are made,
 * too, for root, with mode 0755. SP_REFUSED: *why says what stands against it; SP_OS: errno,
 * and *why names the step.
 */
SP_CHECK enum sp_err jaildir_ensure(const char *path, enum jaildir_how how, uint32_t mode,
                                    uint32_t uid, uint32_t gid, const char **why);

/* As the setting jail_create has it. */
#define JAILDIR_HOW(create) ((create) ? JAILDIR_CREATE : JAILDIR_LEAVE)

#endif
