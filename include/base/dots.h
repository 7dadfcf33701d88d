/*
 * base/dots.h - "." and "..", the two names that mean another directory
 *
 * Runs in: every process.                Blocks: never.
 * Trusts:  nothing in a path.
 */
#ifndef SP_BASE_DOTS_H
#define SP_BASE_DOTS_H

#include <stdbool.h>

#include "base/buf.h"

/* Is the name "." or ".."? */
bool dots_name(const char *name);
/*
 * Has the path a component ".."? Where it leads no text can say, since the kernel follows it
 * through links.
 */
bool dots_climb(struct slice path);

#endif
