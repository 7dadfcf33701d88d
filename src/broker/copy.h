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
 * Takes the space for size bytes, where the file system can. SP_OS: there is none; another
 * failure is found out by the copy.
 */
SP_CHECK enum sp_err copy_make_room(int fd, uint64_t size);
/*
 * The first count bytes of from to the beginning of to: shared where the file system can
 * (reflink), else copied by the kernel, else by us. SP_REFUSED (FAIL_OFFSET): from is
 * shorter.
 */
SP_CHECK enum sp_err copy_bytes(struct broker *b, int from, int to, uint64_t count);
/* The same, but ends where the session is over: SP_CLOSED. It looks now and then. */
SP_CHECK enum sp_err copy_for_session(struct broker *b, int from, int to, uint64_t count);
/* And where the worker says something meanwhile: SP_REFUSED (FAIL_UNWANTED). */
SP_CHECK enum sp_err copy_while_wanted(struct broker *b, int from, int to, uint64_t count);

#endif
