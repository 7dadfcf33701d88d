/*
 * broker/publish.h - a complete upload gets its name, and stays
 *
 * Runs in: broker.                       Blocks: as the file system does (syncs).
 */
#ifndef SP_BROKER_PUBLISH_H
#define SP_BROKER_PUBLISH_H

#include <stdbool.h>

#include "base/err.h"
#include "broker/resolve.h"

struct broker;
struct heritage;

/*
 * The partial, open as fd, becomes the file at its final place by one rename; with
 * settings.durable file and directory are on disk when this returns. A file that is
 * replaced hands down what says who may read and write it; where it cannot, its content
 * is replaced (broker/inherit.h). SP_REFUSED: FAIL_EXISTS (replaces is false, or what has
 * the name is no file); FAIL_BUSY: somebody else has moved the partial away, or appends to
 * the old file. SP_OS. On failure the partial is where it was, whole; but where it could not
 * be synced or flushed it is gone, as nobody knows which of its bytes are lost.
 */
SP_CHECK enum sp_err publish(struct broker *b, int fd, const struct place *at,
                             const char *partial, bool replaces,
                             const struct heritage *noted);
/*
 * fsync(2) of a file. A file system that has none is let pass, and logged once a session.
 * SP_OS.
 */
SP_CHECK enum sp_err publish_sync(struct broker *b, int fd);
/*
 * What closing a file says, with fd open still: NFS, FUSE and others tell then that bytes
 * could not be stored. SP_OS.
 */
SP_CHECK enum sp_err publish_flush(int fd);
/* As publish_sync, of a place's directory, where it can be opened and synced. SP_OS. */
SP_CHECK enum sp_err publish_sync_directory(const struct place *at);
/*
 * Gives a name another one, in the same or another directory. replaces: what has the new
 * name is lost, unless it is a directory. Where the file system cannot do that in one step,
 * a name that somebody takes in the same moment may be lost. SP_REFUSED: FAIL_EXISTS.
 * SP_OS (EXDEV): to another file system.
 */
SP_CHECK enum sp_err publish_rename(struct broker *b, int dir, const char *name,
                                    int new_dir, const char *new_name, bool replaces);

#endif
