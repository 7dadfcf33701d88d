/*
 * ftp/path.h - virtual paths: what a client names, seen from its own root
 *
 * Runs in: worker, broker.               Blocks: never.
 * Trusts:  nothing. This is text only: it keeps names in form; that they stay in the jail
 *          is the broker's resolving.
 */
#ifndef SP_FTP_PATH_H
#define SP_FTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/message.h"       /* PATH_BYTES: what a message can carry */

/*
 * Absolute and normal: begins with '/', no "//", no "." and "..", no '/' at the end (but
 * for the root itself), no NUL inside. text is NUL-terminated.
 */
struct path { size_t len; char text[PATH_BYTES + 1]; };

void path_root(struct path *out);
/*
 * Where parameter leads from the directory cwd (absolute). ".." is taken lexically, so a
 * symbolic link to a directory can be left the way it was entered, and never above '/'.
 * An empty parameter is cwd itself. A component over 255 bytes passes: the file system
 * knows its own bound. cwd and parameter may lie in *out. SP_INPUT: a NUL, cwd not
 * absolute, or longer than PATH_BYTES.
 */
SP_CHECK enum sp_err path_join(struct path *out, struct slice cwd,
                               struct slice parameter);
struct slice path_slice(const struct path *p);

/* "/a/b" to "/a", "/a" to "/", "/" to "/". Lent from the path. */
struct slice path_parent(struct slice path);
/* "/a/b" to "b", "/" to "". Lent from the path. */
struct slice path_name(struct slice path);

/*
 * Appends the path in quotes as 257 has it (RFC 959 appendix II): a quote in it is
 * doubled, control characters become '?', so that no name forges a reply. SP_NOMEM.
 */
SP_CHECK enum sp_err path_quote(struct buf *out, struct slice path);

#endif
