/* broker/attributes.c - see broker/attributes.h */
#include "broker/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/broker.h"

/* Linux 6.6; the same number on every architecture, newer than our oldest headers. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static enum sp_err
open_same(struct broker *b, const char *path, const struct seen *seen, uint64_t access,
          int *fd)
{
    struct statx st;
    bool unfinished = false;
    int got = -1;
    enum sp_err rc = resolve_open_seen(b, path, access | O_NONBLOCK | O_NOCTTY, &got,
                                       &unfinished);

    if (rc == SP_OK && (rc = resolve_stat(got, "", &st)) == SP_OK) {
        if (resolve_same(&st, &seen->st))
            *fd = fd_move(&got);
        else
            rc = broker_refuse(b, FAIL_BUSY);
    }
    fd_close(&got);
    return rc;
}

/* The object opened for reading or, where that is not allowed, writing. */
static enum sp_err
open_any(struct broker *b, const char *path, const struct seen *seen, int *fd)
{
    enum sp_err rc = SP_OK;

    if (!S_ISREG(seen->st.stx_mode) && !S_ISDIR(seen->st.stx_mode))
        return broker_refuse(b, FAIL_NOT_FILE);
    rc = open_same(b, path, seen, O_RDONLY, fd);
    if (rc == SP_OS && errno == EACCES && S_ISREG(seen->st.stx_mode))
        rc = open_same(b, path, seen, O_WRONLY, fd);
    return rc;
}

enum sp_err
attributes_mode(struct broker *b, const char *path, const struct seen *seen,
                unsigned mode)
{
    int fd = -1;
    enum sp_err rc = SP_OK;

    if (syscall(SYS_fchmodat2, seen->fd, "", mode, AT_EMPTY_PATH) == 0)
        return SP_OK;
    if (errno != ENOSYS && errno != EINVAL)
        return SP_OS;
    if ((rc = open_any(b, path, seen, &fd)) == SP_OK && fchmod(fd, (mode_t)mode) == -1)
        rc = SP_OS;
    fd_close(&fd);
    return rc;
}

enum sp_err
attributes_modified(struct broker *b, const char *path, const struct seen *seen,
                    const struct timespec *modified)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, *modified };
    int fd = -1;
    enum sp_err rc = SP_OK;

    if (utimensat(seen->fd, "", times, AT_EMPTY_PATH) == 0)
        return SP_OK;
    if (errno != EINVAL && errno != EBADF && errno != ENOENT)
        return SP_OS;
    if ((rc = open_any(b, path, seen, &fd)) == SP_OK && futimens(fd, times) == -1)
        rc = SP_OS;
    fd_close(&fd);
    return rc;
}
