/* tls/worker/gather.c - see gather.h */
#include "tls/worker/gather.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_ROOM ((size_t)2 << 10)    /* a reply and its ticket */

enum sp_err
gather_add(struct gather *g, const void *at, size_t len)
{
    const size_t most = g->full + GATHER_SLACK;
    unsigned char *more = NULL;
    size_t room = g->room == 0 ? FIRST_ROOM : g->room;

    if (len > most - gather_unsent(g))
        return SP_AGAIN;
    if (g->len + len > g->room && g->sent > 0) {
        memmove(g->at, g->at + g->sent, g->len - g->sent);
        g->len -= g->sent;
        g->sent = 0;
    }
    while (room < g->len + len)
        room = room > most / 2 ? most : room * 2;
    if (room != g->room) {
        if ((more = realloc(g->at, room)) == NULL)
            return SP_NOMEM;
        g->at = more;
        g->room = room;
    }
    memcpy(g->at + g->len, at, len);
    g->len += len;
    return SP_OK;
}

static int
bio_write(BIO *bio, const char *at, size_t len, size_t *written)
{
    BIO_clear_retry_flags(bio);
    switch (gather_add(BIO_get_data(bio), at, len)) {
    case SP_OK:
        *written = len;
        return 1;
    case SP_AGAIN:
        BIO_set_retry_write(bio);
        return -1;
    case SP_CLOSED:
    case SP_REFUSED:
    case SP_INPUT:
    case SP_NOMEM:
    case SP_OS:
        break;
    }
    return -1;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    /* libssl flushes after each flight; we send when tls_stream_flush says so. */
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

enum sp_err
gather_method_new(BIO_METHOD **out)
{
    /* Nobody looks for it by its type, so it takes no number of its own. */
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "gather");

    if (method == NULL)
        return SP_NOMEM;
    if (BIO_meth_set_write_ex(method, bio_write) != 1
        || BIO_meth_set_ctrl(method, bio_control) != 1) {
        BIO_meth_free(method);
        return SP_NOMEM;
    }
    *out = method;
    return SP_OK;
}

enum sp_err
gather_bio(BIO **out, const BIO_METHOD *method, struct gather *g)
{
    BIO *bio = BIO_new(method);

    if (bio == NULL)
        return SP_NOMEM;
    BIO_set_data(bio, g);
    BIO_set_init(bio, 1);
    *out = bio;
    return SP_OK;
}

size_t
gather_unsent(const struct gather *g)
{
    return g->len - g->sent;
}

size_t
gather_room(const struct gather *g)
{
    size_t unsent = gather_unsent(g);

    if (unsent >= g->full)
        return 0;
    return (g->full - unsent) / (GATHER_RECORD + GATHER_EXTRA) * GATHER_RECORD;
}

enum sp_err
gather_send(struct gather *g, int fd, int flags)
{
    ssize_t n = 0;

    while (g->sent < g->len) {
        n = send(fd, g->at + g->sent, g->len - g->sent, MSG_NOSIGNAL | flags);
        if (n >= 0) {
            g->sent += (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return SP_AGAIN;
        return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN
            ? SP_CLOSED : SP_OS;
    }
    g->sent = g->len = 0;
    return SP_OK;
}

void
gather_release(struct gather *g)
{
    SP_ASSERT(g->sent == g->len);
    free(g->at);
    *g = (struct gather)GATHER_EMPTY(g->full);
}

void
gather_free(struct gather *g)
{
    free(g->at);
    *g = (struct gather)GATHER_EMPTY(g->full);
}
