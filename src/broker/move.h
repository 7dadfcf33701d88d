/*
 * broker/move.h - a file that is renamed to another file system of the jail
 *
 * Runs in: broker.                       Blocks: as long as the copy takes.
 *
 * It is copied to a hidden name beside the new one, synced, given its name by one rename, and
 * only then removed where it was. Mode, times, group, access list and other attributes go
 * with it as far as this user can set them there; set-id bits and other names (hard links)
 * do not. A file that changes meanwhile stays where it was.
 */
#ifndef SP_BROKER_MOVE_H
#define SP_BROKER_MOVE_H

#include <stdbool.h>

#include "base/err.h"

struct broker;
struct place;

/*
 * replaces: what has the new name is lost, unless it is a directory. SP_REFUSED: FAIL_EXISTS;
 * FAIL_BUSY, somebody writes to it; FAIL_UNWANTED, the worker has given it up. SP_CLOSED: the
 * session is over. SP_OS: EXDEV, it is no regular file; else why it cannot be copied, or
 * removed where it is. On failure nothing has changed, but where the old name could not be
 * removed at the very end: then both are there.
 */
SP_CHECK enum sp_err move_file(struct broker *b, const struct place *from,
                               const struct place *to, bool replaces);

#endif
