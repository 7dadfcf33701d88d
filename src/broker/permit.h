/*
 * broker/permit.h - what an account may do, in one table
 *
 * Runs in: broker.                       Blocks: never.
 */
#ifndef SP_BROKER_PERMIT_H
#define SP_BROKER_PERMIT_H

#include <stdbool.h>

#include "base/err.h"

struct broker;

enum permit_act {
    ACT_LIST,                   /* list, look at, go into                              */
    ACT_READ,
    ACT_CREATE,                 /* a file that is not there, or only begun             */
    ACT_REPLACE,                /* a file that is there                                */
    ACT_APPEND,                 /* at the end of a file that is there                  */
    ACT_REWRITE,                /* from somewhere within a file that is there          */
    ACT_DELETE,
    ACT_RENAME,
    ACT_RENAME_OVER,            /* and what had the new name is lost                   */
    ACT_MKDIR,
    ACT_RMDIR,
    ACT_CHMOD,
    ACT_UTIME,
    ACT_UMASK,
    ACT_SPACE,
    ACT_COUNT
};

/* SP_REFUSED (FAIL_PERMIT). */
SP_CHECK enum sp_err permit_check(struct broker *b, enum permit_act act);
bool permit_has(const struct broker *b, enum permit_act act);
/*
 * Does any of the account's permits change the file system? Else Landlock may forbid it.
 */
bool permit_writes(unsigned permits);

#endif
