/* auth/jaildir.c - see include/auth/jaildir.h */
#include "auth/jaildir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/account.h"
#include "base/buf.h"
#include "base/fd.h"

/* Only who could replace what we make could lead us elsewhere: let that be root alone. */
static enum sp_err
check_parent(int dir, const char **why)
{
    struct stat st = { 0 };

    if (fstat(dir, &st) == -1) {
        *why = "fstat of the parent directory";
        return SP_OS;
    }
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        *why = "the parent directory does not belong to root";
        return SP_REFUSED;
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        *why = "the parent directory is writable by others than its owner";
        return SP_REFUSED;
    }
    return SP_OK;
}

static enum sp_err
make(int parent, const char *name, uint32_t mode, uint32_t uid, uint32_t gid,
     const char **why)
{
    int fd = -1;
    enum sp_err rc = SP_OS;

    if (mkdirat(parent, name, 0700) == -1) {
        /* made by a login of the same account in this moment: that one gives it away */
        if (errno == EEXIST)
            return SP_OK;
        *why = "mkdir";
        return SP_OS;
    }
    *why = "open of the new directory";
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        goto out;
    *why = "chown of the new directory";
    if (fchown(fd, uid, gid) == -1)
        goto out;
    *why = "chmod of the new directory";
    if (fchmod(fd, mode) == -1)
        goto out;
    rc = SP_OK;
out:
    fd_close(&fd);
    return rc;
}

enum sp_err
jaildir_ensure(const char *path, bool create, uint32_t mode, uint32_t uid, uint32_t gid,
               const char **why)
{
    char parent[ACCOUNT_PATH_MAX + 1] = "";
    struct slice whole = slice_of(path);
    size_t cut = whole.len;
    struct stat st = { 0 };
    int dir = -1;
    enum sp_err rc = SP_OS;

    if (stat(path, &st) == 0) {
        *why = "it is not a directory";
        return S_ISDIR(st.st_mode) ? SP_OK : SP_REFUSED;
    }
    /* a file system that keeps root out may let the account in: the broker will see */
    if (errno == EACCES)
        return SP_OK;
    *why = "stat";
    if (errno != ENOENT)
        return SP_OS;
    *why = "there is no such directory, and jail_create is off";
    if (!create)
        return SP_REFUSED;
    while (cut > 0 && path[cut - 1] != '/')
        cut--;
    *why = "the path has no last part that could be made";
    if (cut == 0 || cut == whole.len
            || slice_to_text(slice_from(path, cut), parent, sizeof parent) != SP_OK)
        return SP_REFUSED;
    if ((dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
        *why = "open of the parent directory (jail_create makes only the last one)";
        goto out;
    }
    if ((rc = check_parent(dir, why)) != SP_OK)
        goto out;
    rc = make(dir, path + cut, mode, uid, gid, why);
out:
    fd_close(&dir);
    return rc;
}
