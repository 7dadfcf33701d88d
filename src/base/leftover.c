/* src/base/leftover.c - see base/leftover.h */
#include "base/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

bool
leftover_is_name(const char *name)
{
    return strncmp(name, LEFTOVER_PREFIX, sizeof LEFTOVER_PREFIX - 1) == 0;
}

static enum sp_err
look(int dir, const char *name, int flags, struct statx *st)
{
    flags |= AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (statx(dir, name, flags, STATX_BASIC_STATS, st) == -1)
        return SP_OS;
    if (S_ISREG(st->stx_mode))
        return SP_OK;
    errno = ENOENT;
    return SP_OS;
}

enum sp_err
leftover_stat(int dir, const char *name, struct statx *st)
{
    SP_ASSERT(*name != '\0' && strchr(name, '/') == NULL);
    return look(dir, name, 0, st);
}

int64_t
leftover_touched(const struct statx *st)
{
    int64_t content = st->stx_mtime.tv_sec, inode = st->stx_ctime.tv_sec;

    return content > inode ? content : inode;
}

static bool
is_same(const struct statx *a, const struct statx *b)
{
    return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major
        && a->stx_dev_minor == b->stx_dev_minor;
}

static int
open_name(int dir, const char *name, uint64_t access)
{
    const struct open_how how = { .flags = access | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW
                                           | O_CLOEXEC,
                                  .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
                                             | RESOLVE_NO_MAGICLINKS };

    return (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
}

enum sp_err
leftover_hold(int dir, const char *name, int *fd)
{
    struct statx there, st;
    int got = -1, locked = -1;
    /* looked at before it is opened: opening a device could already do something */
    enum sp_err rc = leftover_stat(dir, name, &there);

    if (rc != SP_OK)
        return rc;
    /* some file systems lock only what may be written, some files may only be read */
    got = open_name(dir, name, O_WRONLY);
    if (got == -1 && (errno == EACCES || errno == EROFS || errno == EPERM))
        got = open_name(dir, name, O_RDONLY);
    if (got == -1 && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
        errno = ENOENT;         /* a link, a directory, a FIFO by now: the upload is gone */
    if (got == -1)
        return SP_OS;
    while ((locked = flock(got, LOCK_EX | LOCK_NB)) == -1 && errno == EINTR)
        continue;
    if (locked == -1)
        rc = errno == EWOULDBLOCK ? SP_AGAIN : SP_OS;
    else if ((rc = look(got, "", AT_EMPTY_PATH, &st)) == SP_OK
             && (rc = leftover_stat(dir, name, &there)) == SP_OK && !is_same(&st, &there))
        rc = SP_AGAIN;
    if (rc == SP_OK)
        *fd = fd_move(&got);
    fd_close(&got);
    return rc;
}

enum sp_err
leftover_remove(int dir, const char *name, int64_t before)
{
    struct statx st;
    int fd = -1;
    enum sp_err rc = leftover_hold(dir, name, &fd);

    if (rc != SP_OK)
        return rc;
    /* asked once more: it could be resumed, and break off again, until we had the lock */
    if ((rc = look(fd, "", AT_EMPTY_PATH, &st)) == SP_OK && leftover_touched(&st) >= before)
        rc = SP_AGAIN;
    if (rc == SP_OK && unlinkat(dir, name, 0) == -1) {
        if (errno == EISDIR)
            errno = ENOENT;
        rc = SP_OS;
    }
    fd_close(&fd);
    return rc;
}
