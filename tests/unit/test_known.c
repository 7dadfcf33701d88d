/* tests/unit/test_known.c - monitor/known.c */
#include "monitor/known.h"

#include "suites_monitor.h"

static const struct network here = { NETWORK_IPV4, 0xc0000201 };

static void
known_for_eight_weeks(void)
{
    const struct network elsewhere = { NETWORK_IPV4, 0xc0000202 };
    struct known k = { 0 };

    CU_ASSERT_EQUAL_FATAL(known_init(&k), SP_OK);
    CU_ASSERT_FALSE(known_has(&k, 7, &here, 0));
    known_add(&k, 7, &here, 5);
    CU_ASSERT_TRUE(known_has(&k, 7, &here, 5));
    CU_ASSERT_TRUE(known_has(&k, 7, &here, 4 + KNOWN_MS));
    CU_ASSERT_FALSE(known_has(&k, 7, &here, 5 + KNOWN_MS));
    CU_ASSERT_FALSE(known_has(&k, 7, &elsewhere, 5));
    CU_ASSERT_FALSE(known_has(&k, 8, &here, 5));
    known_add(&k, 7, &here, 100);
    CU_ASSERT_TRUE(known_has(&k, 7, &here, 5 + KNOWN_MS));
    known_clear(&k);
}

/* Whoever logs in from everywhere displaces itself: this account shares a row with 7. */
static void
one_account_displaces_only_itself(void)
{
    struct known k = { 0 };

    CU_ASSERT_EQUAL_FATAL(known_init(&k), SP_OK);
    known_add(&k, 7, &here, 0);
    for (unsigned i = 1; i <= 1000; i++)
        known_add(&k, 7 + KNOWN_ROWS, &(struct network){ NETWORK_64, i }, i);
    CU_ASSERT_TRUE(known_has(&k, 7, &here, 1001));
    CU_ASSERT_TRUE(known_has(&k, 7 + KNOWN_ROWS, &(struct network){ NETWORK_64, 1000 }, 1001));
    CU_ASSERT_FALSE(known_has(&k, 7 + KNOWN_ROWS, &(struct network){ NETWORK_64, 1 }, 1001));
    known_clear(&k);
}

static void
anybody_in_a_network(void)
{
    const struct network own = { NETWORK_64, 0x20010db800010002 },
                         around = { NETWORK_48, 0x20010db800010000 },
                         beside = { NETWORK_48, 0x20010db800020000 };
    struct known k = { 0 };

    CU_ASSERT_EQUAL_FATAL(known_init(&k), SP_OK);
    known_add(&k, 7, &own, 0);
    CU_ASSERT_TRUE(known_any(&k, &own, 1));
    CU_ASSERT_TRUE(known_any(&k, &around, 1));
    CU_ASSERT_FALSE(known_any(&k, &beside, 1));
    CU_ASSERT_FALSE(known_any(&k, &around, KNOWN_MS));
    known_clear(&k);
}

static const struct unit_test tests[] = {
    { "an account is known for eight weeks where it logged in", known_for_eight_weeks },
    { "one account displaces only its own entries", one_account_displaces_only_itself },
    { "is anybody known in a network?", anybody_in_a_network },
    { NULL, NULL }
};

const struct unit_suite suite_known = { "known", tests };
