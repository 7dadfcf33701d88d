/* broker/copy.c - see broker/copy.h */
#include "broker/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

enum care { CARE_NOT, CARE_SESSION, CARE_WISH };

/*
 * Is the copy wanted still? A worker or a monitor that has gone is known by a hang-up; and a
 * worker that waits for its answer has nothing to say but that it wants it no more.
 */
static enum sp_err
look(struct broker *b, enum care care)
{
    struct pollfd p[] = {
        { .fd = b->worker.fd, .events = care == CARE_WISH ? POLLIN : 0 },
        { .fd = b->monitor.fd } };

    if (care == CARE_NOT || poll(p, 2, 0) <= 0)
        return SP_OK;
    if (p[1].revents != 0 || (p[0].revents & ~POLLIN) != 0)
        return SP_CLOSED;
    return broker_refuse(b, FAIL_UNWANTED);
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
copy(struct broker *b, int from, int to, uint64_t count, enum care care)
{
    enum sp_err rc = SP_OK;

    while (count > 0) {
        ssize_t got = copy_piece(from, to, count < PIECE ? (size_t)count : PIECE);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return SP_OS;
        if (got == 0)
            return broker_refuse(b, FAIL_OFFSET);
        count -= (uint64_t)got;
        if (count > 0 && (rc = look(b, care)) != SP_OK)
            return rc;
    }
    return SP_OK;
}

enum sp_err
copy_bytes(struct broker *b, int from, int to, uint64_t count)
{
    return copy(b, from, to, count, CARE_NOT);
}

enum sp_err
copy_for_session(struct broker *b, int from, int to, uint64_t count)
{
    return copy(b, from, to, count, CARE_SESSION);
}

enum sp_err
copy_while_wanted(struct broker *b, int from, int to, uint64_t count)
{
    return copy(b, from, to, count, CARE_WISH);
}
