/*
 * broker/copy.h - bytes from one file to another inside the server
 *
 * Runs in: broker.                       Blocks: as long as the copy takes.
 */
#ifndef SP_BROKER_COPY_H
#define SP_BROKER_COPY_H

#include <stdint.h>

#include "base/err.h"

struct broker;

/*
 * The first count bytes of from to the beginning of to: shared where the file system can
 * (reflink), else copied by the kernel, else by us. Looks now and then whether the
 * session is still there. SP_REFUSED (FAIL_OFFSET): from is shorter. SP_CLOSED: it is over.
 */
SP_CHECK enum sp_err copy_bytes(struct broker *b, int from, int to, uint64_t count);

#endif
