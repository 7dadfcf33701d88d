/* tests/unit/test_units.c - src/config/units.c */
#include "config/units.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

static void
a_whole_number_and_its_unit(void)
{
    static const struct { enum units_kind kind; const char *unit, *text; int64_t number; }
        rows[] = {
            { UNITS_TIME, "s", "15 min", 900 }, { UNITS_TIME, "s", "15min", 900 },
            { UNITS_TIME, "s", "900s", 900 }, { UNITS_TIME, "s", "2000 ms", 2 },
            { UNITS_TIME, "s", "2  d", 172800 }, { UNITS_TIME, "ms", "500 ms", 500 },
            { UNITS_TIME, "ms", "1h", 3600000 }, { UNITS_TIME, "s", "0", 0 },
            { UNITS_TIME, "s", "0 h", 0 }, { UNITS_TIME, "s", "007s", 7 },
            { UNITS_SIZE, "B", "1000 B", 1000 }, { UNITS_SIZE, "KiB", "64 MiB", 65536 },
            { UNITS_SIZE, "MiB", "10 GiB", 10240 }, { UNITS_SIZE, "MiB", "2048KiB", 2 },
            { UNITS_SIZE, "MiB", "1024 TiB", 1073741824 }, { UNITS_SIZE, "MiB", "0", 0 },
        };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[UNITS_WHY_MAX] = "";
        int64_t n = -1;

        CU_ASSERT_EQUAL(units_parse(rows[i].kind, rows[i].unit, rows[i].text, &n, why), SP_OK);
        CU_ASSERT_EQUAL(n, rows[i].number);
    }
}

static void
whatever_could_be_misread_is_refused_with_what_was_meant(void)
{
    static const struct { enum units_kind kind; const char *unit, *text, *says; } rows[] = {
        { UNITS_TIME, "s", "900", "did you mean \"15 min\"?" },
        { UNITS_SIZE, "MiB", "1024", "did you mean \"1 GiB\"?" },
        { UNITS_TIME, "s", "15m", "did you mean \"15 min\"? Otherwise use ms, s, min, h or d" },
        { UNITS_SIZE, "B", "15m", "did you mean \"15 MiB\"? Otherwise use B, KiB, MiB" },
        { UNITS_TIME, "s", "2 DAYS", "did you mean \"2 d\"?" },
        { UNITS_SIZE, "B", "5 gib", "did you mean \"5 GiB\"?" },
        { UNITS_SIZE, "B", "5 s", "use B, KiB, MiB, GiB or TiB" },
        { UNITS_TIME, "s", "5 MiB", "use ms, s, min, h or d" },
        { UNITS_TIME, "s", "500 ms", "the smallest step here is 1 s" },
        { UNITS_SIZE, "MiB", "1 KiB", "the smallest step here is 1 MiB" },
        { UNITS_TIME, "s", "", "is not a time; write a whole number and its unit" },
        { UNITS_TIME, "s", "soon", "is not a time" },
        { UNITS_TIME, "s", " 5 s", "is not a time" },
        { UNITS_TIME, "s", "-5 s", "is not a time" },
        { UNITS_TIME, "s", "1.5 h", "is not a time" },
        { UNITS_TIME, "s", "1 h 5 min", "is not a time" },
        { UNITS_SIZE, "B", "0x10 B", "is not a size" },
        { UNITS_SIZE, "B", "9999999999999999 B", "is not a size" },
        { UNITS_SIZE, "B", "999999999999999 TiB", "is too large" },
        { UNITS_TIME, "s", "5 s ", "use ms, s, min, h or d" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[UNITS_WHY_MAX] = "";
        int64_t n = -1;
        bool good = units_parse(rows[i].kind, rows[i].unit, rows[i].text, &n, why) == SP_INPUT
            && n == -1 && strstr(why, rows[i].says) != NULL;

        if (!good)
            printf("\n\"%s\": %s\n", rows[i].text, why);
        CU_ASSERT_TRUE(good);
    }
}

static void
it_is_shown_in_the_largest_unit_that_is_exact(void)
{
    static const struct { enum units_kind kind; const char *unit; int64_t number;
                          const char *text; } rows[] = {
        { UNITS_TIME, "s", 0, "0" }, { UNITS_TIME, "s", 1, "1 s" },
        { UNITS_TIME, "s", 90, "90 s" }, { UNITS_TIME, "s", 900, "15 min" },
        { UNITS_TIME, "s", 604800, "7 d" }, { UNITS_TIME, "ms", 1500, "1500 ms" },
        { UNITS_TIME, "ms", 60000, "1 min" }, { UNITS_SIZE, "KiB", 65536, "64 MiB" },
        { UNITS_SIZE, "MiB", 1536, "1536 MiB" }, { UNITS_SIZE, "B", 1000, "1000 B" },
        { UNITS_SIZE, "MiB", 1073741824, "1024 TiB" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[UNITS_TEXT_MAX], why[UNITS_WHY_MAX];
        int64_t n = -1;

        CU_ASSERT_STRING_EQUAL(units_text(rows[i].kind, rows[i].unit, rows[i].number, text),
                               rows[i].text);
        CU_ASSERT_EQUAL(units_parse(rows[i].kind, rows[i].unit, text, &n, why), SP_OK);
        CU_ASSERT_EQUAL(n, rows[i].number);
    }
}

static const struct unit_test tests[] = {
    { "a whole number and its unit", a_whole_number_and_its_unit },
    { "whatever could be misread is refused, with what was meant",
      whatever_could_be_misread_is_refused_with_what_was_meant },
    { "it is shown in the largest unit that is exact",
      it_is_shown_in_the_largest_unit_that_is_exact },
    { NULL, NULL }
};
const struct unit_suite suite_units = { "units", tests };
