/*
 * ftp/reply.h - replies as lines of text
 *
 * Runs in: worker.                       Blocks: never.
 * Trusts:  nothing that is interpolated: whatever a format brings in, one call makes one
 *          line. Control characters (below 0x20, and 0x7F) become '?'; bytes of 0x80 and
 *          above stay, for names are UTF-8 or Latin-1; 0xFF is doubled, for the control
 *          connection is Telnet (RFC 959) and the way in undoes it. A CR does not become
 *          CR NUL: to Python's ftplib and to Java a CR ends a line, so a name could forge one.
 */
#ifndef SP_FTP_REPLY_H
#define SP_FTP_REPLY_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* "ddd text" CRLF. code: 100 to 699. SP_NOMEM: nothing was added. */
SP_CHECK enum sp_err reply_line(struct buf *out, unsigned code, const char *format, ...)
    SP_PRINTF(3, 4);

/*
 * A reply of several lines (RFC 959 section 4.2): open "ddd-text", any number of inner
 * lines, close "ddd text". An inner line that begins with three digits gets a space
 * before it, so that no client takes it for the end.
 */
SP_CHECK enum sp_err reply_open(struct buf *out, unsigned code, const char *format, ...)
    SP_PRINTF(3, 4);
SP_CHECK enum sp_err reply_inner(struct buf *out, const char *format, ...)
    SP_PRINTF(2, 3);
/* As reply_inner, of text as it is; a line end behind it is left away. */
SP_CHECK enum sp_err reply_inner_slice(struct buf *out, struct slice text);
SP_CHECK enum sp_err reply_close(struct buf *out, unsigned code, const char *format, ...)
    SP_PRINTF(3, 4);

#define REPLY_TEXT_MAX 4104

/*
 * Text from outside for a %s: control characters are '?', cut with "..." at
 * REPLY_TEXT_MAX (between characters, where it is UTF-8). Returns out->text. One buffer
 * for each %s.
 */
struct reply_escaped { char text[REPLY_TEXT_MAX]; };
const char *reply_text(struct slice s, struct reply_escaped *out);

#endif
