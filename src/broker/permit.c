/* broker/permit.c - see broker/permit.h */
#include "broker/permit.h"

#include "broker/broker.h"
#include "wire/fail.h"
#include "wire/grant.h"

/* All of the permits of a row are needed. */
static const unsigned needed[ACT_COUNT] = {
    [ACT_LIST]        = PERMIT_LIST,
    [ACT_READ]        = PERMIT_DOWNLOAD,
    [ACT_CREATE]      = PERMIT_UPLOAD,
    [ACT_REPLACE]     = PERMIT_UPLOAD | PERMIT_OVERWRITE,
    [ACT_APPEND]      = PERMIT_APPEND,
    [ACT_REWRITE]     = PERMIT_APPEND | PERMIT_OVERWRITE,
    [ACT_DELETE]      = PERMIT_DELETE,
    [ACT_RENAME]      = PERMIT_RENAME,
    [ACT_RENAME_OVER] = PERMIT_RENAME | PERMIT_OVERWRITE,
    [ACT_MKDIR]       = PERMIT_MKDIR,
    [ACT_RMDIR]       = PERMIT_RMDIR,
    [ACT_CHMOD]       = PERMIT_CHMOD,
    [ACT_UTIME]       = PERMIT_UTIME,
    [ACT_UMASK]       = 0,      /* of this session's own new files */
    [ACT_SPACE]       = 0,      /* a client asks before it sends   */
};

bool
permit_has(const struct broker *b, enum permit_act act)
{
    return (b->permits & needed[act]) == needed[act];
}

enum sp_err
permit_check(struct broker *b, enum permit_act act)
{
    return permit_has(b, act) ? SP_OK : broker_refuse(b, FAIL_PERMIT);
}

bool
permit_writes(unsigned permits)
{
    return (permits & ~(unsigned)PERMIT_READ_ONLY) != 0;
}
