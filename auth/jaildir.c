/* auth/jaildir.c - see auth/jaildir.h */
#include "auth/jaildir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/account.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"

#define DIRECTORY (O_PATH | O_DIRECTORY)
#define LINKS_MOST 40           /* as the kernel's own limit */

static bool
is_ours(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Only who could replace what we make could lead us elsewhere: let that be root alone. */
static enum sp_err
check_parent(int dir, const char **why)
{
    struct stat st = { 0 };

    if (fstat(dir, &st) == -1) {
        *why = "cannot examine the parent directory";
        return SP_OS;
    }
    if (!is_ours(&st)) {
        *why = "the parent directory is not owned by root";
        return SP_REFUSED;
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        *why = "the parent directory is writable by group or others";
        return SP_REFUSED;
    }
    return SP_OK;
}

/*
 * One step: opens name in *dir and closes *dir. In a directory that others may write, one
 * with the sticky bit, what belongs to root stays what it is. SP_AGAIN: it is a link, which
 * root has made, to target.
 */
static enum sp_err
step(int *dir, const char *name, char target[PATH_MAX], const char **why)
{
    struct stat in = { 0 }, st = { 0 };
    ssize_t len = 0;
    int fd = openat(*dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    enum sp_err rc = SP_OS;

    *why = "cannot open a directory in its path";
    if (fd == -1 || fstat(*dir, &in) == -1 || fstat(fd, &st) == -1)
        goto out;
    rc = SP_REFUSED;
    *why = "a directory or link in its path is not owned by root";
    if (!is_ours(&in) || !is_ours(&st))
        goto out;
    *why = "a directory in its path is writable by group or others";
    if ((in.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (in.st_mode & S_ISVTX) == 0)
        goto out;
    if (S_ISLNK(st.st_mode)) {
        *why = "a symbolic link in its path is too long";
        if ((len = readlinkat(fd, "", target, PATH_MAX)) < 1 || len >= PATH_MAX)
            goto out;
        target[len] = '\0';
        rc = SP_AGAIN;
        goto out;
    }
    *why = "a component of its path is not a directory";
    if (!S_ISDIR(st.st_mode))
        goto out;
    fd_close(dir);
    *dir = fd_move(&fd);
    rc = SP_OK;
out:
    fd_close(&fd);
    return rc;
}

/*
 * A missing directory on the way: root's, for all to pass through. Only who could replace it
 * could lead us elsewhere, so it is made where nobody can. SP_AGAIN: it would be made.
 */
static enum sp_err
make_on_the_way(int dir, const char *name, enum jaildir_how how, const char **why)
{
    int fd = -1;
    enum sp_err rc = check_parent(dir, why);

    if (rc != SP_OK || how == JAILDIR_LOOK)
        return rc == SP_OK ? SP_AGAIN : rc;
    *why = "cannot create a directory in its path";
    /* made by another login in this moment, it is looked at as any other */
    if (mkdirat(dir, name, 0755) == -1)
        return errno == EEXIST ? SP_OK : SP_OS;
    *why = "cannot change the mode of a directory in its path";
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    rc = fd != -1 && fchmod(fd, 0755) == 0 ? SP_OK : SP_OS;     /* our umask is 077 */
    fd_close(&fd);
    return rc;
}

/* The text of a link in place of its name: then the rest of the way. */
static bool
splice_link(char way[PATH_MAX], const char *target, const char *rest)
{
    char next[PATH_MAX];

    if (!text_printf(next, sizeof next, "%s/%s", target, rest))
        return false;
    memcpy(way, next, sizeof next);
    return true;
}

/*
 * Opens a directory as open(2) would, but on a way that nobody except root can bend: with
 * %h in a pattern, parts of it may lie in somebody's home directory. What is missing is
 * made. SP_AGAIN: it would be made, *out is where.
 */
static enum sp_err
open_parent(const char *path, enum jaildir_how how, int *out, const char **why)
{
    char way[PATH_MAX], name[NAME_MAX + 1], target[PATH_MAX];
    const char *at = way;
    int dir = -1;
    unsigned links = 0;
    enum sp_err rc = SP_REFUSED;

    *why = "its path is too long";
    if (!text_copy(way, sizeof way, path) || (dir = open("/", DIRECTORY | O_CLOEXEC)) == -1)
        goto out;
    while (*(at += strspn(at, "/")) != '\0') {
        size_t len = strcspn(at, "/");

        rc = SP_REFUSED;
        if (!text_printf(name, sizeof name, "%.*s", (int)len, at))
            goto out;
        rc = step(&dir, name, target, why);
        if (rc == SP_OS && errno == ENOENT) {
            rc = make_on_the_way(dir, name, how, why);
            if (rc == SP_AGAIN) {
                *out = fd_move(&dir);
                goto out;
            }
            if (rc == SP_OK)
                rc = step(&dir, name, target, why);
        }
        if (rc == SP_OK) {
            at += len;
            continue;
        }
        if (rc != SP_AGAIN)
            goto out;
        rc = SP_REFUSED;
        *why = "its path has too many symbolic links, or is too long";
        if (++links > LINKS_MOST || !splice_link(way, target, at + len))
            goto out;
        at = way;
        if (*target == '/') {
            fd_close(&dir);
            if ((dir = open("/", DIRECTORY | O_CLOEXEC)) == -1)
                goto out;
        }
    }
    *out = fd_move(&dir);
    rc = SP_OK;
out:
    fd_close(&dir);
    return rc;
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
        *why = "cannot create the directory";
        return SP_OS;
    }
    *why = "cannot open the new directory";
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        goto out;
    *why = "cannot change the owner of the new directory";
    if (fchown(fd, uid, gid) == -1)
        goto out;
    *why = "cannot change the mode of the new directory";
    if (fchmod(fd, mode) == -1)
        goto out;
    rc = SP_OK;
out:
    fd_close(&fd);
    return rc;
}

enum sp_err
jaildir_ensure(const char *path, enum jaildir_how how, uint32_t mode, uint32_t uid,
               uint32_t gid, const char **why)
{
    char parent[ACCOUNT_PATH_MAX + 1] = "";
    struct slice whole = slice_of(path);
    struct log_escaped shown;
    size_t cut = whole.len;
    struct stat st = { 0 };
    int dir = -1;
    enum sp_err rc = SP_OS;

    if (stat(path, &st) == 0) {
        *why = "not a directory";
        return S_ISDIR(st.st_mode) ? SP_OK : SP_REFUSED;
    }
    /* a file system that keeps root out may let the account in: the broker will see */
    if (errno == EACCES)
        return SP_OK;
    *why = "cannot examine it";
    if (errno != ENOENT)
        return SP_OS;
    *why = "it does not exist, and jail_create is false";
    if (how == JAILDIR_LEAVE)
        return SP_REFUSED;
    while (cut > 0 && path[cut - 1] != '/')
        cut--;
    *why = "the path has no last component to create";
    if (cut == 0 || cut == whole.len
            || slice_to_text(slice_from(path, cut), parent, sizeof parent) != SP_OK)
        return SP_REFUSED;
    rc = open_parent(parent, how, &dir, why);
    if (rc == SP_OK && (rc = check_parent(dir, why)) == SP_OK && how == JAILDIR_CREATE)
        rc = make(dir, path + cut, mode, uid, gid, why);
    if (rc == SP_OK && how == JAILDIR_CREATE)
        log_event(EVENT_JAIL_MADE, "path=%s", log_text(whole, &shown));
    if (rc == SP_AGAIN)
        rc = SP_OK;             /* looked at only: it would be made */
    fd_close(&dir);
    return rc;
}
