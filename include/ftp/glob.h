/*
 * ftp/glob.h - patterns for names: * ? [a-z] [!a-z] {a,b} and \
 *
 * Runs in: broker (matching), worker (is it a pattern at all).      Blocks: never.
 * Trusts:  nothing: work for one name is bounded by GLOB_STEPS, there is no recursion.
 *
 * One pattern component against one name; the caller walks the path. Characters are those
 * of UTF-8 where it is valid, else bytes. A name that begins with a dot is matched only
 * by a pattern that begins with one. Braces hold up to GLOB_ALTERNATIVES combinations
 * within one component and do not nest; others are taken as they stand. [ without ]
 * stands for itself.
 */
#ifndef SP_FTP_GLOB_H
#define SP_FTP_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define GLOB_PATTERN_MOST 1024  /* bytes of one component; a longer one matches nothing */
#define GLOB_ALTERNATIVES 64
#define GLOB_STEPS 16384        /* comparisons for one name; then it does not match     */

/* Has text, a component or a whole path, a * ? [ or { that no backslash precedes? */
bool glob_has_magic(struct slice text);
bool glob_match(struct slice pattern, struct slice name);
/*
 * Takes the backslashes of a pattern out: "a\*b" to "a*b". out has room for pattern.len
 * bytes (it gets no NUL) and may be the pattern's own memory. Returns the length.
 */
size_t glob_unescape(struct slice pattern, unsigned char *out);

#endif
