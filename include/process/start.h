/*
 * process/start.h - how an executed process learns what it is, before it serves
 *
 * Runs in: the templates and the keyholder, once.      Blocks: on the monitor.
 * Trusts:  the monitor. No client's byte has come near this process yet.
 */
#ifndef SP_PROCESS_START_H
#define SP_PROCESS_START_H

#include <sys/types.h>

#include "base/err.h"
#include "wire/channel.h"

struct settings;

/*
 * Takes the channel at descriptor 3 and closes every descriptor above it, reads UID and GID
 * from the command line (uid and gid may be NULL: none are expected), sends the log to the
 * monitor, ignores SIGPIPE. SP_INPUT: not started by the monitor (said on standard error).
 */
SP_CHECK enum sp_err start_adopt(int argc, char **argv, const char *program,
                                 struct channel *monitor, unsigned self, uid_t *uid,
                                 gid_t *gid);

/* What comes between the settings and START: certificates, keys. Descriptors are in m. */
typedef enum sp_err start_take(void *context, struct message *m);

/*
 * Receives SETTINGS (those of the kind receiver) into *s, initialised here; hands every other
 * message up to START to take (NULL: there must be none). SP_INPUT, SP_CLOSED, SP_NOMEM.
 */
SP_CHECK enum sp_err start_receive(struct channel *monitor, unsigned receiver,
                                   struct settings *s, start_take *take, void *context);

/*
 * For good: root becomes the empty directory, ids become uid and gid, no capability, no new
 * privileges, not dumpable, no core. Rootless: as far as the kernel lets us, with a log line
 * wall.missing for what it does not. SP_OS, SP_REFUSED: the caller ends.
 */
SP_CHECK enum sp_err start_leave_privileges(const char *empty_directory, uid_t uid, gid_t gid);

#endif
