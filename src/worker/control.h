/*
 * worker/control.h - the control connection: the only voice the session has
 *
 * Runs in: worker.
 * Blocks:  control_secure, control_unsecure and control_end, up to their deadline.
 * Trusts:  nothing that arrives.
 * Owns:    its socket, its TLS stream, what waits to be parsed and to be sent.
 */
#ifndef SP_WORKER_CONTROL_H
#define SP_WORKER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "ftp/parse.h"

struct tls_context;
struct tls_stream;
struct worker;

#define CONTROL_OUT_MAX 2097152 /* bytes of replies that may wait to be sent              */
#define CONTROL_OUT_FULL 32768  /* with more waiting, no further command is begun         */

struct control {
    int fd;
    struct tls_stream *tls;     /* NULL: in clear, never begun or ended by CCC             */
    struct tls_stream *left;    /* ended by CCC: the client's close_notify may follow      */
    bool left_heard;            /* records of it come                                      */
    struct line_reader in;
    struct buf out;             /* replies, not yet handed to the socket or TLS            */
    bool ticket;                /* a fresh ticket goes in front of them (interop: rule 2)  */
    bool stuck;                 /* the socket took less than all: wait for POLLOUT         */
};

void control_init(struct control *c, int fd);
/* Reads what is there. SP_OK: something came. SP_AGAIN. SP_CLOSED: the client left, or TLS broke. */
SP_CHECK enum sp_err control_read(struct control *c);
/* Bytes that poll(2) does not tell of. */
bool control_has_input(const struct control *c);
/* Sends what waits, in one segment where it fits one. SP_OK, SP_AGAIN, SP_CLOSED. */
SP_CHECK enum sp_err control_flush(struct control *c);
size_t control_unsent(const struct control *c);
/*
 * Nothing may lie between AUTH and the handshake: bytes that are here already were sent in
 * clear by somebody in between (RFC 4217 has them dropped; we end the session).
 */
bool control_has_injected(const struct control *c);
/*
 * The TLS handshake as server, within the setting's time; tells the monitor. SP_CLOSED: it
 * failed (logged) and the session ends.
 */
SP_CHECK enum sp_err control_secure(struct worker *w);
/*
 * CCC: our close_notify, then in clear; tells the monitor. The client's close_notify is read
 * as what comes next, if it comes: curl sends none (--ftp-ssl-ccc-mode passive). SP_CLOSED:
 * the client does not take ours.
 */
SP_CHECK enum sp_err control_unsecure(struct worker *w);
/*
 * What waits, close_notify and FIN, where there is someone to hear them; then closed. Blocks
 * for some seconds at most, where the client does not take what waits.
 */
void control_end(struct control *c);

#endif
