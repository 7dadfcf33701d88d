/* src/base/clock.c - see base/clock.h */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

int64_t
clock_us(void)
{
    struct timespec now = {0};

    SP_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_ms(void)
{
    return clock_us() / 1000;
}

int64_t
clock_epoch_ms(void)
{
    struct timespec now = {0};

    SP_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_seconds(void)
{
    return clock_epoch_ms() / 1000;
}

/*
 * The day of the civil calendar, counted from 1970-01-01. Not gmtime_r(3): its first call
 * reads a time zone file, which a sandboxed process in an empty root cannot.
 */
static void
civil_day(int64_t days, int *year, int *month, int *day)
{
    /* Years begin in March here, so that the leap day is the last one; 400 years of
     * 146097 days are an era, counted from 0000-03-01. */
    int64_t since = days + 719468;
    int64_t era = since / 146097;
    int64_t of_era = since % 146097;
    int64_t leaps = of_era / 1460 - of_era / 36524 + of_era / 146096;
    int64_t year_of_era = (of_era - leaps) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

/* "2026-11-21T07:33:38". A time outside of 1970 to 9999 shall not break the form. */
static void
write_date(int64_t seconds, char out[20])
{
    int year = 0, month = 0, day = 0, second = 0;
    char text[80];              /* what the compiler thinks that six ints may take */

    if (seconds < 0 || seconds > 253402300799)
        seconds = 0;
    civil_day(seconds / 86400, &year, &month, &day);
    second = (int)(seconds % 86400);
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day,
                   second / 3600, second / 60 % 60, second % 60);
    memcpy(out, text, 19);
    out[19] = '\0';
}

void
clock_stamp(char out[25])
{
    struct timespec now = {0};
    char date[20], text[40];

    SP_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    write_date((int64_t)now.tv_sec, date);
    (void)snprintf(text, sizeof text, "%s.%03dZ", date, (int)(now.tv_nsec / 1000000));
    memcpy(out, text, 24);
    out[24] = '\0';
}

void
clock_date(int64_t seconds, char out[21])
{
    write_date(seconds, out);
    out[19] = 'Z';
    out[20] = '\0';
}
