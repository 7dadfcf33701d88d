/*
 * base/calendar.h - days and hours of the civil calendar, in UTC
 *
 * Runs in: every process.                Blocks: never.
 *
 * The proleptic Gregorian calendar. Not gmtime_r(3): its first call reads a time zone file,
 * which a sandboxed process in an empty root cannot.
 */
#ifndef SP_BASE_CALENDAR_H
#define SP_BASE_CALENDAR_H

#include <stdint.h>

#define CALENDAR_DAY 86400      /* seconds */

struct calendar { int year; unsigned month, day, hour, minute, second; };

/* Seconds since the epoch, taken apart. Years outside 0000 to 9999 become the first or last
 * moment within. */
void calendar_split(int64_t seconds, struct calendar *out);
/* Days from 1970-01-01 to that day, which need not exist: what is too much counts on. */
int64_t calendar_days(int64_t year, unsigned month, unsigned day);
/* Days of the month, 1 to 12. */
unsigned calendar_days_of_month(unsigned year, unsigned month);

#endif
