/* base/buf.c - see include/base/buf.h */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"

#define BUF_FIRST 64

struct slice
slice_of(const char *text)
{
    return slice_from(text, text == NULL ? 0 : strlen(text));
}

struct slice
slice_from(const void *at, size_t len)
{
    return (struct slice){ .at = at, .len = len };
}

bool
slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static unsigned char
lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

bool
slice_equal_nocase(struct slice a, const char *text)
{
    size_t i = 0;

    for (; i < a.len && text[i] != '\0'; i++)
        if (lower(a.at[i]) != lower((unsigned char)text[i]))
            return false;
    return i == a.len && text[i] == '\0';
}

bool
slice_has_line_break(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '\0' || s.at[i] == '\r' || s.at[i] == '\n')
            return true;
    return false;
}

enum sp_err
slice_to_text(struct slice s, char *out, size_t room)
{
    if (s.len >= room || (s.len > 0 && memchr(s.at, '\0', s.len) != NULL))
        return SP_INPUT;
    if (s.len > 0)
        memcpy(out, s.at, s.len);
    out[s.len] = '\0';
    return SP_OK;
}

enum sp_err
buf_reserve(struct buf *b, size_t more)
{
    size_t room = b->room;
    unsigned char *at = NULL;

    if (more > b->max || b->len > b->max - more)
        return SP_NOMEM;
    if (b->len + more <= b->room)
        return SP_OK;
    if (room == 0)
        room = BUF_FIRST;
    while (room < b->len + more)
        room = room > b->max / 2 ? b->max : room * 2;
    if (room > b->max)
        room = b->max;          /* below BUF_FIRST: buf_read_all fills what room there is */
    /* not realloc: a buf may hold a secret, and buf_wipe must find every copy */
    if ((at = malloc(room)) == NULL)
        return SP_NOMEM;
    if (b->len > 0)
        memcpy(at, b->at, b->len);
    if (b->at != NULL) {
        wipe(b->at, b->len);
        free(b->at);
    }
    b->at = at;
    b->room = room;
    return SP_OK;
}

enum sp_err
buf_add(struct buf *b, const void *at, size_t len)
{
    enum sp_err rc = buf_reserve(b, len);

    if (rc != SP_OK)
        return rc;
    if (len > 0)
        memcpy(b->at + b->len, at, len);
    b->len += len;
    return SP_OK;
}

enum sp_err
buf_add_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

enum sp_err
buf_printf(struct buf *b, const char *format, ...)
{
    va_list list;
    int need = 0;
    enum sp_err rc = SP_OK;

    va_start(list, format);
    need = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (need < 0)
        return SP_INPUT;
    /* one more for the NUL that vsnprintf writes; it is not counted in len */
    if ((rc = buf_reserve(b, (size_t)need + 1)) != SP_OK)
        return rc;
    va_start(list, format);
    (void)vsnprintf((char *)b->at + b->len, (size_t)need + 1, format, list);
    va_end(list);
    b->len += (size_t)need;
    return SP_OK;
}

void
buf_consume(struct buf *b, size_t len)
{
    SP_ASSERT(len <= b->len);
    b->len -= len;
    if (b->len > 0 && len > 0)
        memmove(b->at, b->at + len, b->len);
}

struct slice
buf_slice(const struct buf *b)
{
    return (struct slice){ .at = b->at, .len = b->len };
}

enum sp_err
buf_read_all(struct buf *b, int fd)
{
    enum sp_err rc = SP_OK;
    ssize_t got = 0;
    unsigned char past = 0;

    for (;;) {
        if (b->len == b->max) {
            /* full: at the end of the file, or too large */
            while ((got = read(fd, &past, 1)) == -1 && errno == EINTR)
                continue;
            return got == 0 ? SP_OK : got < 0 ? SP_OS : SP_NOMEM;
        }
        if (b->room == b->len
            && (rc = buf_reserve(b, b->max - b->len < 4096 ? b->max - b->len : 4096)) != SP_OK)
            return rc;
        got = read(fd, b->at + b->len, b->room - b->len);
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return SP_OS;
        if (got == 0)
            return SP_OK;
        b->len += (size_t)got;
    }
}

void
buf_free(struct buf *b)
{
    free(b->at);
    *b = (struct buf)BUF_EMPTY(b->max);
}

void
buf_wipe(struct buf *b)
{
    if (b->at != NULL)
        wipe(b->at, b->room);
    buf_free(b);
}

bool
text_copy(char *out, size_t room, const char *text)
{
    size_t len = strlen(text);
    bool fits = len < room;

    SP_ASSERT(room > 0);
    if (!fits)
        len = room - 1;
    memcpy(out, text, len);
    out[len] = '\0';
    return fits;
}

SP_PRINTF(3, 0) static bool
print(char *out, size_t room, const char *format, va_list list)
{
    int need = 0;

    SP_ASSERT(room > 0);
    need = vsnprintf(out, room, format, list);
    return need >= 0 && (size_t)need < room;
}

bool
text_printf(char *out, size_t room, const char *format, ...)
{
    va_list list;
    bool fits = false;

    va_start(list, format);
    fits = print(out, room, format, list);
    va_end(list);
    return fits;
}

void
text_copy_whole(char *out, size_t room, const char *text)
{
    bool fits = text_copy(out, room, text);

    SP_ASSERT(fits);
}

void
text_printf_whole(char *out, size_t room, const char *format, ...)
{
    va_list list;
    bool fits = false;

    va_start(list, format);
    fits = print(out, room, format, list);
    va_end(list);
    SP_ASSERT(fits);
}
