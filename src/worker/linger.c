/* worker/linger.c - see linger.h */
#include "worker/linger.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "tls/stream.h"

#define FINISHED_MS 5000
#define LOOK_MS 200             /* the next transfer, or its PASV, comes before, or none does */
#define REFUSED_MS 60000        /* so long, and so much, a client may go on sending unheard   */
#define REFUSED_BYTES ((uint64_t)256 << 20)
#define PIECES 16               /* in one look: others are to be served, too                  */

static void
close_it(struct lingering *l)
{
    tls_stream_free(l->tls);
    l->tls = NULL;
    fd_close(&l->fd);
}

/* Our end: close_notify, where there is TLS, and FIN. */
static void
say_end(struct lingering *l)
{
    if (l->tls != NULL && tls_stream_put_end(l->tls) == SP_OK)
        SP_IGNORE(tls_stream_flush(l->tls));    /* a few bytes into an empty socket */
    tls_stream_free(l->tls);
    l->tls = NULL;
    (void)shutdown(l->fd, SHUT_WR);
}

/* One piece is read and dropped. SP_AGAIN: no more is here. SP_CLOSED: that was all. */
static enum sp_err
drop_piece(struct lingering *l)
{
    unsigned char scrap[4096];
    size_t got = 0;
    ssize_t n = 0;
    enum sp_err rc = SP_OK;

    if (l->tls != NULL) {
        if ((rc = tls_stream_read(l->tls, scrap, sizeof scrap, &got)) == SP_AGAIN)
            return SP_AGAIN;
        if (rc != SP_OK)
            say_end(l);
    } else {
        n = recv(l->fd, scrap, sizeof scrap, MSG_DONTWAIT);
        if (n == -1 && errno == EINTR)
            return SP_OK;
        if (n <= 0)
            return n == -1 && errno == EAGAIN ? SP_AGAIN : SP_CLOSED;
        got = (size_t)n;
    }
    if (got >= l->left)
        return SP_CLOSED;
    l->left -= got;
    return SP_OK;
}

/* A bounded look: who sends without end is cut when bytes or time are used up. */
static void
drop(struct lingering *l)
{
    enum sp_err rc = SP_OK;

    for (int i = 0; rc == SP_OK && i < PIECES; i++)
        rc = drop_piece(l);
    if (rc == SP_CLOSED)
        close_it(l);
}

void
linger_finished(struct lingering *l, int *fd, bool received)
{
    int64_t now = clock_ms();

    close_it(l);
    *l = (struct lingering){ .fd = fd_move(fd), .left = UINT64_MAX, .look = now + LOOK_MS,
                          .until = now + FINISHED_MS };
    if (received)               /* read to its end already: closed without further ado */
        drop(l);
    if (l->fd != -1)
        (void)shutdown(l->fd, SHUT_WR);
}

void
linger_refused(struct lingering *l, int *fd, struct tls_stream **tls, bool upload)
{
    linger_end(l);
    *l = (struct lingering){ .fd = fd_move(fd), .tls = *tls, .left = REFUSED_BYTES,
                          .until = clock_ms() + REFUSED_MS };
    *tls = NULL;
    if (l->tls == NULL || !upload)
        say_end(l);
}

void
linger_tend(struct lingering *l, int64_t now, bool readable)
{
    if (l->fd == -1)
        return;
    if (now >= l->until) {
        close_it(l);
        return;
    }
    if (l->look != 0 && now >= l->look) {
        l->look = 0;
        readable = true;
    }
    if (readable || linger_has_more(l))
        drop(l);
}

void
linger_end(struct lingering *l)
{
    if (l->fd != -1)
        drop(l);
    close_it(l);
}

bool
linger_is_looked_at(const struct lingering *l, int64_t now)
{
    return l->fd != -1 && now >= l->look;
}

bool
linger_has_more(const struct lingering *l)
{
    return l->tls != NULL && tls_stream_has_input(l->tls);
}

int64_t
linger_deadline(const struct lingering *l)
{
    if (l->fd == -1)
        return INT64_MAX;
    return l->look != 0 ? l->look : l->until;
}
