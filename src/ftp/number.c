/* src/ftp/number.c - see ftp/number.h */
#include "ftp/number.h"

#include <string.h>

#define MODE_DIGITS 5
#define MODE_MOST 07777u

enum sp_err
number_parse(struct slice text, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len == 0)
        return SP_INPUT;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.at[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return SP_INPUT;
        value = value * 10 + digit;
    }
    if (value > most)
        return SP_INPUT;
    *out = value;
    return SP_OK;
}

enum sp_err
number_parse_octal(struct slice text, uint32_t *out)
{
    uint32_t value = 0;

    if (text.len == 0 || text.len > MODE_DIGITS)
        return SP_INPUT;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.at[i] - '0';

        if (digit > 7)
            return SP_INPUT;
        value = value * 8 + digit;
    }
    if (value > MODE_MOST)
        return SP_INPUT;
    *out = value;
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
