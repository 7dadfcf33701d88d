/*
 * broker/glob_walk.h - which names a path with patterns in it means
 *
 * Runs in: broker.                       Blocks: as the file system does.
 * Trusts:  nothing in the pattern: what it may look at is bounded by a setting
 *          (glob_entries).
 */
#ifndef SP_BROKER_GLOB_WALK_H
#define SP_BROKER_GLOB_WALK_H

#include <limits.h>
#include <stddef.h>

#include "base/err.h"
#include "broker/names.h"

struct broker;

/* A path parted before the first component with magic: base is "/" or "/a/b". */
struct pattern { char base[PATH_MAX], rest[PATH_MAX]; };

/* false: there is no magic in it. */
bool glob_walk_part(const char *path, struct pattern *out);
/*
 * Adds what matches, as paths below base ("x.txt", "d/x.txt"), sorted where everything
 * lies in one directory. Directories that cannot be read match nothing. SP_REFUSED
 * (FAIL_TOO_MUCH): past the bound. SP_NOMEM.
 */
SP_CHECK enum sp_err glob_walk(struct broker *b, const struct pattern *p,
                               struct names *out);

#endif
