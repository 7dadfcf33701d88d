/*
 * broker/upload.h - a file on its way in, from OPEN_WRITE to COMMIT or ABANDON
 *
 * Runs in: broker.                       Blocks: as the file system does (copies, syncs).
 * Owns:    the open file, its lock, and the descriptor of its directory.
 *
 * The promises: under its final name a file is seen only when it is complete, by one
 * rename; a failed overwrite leaves the old file; what was begun is kept beside it, so
 * that it can be resumed (broker/partial.h says under which name). REST and APPE go on
 * with it as long as it is there, never with the old file (broker/unfinished.h).
 *
 * A symbolic link at the final name is followed, inside the jail: the file that it means
 * is the one that is replaced, and the link stays, as cp(1) would have it. A file that
 * may not be written is not replaced either, though a rename could.
 *
 * One exception: bytes added to the end of a file that is there (APPE, or REST at its
 * size) go into it at once, and stay, however the transfer ends. So do those that replace
 * a file in a directory in which none can be made, where settings.overwrite_in_place.
 */
#ifndef SP_BROKER_UPLOAD_H
#define SP_BROKER_UPLOAD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "broker/inherit.h"
#include "broker/resolve.h"

struct broker;
struct msg_open_write;

struct upload {
    bool open;
    bool in_place;              /* no partial: the final file itself grows             */
    bool replaces;              /* the final name may be taken when this is complete   */
    bool takes_over;            /* it begins, and may end another one of its file      */
    bool made;                  /* the partial is new: not one that is gone on with    */
    int fd;                     /* the worker has a duplicate: offset and lock are one */
    struct place at;            /* the final name                                      */
    struct heritage noted;      /* what is replaced, as it was at the beginning        */
    char partial[NAME_MAX + 1];
    uint64_t offset;            /* where the worker began to write                     */
    uint64_t allocated;         /* up to here it was given of the disk; 0: as written  */
    struct log_escaped shown;   /* its path, for the log                               */
};

#define UPLOAD_EMPTY { .open = false, .fd = -1, .at = { .dir = -1 } }

enum upload_how { UPLOAD_STOR, UPLOAD_APPE, UPLOAD_STOU };

/*
 * Begin. path: the final virtual path (another one than asked for with STOU). The upload's
 * fd is write-only, positioned, and to be lent to the worker. SP_REFUSED: FAIL_PERMIT,
 * FAIL_NOT_FILE, FAIL_EXISTS, FAIL_BUSY, FAIL_NAME, FAIL_OFFSET, FAIL_SPACE, FAIL_UNFINISHED, FAIL_CLOSED. SP_CLOSED: the
 * worker went away during a copy. SP_OS. On failure nothing is open and nothing was changed,
 * but for a stale partial.
 */
SP_CHECK enum sp_err upload_begin(struct broker *b, const struct msg_open_write *ask,
                                  char path[PATH_MAX]);
/*
 * It is complete: make it durable (settings.durable) and give it its name. On failure it
 * has been settled as by upload_settle. Either way nothing is open afterwards. bytes:
 * what the worker says it wrote, for the log.
 */
SP_CHECK enum sp_err upload_commit(struct broker *b, uint64_t bytes);
/*
 * It broke off: keep what can be resumed, remove the rest. Harmless when none is open.
 */
void upload_settle(struct broker *b);

#endif
