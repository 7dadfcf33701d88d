/*
 * tls/stream.h - TLS over one connected, non-blocking socket
 *
 * Runs in: worker.                   Blocks: never, but for the signer in a handshake.
 * Trusts:  nothing that arrives.
 * Owns:    its OpenSSL state and buffers; not the descriptor.
 *
 * Everything that is to be sent is gathered first and leaves in few large sends: a reply
 * and the ticket before it in one segment, and up to 256 KiB of records on a data
 * connection.
 */
#ifndef SP_TLS_STREAM_H
#define SP_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct tls_context;
struct tls_stream;

enum tls_kind {
    TLS_CONTROL,                /* ALPN "ftp"; issues tickets                */
    TLS_DATA                    /* ALPN "ftp" or "ftp-data"; never a ticket */
};

/* SP_NOMEM. */
SP_CHECK enum sp_err tls_stream_new(struct tls_stream **out, struct tls_context *c,
                                    int fd, enum tls_kind kind);
/* NULL is harmless. Does not say goodbye: tls_stream_end does. */
void tls_stream_free(struct tls_stream *s);

/*
 * One step. SP_OK: done. SP_AGAIN: wait for the socket (tls_stream_wants_write: to become
 * writable; else readable). SP_CLOSED: the client left. SP_INPUT: failed,
 * tls_stream_fault says why, an alert was sent if there was one.
 */
SP_CHECK enum sp_err tls_stream_handshake(struct tls_stream *s);
bool tls_stream_wants_write(const struct tls_stream *s);
/*
 * Behind SP_AGAIN, of a data connection: our half is put, the client has resumed, and is the
 * one that it seems. What is only sent may be put now, a round trip before the client's half
 * comes, and that need not be waited for any more; tls_stream_read may not be called. The
 * next tls_stream_handshake ends it.
 */
bool tls_stream_is_early(const struct tls_stream *s);
/* Behind SP_AGAIN: wait for no socket, but try again soon (tls_tickets_of). */
bool tls_stream_is_undecided(const struct tls_stream *s);
/* Never NULL; printable. */
const char *tls_stream_fault(const struct tls_stream *s);

/*
 * Valid after the handshake, and early: "TLSv1.3", "TLS_AES_128_GCM_SHA256"; "" where there is none.
 */
const char *tls_stream_version(const struct tls_stream *s);
const char *tls_stream_cipher(const struct tls_stream *s);
const char *tls_stream_server_name(const struct tls_stream *s);
bool tls_stream_resumed(const struct tls_stream *s);

/*
 * Read up to room bytes; *got is at least 1 with SP_OK, and as much as is at hand in one
 * call (several records). SP_AGAIN. SP_CLOSED: end; tls_stream_ended_well tells whether
 * by close_notify or by a bare FIN. SP_INPUT: broken (bad record, reset),
 * tls_stream_fault says why. Reading may leave something to be flushed: the answer to a
 * KeyUpdate, an alert.
 */
SP_CHECK enum sp_err tls_stream_read(struct tls_stream *s, void *at, size_t room,
                                     size_t *got);
bool tls_stream_ended_well(const struct tls_stream *s);
/* Bytes decrypted or received, but not read: poll(2) does not tell of them. */
bool tls_stream_has_input(const struct tls_stream *s);

/*
 * Encrypt len bytes into the gathered output. *taken: how many (less than len only where
 * the gathering buffer is full: flush first). Sends nothing by itself. SP_OK, SP_INPUT,
 * SP_NOMEM.
 */
SP_CHECK enum sp_err tls_stream_put(struct tls_stream *s, const void *at, size_t len,
                                    size_t *taken);
/*
 * Send what is gathered. SP_OK: all gone. SP_AGAIN: the socket is full. SP_CLOSED: reset.
 */
SP_CHECK enum sp_err tls_stream_flush(struct tls_stream *s);
/* Bytes gathered and not yet sent. */
size_t tls_stream_unsent(const struct tls_stream *s);
/*
 * The kernel seals what is sent (setting tls_kernel): payload may go straight to the
 * socket, by send(2) or sendfile(2), instead of tls_stream_put.
 */
bool tls_stream_takes_clear(const struct tls_stream *s);

/* TLS 1.3, control only: put a fresh ticket in front of what is put next. No-op else. */
SP_CHECK enum sp_err tls_stream_put_ticket(struct tls_stream *s);
/*
 * Put close_notify (once); flush sends it. Data only: what does not fill a segment waits
 * for the caller's shutdown(2), which has to follow (200 ms at most).
 */
SP_CHECK enum sp_err tls_stream_put_end(struct tls_stream *s);

#endif
