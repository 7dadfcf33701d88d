/* worker/mover_send.c - see mover.h: from a file or a listing to the data connection */
#include "worker/mover.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tls/stream.h"
#include "worker/worker.h"

/*
 * Measured: windows of a mapped file, encrypted straight from the page cache and gathered
 * into large sends, are the cheapest way to send by TLS. Not MAP_POPULATE: it looks at each
 * page twice, where a fault brings 16 at once. For 1 GiB out of the page cache, mapped, read
 * once and unmapped: 1 MiB populated 0.24 CPU-s on tmpfs and 0.13 on ext4, 1 MiB faulted
 * 0.23 and 0.11, 4 MiB 0.22 and 0.10, 16 MiB 0.24 and 0.10; pread of 64 KiB 0.26 and 0.13.
 * Small rests are read: a mapping costs more than the copy.
 */
#define WINDOW (4u << 20)
#define MAP_LEAST (256u << 10)
#define READ_PIECE ((size_t)64 << 10)
#define SENDFILE_MOST (4u << 20)
#define DROP_STEP (64u << 20)   /* so much at once of a file that is not to stay cached */
#define DROP_LAG (16u << 20)    /* on its way: pages in use would stay */
#define SMALL_FILE (16u << 10)  /* cheaper in memory: its FIN goes in the same segment */

/* State that a signal handler needs; the worker has one thread. */
static sigjmp_buf cut_short;
static volatile sig_atomic_t reading_map;

static void
on_sigbus(int number)
{
    const struct sigaction plain = { .sa_handler = SIG_DFL };

    if (reading_map) {
        reading_map = 0;
        siglongjmp(cut_short, 1);
    }
    (void)sigaction(number, &plain, NULL);
    (void)raise(number);
}

enum sp_err
mover_guard_sigbus(void)
{
    /* SA_NODEFER: the way out is a jump, which must not leave the signal blocked */
    struct sigaction act = { .sa_handler = on_sigbus, .sa_flags = SA_NODEFER };

    return sigaction(SIGBUS, &act, NULL) == 0 ? SP_OK : SP_OS;
}

enum sp_err
mover_room(struct worker *w, size_t room)
{
    struct transfer *t = &w->transfer;
    unsigned char *grown = NULL;

    if (t->room >= room)
        return SP_OK;
    if ((grown = realloc(t->buffer, room)) == NULL)
        return SP_NOMEM;
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

static void
drop_window(struct transfer *t)
{
    if (t->map != NULL)
        (void)munmap(t->map, t->map_len);
    t->map = NULL;
    t->map_len = t->map_from = 0;
}

/* The next window of the file. SP_OS: not to be had; the rest is read instead. */
static enum sp_err
next_window(struct transfer *t)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = t->offset - t->offset % page;
    uint64_t left = t->size - start;
    size_t len = left < WINDOW ? (size_t)left : WINDOW;
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, t->file, (off_t)start);

    if (map == MAP_FAILED)
        return SP_OS;
    t->map = map;
    t->map_len = len;
    t->map_from = (size_t)(t->offset - start);
    return SP_OK;
}

/* Encrypt from the window. SP_REFUSED: the file shrank under it. */
static enum sp_err
put_window(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t taken = 0;
    enum sp_err rc = SP_OK;

    if (sigsetjmp(cut_short, 0) != 0) {
        /* the TLS state was left in the middle of a record: it is given up, not freed */
        w->data.tls = NULL;
        return SP_REFUSED;
    }
    reading_map = 1;
    rc = tls_stream_put(w->data.tls, (const unsigned char *)t->map + t->map_from,
                        t->map_len - t->map_from, &taken);
    reading_map = 0;
    if (rc != SP_OK)
        return SP_CLOSED;
    t->map_from += taken;
    t->offset += taken;
    t->bytes += taken;
    return SP_OK;
}

/* More of the source into the buffer; source_ended at its end. */
static enum sp_err
fill(struct worker *w)
{
    struct transfer *t = &w->transfer;
    ssize_t n = 0;
    enum sp_err rc = mover_room(w, READ_PIECE);

    if (rc != SP_OK)
        return rc;
    t->from = t->to = 0;
    do {
        n = t->kind == TRANSFER_SEND_LISTING ? read(t->file, t->buffer, READ_PIECE)
            : pread(t->file, t->buffer, READ_PIECE, (off_t)t->offset);
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
        || (t->kind == TRANSFER_SEND_FILE && (size_t)n < READ_PIECE && t->offset >= t->size);
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

    if (t->made == NULL && (t->made = malloc(2 * READ_PIECE)) == NULL)
        return SP_NOMEM;
    rc = stage_chain_push(&t->stages, t->buffer + t->from, t->to - t->from, &used, t->made,
                          2 * READ_PIECE, &made, t->source_ended);
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

/* Through memory: listings, ASCII, the small and the last piece of a file by TLS. */
static enum sp_err
send_buffered(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t budget = MOVER_BUDGET;
    enum sp_err rc = SP_OK;

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

static enum sp_err
send_tls_file(struct worker *w)
{
    struct transfer *t = &w->transfer;
    size_t budget = MOVER_BUDGET;
    enum sp_err rc = SP_OK;

    if (t->size - t->offset > SMALL_FILE && tls_stream_takes_clear(w->data.tls))
        return send_plain_file(w);
    while (budget > 0) {
        uint64_t before = t->offset;

        if (t->map == NULL) {
            if (t->from < t->to || t->source_ended || t->offset >= t->size
                || t->size - t->offset < MAP_LEAST || next_window(t) != SP_OK)
                return send_buffered(w);
        }
        rc = put_window(w);
        if (rc == SP_OK && t->map_from < t->map_len)
            rc = mover_flush(w);
        if (rc != SP_OK) {
            if (rc != SP_AGAIN)
                drop_window(t);
            return rc;
        }
        budget -= t->offset - before < budget ? (size_t)(t->offset - before) : budget;
        if (t->map_from == t->map_len)
            drop_window(t);
        if (t->map == NULL && (rc = mover_flush(w)) != SP_OK)
            return rc;
        t->progress_ms = clock_ms();
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
    bool small = w->data.tls == NULL && t->bytes == 0 && t->size - t->offset <= SMALL_FILE;

    if (t->kind == TRANSFER_SEND_LISTING || t->staged || begun || small)
        return send_buffered(w);
    return w->data.tls != NULL ? send_tls_file(w) : send_plain_file(w);
}

enum sp_err
mover_send(struct worker *w)
{
    enum sp_err rc = send_some(w);

    drop_behind(w);
    return rc;
}
