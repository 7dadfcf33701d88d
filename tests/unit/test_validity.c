/* tests/unit/test_validity.c - monitor/validity.c: when the log speaks of a certificate */
#include "monitor/validity.h"

#include <string.h>

#include "base/clock.h"
#include "suites_monitor.h"

#define DAY ((int64_t)24 * 3600)
#define NOW ((int64_t)1800000000)

static void
stages(void)
{
    static const struct { int64_t from, until; long stage; } rows[] = {
        { -DAY, 31 * DAY, 0 },      { -DAY, 30 * DAY + 1, 0 }, { -DAY, 30 * DAY, 1 },
        { -DAY, 14 * DAY + 1, 1 },  { -DAY, 14 * DAY, 2 },     { -DAY, 7 * DAY + 1, 2 },
        { -DAY, 7 * DAY, 3 },       { -DAY, DAY + 1, 3 },      { -DAY, DAY, 4 },
        { -DAY, 0, 4 },             { -9 * DAY, -1, 5 },       { -9 * DAY, -DAY + 1, 5 },
        { -9 * DAY, -DAY, 6 },      { -99 * DAY, -42 * DAY, 47 },
        { 1, 99 * DAY, -1 },        { DAY - 1, 99 * DAY, -1 }, { DAY, 99 * DAY, -2 },
        { 9 * DAY, 99 * DAY, -10 },
    };
    const struct validity unknown = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct validity v = { .from = NOW + rows[i].from, .until = NOW + rows[i].until };

        CU_ASSERT_EQUAL(validity_stage(&v, NOW), rows[i].stage);
    }
    CU_ASSERT_EQUAL(validity_stage(&unknown, NOW), 0);
}

/* A look every hour, from 40 days before the end to 5 days after it. */
static void
each_stage_is_told_once(void)
{
    static const int64_t told[] = { -30, -14, -7, -1, 0, 1, 2, 3, 4 };
    struct validity v = { .from = NOW - 100 * DAY, .until = NOW };
    size_t count = 0;

    for (int64_t now = NOW - 40 * DAY + 1; now < NOW + 5 * DAY; now += 3600) {
        long stage = validity_stage(&v, now);

        if (stage == v.told)
            continue;
        v.told = stage;
        CU_ASSERT_TRUE_FATAL(count < sizeof told / sizeof *told);
        CU_ASSERT_TRUE(now >= NOW + told[count] * DAY
                       && now <= NOW + told[count] * DAY + 3600);
        count++;
    }
    CU_ASSERT_EQUAL(count, sizeof told / sizeof *told);
}

static const struct unit_test tests[] = {
    { "30, 14, 7 days, a day, and each day after", stages },
    { "each is told once, within the hour", each_stage_is_told_once },
    { NULL, NULL }
};
const struct unit_suite suite_validity = { "validity", tests };
