/* broker/copy.c - see broker/copy.h */
#include "broker/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/broker.h"

#define PIECE (16u << 20)       /* between two looks at the worker */
#define BLOCK 65536

enum sp_err
copy_make_room(int fd, uint64_t size)
{
    if (size == 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0)
        return SP_OK;
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? SP_OS : SP_OK;
}

/* Has the worker gone, or the monitor ended the session? Both are known by a hang-up. */
static bool
session_over(const struct broker *b)
{
    struct pollfd p[] = { { .fd = b->worker.fd }, { .fd = b->monitor.fd } };

    return poll(p, 2, 0) > 0;
}

/* One piece, of at most count bytes, where both files stand. 0: from has ended. */
static ssize_t
copy_piece(int from, int to, size_t count)
{
    unsigned char block[BLOCK];
    ssize_t got = copy_file_range(from, NULL, to, NULL, count < PIECE ? count : PIECE, 0);

    /*
     * Not across these file systems, not by this one: through our own memory. Some say that
     * there is nothing where there is something.
     */
    if (got > 0 || (got == -1 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG
                                || errno == EINTR)))
        return got;
    if ((got = read(from, block, count < BLOCK ? count : BLOCK)) > 0
        && fd_write_all(to, block, (size_t)got) != SP_OK)
        return -1;
    return got;
}

static enum sp_err
copy(struct broker *b, int from, int to, uint64_t count, bool for_session)
{
    while (count > 0) {
        ssize_t got = copy_piece(from, to, count < PIECE ? (size_t)count : PIECE);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return SP_OS;
        if (got == 0)
            return broker_refuse(b, FAIL_OFFSET);
        count -= (uint64_t)got;
        if (count > 0 && for_session && session_over(b))
            return SP_CLOSED;
    }
    return SP_OK;
}

enum sp_err
copy_bytes(struct broker *b, int from, int to, uint64_t count)
{
    return copy(b, from, to, count, false);
}

enum sp_err
copy_for_session(struct broker *b, int from, int to, uint64_t count)
{
    return copy(b, from, to, count, true);
}
