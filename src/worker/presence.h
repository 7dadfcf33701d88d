/*
 * worker/presence.h - is the client still there, where only that proves an upload whole
 *
 * Runs in: worker.                       Blocks: as long as it is told to.
 *
 * In clear the end of an upload looks the same whether the client has sent all or has died.
 * A client that dies leaves the control connection, too, but its kernel closes one after the
 * other.
 */
#ifndef SP_WORKER_PRESENCE_H
#define SP_WORKER_PRESENCE_H

#include <stdbool.h>

struct worker;

/* QUIT waits behind the transfer: it was told to finish, whatever becomes of the client. */
bool presence_quits(const struct worker *w);
/* Overwrites the line that waited: there may be a password in it. */
void presence_forget_line(struct worker *w);
/*
 * Has the client left the control connection, or does within so many milliseconds, without
 * QUIT? What it said before is read for that; a line waits in w->held then.
 */
bool presence_is_lost(struct worker *w, int milliseconds);

/*
 * For a command that takes long: false if it is to be given up, since the client has sent
 * ABOR or left without QUIT, or the session ends. What came is read: slices of the line of
 * the command are void.
 */
bool presence_waits(struct worker *w);

#endif
