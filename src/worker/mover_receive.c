/* worker/mover_receive.c - see mover.h: from the data connection to a file */
#include "worker/mover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "tls/stream.h"
#include "wire/grant.h"
#include "worker/worker.h"

/*
 * Measured: 512 KiB reads cost half of 16 KiB ones; splice through a pipe of 1 MiB is a
 * third cheaper still, but a pipe costs more than a small file: so the first bytes are read.
 */
#define FIRST_ROOM (64u << 10)
#define READ_ROOM (512u << 10)
#define OPEN_ROOM (256u << 10)  /* by TLS: what OpenSSL has read lies in the caches, too */
#define SPLICE_AFTER (512u << 10)
#define PIPE_ROOM (1u << 20)
#define PIPE_LEAST (256u << 10)
#define HOLD_MS 500             /* so long what came slowly waits for more */

int64_t
mover_holds_until(const struct transfer *t)
{
    return t->from == t->to ? INT64_MAX : t->held_ms + HOLD_MS;
}

/* So much of it as may still go to the file; none is an error, as to the kernel. */
static enum sp_err
take_room(struct transfer *t, size_t *len)
{
    if (*len > t->file_room)
        *len = (size_t)t->file_room;
    t->file_room -= *len;
    if (*len > 0)
        return SP_OK;
    errno = EFBIG;
    return SP_OS;
}

/* The file takes all, or says why not. */
static enum sp_err
write_out(struct transfer *t, const unsigned char *at, size_t len)
{
    while (len > 0) {
        size_t now = len;
        enum sp_err rc = take_room(t, &now);

        if (rc != SP_OK || (rc = fd_write_all(t->file, at, now)) != SP_OK)
            return rc;
        at += now;
        len -= now;
    }
    return SP_OK;
}

/* Socket or TLS into the buffer's rest. SP_OK with source_ended: the end, in order. */
static enum sp_err
source_read(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t got = 0;
    enum sp_err rc = SP_OK;
    ssize_t n = 0;

    if (w->data.tls != NULL) {
        rc = tls_stream_read(w->data.tls, t->buffer + t->to, t->room - t->to, &got);
        if (rc == SP_CLOSED) {
            if (!tls_stream_ended_well(w->data.tls)
                && (w->account.flags & ACCOUNT_NO_CLOSE_NOTIFY) == 0)
                return SP_INPUT;
            t->source_ended = true;
            return SP_OK;
        }
        /* what TLS itself has to say (no renegotiation, a KeyUpdate) is no progress */
        if (rc == SP_AGAIN && tls_stream_unsent(w->data.tls) > 0
            && tls_stream_flush(w->data.tls) == SP_CLOSED)
            return SP_INPUT;
        if (rc != SP_OK)
            return rc == SP_AGAIN ? SP_AGAIN : SP_INPUT;
    } else {
        while ((n = recv(w->data.fd, t->buffer + t->to, t->room - t->to, 0)) == -1
               && errno == EINTR)
            continue;
        if (n == -1)
            return errno == EAGAIN ? SP_AGAIN : SP_CLOSED;
        if (n == 0)
            t->source_ended = true;
        got = (size_t)n;
    }
    t->progress_ms = clock_ms();
    if (t->from == t->to)
        t->held_ms = t->progress_ms;
    t->to += got;
    t->bytes += got;
    return SP_OK;
}

/* What lies in the buffer to the file, through the stages where there are any. */
static enum sp_err
store(struct worker *w)
{
    struct transfer *t = &w->transfer;
    enum sp_err rc = SP_OK;

    if (!t->staged) {
        rc = write_out(t, t->buffer + t->from, t->to - t->from);
        t->from = t->to = 0;
        return rc;
    }
    if (t->made == NULL && (t->made = malloc(READ_ROOM)) == NULL)
        return SP_NOMEM;
    do {
        size_t used = 0, made = 0;

        rc = stage_chain_push(&t->stages, t->buffer + t->from, t->to - t->from, &used,
                              t->made, READ_ROOM, &made, t->source_ended);
        t->from += used;
        if (rc != SP_OK && rc != SP_AGAIN)
            return rc;
        if (made > 0 && write_out(t, t->made, made) != SP_OK)
            return SP_OS;
    } while (rc == SP_AGAIN);
    t->from = t->to = 0;
    return SP_OK;
}

/* The end of an upload, well or not: what was received goes to the file first. */
static enum sp_err
store_then(struct worker *w, enum sp_err how)
{
    enum sp_err rc = store(w);

    return rc == SP_OK ? how : rc;
}

/* A small file does not pay for a large buffer. */
static size_t
room_for(const struct worker *w)
{
    if (w->transfer.bytes < FIRST_ROOM)
        return FIRST_ROOM;
    return w->data.tls != NULL ? OPEN_ROOM : READ_ROOM;
}

/* May what came wait for more? By its file the broker tells whether the client is silent. */
static bool
may_wait(const struct worker *w)
{
    const struct transfer *t = &w->transfer;

    return t->to - t->from < OPEN_ROOM / 2 && w->data.tls != NULL && t->bytes > FIRST_ROOM
        && clock_ms() < mover_holds_until(t);
}

static enum sp_err
receive_buffered(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t budget = MOVER_BUDGET;
    enum sp_err rc = SP_OK;

    while (budget > 0) {
        uint64_t before = t->bytes;

        if ((rc = mover_room(w, room_for(w))) != SP_OK)
            return rc;
        if (t->to == t->room && (rc = store(w)) != SP_OK)
            return rc;
        rc = source_read(w);
        if (rc == SP_AGAIN) {
            /* a slow client's bytes do not wait in memory while nothing else comes */
            t->wait = WAIT_DATA_READ;
            return may_wait(w) ? SP_AGAIN : store_then(w, SP_AGAIN);
        }
        if (rc != SP_OK)
            return store_then(w, rc);
        if (t->source_ended)
            return store_then(w, SP_OK);
        budget -= t->bytes - before < budget ? (size_t)(t->bytes - before) : budget;
        if (w->data.tls == NULL && t->bytes >= SPLICE_AFTER && !t->staged && !t->pipe_refused)
            return store_then(w, SP_AGAIN);
    }
    t->wait = WAIT_DATA_READ;
    return SP_AGAIN;
}

/* A pipe large enough to be worth it; the limits of an unprivileged user may forbid that. */
static bool
make_pipe(struct transfer *t)
{
    int room = 0;

    if (t->pipe[0] != -1)
        return true;
    if (t->pipe_refused || pipe2(t->pipe, O_CLOEXEC | O_NONBLOCK) == -1) {
        t->pipe[0] = t->pipe[1] = -1;
        t->pipe_refused = true;
        return false;
    }
    room = fcntl(t->pipe[1], F_SETPIPE_SZ, (int)PIPE_ROOM);
    if (room < (int)PIPE_LEAST) {
        fd_close(&t->pipe[0]);
        fd_close(&t->pipe[1]);
        t->pipe_refused = true;
        return false;
    }
    return true;
}

/* All that lies in the pipe to the file. */
static enum sp_err
splice_out(struct transfer *t, size_t len)
{
    while (len > 0) {
        size_t now = len;
        ssize_t n = -1;

        if (take_room(t, &now) != SP_OK)
            return SP_OS;
        n = splice(t->pipe[0], NULL, t->file, NULL, now, SPLICE_F_MOVE);
        t->file_room += n > 0 ? now - (size_t)n : now;      /* what was not used */
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = EIO;
            return SP_OS;
        }
        len -= (size_t)n;
    }
    return SP_OK;
}

static enum sp_err
receive_spliced(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t budget = MOVER_BUDGET;
    enum sp_err rc = SP_OK;

    while (budget > 0) {
        ssize_t n = splice(w->data.fd, NULL, t->pipe[1], NULL, PIPE_ROOM,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1 && errno == EAGAIN) {
            t->wait = WAIT_DATA_READ;
            return SP_AGAIN;
        }
        if (n == -1)
            return SP_CLOSED;
        if (n == 0) {
            t->source_ended = true;
            return SP_OK;
        }
        t->bytes += (uint64_t)n;
        t->progress_ms = clock_ms();
        if ((rc = splice_out(t, (size_t)n)) != SP_OK)
            return rc;
        budget -= (size_t)n < budget ? (size_t)n : budget;
    }
    t->wait = WAIT_DATA_READ;
    return SP_AGAIN;
}

enum sp_err
mover_receive(struct worker *w)
{
    struct transfer *t = &w->transfer;

    if (w->data.tls == NULL && !t->staged && t->bytes >= SPLICE_AFTER && make_pipe(t))
        return receive_spliced(w);
    return receive_buffered(w);
}
