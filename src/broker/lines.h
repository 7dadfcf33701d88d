/*
 * broker/lines.h - what listing_prepare has found, as lines into a pipe
 *
 * Runs in: broker.                       Blocks: as the reader of the pipe does.
 */
#ifndef SP_BROKER_LINES_H
#define SP_BROKER_LINES_H

#include "base/err.h"

struct listing;

#define LINES_DEPTH 64          /* of -R: deeper than that it is too much */

/*
 * Write all of it into the pipe, which stays the caller's. A reader that went away is no
 * failure. SP_REFUSED: FAIL_TOO_MUCH. SP_OS, SP_NOMEM.
 */
SP_CHECK enum sp_err lines_write(struct listing *l, int pipe);

#endif
