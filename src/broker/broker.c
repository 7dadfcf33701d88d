/* broker/broker.c - see broker/broker.h */
#include "broker/broker.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/fd.h"

/*
 * Bytes, which the kernel doubles: the longest answer (FACT_LINE) fits, and poll(2) calls
 * the channel writable as long as not more than two short answers lie unread.
 */
#define UNREAD_ROOM 4096
#define ENOTSUPP_OF_NFS 524     /* the kernel's own, which its NFS lets out now and then */

void
broker_init(struct broker *b)
{
    *b = (struct broker){ .monitor = CHANNEL_EMPTY, .worker = CHANNEL_EMPTY, .root = -1,
                          .uid = (uid_t)-1, .gid = (gid_t)-1, .upload = UPLOAD_EMPTY,
                          .why = FAIL_PERMIT };
}

void
broker_clear(struct broker *b)
{
    SP_ASSERT(!b->upload.open);
    channel_clear(&b->worker);
    channel_clear(&b->monitor);
    settings_clear(&b->settings);
    fd_close(&b->root);
}

/* events: for fd. heard: of the monitor. SP_AGAIN: it has said something. */
static enum sp_err
await(const struct broker *b, int fd, short events, short heard)
{
    struct pollfd p[] = { { .fd = fd, .events = events },
                          { .fd = b->monitor.fd, .events = (short)(heard | POLLRDHUP) } };

    while (poll(p, 2, -1) == -1)
        if (errno != EINTR)
            return SP_OS;
    if ((p[1].revents & ~POLLIN) != 0)
        return SP_CLOSED;
    return p[1].revents == 0 ? SP_OK : SP_AGAIN;
}

enum sp_err
broker_await(const struct broker *b, int fd, short events)
{
    return await(b, fd, events, 0);
}

enum sp_err
broker_await_request(const struct broker *b)
{
    return await(b, b->worker.fd, POLLIN, POLLIN);
}

void
broker_await_worker_end(const struct broker *b, int ms)
{
    struct pollfd p = { .fd = b->worker.fd };

    (void)poll(&p, 1, ms);
}

enum sp_err
broker_pause(const struct broker *b, int ms)
{
    struct pollfd p = { .fd = b->monitor.fd, .events = POLLRDHUP };

    return poll(&p, 1, ms) == 0 ? SP_OK : SP_CLOSED;
}

enum sp_err
broker_is_wanted(struct broker *b)
{
    struct pollfd p = { .fd = b->worker.fd, .events = POLLRDHUP };
    int gone = poll(&p, 1, 0);

    if (gone == -1)
        return SP_OS;
    return gone == 0 ? SP_OK : broker_refuse(b, FAIL_UNWANTED);
}

enum sp_err
broker_bound_unread(const struct broker *b)
{
    const int room = UNREAD_ROOM;

    return setsockopt(b->worker.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0
        ? SP_OK : SP_OS;
}

enum sp_err
broker_refuse(struct broker *b, enum fail_code why)
{
    b->why = why;
    return SP_REFUSED;
}

enum sp_err
broker_errno(int error)
{
    errno = error;
    return SP_OS;
}

bool
broker_lacks(int error)
{
    return error == ENOSYS || error == EOPNOTSUPP || error == ENOTSUPP_OF_NFS;
}

/*
 * Where errno says what one of our own codes says, too, the worker need not know errno.
 */
static enum fail_code
code_of_errno(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT: return FAIL_SPACE;
    case EISDIR: return FAIL_NOT_FILE;
    case ENOTDIR: return FAIL_NOT_DIRECTORY;
    case ENAMETOOLONG: return FAIL_NAME;
    default: return FAIL_OS;
    }
}

void
broker_failure(const struct broker *b, enum sp_err rc, enum fail_code *code, int *error)
{
    *error = 0;
    *code = FAIL_OS;
    switch (rc) {
    case SP_REFUSED:
        *code = b->why;
        break;
    case SP_NOMEM:
        *error = ENOMEM;
        break;
    case SP_OS:
        *error = errno > 0 && errno <= 4095 ? errno : EIO;
        if (broker_lacks(*error))
            *error = EOPNOTSUPP;
        *code = code_of_errno(*error);
        break;
    case SP_OK:
    case SP_AGAIN:
    case SP_CLOSED:
    case SP_INPUT:
        *error = EIO;
        break;
    }
}
