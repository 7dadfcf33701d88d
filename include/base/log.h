/*
 * base/log.h - one line for one event
 *
 * Runs in: every process.                Blocks: as its sink does.
 *
 * A line is an event name and then key=value. Text from outside goes through log_text().
 * Never a password, a key, or a file's content. The monitor's sink writes the line; every
 * other process sets a sink that sends it to the monitor, which adds side, process and
 * peer itself and limits the rate.
 */
#ifndef SP_BASE_LOG_H
#define SP_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* By what the reader should do: mend it, look soon, who did what, for us. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

#define LOG_LINE_MAX 2048       /* bytes of one line; longer ones end in "..." */

/* line is NUL-terminated, printable, without a line break. */
typedef void log_sink(void *context, enum log_level level, const char *line);

/*
 * The one piece of process-wide state: where lines go and from which level on. Without a
 * sink they go to standard error.
 */
void log_set_sink(log_sink *sink, void *context);
void log_set_level(enum log_level most);
/* Would a line of this level be written? For whoever saves the work of making it. */
bool log_wants(enum log_level level);
const char *log_level_text(enum log_level level);

void log_error(const char *format, ...) SP_PRINTF(1, 2);
void log_warning(const char *format, ...) SP_PRINTF(1, 2);
void log_notice(const char *format, ...) SP_PRINTF(1, 2);
void log_debug(const char *format, ...) SP_PRINTF(1, 2);

#define LOG_TEXT_MAX 512

/*
 * Text from outside, made safe for a line: printable ASCII and valid UTF-8 (without control
 * characters) stay, space, quote, backslash and everything else become \xHH. Cut with "..."
 * at LOG_TEXT_MAX. Returns out. Use one buffer for each %s.
 */
struct log_escaped { char text[LOG_TEXT_MAX]; };
const char *log_text(struct slice s, struct log_escaped *out);

#define LOG_CHARACTER_MAX 16    /* four bytes of \xHH */

/*
 * Takes the next character off *s, which has one, and writes it as log_text does. Returns
 * how many bytes that are (no NUL). For who shows all of a long text.
 */
size_t log_character(struct slice *s, char out[LOG_CHARACTER_MAX]);

#endif
