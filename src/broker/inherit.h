/*
 * broker/inherit.h - what a file that is replaced hands down to the new one
 *
 * Runs in: broker.                       Blocks: as the file system does.
 *
 * Who may read or write a file is not changed by an upload over it: the new file gets the
 * old one's mode (without set-id bits), group, access list and other extended attributes.
 * What cannot be handed down to another file is kept by writing into the old one: its
 * owner, a group that is none of ours, its other names.
 */
#ifndef SP_BROKER_INHERIT_H
#define SP_BROKER_INHERIT_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "broker/resolve.h"

/*
 * The old file as it was when the upload began. bare: neither it nor the new file had any
 * extended attribute. That holds as long as its time of change does.
 */
struct heritage { bool bare; struct statx old; };

/* Looks at both files, open, at the beginning. A failure is taken for "not bare". */
void inherit_note(int old, const struct statx *st, int fd, struct heritage *out);
/* Extended attributes and access list alone, of one open file to another. All of them? */
bool inherit_attributes(int old, int fd);
/*
 * Hands down to fd what the file at this place has. *all: false where something could not
 * be, and the old file has to be written to instead. SP_OS: fd may be open to more than
 * the old file was.
 */
SP_CHECK enum sp_err inherit(int fd, const struct place *at, const struct heritage *noted,
                             bool *all);

#endif
