/* src/base/enter.c - see base/enter.h */
#include "base/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/privilege.h"

enum sp_err
enter_open(const char *path, uid_t uid, gid_t gid, const gid_t *groups, size_t group_count,
           int *fd)
{
    bool root = privilege_is_root();
    int got = -1, inside = -1, error = 0;

    if (root && (setgroups(group_count, groups) == -1 || setegid(gid) == -1
                 || seteuid(uid) == -1))
        return SP_OS;
    /* O_PATH asks for no right to the directory itself; looking up "." in it does. */
    if ((got = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1
        || (inside = openat(got, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1)
        error = errno;
    fd_close(&got);
    if (root && (seteuid(0) == -1 || setegid(0) == -1)) {
        error = errno;
        fd_close(&inside);
    }
    if (inside == -1) {
        errno = error;
        return SP_OS;
    }
    *fd = inside;
    return SP_OK;
}
