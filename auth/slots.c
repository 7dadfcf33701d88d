/* auth/slots.c - see auth/slots.h */
#include "auth/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

enum sp_err
slots_open(struct slots *s, const char *directory, int64_t count)
{
    char path[PATH_MAX] = "";
    int fd = -1;

    SP_ASSERT(count > 0);
    if (!text_printf(path, sizeof path, "%s/argon2.slots", directory))
        return SP_INPUT;
    if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) == -1)
        return SP_OS;
    *s = (struct slots){ .fd = fd, .count = count, .held = -1 };
    return SP_OK;
}

static int
lock_one(int fd, int command, short type, int64_t slot)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1
    };

    return fcntl(fd, command, &lock);
}

enum sp_err
slots_take(struct slots *s)
{
    /* from a random one on, so that those who wait spread over all slots */
    int64_t first = (int64_t)randombytes_uniform((uint32_t)s->count);

    SP_ASSERT(s->fd != -1 && s->held == -1);
    for (int64_t i = 0; i < s->count; i++) {
        int64_t slot = (first + i) % s->count;

        if (lock_one(s->fd, F_SETLK, F_WRLCK, slot) == 0) {
            s->held = slot;
            return SP_OK;
        }
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return SP_OS;
    }
    while (lock_one(s->fd, F_SETLKW, F_WRLCK, first) == -1)
        if (errno != EINTR)
            return SP_OS;
    s->held = first;
    return SP_OK;
}

void
slots_release(struct slots *s)
{
    if (s->held == -1)
        return;
    /* should a file system refuse that, the end of our descriptor unlocks it */
    (void)lock_one(s->fd, F_SETLK, F_UNLCK, s->held);
    s->held = -1;
}

void
slots_close(struct slots *s)
{
    slots_release(s);
    fd_close(&s->fd);
}
