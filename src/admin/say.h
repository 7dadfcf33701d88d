/*
 * admin/say.h - what the tool tells its user, and how it ends
 *
 * Runs in: the administrator's tool.     Blocks: on the terminal.
 */
#ifndef SP_ADMIN_SAY_H
#define SP_ADMIN_SAY_H

#include "base/err.h"

enum say_exit { SAY_DONE = 0, SAY_FAILED = 1, SAY_USAGE = 2 };

/* "sallyport: text" on standard error; control characters become '?'. */
void say(const char *format, ...) SP_PRINTF(1, 2);
/* As say, and returns the code: return say_end(SAY_FAILED, ...). */
enum say_exit say_end(enum say_exit code, const char *format, ...) SP_PRINTF(2, 3);
/*
 * A path on standard output, all of it, and so that no other path looks the same: what
 * would move a cursor or break a line, and every backslash, is shown as \xHH.
 */
void say_path(const char *path);
/* Text from a file or a database on standard output, padded to width, made printable. */
void say_field(const char *text, int width);

#endif
