/*
 * broker/reader.h - the names in a directory, as a client is to see them
 *
 * Runs in: broker.                       Blocks: as the file system does.
 * Trusts:  nothing in a name.
 * Owns:    the open directory.
 *
 * "." and ".." and the server's own names are left out. An unfinished upload comes under
 * its final name, where that does not exist; one that is too old is removed.
 */
#ifndef SP_BROKER_READER_H
#define SP_BROKER_READER_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "broker/expire.h"

struct broker;

struct reader {
    DIR *stream;
    const struct broker *b;     /* lent */
    const char *path;           /* lent, for the log */
    struct expiry expiry;
    int fd;                     /* the stream's own: for lookups                          */
    int fault;                  /* errno: something was there that could not be looked at */
    uint64_t inode;             /* of the last name, as the directory has it              */
};

#define READER_EMPTY { NULL, NULL, NULL, EXPIRY_EMPTY, -1, 0, 0 }

/*
 * path: virtual, links are followed within the jail; it stays what it is as long as
 * reader_next is called. SP_OS, SP_NOMEM.
 */
SP_CHECK enum sp_err reader_open(const struct broker *b, const char *path,
                                 struct reader *out);
/*
 * The next name, valid until the next call. SP_CLOSED: there is none. SP_OS. unfinished:
 * the bytes lie under partial_name(*name).
 */
SP_CHECK enum sp_err reader_next(struct reader *r, const char **name, bool *unfinished);
void reader_close(struct reader *r);

#endif
