/*
 * worker/linger.h - a data connection behind its end, until the client is done with it, too
 *
 * Runs in: worker.                       Blocks: never.
 * Trusts:  nothing that arrives: it is read and dropped, within bounds of bytes and time.
 * Owns:    its socket and, of an upload that was turned away, its TLS stream.
 *
 * A socket that is closed over unread bytes is reset, and a client that meets the reset may
 * never read the reply on the control connection.
 */
#ifndef SP_WORKER_LINGER_H
#define SP_WORKER_LINGER_H

#include <stdbool.h>
#include <stdint.h>

struct tls_stream;

struct lingering {
    int fd;                     /* -1: none */
    struct tls_stream *tls;     /* the client has not said its end, and we not ours         */
    uint64_t left;              /* so many bytes more are dropped                           */
    int64_t look;               /* clock_ms: not looked at before; 0: poll(2) tells         */
    int64_t until;              /* clock_ms                                                 */
};

#define LINGER_NONE { .fd = -1 }

/*
 * Of a transfer that ended in order: takes the descriptor over and sends FIN. received: of an
 * upload, whose client has most likely said that it is done; else that is looked for later,
 * as it would only wake us up.
 */
void linger_finished(struct lingering *l, int *fd, bool received);
/*
 * Of a connection that is not served: takes descriptor and stream (NULL: none) over. Many
 * clients read the reply only when they have sent all, and not at all if the connection
 * breaks before (Python's ftplib, ftputil, aioftp): so what they send is dropped for a while.
 * upload: close_notify and FIN follow the client's, as aioftp takes ours for a break; else
 * they are sent now.
 */
void linger_refused(struct lingering *l, int *fd, struct tls_stream **tls, bool upload);
/* Drops what is here. readable: poll(2) said so. Closes once the client is done, or time is up. */
void linger_tend(struct lingering *l, int64_t now, bool readable);
/* Drops what is here, and closes. */
void linger_end(struct lingering *l);
/* Is poll(2) to look at it now? */
bool linger_is_looked_at(const struct lingering *l, int64_t now);
/* Is there something to drop that poll(2) does not tell of? */
bool linger_has_more(const struct lingering *l);
/* clock_ms when something changes by itself; INT64_MAX: never. */
int64_t linger_deadline(const struct lingering *l);

#endif
