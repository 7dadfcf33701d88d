/*
 * broker/takeover.h - an upload whose client is silent is left to another session
 *
 * Runs in: broker.                       Blocks: takeover_ask, some seconds at most.
 * Trusts:  the monitor.
 *
 * A client that dies may leave a session behind that waits for its data until
 * data_stall_timeout. Another session of the account, which meets the lock of that upload,
 * asks the monitor; the monitor asks the brokers of the account's other sessions, and ends
 * the one that yields. How long an upload was silent is told by its file: the kernel notes
 * when it was last written to (ctime, which nobody can set), and neither worker has a say
 * in that. Only the broker that lent the file is believed about it.
 */
#ifndef SP_BROKER_TAKEOVER_H
#define SP_BROKER_TAKEOVER_H

#include <stdbool.h>

#include "base/err.h"
#include "broker/resolve.h"

struct broker;

/* Was it silent long enough for the nearest of all sessions to take it over? */
bool takeover_is_silent(const struct broker *b, const struct statx *st);
/*
 * Another session holds the lock of the file fd. SP_OK: the monitor has done what it can,
 * try once more. SP_REFUSED (FAIL_BUSY): that session is not silent. SP_CLOSED: the
 * monitor has ended the account.
 */
SP_CHECK enum sp_err takeover_ask(struct broker *b, int fd);
/* The monitor has a message: does this session yield? SP_CLOSED: as takeover_ask. */
SP_CHECK enum sp_err takeover_hear(struct broker *b);

#endif
