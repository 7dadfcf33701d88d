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

/*
 * The partial, open as fd, becomes the file at its final place by one rename; with
 * settings.durable file and directory are on disk when this returns. A file that is
 * replaced hands down its mode (without set-id bits) and, where we may, its group.
 * SP_REFUSED: FAIL_EXISTS (replaces is false), FAIL_NOT_FILE; FAIL_BUSY: somebody else
 * has moved the partial away. SP_OS. On failure the partial is where it was.
 */
SP_CHECK enum sp_err publish(struct broker *b, int fd, const struct place *at,
                             const char *partial, bool replaces);
/*
 * Gives a name another one, in the same or another directory. replaces: what has the new
 * name is lost, unless it is a directory. SP_REFUSED: FAIL_EXISTS. SP_OS.
 */
SP_CHECK enum sp_err publish_rename(struct broker *b, int dir, const char *name,
                                    int new_dir, const char *new_name, bool replaces);

#endif
