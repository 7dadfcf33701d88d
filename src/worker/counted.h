/*
 * worker/counted.h - lengths and places in TYPE A, which are found by reading the file
 *
 * Runs in: worker.                       Blocks: as long as it reads, ascii_size_most bytes
 *                                        at most; a client that sends ABOR or leaves, and
 *                                        the monitor, end it.
 *
 * What came meanwhile on the control connection has been read: slices of the command line
 * are void afterwards.
 */
#ifndef SP_WORKER_COUNTED_H
#define SP_WORKER_COUNTED_H

#include <stdint.h>

#include "base/err.h"

struct fail;
struct worker;

/*
 * The octets of what an upload to path would go on with. SP_REFUSED: fail says why.
 * SP_CLOSED: as ask_broker.
 */
SP_CHECK enum sp_err counted_size(struct worker *w, const char *path, uint64_t *size,
                                  struct fail *fail);
/*
 * REST before an upload counts octets as transferred: *offset becomes the place in the
 * file. SP_REFUSED: fail says why; FAIL_OFFSET is a place beyond the end. SP_CLOSED.
 */
SP_CHECK enum sp_err counted_offset(struct worker *w, const char *path, uint64_t *offset,
                                    struct fail *fail);

#endif
