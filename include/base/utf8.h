/*
 * base/utf8.h - characters of a text that may be none
 *
 * Runs in: every process.                Blocks: never.
 * Trusts:  nothing: names are bytes, and need not be UTF-8.
 */
#ifndef SP_BASE_UTF8_H
#define SP_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* As utf8_character, of one that is not ASCII. */
size_t utf8_longer(struct slice s, uint32_t *number);
/*
 * The character at the beginning of s, which is not empty: how many bytes it has, and its
 * number. 0 where there is none: cut, overlong, past U+10FFFF. A surrogate counts as one (some
 * systems write names with them); who must not pass one on looks for U+D800 to U+DFFF.
 */
static inline size_t
utf8_character(struct slice s, uint32_t *number)
{
    if (s.at[0] >= 0x80)
        return utf8_longer(s, number);
    *number = s.at[0];
    return 1;
}

#endif
