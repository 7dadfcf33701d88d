/*
 * base/log.h - one line for one event
 *
 * Runs in: every process.                Blocks: as its sink does.
 *
 * A line is the name of an event and then key=value. Every event has a row in base/log.def,
 * which also gives its level: to log something new, add a row there and run unit-config. Text
 * from outside goes through log_text(). Never a password, a key, or a file's content. The
 * monitor's sink writes the line; every other process sets a sink that sends it to the
 * monitor, which adds side, process and peer itself.
 */
#ifndef SP_BASE_LOG_H
#define SP_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* By what the reader should do: act now, look soon, know who did what; and for us. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

enum log_event {
#define EVENT(NAME, name, level, senders, fields, meaning) EVENT_##NAME,
#include "base/log.def"
    LOG_EVENTS
};

#define LOG_LINE_MAX 2048       /* bytes of one line; longer ones end in "..." */

/*
 * line is NUL-terminated, printable, without a line break. It begins with the event's name,
 * or with what the monitor puts in front of that.
 */
typedef void log_sink(void *context, enum log_event event, const char *line);

/*
 * The one piece of process-wide state: where lines go and from which level on. Without a
 * sink they go to standard error.
 */
void log_set_sink(log_sink *sink, void *context);
void log_set_level(enum log_level most);
/* Would a line of this level be written? For whoever saves the work of making it. */
bool log_wants(enum log_level level);
const char *log_level_text(enum log_level level);
/* event is below LOG_EVENTS: whoever has it from a wire checks that first. */
enum log_level log_event_level(enum log_event event);
const char *log_event_name(enum log_event event);

/* format: the fields of the event, key=%s, with a space between them. */
void log_event(enum log_event event, const char *format, ...) SP_PRINTF(2, 3);
/* An event without fields. */
void log_bare(enum log_event event);
/* A whole line that was made already. */
void log_whole(enum log_event event, char *line);
/* As log_event, with "session=... peer=... " or nothing before the event's name. */
void log_after(const char *before, enum log_event event, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

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
