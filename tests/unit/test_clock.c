/* tests/unit/test_clock.c - src/base/clock.c */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "suites.h"

static void
deadline_clocks_never_go_back(void)
{
    int64_t ms = clock_ms(), us = clock_us();

    for (int i = 0; i < 1000; i++) {
        CU_ASSERT(clock_ms() >= ms);
        CU_ASSERT(clock_us() >= us);
        ms = clock_ms();
        us = clock_us();
    }
    us = clock_us();
    ms = clock_ms();
    CU_ASSERT(us / 1000 <= ms);
    CU_ASSERT(ms <= clock_us() / 1000);
}

/* As the C library writes it. time(2) reads another clock, which may be a tick behind. */
static void
stamp_now(char out[25], int64_t *seconds)
{
    struct timespec now = {0};
    struct tm tm = {0};

    CU_ASSERT_EQUAL_FATAL(clock_gettime(CLOCK_REALTIME, &now), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(gmtime_r(&now.tv_sec, &tm));
    CU_ASSERT_EQUAL(strftime(out, 20, "%Y-%m-%dT%H:%M:%S", &tm), 19);
    (void)snprintf(out + 19, 6, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
    *seconds = (int64_t)now.tv_sec;
}

/* Stamps sort as their times do. */
static void
a_stamp_is_utc_whatever_the_time_zone(void)
{
    char before[25] = "", stamp[25] = "", after[25] = "";
    int64_t first = 0, now = 0, last = 0;

    stamp_now(before, &first);
    clock_stamp(stamp);
    now = clock_seconds();
    stamp_now(after, &last);
    CU_ASSERT_EQUAL(strlen(stamp), 24);
    CU_ASSERT(strcmp(before, stamp) <= 0);
    CU_ASSERT(strcmp(stamp, after) <= 0);
    CU_ASSERT_EQUAL(stamp[19], '.');
    CU_ASSERT_EQUAL(stamp[23], 'Z');
    CU_ASSERT(first <= now && now <= last);
}

static void
a_date_of_any_time(void)
{
    static const struct { int64_t seconds; const char *date; } rows[] = {
        { 0, "1970-01-01T00:00:00Z" }, { 951782399, "2000-02-28T23:59:59Z" },
        { 951868800, "2000-03-01T00:00:00Z" }, { 4102444799, "2099-12-31T23:59:59Z" },
        { 253402300799, "9999-12-31T23:59:59Z" }, { 253402300800, "1970-01-01T00:00:00Z" },
        { -1, "1970-01-01T00:00:00Z" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char date[21] = "";

        clock_date(rows[i].seconds, date);
        CU_ASSERT_STRING_EQUAL(date, rows[i].date);
    }
}

static const struct unit_test tests[] = {
    { "deadline clocks never go back", deadline_clocks_never_go_back },
    { "a stamp is UTC, whatever the time zone", a_stamp_is_utc_whatever_the_time_zone },
    { "a date of any time", a_date_of_any_time },
    { NULL, NULL }
};
const struct unit_suite suite_clock = { "clock", tests };
