/*
 * broker/attributes.h - mode and times of an object that has been looked at
 *
 * Runs in: broker.                       Blocks: as the file system does, never on
 *                                        a FIFO.
 *
 * The object is changed through its O_PATH descriptor where the kernel has the calls for
 * it. An older one needs it opened: by the path again, and only if it is still the same
 * object.
 */
#ifndef SP_BROKER_ATTRIBUTES_H
#define SP_BROKER_ATTRIBUTES_H

#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "broker/resolve.h"

struct broker;

/* A regular file or directory only. SP_OS; SP_REFUSED (FAIL_BUSY): it was swapped. */
SP_CHECK enum sp_err attributes_mode(struct broker *b, const char *path,
                                     const struct seen *seen, unsigned mode);
SP_CHECK enum sp_err attributes_modified(struct broker *b, const char *path,
                                         const struct seen *seen,
                                         const struct timespec *modified);

#endif
