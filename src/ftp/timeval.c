/* src/ftp/timeval.c - see ftp/timeval.h */
#include "ftp/timeval.h"

#include <string.h>

#include "base/calendar.h"

#define DATE_DIGITS 14
#define MINUTE_DIGITS 12
#define NANO_DIGITS 9

/* All of the bytes are digits. */
static bool
digits(const unsigned char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (at[i] < '0' || at[i] > '9')
            return false;
    return true;
}

static unsigned
number(const unsigned char *at, size_t len)
{
    unsigned value = 0;

    for (size_t i = 0; i < len; i++)
        value = value * 10 + (at[i] - (unsigned)'0');
    return value;
}

/* YYYYMMDDhhmm or YYYYMMDDhhmmss. */
static enum sp_err
parse_date(const unsigned char *at, size_t len, int64_t *seconds)
{
    unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;

    if ((len != MINUTE_DIGITS && len != DATE_DIGITS) || !digits(at, len))
        return SP_INPUT;
    year = number(at, 4);
    month = number(at + 4, 2);
    day = number(at + 6, 2);
    hour = number(at + 8, 2);
    minute = number(at + 10, 2);
    if (len == DATE_DIGITS)
        second = number(at + 12, 2);
    if (year == 0 || month == 0 || month > 12 || day == 0
        || day > calendar_days_of_month(year, month) || hour > 23 || minute > 59 || second > 60)
        return SP_INPUT;
    *seconds = calendar_days(year, month, day) * CALENDAR_DAY
        + ((int64_t)hour * 60 + minute) * 60 + second;
    return SP_OK;
}

enum sp_err
timeval_parse(struct slice text, struct timeval_utc *out)
{
    struct timeval_utc when = { 0, 0 };
    enum sp_err rc = SP_OK;

    if (text.len < DATE_DIGITS)
        return SP_INPUT;
    if ((rc = parse_date(text.at, DATE_DIGITS, &when.seconds)) != SP_OK)
        return rc;
    if (text.len > DATE_DIGITS) {
        const unsigned char *fraction = text.at + DATE_DIGITS + 1;
        size_t len = text.len - DATE_DIGITS - 1;

        if (text.at[DATE_DIGITS] != '.' || len == 0 || !digits(fraction, len))
            return SP_INPUT;
        for (size_t i = 0; i < NANO_DIGITS; i++)
            when.nanos = when.nanos * 10 + (i < len ? fraction[i] - (unsigned)'0' : 0);
    }
    *out = when;
    return SP_OK;
}

enum sp_err
timeval_parse_named(struct slice text, struct timeval_utc *when, struct slice *name)
{
    const unsigned char *space = NULL;
    size_t len = 0;
    enum sp_err rc = SP_OK;

    if (text.len > 0)
        space = memchr(text.at, ' ', text.len);
    if (space == NULL)
        return SP_INPUT;
    len = (size_t)(space - text.at);
    if (len + 1 == text.len)
        return SP_INPUT;
    if ((rc = timeval_parse(slice_from(text.at, len), when)) != SP_OK)
        return rc;
    *name = slice_from(space + 1, text.len - len - 1);
    return SP_OK;
}

/* Takes the last word, and the one space before it, off the text. */
static bool
cut_last_word(struct slice *text, struct slice *word)
{
    size_t i = text->len;

    while (i > 0 && text->at[i - 1] != ' ')
        i--;
    if (i == 0 || i == text->len)
        return false;
    *word = slice_from(text->at + i, text->len - i);
    text->len = i - 1;
    return true;
}

enum sp_err
timeval_parse_utime(struct slice text, struct timeval_utc *modified, struct slice *name)
{
    struct slice rest = text, zone = SLICE_EMPTY, word = SLICE_EMPTY;
    struct timeval_utc when = { 0, 0 };
    const unsigned char *space = NULL;
    size_t len = 0;
    int64_t times[3] = { 0, 0, 0 };
    bool long_form = cut_last_word(&rest, &zone) && slice_equal_nocase(zone, "UTC");

    for (unsigned i = 3; long_form && i > 0; i--)
        long_form = cut_last_word(&rest, &word)
            && parse_date(word.at, word.len, &times[i - 1]) == SP_OK;
    if (long_form && rest.len > 0) {
        *modified = (struct timeval_utc){ .seconds = times[1] };
        *name = rest;
        return SP_OK;
    }
    if (text.len > 0)
        space = memchr(text.at, ' ', text.len);
    if (space == NULL)
        return SP_INPUT;
    len = (size_t)(space - text.at);
    if (len + 1 == text.len || parse_date(text.at, len, &when.seconds) != SP_OK)
        return SP_INPUT;
    *modified = when;
    *name = slice_from(space + 1, text.len - len - 1);
    return SP_OK;
}

static char *
put_digits(char *at, unsigned value, unsigned count)
{
    for (unsigned i = count; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

size_t
timeval_text(const struct timeval_utc *when, unsigned count, char out[TIMEVAL_TEXT_MAX])
{
    struct calendar p = { 0 };
    unsigned fraction = when->nanos;
    char *at = out;

    SP_ASSERT(count <= NANO_DIGITS && when->nanos < 1000000000);
    calendar_split(when->seconds, &p);
    at = put_digits(at, (unsigned)p.year, 4);
    at = put_digits(at, p.month, 2);
    at = put_digits(at, p.day, 2);
    at = put_digits(at, p.hour, 2);
    at = put_digits(at, p.minute, 2);
    at = put_digits(at, p.second, 2);
    for (unsigned i = count; i < NANO_DIGITS; i++)
        fraction /= 10;
    if (fraction != 0) {
        *at++ = '.';
        at = put_digits(at, fraction, count);
    }
    *at = '\0';
    return (size_t)(at - out);
}
