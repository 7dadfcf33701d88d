/*
 * wire/channel.h - one end of a socket pair between two processes
 *
 * Runs in: every process.                Blocks: only the calls that say so.
 * Trusts:  nothing that arrives.
 * Owns:    its socket.
 */
#ifndef SP_WIRE_CHANNEL_H
#define SP_WIRE_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "wire/message.h"

/*
 * self and peer are kinds of process (enum peer); state is the receiver's, set by its owner
 * through channel_enter. takes_fds: a row of messages.def passes descriptors from peer to
 * self. fault names the rule that the peer broke, for the log.
 */
struct channel {
    int fd;
    unsigned self, peer;
    unsigned state;
    bool takes_fds;
    const char *fault;
};

#define CHANNEL_EMPTY { -1, 0, 0, ST_START, false, NULL }

/* A connected pair of SOCK_SEQPACKET sockets, close-on-exec. SP_OS. */
SP_CHECK enum sp_err channel_pair(int *one, int *other);
/*
 * Takes the descriptor over. Where peer has no descriptor to pass, none comes in: the kernel
 * refuses to send one, or, before Linux 6.16, drops it before it is ours. So no close of a
 * file, on whatever file system, can make self wait.
 */
void channel_init(struct channel *c, int fd, unsigned self, unsigned peer, unsigned state);
void channel_enter(struct channel *c, unsigned state);
/* Closes. */
void channel_clear(struct channel *c);

/*
 * Receive one message, without waiting. SP_OK: *m is whole, known, allowed from this peer
 * to this process in this state, its body is of a possible size and it carries exactly the
 * descriptors its row promises (the caller owns them now: message_clear). SP_AGAIN: nothing
 * yet. SP_CLOSED: the peer is gone. SP_INPUT: the peer broke the rules, c->fault says which
 * and m->type of what message (MSG_NONE: none can be told); whatever came with it is closed.
 * SP_OS.
 */
SP_CHECK enum sp_err channel_receive(struct channel *c, struct message *m);
/*
 * As channel_receive, but waits up to timeout_ms (-1: for ever); SP_AGAIN: nothing came in
 * time. An interrupted wait goes on.
 */
SP_CHECK enum sp_err channel_wait(struct channel *c, struct message *m, int timeout_ms);
/*
 * Send m with its descriptors, which are closed here once they are sent (moved into the
 * message and away); on failure they stay in m. Never waits: SP_AGAIN when the peer does not
 * read (the monitor ends such a session). SP_CLOSED, SP_OS. That the row allows self to send
 * to peer is asserted.
 */
SP_CHECK enum sp_err channel_send(struct channel *c, struct message *m);
/* As channel_send, but waits until there is room. */
SP_CHECK enum sp_err channel_send_wait(struct channel *c, struct message *m);
/* Has the peer not yet read all that was sent? */
bool channel_has_unread(const struct channel *c);
/*
 * Sends a LOG message, and waits until there is room for it; a monitor that is gone reads
 * no more. A log_sink (base/log.h).
 */
void channel_log(void *context, enum log_event event, const char *line);

#endif
