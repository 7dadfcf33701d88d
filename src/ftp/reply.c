/* src/ftp/reply.c - see ftp/reply.h */
#include "ftp/reply.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TELNET_IAC 0xff

static bool
is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* Makes the bytes behind from one line: no control characters, 0xFF doubled, CRLF. */
static enum sp_err
finish(struct buf *out, size_t from)
{
    size_t doubled = 0, at = 0, to = 0;
    enum sp_err rc = SP_OK;

    for (size_t i = from; i < out->len; i++) {
        if (is_control(out->at[i]))
            out->at[i] = '?';
        doubled += out->at[i] == TELNET_IAC;
    }
    if ((rc = buf_reserve(out, doubled + 2)) != SP_OK)
        return rc;
    at = out->len;
    out->len += doubled;
    to = out->len;
    while (to > at) {           /* from the end, so that nothing is overwritten unread */
        out->at[--to] = out->at[--at];
        if (out->at[to] == TELNET_IAC)
            out->at[--to] = TELNET_IAC;
    }
    out->at[out->len++] = '\r';
    out->at[out->len++] = '\n';
    return SP_OK;
}

static bool
has_code(const unsigned char *at, size_t len)
{
    for (size_t i = 0; i < 3; i++)
        if (i == len || at[i] < '0' || at[i] > '9')
            return false;
    return true;
}

static enum sp_err add(struct buf *out, unsigned code, char mark, const char *format,
                       va_list args) __attribute__((format(printf, 4, 0)));

/* code 0: an inner line. Nothing is added where it fails. */
static enum sp_err
add(struct buf *out, unsigned code, char mark, const char *format, va_list args)
{
    size_t before = out->len;
    char *to = NULL;
    va_list again;
    int need = 0;
    enum sp_err rc = SP_OK;

    va_copy(again, args);
    need = vsnprintf(NULL, 0, format, args);
    SP_ASSERT(need >= 0);
    /* a code and its mark, or a space; and the NUL that vsnprintf writes */
    if ((rc = buf_reserve(out, (size_t)need + 5)) != SP_OK)
        goto out;
    if (code != 0) {
        SP_ASSERT(code >= 100 && code <= 699);
        out->at[out->len++] = (unsigned char)('0' + code / 100);
        out->at[out->len++] = (unsigned char)('0' + code / 10 % 10);
        out->at[out->len++] = (unsigned char)('0' + code % 10);
        out->at[out->len++] = (unsigned char)mark;
    }
    to = (char *)out->at + out->len;
    (void)vsnprintf(to, (size_t)need + 1, format, again);
    if (code == 0 && has_code(out->at + out->len, (size_t)need)) {
        memmove(to + 1, to, (size_t)need);
        *to = ' ';
        out->len++;
    }
    out->len += (size_t)need;
    rc = finish(out, before);
out:
    if (rc != SP_OK)
        out->len = before;
    va_end(again);
    return rc;
}

enum sp_err
reply_line(struct buf *out, unsigned code, const char *format, ...)
{
    va_list args;
    enum sp_err rc = SP_OK;

    va_start(args, format);
    rc = add(out, code, ' ', format, args);
    va_end(args);
    return rc;
}

enum sp_err
reply_open(struct buf *out, unsigned code, const char *format, ...)
{
    va_list args;
    enum sp_err rc = SP_OK;

    va_start(args, format);
    rc = add(out, code, '-', format, args);
    va_end(args);
    return rc;
}

enum sp_err
reply_inner(struct buf *out, const char *format, ...)
{
    va_list args;
    enum sp_err rc = SP_OK;

    va_start(args, format);
    rc = add(out, 0, ' ', format, args);
    va_end(args);
    return rc;
}

enum sp_err
reply_inner_slice(struct buf *out, struct slice text)
{
    size_t before = out->len;
    enum sp_err rc = SP_OK;

    if (text.len > 0 && text.at[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.at[text.len - 1] == '\r')
        text.len--;
    if (has_code(text.at, text.len))
        rc = buf_add(out, " ", 1);
    if (rc == SP_OK)
        rc = buf_add(out, text.at, text.len);
    if (rc == SP_OK)
        rc = finish(out, before);
    if (rc != SP_OK)
        out->len = before;
    return rc;
}

enum sp_err
reply_close(struct buf *out, unsigned code, const char *format, ...)
{
    va_list args;
    enum sp_err rc = SP_OK;

    va_start(args, format);
    rc = add(out, code, ' ', format, args);
    va_end(args);
    return rc;
}

const char *
reply_text(struct slice s, struct reply_escaped *out)
{
    static const char cut[] = "...";
    size_t len = s.len;

    if (len >= sizeof out->text) {
        len = sizeof out->text - sizeof cut;
        /* not within a character of UTF-8: at most three bytes follow its first */
        for (unsigned i = 0; i < 3 && (s.at[len] & 0xc0) == 0x80; i++)
            len--;
    }
    for (size_t i = 0; i < len; i++)
        out->text[i] = (char)(is_control(s.at[i]) ? '?' : s.at[i]);
    if (len < s.len) {
        memcpy(out->text + len, cut, sizeof cut - 1);
        len += sizeof cut - 1;
    }
    out->text[len] = '\0';
    return out->text;
}
