/* src/ftp/glob.c - see ftp/glob.h */
#include "ftp/glob.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

/* Added to a byte that is part of no valid character, so that it equals only itself. */
#define RAW_BYTE 0x110000u

/* The character at s.at[*i]; *i moves behind it. There is one: *i < s.len. */
static uint32_t
next_char(struct slice s, size_t *i)
{
    struct slice rest = slice_from(s.at + *i, s.len - *i);
    uint32_t c = 0;
    size_t len = utf8_character(rest, &c);

    *i += len > 0 ? len : 1;
    return len > 0 ? c : RAW_BYTE + *rest.at;
}

/* A character of a bracket expression, a backslash undone. False: the pattern ends. */
static bool
bracket_char(struct slice pattern, size_t *i, uint32_t *c)
{
    if (*i < pattern.len && pattern.at[*i] == '\\')
        (*i)++;
    if (*i >= pattern.len)
        return false;
    *c = next_char(pattern, i);
    return true;
}

/*
 * A bracket expression at pattern.at[*i], against c. *i moves behind it. False without
 * moving *i: it has no end, the bracket stands for itself.
 */
static bool
bracket(struct slice pattern, size_t *i, uint32_t c, bool *matches, unsigned *steps)
{
    size_t at = *i + 1;
    uint32_t low = 0, high = 0;
    bool negated = at < pattern.len && (pattern.at[at] == '!' || pattern.at[at] == '^');
    bool found = false;

    at += negated;
    for (bool first = true; first || (at < pattern.len && pattern.at[at] != ']');
         first = false) {
        ++*steps;
        if (!bracket_char(pattern, &at, &low))
            return false;
        high = low;
        if (at + 1 < pattern.len && pattern.at[at] == '-' && pattern.at[at + 1] != ']') {
            at++;
            if (!bracket_char(pattern, &at, &high))
                return false;
        }
        found = found || (low <= c && c <= high);
    }
    if (at >= pattern.len)
        return false;
    *i = at + 1;
    *matches = found != negated;
    return true;
}

/*
 * Matches the one pattern element at *p (not a star) with what stands at *n of the name;
 * both move behind it. There is a byte of the name at *n.
 */
static bool
match_one(struct slice pattern, size_t *p, struct slice name, size_t *n, unsigned *steps)
{
    size_t behind = *n;
    bool matches = false;
    uint32_t c = 0;

    if (*p == pattern.len)
        return false;
    if (pattern.at[*p] == '?' || pattern.at[*p] == '[')
        c = next_char(name, &behind);
    if (pattern.at[*p] == '?') {
        ++*p;
        *n = behind;
        return true;
    }
    if (pattern.at[*p] == '[' && bracket(pattern, p, c, &matches, steps)) {
        *n = behind;
        return matches;
    }
    if (pattern.at[*p] == '\\' && *p + 1 < pattern.len)
        ++*p;
    return pattern.at[(*p)++] == name.at[(*n)++];
}

/* Without braces. After a mismatch only the last star takes one character more. */
static bool
match_plain(struct slice pattern, struct slice name, unsigned *steps)
{
    size_t p = 0, n = 0, star = SIZE_MAX, from = 0;

    if (name.len > 0 && name.at[0] == '.') {
        p = pattern.len > 1 && pattern.at[0] == '\\';
        if (pattern.len == p || pattern.at[p] != '.')
            return false;
        p = 0;
    }
    while (n < name.len) {
        if (++*steps > GLOB_STEPS)
            return false;
        if (p < pattern.len && pattern.at[p] == '*') {
            while (p < pattern.len && pattern.at[p] == '*')
                p++;
            star = p;
            from = n;
            continue;
        }
        if (match_one(pattern, &p, name, &n, steps))
            continue;
        if (star == SIZE_MAX)
            return false;
        (void)next_char(name, &from);
        n = from;
        p = star;
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

/*
 * Is there a group at the brace at i: "{", at least one comma, "}", no brace inside? end:
 * where its "}" is; count: its alternatives.
 */
static bool
find_group(struct slice pattern, size_t i, size_t *end, unsigned *count)
{
    unsigned commas = 0;

    for (i++; i < pattern.len && pattern.at[i] != '{'; i++) {
        if (pattern.at[i] == '\\')
            i++;
        else if (pattern.at[i] == ',')
            commas++;
        else if (pattern.at[i] == '}') {
            *end = i;
            *count = commas + 1;
            return commas > 0;
        }
    }
    return false;
}

/* How many patterns the braces stand for; 1: none, or more than we follow. */
static unsigned
count_alternatives(struct slice pattern)
{
    unsigned product = 1, count = 0;
    size_t end = 0;

    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.at[i] == '\\') {
            i++;
        } else if (pattern.at[i] == '{' && find_group(pattern, i, &end, &count)) {
            if (count > GLOB_ALTERNATIVES / product)
                return 1;
            product *= count;
            i = end;
        }
    }
    return product;
}

/* Writes the alternative of that number: each group takes one digit of it. */
static size_t
write_alternative(struct slice pattern, unsigned number, unsigned char *out)
{
    size_t len = 0, end = 0;
    unsigned count = 0, skip = 0;

    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.at[i] == '\\' && i + 1 < pattern.len) {
            out[len++] = pattern.at[i++];
        } else if (pattern.at[i] == '{' && find_group(pattern, i, &end, &count)) {
            skip = number % count;
            number /= count;
            for (i++; i < end; i++) {
                if (pattern.at[i] == ',' && skip-- == 0)
                    break;
                if (skip == 0 && pattern.at[i] != ',')
                    out[len++] = pattern.at[i];
                if (pattern.at[i] == '\\' && ++i < end && skip == 0)
                    out[len++] = pattern.at[i];
            }
            i = end;
            continue;
        }
        out[len++] = pattern.at[i];
    }
    return len;
}

bool
glob_match(struct slice pattern, struct slice name)
{
    unsigned char text[GLOB_PATTERN_MOST];
    unsigned steps = 0, count = 1;

    if (pattern.len > sizeof text)
        return false;
    if (pattern.len > 0 && memchr(pattern.at, '{', pattern.len) != NULL)
        count = count_alternatives(pattern);
    if (count == 1)
        return match_plain(pattern, name, &steps);
    for (unsigned i = 0; i < count; i++) {
        size_t len = write_alternative(pattern, i, text);

        if (match_plain(slice_from(text, len), name, &steps))
            return true;
    }
    return false;
}

bool
glob_has_magic(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\\')
            i++;
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): four bytes, not the NUL */
        else if (memchr("*?[{", text.at[i], 4) != NULL)
            return true;
    }
    return false;
}

size_t
glob_unescape(struct slice pattern, unsigned char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.at[i] == '\\' && i + 1 < pattern.len)
            i++;
        out[len++] = pattern.at[i];
    }
    return len;
}
