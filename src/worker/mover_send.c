/* worker/mover_send.c - see mover.h: from a file or a listing to the data connection */
#include "worker/mover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tls/stream.h"
#include "worker/worker.h"

/*
 * Files are read, not mapped, to be sent by TLS: what a fault costs is the machine's. From
 * single pages, windows of a map took 0.69 CPU-s/GiB for one stream and 0.76 for 32 on an AMD
 * EPYC, but 1.10 and 1.04 on an Intel with AVX-512; pieces of 256 KiB 0.73 and 0.81 on the
 * one, 0.75 and 0.70 on the other. And nobody who makes the file shorter kills its reader.
 * The kernel copies to the start of a page a fifth cheaper than to 16 bytes behind it, where
 * malloc would have it (EPYC: 0.13 and 0.17 CPU-s/GiB).
 */
#define READ_PIECE ((size_t)256 << 10)
#define LARGE_LEAST (2 * READ_PIECE)
#define SMALL_PIECE ((size_t)64 << 10)  /* of all else */
#define PAGE 4096
#define SENDFILE_MOST (4u << 20)
#define DROP_STEP (64u << 20)   /* so much at once of a file that is not to stay cached */
#define DROP_LAG (16u << 20)    /* on its way: pages in use would stay */
#define SMALL_FILE (16u << 10)  /* cheaper in memory: its FIN goes in the same segment */

enum sp_err
mover_room(struct worker *w, size_t room)
{
    struct transfer *t = &w->transfer;
    unsigned char *grown = NULL;

    if (t->room >= room)
        return SP_OK;
    /* a small one is not worth the part of a page */
    if ((grown = room > SMALL_PIECE ? aligned_alloc(PAGE, room) : malloc(room)) == NULL)
        return SP_NOMEM;
    if (t->to > 0)
        memcpy(grown, t->buffer, t->to);
    free(t->buffer);
    t->buffer = grown;
    t->room = room;
    return SP_OK;
}

static void
moved(struct worker *w, size_t bytes)
{
    w->transfer.bytes += bytes;
    w->transfer.progress_ms = clock_ms();
}

/*
 * File to socket inside the kernel. Where it seals, too (seen with Linux 6.1), a call in the
 * middle of which the client reset the connection may swallow the error, and each later one
 * takes 64 KiB more as if somebody was there.
 */
static enum sp_err
send_plain_file(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t budget = MOVER_BUDGET;

    while (budget > 0) {
        off_t at = (off_t)t->offset;
        ssize_t n = sendfile(w->data.fd, t->file, &at, SENDFILE_MOST);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1 && errno == EAGAIN)
            break;
        if (n == -1)
            return errno == EPIPE || errno == ECONNRESET || errno == ETIMEDOUT
                    || (w->data.tls != NULL && errno == EBADMSG)    /* one before it failed */
                ? SP_CLOSED : SP_OS;
        if (n == 0)
            return t->offset < t->size ? SP_REFUSED : SP_OK;
        if (w->data.tls != NULL && (size_t)n < SENDFILE_MOST && data_is_cut(&w->data))
            return SP_CLOSED;
        t->offset += (uint64_t)n;
        moved(w, (size_t)n);
        budget -= (size_t)n < budget ? (size_t)n : budget;
        /* the whole file as it was when opened has gone, and a short call said so */
        if (t->offset >= t->size && (size_t)n < SENDFILE_MOST)
            return SP_OK;
    }
    t->wait = WAIT_DATA_WRITE;
    return SP_AGAIN;
}

/* Hand bytes to TLS or the socket; *taken may be less than len. */
static enum sp_err
sink_put(struct worker *w, const unsigned char *at, size_t len, size_t *taken)
{
    /* the last piece waits for the FIN, which follows as soon as all is settled */
    int flags = MSG_NOSIGNAL | (w->transfer.source_ended ? MSG_MORE : 0);
    ssize_t n = 0;

    *taken = 0;
    if (w->data.tls != NULL)
        return tls_stream_put(w->data.tls, at, len, taken) == SP_OK ? SP_OK : SP_CLOSED;
    while ((n = send(w->data.fd, at, len, flags)) == -1 && errno == EINTR)
        continue;
    if (n == -1)
        return errno == EAGAIN ? SP_AGAIN : SP_CLOSED;
    *taken = (size_t)n;
    return SP_OK;
}

enum sp_err
mover_flush(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t before = 0;
    enum sp_err rc = SP_OK;

    if (w->data.tls == NULL || (before = tls_stream_unsent(w->data.tls)) == 0)
        return SP_OK;
    if ((rc = tls_stream_flush(w->data.tls)) == SP_AGAIN)
        t->wait = WAIT_DATA_WRITE;
    /* a slow client takes long for all of it, and is not stalled */
    if (tls_stream_unsent(w->data.tls) < before)
        t->progress_ms = clock_ms();
    return rc == SP_OK || rc == SP_AGAIN ? rc : SP_CLOSED;
}

/* Large pieces are cheaper, and their pages are what a small file would pay for. */
static size_t
piece_of(const struct transfer *t)
{
    return t->kind == TRANSFER_SEND_FILE && !t->staged && t->size > t->offset
        && t->size - t->offset >= LARGE_LEAST ? READ_PIECE : SMALL_PIECE;
}

/* More of the source into the buffer; source_ended at its end. */
static enum sp_err
fill(struct worker *w)
{
    struct transfer *t = &w->transfer;
    ssize_t n = 0;
    enum sp_err rc = mover_room(w, piece_of(t));

    if (rc != SP_OK)
        return rc;
    t->from = t->to = 0;
    do {
        n = t->kind == TRANSFER_SEND_LISTING ? read(t->file, t->buffer, t->room)
            : pread(t->file, t->buffer, t->room, (off_t)t->offset);
    } while (n == -1 && errno == EINTR);
    if (n == -1 && errno == EAGAIN) {
        t->wait = WAIT_SOURCE;
        return SP_AGAIN;
    }
    if (n == -1)
        return SP_OS;
    t->offset += (uint64_t)n;
    t->to = (size_t)n;
    /* the client has taken all before it; and waits for what is behind REST */
    if (t->staged)
        t->progress_ms = clock_ms();
    /* a file that gives less than asked for is at its end; a pipe says so by nothing at all */
    t->source_ended = n == 0
        || (t->kind == TRANSFER_SEND_FILE && (size_t)n < t->room && t->offset >= t->size);
    if (t->source_ended && t->kind == TRANSFER_SEND_FILE && t->offset < t->size)
        return SP_REFUSED;
    return SP_OK;
}

/* What lies in the buffer through the stages into `made`. */
static enum sp_err
stage_some(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t used = 0, made = 0;
    enum sp_err rc = SP_OK;

    if (t->made == NULL && (t->made = malloc(2 * SMALL_PIECE)) == NULL)
        return SP_NOMEM;
    rc = stage_chain_push(&t->stages, t->buffer + t->from, t->to - t->from, &used, t->made,
                          2 * SMALL_PIECE, &made, t->source_ended);
    t->from += used;
    t->made_from = 0;
    t->made_to = made;
    if (rc == SP_OK && t->source_ended)
        t->stages_ended = true;
    return rc == SP_AGAIN ? SP_OK : rc;
}

/* Buffer, or what the stages made of it, to the sink. SP_OK: all of it has gone. */
static enum sp_err
drain(struct worker *w)
{
    struct transfer *t = &w->transfer;
    enum sp_err rc = SP_OK;

    for (;;) {
        unsigned char *at = t->staged ? t->made : t->buffer;
        size_t *from = t->staged ? &t->made_from : &t->from;
        size_t to = t->staged ? t->made_to : t->to, taken = 0;

        if (*from == to) {
            if (!t->staged || (t->from == t->to && (!t->source_ended || t->stages_ended)))
                return SP_OK;
            if ((rc = stage_some(w)) != SP_OK)
                return rc;
            continue;
        }
        rc = sink_put(w, at + *from, to - *from, &taken);
        *from += taken;
        if (taken > 0)
            moved(w, taken);
        if (rc == SP_AGAIN) {
            t->wait = WAIT_DATA_WRITE;
            return SP_AGAIN;
        }
        if (rc != SP_OK)
            return rc;
        if (w->data.tls != NULL && taken == 0 && (rc = mover_flush(w)) != SP_OK)
            return rc;
    }
}

/* Through memory: listings, ASCII, small files, all that is sealed here. */
static enum sp_err
send_buffered(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t budget = MOVER_BUDGET;
    enum sp_err rc = SP_OK;

    /* what the socket had no room for goes first: nothing is sealed behind it, and moved */
    if (t->wait == WAIT_DATA_WRITE && (rc = mover_flush(w)) != SP_OK)
        return rc;
    while (budget > 0) {
        if ((rc = drain(w)) != SP_OK)
            return rc;
        if (t->source_ended)
            return SP_OK;       /* what TLS still holds goes out with its close_notify */
        if ((rc = fill(w)) == SP_AGAIN) {
            /* the source is slow: what is there goes out meanwhile */
            enum sp_err out = mover_flush(w);

            if (out == SP_OK)
                t->wait = WAIT_SOURCE;
            return out == SP_OK ? SP_AGAIN : out;
        }
        if (rc != SP_OK)
            return rc;
        budget -= t->to < budget ? t->to : budget;
    }
    t->wait = WAIT_DATA_WRITE;
    return SP_AGAIN;
}

/* What was sent of a file that is larger than its part of the cache may be. */
static void
drop_behind(struct worker *w)
{
    struct transfer *t = &w->transfer;
    uint64_t to = t->offset;

    if (t->kind != TRANSFER_SEND_FILE
        || t->size <= (uint64_t)w->settings.cached_file_most << 20 || to == t->dropped
        || (to < t->size && to < t->dropped + DROP_LAG + DROP_STEP))
        return;
    if (to < t->size)
        to -= DROP_LAG;
    (void)posix_fadvise(t->file, (off_t)t->dropped, (off_t)(to - t->dropped),
                        POSIX_FADV_DONTNEED);
    t->dropped = to;
}

static enum sp_err
send_some(struct worker *w)
{
    const struct transfer *t = &w->transfer;
    bool begun = t->buffer != NULL;
    bool small = t->bytes == 0 && t->size - t->offset <= SMALL_FILE;

    if (t->kind == TRANSFER_SEND_LISTING || t->staged || begun || small
        || (w->data.tls != NULL && !tls_stream_takes_clear(w->data.tls)))
        return send_buffered(w);
    return send_plain_file(w);
}

enum sp_err
mover_send(struct worker *w)
{
    enum sp_err rc = send_some(w);

    drop_behind(w);
    return rc;
}
