/* src/base/number.c - see include/base/number.h */
#include "base/number.h"

#include <string.h>

#define MODE_DIGITS 5
#define MODE_MOST 07777u

/* The digits of the base that text begins with. False: none, or more than most. */
static bool
take_digits(struct slice *text, unsigned base, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    size_t len = 0;

    for (; len < text->len; len++) {
        unsigned digit = (unsigned)text->at[len] - '0';

        if (digit >= base)
            break;
        if (value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    if (len == 0 || value > most)
        return false;
    text->at += len;
    text->len -= len;
    *out = value;
    return true;
}

enum sp_err
number_take(struct slice *text, uint64_t most, uint64_t *out)
{
    return take_digits(text, 10, most, out) ? SP_OK : SP_INPUT;
}

enum sp_err
number_parse_base(struct slice text, unsigned base, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;

    SP_ASSERT(base >= 2 && base <= 10);
    if (!take_digits(&text, base, most, &value) || text.len > 0)
        return SP_INPUT;
    *out = value;
    return SP_OK;
}

enum sp_err
number_parse(struct slice text, uint64_t most, uint64_t *out)
{
    return number_parse_base(text, 10, most, out);
}

enum sp_err
number_parse_octal(struct slice text, uint32_t *out)
{
    uint64_t value = 0;

    if (text.len > MODE_DIGITS || number_parse_base(text, 8, MODE_MOST, &value) != SP_OK)
        return SP_INPUT;
    *out = (uint32_t)value;
    return SP_OK;
}

size_t
number_text(uint64_t value, char out[NUMBER_TEXT_MAX])
{
    char digits[NUMBER_TEXT_MAX];
    size_t at = sizeof digits;
    size_t len = 0;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    len = sizeof digits - at;
    memcpy(out, digits + at, len);
    out[len] = '\0';
    return len;
}
