/* tests/unit/failing_calls.c - see failing_calls.h */
#include "failing_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct {
    unsigned left;
    int error;
    bool armed, paused, failed;
    const char *name;
    const struct refusal *refused;
} state;

const int failing_errors[] = { EIO, ENOSPC, ENOMEM, EACCES, EINVAL, ENOSYS, EINTR, 0 };

void
failing_begin(unsigned nth, int error)
{
    state.left = nth;
    state.error = error;
    state.armed = nth > 0;
    state.failed = state.paused = false;
    state.name = "";
}

void
failing_pause(bool pause)
{
    state.paused = pause;
}

void
failing_refuse(const struct refusal *rows)
{
    failing_begin(0, 0);
    state.refused = rows;
}

bool
failing_end(void)
{
    state.armed = false;
    state.refused = NULL;
    return state.failed;
}

const char *
failing_name(void)
{
    return state.name;
}

int
failing_error(void)
{
    return state.error;
}

static bool
is_refused(const char *name)
{
    const struct refusal *r = state.refused;

    while (r != NULL && r->name != NULL && strcmp(r->name, name) != 0)
        r++;
    if (r == NULL || r->name == NULL || state.paused)
        return false;
    errno = r->error;
    return true;
}

/* Is it this call's turn? */
static bool
fails(const char *name)
{
    if (is_refused(name))
        return true;
    if (!state.armed || state.paused || --state.left > 0)
        return false;
    state.armed = false;
    state.failed = true;
    state.name = name;
    errno = state.error;
    return true;
}

/* The linker sends each call of NAME to __wrap_NAME, and __real_NAME to the library. */
#define WRAP(result, name, parameters, arguments, failure) \
    result __real_##name parameters; \
    result __wrap_##name parameters; \
    result __wrap_##name parameters \
    { return fails(#name) ? (failure) : __real_##name arguments; }

WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, realloc, (void *at, size_t size), (at, size), NULL)
WRAP(ssize_t, read, (int fd, void *at, size_t len), (fd, at, len), -1)
WRAP(ssize_t, write, (int fd, const void *at, size_t len), (fd, at, len), -1)
WRAP(off_t, lseek, (int fd, off_t to, int how), (fd, to, how), -1)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
WRAP(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), -1)
WRAP(ssize_t, flistxattr, (int fd, char *names, size_t room), (fd, names, room), -1)
WRAP(ssize_t, fgetxattr, (int fd, const char *name, void *at, size_t room),
     (fd, name, at, room), -1)
WRAP(int, fsetxattr, (int fd, const char *name, const void *at, size_t len, int how),
     (fd, name, at, len, how), -1)
WRAP(int, ftruncate, (int fd, off_t len), (fd, len), -1)
WRAP(int, flock, (int fd, int how), (fd, how), -1)
WRAP(int, unlinkat, (int dir, const char *name, int how), (dir, name, how), -1)
WRAP(int, mkdirat, (int dir, const char *name, mode_t mode), (dir, name, mode), -1)
WRAP(int, linkat, (int dir, const char *name, int to, const char *new, int how),
     (dir, name, to, new, how), -1)
WRAP(int, fstatfs, (int fd, struct statfs *st), (fd, st), -1)
WRAP(int, futimens, (int fd, const struct timespec times[2]), (fd, times), -1)
WRAP(int, utimensat, (int dir, const char *name, const struct timespec t[2], int how),
     (dir, name, t, how), -1)
WRAP(ssize_t, readlinkat, (int dir, const char *name, char *out, size_t room),
     (dir, name, out, room), -1)
WRAP(int, fallocate, (int fd, int mode, off_t from, off_t len), (fd, mode, from, len), -1)
WRAP(ssize_t, copy_file_range,
     (int from, off_t *at, int to, off_t *into, size_t len, unsigned how),
     (from, at, to, into, len, how), -1)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL)
WRAP(struct dirent *, readdir, (DIR *d), (d), NULL)
WRAP(int, poll, (struct pollfd *of, nfds_t count, int ms), (of, count, ms), -1)

int __real_close(int fd);
int __wrap_close(int fd);

/* Closed it is, whatever it says. */
int
__wrap_close(int fd)
{
    int rc = __real_close(fd);

    return is_refused("close") ? -1 : rc;
}

/* Not made at all: no machine crashes here, and thousands of them take minutes. */
int __wrap_fsync(int fd);

int
__wrap_fsync(int fd)
{
    struct stat st = { .st_mode = 0 };

    if (state.refused != NULL && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return is_refused("sync of a directory") ? -1 : 0;
    return fails("fsync") ? -1 : 0;
}

int __real_statx(int dir, const char *name, int how, unsigned mask, struct statx *st);
int __wrap_statx(int dir, const char *name, int how, unsigned mask, struct statx *st);

int
__wrap_statx(int dir, const char *name, int how, unsigned mask, struct statx *st)
{
    if ((how & AT_STATX_DONT_SYNC) != 0 && is_refused("stale look"))
        return -1;
    return fails("statx") ? -1 : __real_statx(dir, name, how, mask, st);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Six words, as the kernel takes them, whatever the call has. */
long
__wrap_syscall(long number, ...)
{
    long a[6];
    va_list list;

    va_start(list, number);
    for (size_t i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_renameat2 && a[4] != 0 && is_refused("noreplace"))
        return -1;
    if (number == SYS_renameat2 && a[0] != a[2] && is_refused("rename across"))
        return -1;
    return fails("syscall") ? -1
        : __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int __real_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...);

int
__wrap_fcntl(int fd, int what, ...)
{
    long value = 0;
    va_list list;

    va_start(list, what);
    value = va_arg(list, long);
    va_end(list);
    return fails("fcntl") ? -1 : __real_fcntl(fd, what, value);
}
