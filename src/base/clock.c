/* src/base/clock.c - see base/clock.h */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/calendar.h"
#include "base/err.h"

static struct timespec
read_clock(clockid_t which)
{
    struct timespec now = {0};
    int rc = clock_gettime(which, &now);

    SP_ASSERT(rc == 0);
    return now;
}

int64_t
clock_us(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);

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
    struct timespec now = read_clock(CLOCK_REALTIME);

    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_seconds(void)
{
    return clock_epoch_ms() / 1000;
}

/* "2026-11-21T07:33:38". A time outside of 1970 to 9999 shall not break the form. */
static void
write_date(int64_t seconds, char out[20])
{
    struct calendar c = { 0 };
    char text[80];              /* what the compiler thinks that six ints may take */

    if (seconds < 0 || seconds > 253402300799)
        seconds = 0;
    calendar_split(seconds, &c);
    (void)snprintf(text, sizeof text, "%04d-%02u-%02uT%02u:%02u:%02u", c.year, c.month, c.day,
                   c.hour, c.minute, c.second);
    memcpy(out, text, 19);
    out[19] = '\0';
}

void
clock_stamp(char out[25])
{
    struct timespec now = read_clock(CLOCK_REALTIME);
    char date[20], text[40];

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
