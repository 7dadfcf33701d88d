/* base/fd.c - see include/base/fd.h */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

void
fd_close(int *fd)
{
    int saved = errno;

    if (*fd != -1)
        (void)close(*fd);
    *fd = -1;
    errno = saved;
}

int
fd_move(int *fd)
{
    int moved = *fd;

    *fd = -1;
    return moved;
}

enum sp_err
fd_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    int want = 0;

    if (flags == -1)
        return SP_OS;
    want = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (want != flags && fcntl(fd, F_SETFL, want) == -1)
        return SP_OS;
    return SP_OK;
}

enum sp_err
fd_close_from(unsigned first)
{
    long most = 0;

    if (syscall(SYS_close_range, first, ~0u, 0) == 0)
        return SP_OK;
    if (errno != ENOSYS && errno != EPERM)
        return SP_OS;
    /* Linux before 5.9 */
    if ((most = sysconf(_SC_OPEN_MAX)) < 0)
        return SP_OS;
    for (long fd = (long)first; fd < most; fd++)
        (void)close((int)fd);
    return SP_OK;
}

enum sp_err
fd_arrange(int *fds, size_t count, int first)
{
    int past = first + (int)count;

    /* first above the range, so that no target number is still in use by a later one */
    for (size_t i = 0; i < count; i++) {
        int high = fcntl(fds[i], F_DUPFD, past);

        if (high == -1)
            return SP_OS;
        (void)close(fds[i]);
        fds[i] = high;
    }
    for (size_t i = 0; i < count; i++) {
        if (dup2(fds[i], first + (int)i) == -1)
            return SP_OS;
        (void)close(fds[i]);
        fds[i] = first + (int)i;
    }
    return SP_OK;
}

enum sp_err
fd_null_std(bool force)
{
    int null = -1;
    enum sp_err rc = SP_OS;

    if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1)
        return SP_OS;
    /* with one of 0, 1, 2 closed, open gave us that very number: keep a high one instead */
    if (null <= 2) {
        int high = fcntl(null, F_DUPFD_CLOEXEC, 3);

        if (high == -1)
            goto out;
        (void)close(null);
        null = high;
    }
    for (int fd = 0; fd <= 2; fd++)
        if ((force || fcntl(fd, F_GETFD) == -1) && dup2(null, fd) == -1)
            goto out;
    rc = SP_OK;
out:
    fd_close(&null);
    return rc;
}

enum sp_err
fd_write_all(int fd, const void *at, size_t len)
{
    const unsigned char *next = at;

    while (len > 0) {
        ssize_t put = write(fd, next, len);

        if (put == -1 && errno == EINTR)
            continue;
        if (put == -1)
            return SP_OS;
        next += put;
        len -= (size_t)put;
    }
    return SP_OK;
}
