/* src/base/log.c - see base/log.h */
#include "base/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

/*
 * The one piece of process-wide state (see the header): set once at start and again in a
 * forked child, before it serves anyone.
 */
static struct {
    log_sink *sink;
    void *context;
    enum log_level most;
} target = { NULL, NULL, LOG_LEVEL_NOTICE };

void
log_set_sink(log_sink *sink, void *context)
{
    target.sink = sink;
    target.context = context;
}

void
log_set_level(enum log_level most)
{
    target.most = most;
}

bool
log_wants(enum log_level level)
{
    return level <= target.most;
}

const char *
log_level_text(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR: return "error";
    case LOG_LEVEL_WARNING: return "warning";
    case LOG_LEVEL_NOTICE: return "notice";
    case LOG_LEVEL_DEBUG: return "debug";
    }
    return "error";             /* a number that came over a wire and was not checked */
}

static const struct { const char *name; enum log_level level; } events[] = {
#define EVENT(NAME, name, level, senders, fields, meaning) { name, LOG_LEVEL_##level },
#include "base/log.def"
};

enum log_level
log_event_level(enum log_event event)
{
    return events[event].level;
}

const char *
log_event_name(enum log_event event)
{
    return events[event].name;
}

static void
write_standard_error(enum log_event event, const char *line)
{
    char out[LOG_LINE_MAX + 16];
    int len = snprintf(out, sizeof out, "%s %s\n", log_level_text(log_event_level(event)), line);

    /* One write for one line, so that lines of several processes do not mix. There is
     * nobody to tell if it fails. */
    if (len > 0 && write(STDERR_FILENO, out, (size_t)len) < 0)
        return;
}

void
log_whole(enum log_event event, char *line)
{
    if (!log_wants(log_event_level(event)))
        return;
    /* The last net: a text that was not put through log_text makes no second line. */
    for (char *at = line; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    if (target.sink != NULL)
        target.sink(target.context, event, line);
    else
        write_standard_error(event, line);
}

void
log_after(const char *before, enum log_event event, const char *format, va_list args)
{
    const char *name = log_event_name(event);
    size_t room = strlen(before), head = room + strlen(name) + 1;
    char line[LOG_LINE_MAX];
    int saved = errno, len = 0;

    if (!log_wants(log_event_level(event)))
        return;
    if (head >= sizeof line / 2) {      /* it cannot be so long */
        before = "";
        room = 0;
        head = strlen(name) + 1;
    }
    memcpy(line, before, room);
    memcpy(line + room, name, head - room - 1);
    line[head - 1] = ' ';
    line[head] = '\0';
    len = vsnprintf(line + head, sizeof line - head, format, args);
    if (len > 0 && head + (size_t)len >= sizeof line)
        memcpy(line + sizeof line - 4, "...", 4);
    log_whole(event, line);
    errno = saved;
}

void
log_event(enum log_event event, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_after("", event, format, args);
    va_end(args);
}

void
log_bare(enum log_event event)
{
    char line[LOG_LINE_MAX];
    int saved = errno;

    (void)text_copy(line, sizeof line, log_event_name(event));
    log_whole(event, line);
    errno = saved;
}

/* May it stand in a line as it is? Not what breaks fields, moves or hides other text. */
static bool
is_plain(uint32_t n)
{
    if (n < 0x80)
        return n > 0x20 && n < 0x7f && n != '"' && n != '\'' && n != '\\';
    if (n < 0xa1)
        return false;                   /* C1 control characters, no-break space */
    if (n >= 0x2000 && n <= 0x200f)
        return false;                   /* wide spaces, zero width, direction marks */
    if (n >= 0x2028 && n <= 0x202f)
        return false;                   /* line and paragraph ends, direction */
    if (n >= 0x205f && n <= 0x206f)
        return false;                   /* invisible operators, direction */
    if (n >= 0xd800 && n <= 0xdfff)
        return false;                   /* surrogates: no characters by themselves */
    return n != 0xad && n != 0x061c && n != 0x180e && n != 0x3000 && n != 0xfeff
        && !(n >= 0xe0000 && n <= 0xe007f);
}

size_t
log_character(struct slice *s, char out[LOG_CHARACTER_MAX])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t number = 0;
    size_t size = utf8_character(*s, &number), len = 0;
    bool plain = size > 0 && is_plain(number);

    if (size == 0)
        size = 1;
    for (size_t i = 0; i < size; i++) {
        if (plain) {
            out[len++] = (char)s->at[i];
        } else {
            out[len++] = '\\';
            out[len++] = 'x';
            out[len++] = digits[s->at[i] >> 4];
            out[len++] = digits[s->at[i] & 15];
        }
    }
    s->at += size;
    s->len -= size;
    return len;
}

const char *
log_text(struct slice s, struct log_escaped *out)
{
    const size_t most = sizeof out->text - sizeof "...";    /* room for "..." and NUL */
    size_t len = 0, cut = 0;

    while (s.len > 0) {
        struct slice rest = s;
        char shown[LOG_CHARACTER_MAX];
        size_t need = log_character(&rest, shown);

        if (need > sizeof out->text - 1 - len)
            break;
        memcpy(out->text + len, shown, need);
        len += need;
        if (len <= most)
            cut = len;                  /* a cut never falls inside a character */
        s = rest;
    }
    if (s.len > 0) {
        memcpy(out->text + cut, "...", 3);
        len = cut + 3;
    }
    out->text[len] = '\0';
    return out->text;
}
