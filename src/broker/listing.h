/*
 * broker/listing.h - the answer to LIST: what there is, and its lines into a pipe
 *
 * Runs in: broker.                       Blocks: as the file system does, and as
 *                                        the reader of the pipe does.
 * Trusts:  nothing in the request; ftp/listing.h sees that a name forges no line.
 * Owns:    what listing_prepare has opened and found.
 *
 * What a path means: what is there by that very name; else, but for MLSD, a pattern. Of a
 * directory the entries are shown, of anything else (and with -d, and of every match of a
 * pattern) the object itself. So `LIST *` never goes into directories, as `ls -d *`.
 * A directory is sorted, unless it has more than settings.sorted_entries names. Of more than
 * some hundred, names and facts are not, unless an option says how: programs ask for them.
 *
 * A symbolic link is a link with its target in ls lines. In facts it is the file or
 * directory that it leads to inside the jail, which is what a client can do with it; one
 * that leads nowhere is a link there, too.
 *
 * -R goes down in the order of ls -R, never through a link; long lines have a header
 * "path:" for each directory below, lines of names have the path before each name.
 */
#ifndef SP_BROKER_LISTING_H
#define SP_BROKER_LISTING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "broker/names.h"
#include "broker/reader.h"
#include "ftp/listing.h"

struct broker;
struct msg_list;

#define LISTING_NAMES (256u << 20)  /* bytes of the names of one listing, at the most */
#define LISTING_BUFFER 262144       /* of lines that are yet to be written            */

struct listing {
    struct broker *b;
    enum listing_kind kind;
    unsigned options, facts;
    bool contents;              /* of a directory: else names are objects themselves */
    bool long_lines;
    bool parent_writable;
    int dir;                    /* where names are looked up: lent by reader, or held */
    int held;                   /* the directory, where no reader has it */
    char path[PATH_MAX];        /* the same as a path */
    char top[PATH_MAX];         /* the directory that -R began in */
    char prefix[PATH_MAX];      /* before each name that is shown */
    char single[PATH_MAX];      /* shown instead of the one name; empty: the name is */
    struct reader reader;
    bool more;                  /* the rest is still in the reader */
    struct names names, below;  /* below: directories that -R has yet to visit */
    int64_t now;
    uint64_t entries;           /* lines written */
    int missed;                 /* errno of an entry that has no line and should; or 0 */
    struct buf out;
    int pipe;
};

/*
 * Find what is to be listed; nothing is written yet. *l is ready for listing_clear
 * whatever the result. SP_REFUSED: FAIL_PERMIT, FAIL_NAME, FAIL_NOT_DIRECTORY,
 * FAIL_TOO_MUCH. SP_OS, SP_NOMEM.
 */
SP_CHECK enum sp_err listing_prepare(struct listing *l, struct broker *b,
                                     const struct msg_list *ask);
/* A guess at the bytes of all lines, to size a pipe. */
size_t listing_size(const struct listing *l);
void listing_clear(struct listing *l);

/* For broker/lines.h: turns to the directory l->path, and finds what is in it. Errors as
 * listing_prepare. */
SP_CHECK enum sp_err listing_enter(struct listing *l);
/*
 * The next name in that directory that is to be shown, in the file system's order; as
 * reader_next.
 */
SP_CHECK enum sp_err listing_next(struct listing *l, const char **name, bool *unfinished);
/* Is more to be read by listing_more? Else by listing_next. */
bool listing_by_inode(const struct listing *l);
/*
 * The next names in that directory, some more than before, in place of those in l->names, in
 * the order of their inodes. SP_OS, SP_NOMEM.
 */
SP_CHECK enum sp_err listing_more(struct listing *l);
bool listing_has(const struct listing *l, enum listing_option option);
/* Does a line need more than the name? */
bool listing_needs_stat(const struct listing *l);

#endif
