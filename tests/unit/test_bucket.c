/* tests/unit/test_bucket.c - monitor/bucket.c, and the names of sessions */
#include "monitor/bucket.h"

#include <string.h>

#include "base/random.h"
#include "monitor/naming.h"
#include "suites_monitor.h"

#define SECOND 1000000

static unsigned
take_all(struct bucket *b, int64_t now)
{
    unsigned count = 0;

    while (count < 100000 && bucket_take(b, now))
        count++;
    return count;
}

static void
full_at_first(void)
{
    struct bucket b;

    bucket_init(&b, 12, 4, 5 * SECOND);
    CU_ASSERT_EQUAL(take_all(&b, 5 * SECOND), 12);
    CU_ASSERT_FALSE(bucket_take(&b, 5 * SECOND));
}

static void
gains_its_rate(void)
{
    struct bucket b;

    bucket_init(&b, 12, 4, 0);
    (void)take_all(&b, 0);
    CU_ASSERT_FALSE(bucket_take(&b, SECOND / 4 - 1));
    CU_ASSERT_TRUE(bucket_take(&b, SECOND / 4));
    CU_ASSERT_FALSE(bucket_take(&b, SECOND / 4));
    CU_ASSERT_EQUAL(take_all(&b, 5 * SECOND / 4), 4);
}

static void
many_small_waits_add_up(void)
{
    struct bucket b;
    unsigned count = 0;

    bucket_init(&b, 10, 3, 0);
    (void)take_all(&b, 0);
    for (int64_t now = 0; now <= 10 * SECOND; now += 7)
        count += bucket_take(&b, now) ? 1 : 0;
    CU_ASSERT_TRUE(count >= 29 && count <= 30);
}

static void
never_more_than_its_burst(void)
{
    struct bucket b;

    bucket_init(&b, 10, 1000, 0);
    (void)take_all(&b, 0);
    CU_ASSERT_EQUAL(take_all(&b, INT64_MAX / 2), 10);
    (void)take_all(&b, INT64_MAX);
    CU_ASSERT_EQUAL(take_all(&b, INT64_MAX), 0);
}

static void
a_clock_that_stands_gives_nothing(void)
{
    struct bucket b;

    bucket_init(&b, 1, 1000, 100);
    CU_ASSERT_TRUE(bucket_take(&b, 100));
    CU_ASSERT_FALSE(bucket_take(&b, 50));
    CU_ASSERT_FALSE(bucket_take(&b, 100));
}

static const struct unit_test bucket_tests[] = {
    { "a bucket is full at first", full_at_first },
    { "a bucket gains its rate", gains_its_rate },
    { "many small waits add up", many_small_waits_add_up },
    { "a bucket never holds more than its burst", never_more_than_its_burst },
    { "a clock that stands or goes back gives nothing",
      a_clock_that_stands_gives_nothing },
    { NULL, NULL }
};
const struct unit_suite suite_bucket = { "bucket", bucket_tests };

/* ---- naming ------------------------------------------------------------------------ */

static void
boot_has_four_letters(void)
{
    static const uint64_t randoms[] = { 0, 1, 31, 32, UINT64_MAX, 0x123456789abcdef0 };
    char boot[NAMING_BOOT];

    for (size_t i = 0; i < sizeof randoms / sizeof *randoms; i++) {
        naming_boot(randoms[i], boot);
        CU_ASSERT_EQUAL(strlen(boot), 4);
        CU_ASSERT_EQUAL(strspn(boot, "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"), 4);
    }
    naming_boot(0, boot);
    CU_ASSERT_STRING_EQUAL(boot, "2222");
    naming_boot(UINT64_MAX, boot);
    CU_ASSERT_STRING_EQUAL(boot, "ZZZZ");
}

static void
id_is_boot_and_number(void)
{
    char id[NAMING_ID];

    CU_ASSERT_STRING_EQUAL(naming_id("K3F9", 12, id), "K3F9-12");
    CU_ASSERT_STRING_EQUAL(naming_id("K3F9", UINT64_MAX, id), "K3F9-"
                                                              "18446744073709551615");
}

static void
random_differs(void)
{
    uint64_t drawn[100] = { 0 };

    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) {
        CU_ASSERT_EQUAL(random_u64(&drawn[i]), SP_OK);
        CU_ASSERT_NOT_EQUAL(drawn[i], 0);
        for (size_t k = 0; k < i; k++)
            CU_ASSERT_NOT_EQUAL(drawn[i], drawn[k]);
    }
}

static const struct unit_test naming_tests[] = {
    { "a run of the server is named by four plain characters", boot_has_four_letters },
    { "a session is named by run and number", id_is_boot_and_number },
    { "random numbers differ, however many are drawn", random_differs },
    { NULL, NULL }
};
const struct unit_suite suite_naming = { "naming", naming_tests };
