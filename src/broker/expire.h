/*
 * broker/expire.h - unfinished uploads that nobody has gone on with for long
 *
 * Runs in: broker.                       Blocks: as the file system does.
 *
 * Nobody goes looking for them: a session removes those that it comes upon, where it reads
 * a directory, and where an upload of its own breaks off. It has to be a session that may
 * upload: one that may only read changes nothing. Never is an upload removed that somebody
 * writes, nor one whose length this session has been told.
 */
#ifndef SP_BROKER_EXPIRE_H
#define SP_BROKER_EXPIRE_H

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct place;

/* Those touched before are too old; so many are removed at the most, so that who only
 * wants a listing does not wait for all of them. */
struct expiry { int64_t before; unsigned left; };

#define EXPIRY_EMPTY { 0, 0 }

/* By the settings, the permits and the clock. */
struct expiry expiry_now(const struct broker *b);
/*
 * Removes the partial name in dir, if it is one and too old. path: of the directory, for
 * the log; may be "". True: it is gone.
 */
bool expire(const struct broker *b, struct expiry *e, int dir, const char *path,
            const char *name);
/* The same for all that lie in the directory of an upload, if it is not too large. */
void expire_around(const struct broker *b, const struct place *at);

#endif
