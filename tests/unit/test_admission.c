/* tests/unit/test_admission.c - monitor/admission.c */
#include "monitor/admission.h"

#include <stdio.h>
#include <string.h>

#include "suites_monitor.h"

#define MINUTE 60000

static const struct admission_limits limits = { 4, 2, 3, 10 * MINUTE };

static struct net_addr
address(const char *text)
{
    struct net_addr a = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL_FATAL(net_parse(&a, slice_of(text)), SP_OK);
    return a;
}

static enum admission_verdict
enter(struct admission *a, const char *text, int64_t now)
{
    struct net_addr peer = address(text);

    return admission_enter(a, &limits, &peer, now);
}

static void
leave(struct admission *a, const char *text, int64_t now)
{
    struct net_addr peer = address(text);

    admission_leave(a, &peer, now);
}

static bool
violate(struct admission *a, const char *text, int64_t now)
{
    struct net_addr peer = address(text);

    return admission_violation(a, &limits, &peer, now);
}

static void
bound_for_an_address(void)
{
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 7), SP_OK);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 0), ADMISSION_YES);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 0), ADMISSION_YES);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 0), ADMISSION_ADDRESS_FULL);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.2", 0), ADMISSION_YES);
    leave(&a, "192.0.2.1", 0);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 0), ADMISSION_YES);
    CU_ASSERT_EQUAL(a.sessions, 3);
    admission_clear(&a);
}

static void
bound_for_all(void)
{
    struct admission a;
    char text[32];

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 8), SP_OK);
    for (unsigned i = 0; i < limits.sessions; i++) {
        (void)snprintf(text, sizeof text, "192.0.2.%u", i);
        CU_ASSERT_EQUAL(enter(&a, text, 0), ADMISSION_YES);
    }
    CU_ASSERT_EQUAL(enter(&a, "198.51.100.1", 0), ADMISSION_FULL);
    leave(&a, "192.0.2.0", 0);
    CU_ASSERT_EQUAL(enter(&a, "198.51.100.1", 0), ADMISSION_YES);
    admission_clear(&a);
}

static void
an_ipv6_network_is_one(void)
{
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 9), SP_OK);
    CU_ASSERT_EQUAL(enter(&a, "2001:db8:1:2::1", 0), ADMISSION_YES);
    CU_ASSERT_EQUAL(enter(&a, "2001:db8:1:2:ffff:1:2:3", 0), ADMISSION_YES);
    CU_ASSERT_EQUAL(enter(&a, "2001:db8:1:2::77", 0), ADMISSION_ADDRESS_FULL);
    CU_ASSERT_EQUAL(enter(&a, "2001:db8:1:3::77", 0), ADMISSION_YES);
    admission_clear(&a);
}

static void
ipv4_and_ipv6_are_two(void)
{
    struct admission a;

    /* the first bytes are the same */
    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 10), SP_OK);
    CU_ASSERT_EQUAL(enter(&a, "32.1.13.184", 0), ADMISSION_YES);
    CU_ASSERT_EQUAL(enter(&a, "32.1.13.184", 0), ADMISSION_YES);
    CU_ASSERT_EQUAL(enter(&a, "2001:db8::", 0), ADMISSION_YES);
    admission_clear(&a);
}

static void
nothing_is_kept_of_the_peaceful(void)
{
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 11), SP_OK);
    for (unsigned i = 0; i < 1000; i++) {
        char text[32];

        (void)snprintf(text, sizeof text, "10.0.%u.%u", i / 256, i % 256);
        CU_ASSERT_EQUAL(enter(&a, text, i), ADMISSION_YES);
        leave(&a, text, i);
    }
    CU_ASSERT_EQUAL(a.entries, 0);
    CU_ASSERT_EQUAL(a.sessions, 0);
    admission_clear(&a);
}

static void
violations_ban_for_a_time(void)
{
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 12), SP_OK);
    CU_ASSERT_FALSE(violate(&a, "192.0.2.1", 1));
    CU_ASSERT_FALSE(violate(&a, "192.0.2.1", 2));
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 3), ADMISSION_YES);
    CU_ASSERT_TRUE(violate(&a, "192.0.2.1", 4));
    CU_ASSERT_FALSE(violate(&a, "192.0.2.1", 5));       /* told once */
    leave(&a, "192.0.2.1", 5);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 6), ADMISSION_BANNED);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.2", 6), ADMISSION_YES);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 10 * MINUTE + 3), ADMISSION_BANNED);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 10 * MINUTE + 4), ADMISSION_YES);
    CU_ASSERT_FALSE(violate(&a, "192.0.2.1", 10 * MINUTE + 5));     /* counted anew */
    admission_clear(&a);
}

static void
violations_are_forgotten(void)
{
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 13), SP_OK);
    CU_ASSERT_FALSE(violate(&a, "192.0.2.1", 0));
    CU_ASSERT_FALSE(violate(&a, "192.0.2.1", 1));
    CU_ASSERT_FALSE(violate(&a, "192.0.2.1", 61 * MINUTE));
    CU_ASSERT_FALSE(violate(&a, "192.0.2.1", 61 * MINUTE));
    CU_ASSERT_TRUE(violate(&a, "192.0.2.1", 61 * MINUTE));
    admission_clear(&a);
}

static void
no_ban_where_it_is_off(void)
{
    const struct admission_limits off = { 10, 10, 1, 0 };
    struct net_addr peer = address("192.0.2.1");
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 14), SP_OK);
    for (unsigned i = 0; i < 100; i++)
        CU_ASSERT_FALSE(admission_violation(&a, &off, &peer, i));
    CU_ASSERT_EQUAL(admission_enter(&a, &off, &peer, 101), ADMISSION_YES);
    admission_clear(&a);
}

static void
memory_is_bounded(void)
{
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 15), SP_OK);
    for (unsigned i = 0; i < 16384 + 50; i++) {
        char text[32];

        (void)snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255,
                       i & 255);
        CU_ASSERT_FALSE(violate(&a, text, i));
    }
    CU_ASSERT_EQUAL(a.entries, 16384);
    CU_ASSERT_EQUAL(a.kept, 16384);
    admission_clear(&a);
}

static const struct unit_test tests[] = {
    { "sessions of one address are bounded", bound_for_an_address },
    { "sessions in all are bounded", bound_for_all },
    { "an IPv6 /64 counts as one address", an_ipv6_network_is_one },
    { "IPv4 and IPv6 are never mistaken for each other", ipv4_and_ipv6_are_two },
    { "nothing is kept of an address that did nothing wrong",
      nothing_is_kept_of_the_peaceful },
    { "violations shut an address out for a time", violations_ban_for_a_time },
    { "violations are forgotten after an hour", violations_are_forgotten },
    { "nobody is shut out where the ban is off", no_ban_where_it_is_off },
    { "the memory of violations is bounded", memory_is_bounded },
    { NULL, NULL }
};
const struct unit_suite suite_admission = { "admission", tests };
