/*
 * broker/unfinished.h - uploads that broke off over a file, and who was told of them
 *
 * Runs in: broker.                       Blocks: as the file system does.
 *
 * The old file stays until the new one is complete, so one name has both. What is listed
 * and sent is the old file. What is resumed is the new one, never the old one: SIZE tells
 * its length. APPE does not say where it goes on, so it is believed only from a session
 * that has been told this length; and that session is not sent the old file under it.
 *
 * All this is for accounts that may replace the file. For others there is the old one.
 */
#ifndef SP_BROKER_UNFINISHED_H
#define SP_BROKER_UNFINISHED_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"
#include "broker/resolve.h"

struct broker;

/* What SIZE told last: the file, and the upload over it. */
struct told { bool any; struct statx final, part; };

/*
 * The partial of the file that path means, whether somebody writes to it or not. at is
 * owned on success. SP_OS (ENOENT): there is none. SP_REFUSED: FAIL_NAME.
 */
SP_CHECK enum sp_err unfinished_find(struct broker *b, const char *path, struct place *at,
                                     char partial[NAME_MAX + 1], struct statx *st);
/*
 * SIZE of the regular file final at path: *st becomes the partial's where there is one
 * that this account could go on with, and the session has been told of it. SP_REFUSED:
 * FAIL_BUSY, somebody writes to it, and was not silent (broker/takeover.h). SP_OS.
 */
SP_CHECK enum sp_err unfinished_tell(struct broker *b, const char *path,
                                     const struct statx *final, struct statx *st);
/*
 * The session has been told the length of this unfinished upload, to which fd (O_PATH, or
 * open) leads: where it would soon be too old, it is as one that was resumed now.
 */
void unfinished_refresh(const struct broker *b, int fd, const struct statx *part);
/*
 * There is no unfinished upload over the file final. Has this session been told that there
 * is? Then what it sends does not follow that file. True once: it has to ask again.
 */
bool unfinished_has_gone(struct broker *b, const struct statx *final);
/* Was this session told of this partial, with this length? */
bool unfinished_was_told(const struct broker *b, const struct statx *part);
/*
 * May final, at path, be sent to this session? SP_REFUSED (FAIL_UNFINISHED): it has been
 * told another length of it. SP_OS.
 */
SP_CHECK enum sp_err unfinished_check_read(struct broker *b, const char *path,
                                           const struct statx *final);
/*
 * May this account go on with what path means, from some place in it? SP_REFUSED:
 * FAIL_PERMIT, FAIL_NOT_FILE; FAIL_OFFSET, there is nothing. SP_OS.
 */
SP_CHECK enum sp_err unfinished_check_restart(struct broker *b, const char *path);

#endif
