/* src/base/calendar.c - see include/base/calendar.h */
#include "base/calendar.h"

#include <stdbool.h>

#define DAYS_OF_ERA 146097      /* 400 years of the Gregorian calendar                  */
#define DAYS_TO_EPOCH 719468    /* from 1 March of the year 0 to 1 January 1970         */
#define YEAR_0000 (-62167219200)    /* 0000-01-01 00:00:00 in seconds since the epoch   */
#define YEAR_9999 253402300799      /* 9999-12-31 23:59:59                              */

/*
 * Years are counted from March here, so that the leap day is the last of its year and the
 * lengths of the months follow one formula: (153 * month + 2) / 5 days before a month.
 */
int64_t
calendar_days(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * DAYS_OF_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100
        + day_of_year - DAYS_TO_EPOCH;
}

void
calendar_split(int64_t seconds, struct calendar *out)
{
    int64_t days = 0;
    unsigned rest = 0, z = 0, day_of_era = 0, year_of_era = 0, day_of_year = 0, month = 0;

    if (seconds < YEAR_0000)
        seconds = YEAR_0000;
    if (seconds > YEAR_9999)
        seconds = YEAR_9999;
    days = seconds / CALENDAR_DAY - (seconds % CALENDAR_DAY < 0);
    rest = (unsigned)(seconds - days * CALENDAR_DAY);
    /* from 1 March of the year -400: positive for all that is left */
    z = (unsigned)(days + DAYS_TO_EPOCH + DAYS_OF_ERA);
    day_of_era = z % DAYS_OF_ERA;
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524
                   - day_of_era / (DAYS_OF_ERA - 1)) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * day_of_year + 2) / 153;
    out->day = day_of_year - (153 * month + 2) / 5 + 1;
    out->month = month < 10 ? month + 3 : month - 9;
    out->year = (int)(year_of_era + z / DAYS_OF_ERA * 400) - 400 + (out->month <= 2);
    out->hour = rest / 3600;
    out->minute = rest / 60 % 60;
    out->second = rest % 60;
}

unsigned
calendar_days_of_month(unsigned year, unsigned month)
{
    static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}
