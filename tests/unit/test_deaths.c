/* tests/unit/test_deaths.c - monitor/deaths.c, by a clock of our own */
#include "monitor/deaths.h"

#include <stdio.h>

#include "suites_monitor.h"

#define MINUTE INT64_C(60000)
#define LATE 1000000

static const struct admission_limits limits = { .violations = 3, .ban_ms = 10 * MINUTE };

static void
so_many_in_an_hour(void)
{
    static struct deaths d;

    d = (struct deaths){ 0 };
    CU_ASSERT_FALSE(deaths_count(&d, &limits, "users:anna", LATE));
    CU_ASSERT_FALSE(deaths_count(&d, &limits, "users:anna", LATE + 59 * MINUTE));
    CU_ASSERT_PTR_NULL(deaths_find(&d, "users:anna", LATE + 59 * MINUTE));
    CU_ASSERT_TRUE(deaths_count(&d, &limits, "users:anna", LATE + 60 * MINUTE));
    CU_ASSERT_FALSE(deaths_count(&d, &limits, "users:anna", LATE + 61 * MINUTE));
    CU_ASSERT_PTR_NOT_NULL(deaths_find(&d, "users:anna", LATE + 70 * MINUTE - 1));
    CU_ASSERT_PTR_NULL(deaths_find(&d, "users:anna", LATE + 70 * MINUTE));
    CU_ASSERT_PTR_NULL(deaths_find(&d, "pam:anna", LATE + 61 * MINUTE));
    /* paid for: it begins anew */
    CU_ASSERT_FALSE(deaths_count(&d, &limits, "users:anna", LATE + 71 * MINUTE));
}

static void
an_hour_of_peace_forgives(void)
{
    static struct deaths d;

    d = (struct deaths){ 0 };
    for (unsigned i = 0; i < 10; i++)
        CU_ASSERT_FALSE(deaths_count(&d, &limits, "users:anna", LATE + i * 60 * MINUTE));
}

static void
never_where_the_time_is_none(void)
{
    static const struct admission_limits off = { .violations = 1, .ban_ms = 0 };
    static struct deaths d;

    d = (struct deaths){ 0 };
    CU_ASSERT_FALSE(deaths_count(&d, &off, "users:anna", LATE));
    CU_ASSERT_PTR_NULL(deaths_find(&d, "users:anna", LATE));
}

static void
forgiven(void)
{
    static struct deaths d;

    d = (struct deaths){ 0 };
    CU_ASSERT_FALSE(deaths_forgive(&d, "users:anna", LATE));
    for (unsigned i = 0; i < limits.violations; i++)
        (void)deaths_count(&d, &limits, "users:anna", LATE);
    CU_ASSERT_PTR_NOT_NULL(deaths_find(&d, "users:anna", LATE));
    CU_ASSERT_FALSE(deaths_forgive(&d, "", LATE));
    CU_ASSERT_TRUE(deaths_forgive(&d, "users:anna", LATE));
    CU_ASSERT_PTR_NULL(deaths_find(&d, "users:anna", LATE));
    CU_ASSERT_FALSE(deaths_count(&d, &limits, "users:anna", LATE));
}

/* Who makes many accounts die forgets those that count least. */
static void
the_table_is_bounded(void)
{
    static struct deaths d;
    char name[64];
    unsigned refused = 0;

    d = (struct deaths){ 0 };
    for (unsigned i = 0; i < limits.violations; i++)
        (void)deaths_count(&d, &limits, "users:anna", LATE);
    for (unsigned i = 0; i < 10 * DEATHS_MOST; i++) {
        (void)snprintf(name, sizeof name, "users:%u", i);
        CU_ASSERT_FALSE(deaths_count(&d, &limits, name, LATE + 1 + i));
    }
    CU_ASSERT_PTR_NOT_NULL(deaths_find(&d, "users:anna", LATE + MINUTE));
    for (size_t i = 0; i < DEATHS_MOST; i++)
        refused += deaths_at(&d, i, LATE + MINUTE) != NULL;
    CU_ASSERT_EQUAL(refused, 1);
}

static const struct unit_test tests[] = {
    { "after so many deaths within an hour of each other", so_many_in_an_hour },
    { "an hour of peace forgives", an_hour_of_peace_forgives },
    { "never, where violation_ban is 0", never_where_the_time_is_none },
    { "the administrator forgives", forgiven },
    { "the table is bounded", the_table_is_bounded },
    { NULL, NULL }
};

const struct unit_suite suite_deaths = { "deaths", tests };
