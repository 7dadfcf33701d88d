/* tests/unit/test_admission.c - monitor/admission.c */
#include "monitor/admission.h"

#include <stddef.h>
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

/* Sessions that were admitted; a test begins with none. */
static struct guest { char text[48]; struct crowd_member member; } guests[4096];
static struct crowd_member *dropped;    /* to make room for the last one that came */

static enum admission_verdict
enter_under(struct admission *a, const struct admission_limits *l, const char *text,
            int64_t now)
{
    struct net_addr peer = address(text);
    struct guest *g = guests;
    enum admission_verdict verdict = ADMISSION_YES;

    while (g->text[0] != '\0')
        g++;
    verdict = admission_enter(a, l, &peer, now, &g->member, &dropped);
    if (verdict == ADMISSION_YES)
        (void)snprintf(g->text, sizeof g->text, "%s", text);
    return verdict;
}

static enum admission_verdict
enter(struct admission *a, const char *text, int64_t now)
{
    return enter_under(a, &limits, text, now);
}

/* The first one of that address. */
static struct guest *
guest_of(const char *text)
{
    struct guest *g = guests;

    while (strcmp(g->text, text) != 0)
        g++;
    return g;
}

static void
end(struct admission *a, struct guest *g, int64_t now)
{
    struct net_addr peer = address(g->text);

    admission_leave(a, &peer, &g->member, now);
    *g = (struct guest){ 0 };
}

static void
leave(struct admission *a, const char *text, int64_t now)
{
    end(a, guest_of(text), now);
}

static void
end_dropped(struct admission *a, int64_t now)
{
    end(a, (struct guest *)((char *)dropped - offsetof(struct guest, member)), now);
}

static void
clear(struct admission *a)
{
    for (size_t i = 0; i < sizeof guests / sizeof *guests; i++)
        if (guests[i].text[0] != '\0')
            end(a, &guests[i], 0);
    admission_clear(a);
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
    clear(&a);
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
    clear(&a);
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
    clear(&a);
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
    clear(&a);
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
    clear(&a);
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
    clear(&a);
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
    clear(&a);
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
    CU_ASSERT_EQUAL(enter_under(&a, &off, "192.0.2.1", 101), ADMISSION_YES);
    clear(&a);
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
    clear(&a);
}

/* Ten addresses hold everything that they can; whoever comes from elsewhere has a place. */
static void
crowds_give_way(void)
{
    const struct admission_limits many = { 200, 40, 3, MINUTE };
    struct admission a;
    char text[48];

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 16), SP_OK);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(text, sizeof text, "10.0.0.%u", i % 10);
        CU_ASSERT_EQUAL(enter_under(&a, &many, text, i), ADMISSION_YES);
        CU_ASSERT_TRUE_FATAL(a.crowd.silent <= 100);
        if (dropped != NULL)            /* its session ends */
            end_dropped(&a, i);
    }
    CU_ASSERT_EQUAL(a.sessions, 100);
    CU_ASSERT_EQUAL(enter_under(&a, &many, "192.0.2.1", 1000), ADMISSION_YES);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dropped);
    CU_ASSERT_EQUAL(dropped->own.prefix >> 8, 0x0a0000);
    /* and keeps it while they come and come */
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(text, sizeof text, "10.0.0.%u", i % 10);
        CU_ASSERT_EQUAL(enter_under(&a, &many, text, 1001 + i), ADMISSION_YES);
        CU_ASSERT_TRUE_FATAL(dropped != NULL && dropped != &guest_of("192.0.2.1")->member);
        end_dropped(&a, 1001 + i);
    }
    clear(&a);
}

/* Half of an address's places, too: a colleague has one of them. */
static void
an_address_has_a_share_before_login(void)
{
    const struct admission_limits many = { 2000, 40, 3, MINUTE };
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 17), SP_OK);
    for (unsigned i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(enter_under(&a, &many, "10.0.0.1", i), ADMISSION_YES);
        CU_ASSERT_PTR_NULL(dropped);
    }
    guests[0].member.busy = true;       /* its password is being checked */
    CU_ASSERT_EQUAL(enter_under(&a, &many, "10.0.0.1", 20), ADMISSION_YES);
    CU_ASSERT_PTR_EQUAL(dropped, &guests[1].member);
    for (unsigned i = 0; i < 21; i++)   /* they log in */
        crowd_settle(&a.crowd, &guests[i].member);
    for (unsigned i = 21; i < 40; i++) {
        CU_ASSERT_EQUAL(enter_under(&a, &many, "10.0.0.1", i), ADMISSION_YES);
        CU_ASSERT_PTR_NULL(dropped);
    }
    CU_ASSERT_EQUAL(enter_under(&a, &many, "10.0.0.1", 40), ADMISSION_ADDRESS_FULL);
    clear(&a);
}

static void
a_48_is_bounded_and_one_crowd(void)
{
    const struct admission_limits many = { 2000, 40, 3, MINUTE };
    struct admission a;
    char text[48];

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 18), SP_OK);
    for (unsigned i = 0; i < 80; i++) {
        (void)snprintf(text, sizeof text, "2001:db8:1:%x::1", i);
        CU_ASSERT_EQUAL(enter_under(&a, &many, text, i), ADMISSION_YES);
        CU_ASSERT_PTR_NULL(dropped);
    }
    CU_ASSERT_EQUAL(enter_under(&a, &many, "2001:db8:1:ffff::1", 80), ADMISSION_YES);
    CU_ASSERT_PTR_EQUAL(dropped, &guests[0].member);
    CU_ASSERT_EQUAL(enter_under(&a, &many, "2001:db8:2::1", 80), ADMISSION_YES);
    CU_ASSERT_PTR_NULL(dropped);
    for (unsigned i = 0; i < 82; i++)
        crowd_settle(&a.crowd, &guests[i].member);
    for (unsigned i = 81; i < 160; i++) {
        (void)snprintf(text, sizeof text, "2001:db8:1:%x::1", i);
        CU_ASSERT_EQUAL(enter_under(&a, &many, text, i), ADMISSION_YES);
        crowd_settle(&a.crowd, &guest_of(text)->member);
    }
    CU_ASSERT_EQUAL(enter_under(&a, &many, "2001:db8:1:ffff::1", 200),
                    ADMISSION_NETWORK_FULL);
    clear(&a);
}

/* All places are taken by who is logged in, but one: newcomers do not chase each other. */
static void
a_full_server_drops_nobody_who_just_came(void)
{
    struct admission a;

    CU_ASSERT_EQUAL_FATAL(admission_init(&a, 19), SP_OK);
    for (unsigned i = 0; i < limits.sessions; i++) {
        char text[48];

        (void)snprintf(text, sizeof text, "10.0.0.%u", i);
        CU_ASSERT_EQUAL(enter(&a, text, 0), ADMISSION_YES);
        if (i > 0)
            crowd_settle(&a.crowd, &guests[i].member);
    }
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 9999), ADMISSION_FULL);
    CU_ASSERT_EQUAL(enter(&a, "192.0.2.1", 10000), ADMISSION_YES);
    CU_ASSERT_PTR_EQUAL(dropped, &guests[0].member);
    clear(&a);
}

static const struct unit_test tests[] = {
    { "ten addresses that hold all they can keep nobody out", crowds_give_way },
    { "an address has half of its places before login", an_address_has_a_share_before_login },
    { "an IPv6 /48 has its bounds, and is one crowd", a_48_is_bounded_and_one_crowd },
    { "on a full server newcomers do not drive each other out",
      a_full_server_drops_nobody_who_just_came },
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
