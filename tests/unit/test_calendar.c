/* tests/unit/test_calendar.c - src/base/calendar.c */
#include <time.h>

#include "base/calendar.h"
#include "suites.h"

#define YEAR_0000 (-719528)     /* days from 1970-01-01 */
#define YEAR_9999 2932896

static void
every_day_of_ten_thousand_years_is_as_the_c_library_has_it(void)
{
    struct calendar c = { 0 };
    struct tm tm;

    for (int64_t day = YEAR_0000; day <= YEAR_9999; day++) {
        time_t t = (time_t)(day * CALENDAR_DAY + (day & 0xffff));

        calendar_split((int64_t)t, &c);
        CU_ASSERT_PTR_NOT_NULL_FATAL(gmtime_r(&t, &tm));
        if (c.year != tm.tm_year + 1900 || c.month != (unsigned)tm.tm_mon + 1
            || c.day != (unsigned)tm.tm_mday || c.hour != (unsigned)tm.tm_hour
            || c.minute != (unsigned)tm.tm_min || c.second != (unsigned)tm.tm_sec)
            CU_FAIL_FATAL("another day than gmtime_r has");
        if (calendar_days(c.year, c.month, c.day) != day
            || c.day > calendar_days_of_month((unsigned)c.year, c.month))
            CU_FAIL_FATAL("the way back leads elsewhere");
    }
}

static void
what_four_digits_cannot_hold_is_the_nearest_moment(void)
{
    struct calendar c = { 0 };

    calendar_split(INT64_MIN, &c);
    CU_ASSERT_TRUE(c.year == 0 && c.month == 1 && c.day == 1 && c.hour == 0 && c.second == 0);
    calendar_split(INT64_MAX, &c);
    CU_ASSERT_TRUE(c.year == 9999 && c.month == 12 && c.day == 31 && c.hour == 23
                   && c.minute == 59 && c.second == 59);
}

static const struct unit_test tests[] = {
    { "every day of ten thousand years is as the C library has it",
      every_day_of_ten_thousand_years_is_as_the_c_library_has_it },
    { "what four digits cannot hold is the nearest moment",
      what_four_digits_cannot_hold_is_the_nearest_moment },
    { NULL, NULL }
};

const struct unit_suite suite_calendar = { "calendar", tests };
