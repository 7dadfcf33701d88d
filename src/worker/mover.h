/*
 * worker/mover.h - the loops that move a transfer's bytes, one for each pair of source and sink
 *
 * Runs in: worker.                       Blocks: on the disk only.
 *
 * Each call moves until the source or the sink has no more for now, or MOVER_BUDGET bytes
 * have passed, so that the control connection is looked at in between. SP_OK: all is moved
 * and handed to the sink. SP_AGAIN: t->wait says what for. SP_CLOSED: the client cut the
 * connection. SP_INPUT: it ended without close_notify, or TLS broke. SP_OS: reading or
 * writing the file failed, errno says why. SP_NOMEM. SP_REFUSED: the file was cut short
 * by somebody while it was sent.
 */
#ifndef SP_WORKER_MOVER_H
#define SP_WORKER_MOVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct transfer;
struct worker;

#define MOVER_BUDGET (16u << 20)

SP_CHECK enum sp_err mover_send(struct worker *w);
SP_CHECK enum sp_err mover_receive(struct worker *w);
/* clock_ms by which mover_receive must be called: bytes that came slowly go to the file. */
int64_t mover_holds_until(const struct transfer *t);
/* What TLS has gathered goes out; each byte that does is progress. SP_AGAIN: not yet all. */
SP_CHECK enum sp_err mover_flush(struct worker *w);
/*
 * A buffer of at least room bytes in w->transfer.buffer, a multiple of a page; what lies in it
 * is kept.
 */
SP_CHECK enum sp_err mover_room(struct worker *w, size_t room);

#endif
