/*
 * broker/partial.h - the names of unfinished uploads, and who may touch one
 *
 * Runs in: broker.                       Blocks: as the file system does, and where an
 *                                        upload is taken over (broker/takeover.h).
 *
 * While an upload runs, and after it broke off, its bytes lie beside the final name in
 * ".sp-part.NAME". Such names are the server's own. Where that is too long, NAME is
 * shortened: its first bytes, '~' and 16 hex digits of a hash of all of it. Too long is
 * more than the 255 bytes that a name may have; and more than 143 where NAME itself has no
 * more, as there are file systems (eCryptfs) that have no longer ones. A NAME that looks
 * as if it had been shortened is, too, so that no two share a partial. Whoever writes one
 * holds an exclusive flock(2) on it; one without a lock belongs to nobody and may be gone
 * on with or thrown away.
 */
#ifndef SP_BROKER_PARTIAL_H
#define SP_BROKER_PARTIAL_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/leftover.h"

struct broker;

#define PARTIAL_PREFIX LEFTOVER_PREFIX

/* Is it one of the server's own names? */
bool partial_is(struct slice name);
/*
 * The name beside name in which its unfinished upload lies. name: up to NAME_MAX bytes.
 */
void partial_name(const char *name, char out[NAME_MAX + 1]);
/*
 * The name beside name in which a copy of a file lies that gets this name (broker/move.h). It
 * is no upload: nobody sees it, or goes on with it.
 */
void partial_name_of_move(const char *name, char out[NAME_MAX + 1]);
/*
 * The final name that belongs to a partial's; a pointer into partial. NULL: it was
 * shortened, or is no name that an upload can have.
 */
const char *partial_final(const char *partial);

/*
 * Creates the partial, locked, for writing; one that nobody writes to is removed before.
 * SP_REFUSED: FAIL_BUSY, FAIL_NOT_FILE. SP_OS.
 */
SP_CHECK enum sp_err partial_create(struct broker *b, int dir, const char *partial,
                                    int *fd);
/* Opens one that is there and locks it. SP_REFUSED: FAIL_BUSY. SP_OS: ENOENT, ... */
SP_CHECK enum sp_err partial_open(struct broker *b, int dir, const char *partial,
                                  int *fd);
/*
 * Locks one that is to be removed, or kept from others for a while: what may only be read
 * can be held, too. Errors as partial_open.
 */
SP_CHECK enum sp_err partial_hold(struct broker *b, int dir, const char *partial,
                                  int *fd);
/* Removes one that nobody writes to. Errors as partial_open. */
SP_CHECK enum sp_err partial_remove(struct broker *b, int dir, const char *partial);
/* Is the open file still the one that this name in dir means? */
bool partial_is_at(int fd, int dir, const char *name);
/* The same; and what statx says of it. */
bool partial_seen_at(int fd, int dir, const char *name, struct statx *st);
/*
 * flock(2). One that another session holds is waited for only where that session may give
 * it up (upload.takes_over, broker/takeover.h). SP_REFUSED: FAIL_BUSY. SP_CLOSED: as
 * takeover_ask. A file system without locks is let pass.
 */
SP_CHECK enum sp_err partial_lock(struct broker *b, int fd);

#endif
