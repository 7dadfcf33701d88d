/*
 * ftp/put.h - writing the parts of a listing's line, for listing.c and facts.c alone
 *
 * Runs in: broker.                       Blocks: never.
 * Trusts:  nothing in a name: what would forge a line is replaced.
 *
 * A directory may have a hundred thousand entries, so a line is written in one go: room
 * for the longest it can be is reserved first, then these functions write without asking.
 * Each takes the place to write at and returns the place behind what it wrote.
 */
#ifndef SP_FTP_PUT_H
#define SP_FTP_PUT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/number.h"

static inline unsigned char *
put(unsigned char *at, const void *text, size_t len)
{
    if (len > 0)
        memcpy(at, text, len);
    return at + len;
}

static inline unsigned char *
put_spaces(unsigned char *at, size_t count)
{
    memset(at, ' ', count);
    return at + count;
}

/* Right-aligned in width. */
static inline unsigned char *
put_number(unsigned char *at, uint64_t value, size_t width)
{
    char text[NUMBER_TEXT_MAX];
    size_t len = number_text(value, text);

    if (len < width)
        at = put_spaces(at, width - len);
    return put(at, text, len);
}

static inline unsigned char *
put_base(unsigned char *at, uint64_t value, unsigned shift)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char text[22];
    size_t i = sizeof text;

    do {
        text[--i] = (unsigned char)digits[value & ((1u << shift) - 1)];
        value >>= shift;
    } while (value != 0);
    return put(at, text + i, sizeof text - i);
}

/* all: every control character becomes '?'; else only what ends a line or a C string. */
static inline unsigned char *
put_name(unsigned char *at, struct slice name, bool all)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = name.at[i];

        if ((c < 0x20 || c == 0x7f) && (all || c == '\r' || c == '\n' || c == '\0'))
            c = '?';
        *at++ = c;
    }
    return at;
}

static inline size_t
owner_room(const char *name)
{
    return name == NULL ? 0 : strlen(name);
}

/*
 * An owner or group. Clients part columns and facts at blanks, ';' and '=', and a name
 * from a directory service may have any of them.
 */
static inline unsigned char *
put_owner(unsigned char *at, const char *name, uint32_t id)
{
    if (name == NULL || *name == '\0')
        return put_number(at, id, 0);
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;

        *at++ = c <= 0x20 || c == 0x7f || c == ';' || c == '=' ? '_' : c;
    }
    return at;
}

#endif
