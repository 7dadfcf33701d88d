/* tests/unit/test_bans.c - monitor/bans.c */
#include "monitor/bans.h"

#include <stdio.h>
#include <string.h>

#include "suites_monitor.h"

static struct net_network
network(const char *text)
{
    struct net_network n = { NET_ADDR_EMPTY, 0 };

    CU_ASSERT_EQUAL_FATAL(net_parse_network(&n, slice_of(text)), SP_OK);
    return n;
}

static enum sp_err
add(struct bans *b, const char *text, enum ban_reason reason, int64_t until, int64_t now)
{
    const struct ban ban = { network(text), reason, until };

    return bans_add(b, &ban, now);
}

/* The network of the ban that the address is in; "-": none. */
static const char *
found(struct bans *b, const char *text, int64_t now)
{
    static char out[NET_TEXT_MAX];
    struct net_network n = network(text);
    const struct ban *ban = bans_find(b, &n.base, now);

    return ban == NULL ? "-" : net_network_text(&ban->network, out);
}

static void
an_address_is_found_in_every_network_that_has_it(void)
{
    static const struct { const char *address, *ban; } rows[] = {
        { "192.0.2.1", "192.0.2.1" }, { "192.0.2.2", "-" },
        { "198.51.100.0", "198.51.100.0/24" }, { "198.51.100.255", "198.51.100.0/24" },
        { "198.51.101.0", "-" }, { "203.0.113.127", "203.0.113.0/25" },
        { "203.0.113.128", "-" }, { "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64" },
        { "2001:db8:1:3::1", "-" }, { "32.1.13.184", "-" },
    };
    struct bans b;

    CU_ASSERT_EQUAL_FATAL(bans_init(&b, 3), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.2.1", BAN_VIOLATIONS, 100, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "198.51.100.0/24", BAN_BY_HAND, BAN_FOR_EVER, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "198.51.100.7", BAN_BY_HAND, BAN_FOR_EVER, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "203.0.113.0/25", BAN_BY_HAND, BAN_FOR_EVER, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "2001:db8:1:2::/64", BAN_GUESSES, 100, 0), SP_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_STRING_EQUAL(found(&b, rows[i].address, 99), rows[i].ban);
    bans_clear(&b);
}

static void
everybody_can_be_shut_out(void)
{
    struct bans b;

    CU_ASSERT_EQUAL_FATAL(bans_init(&b, 4), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "0.0.0.0/0", BAN_BY_HAND, BAN_FOR_EVER, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "::1", BAN_BY_HAND, BAN_FOR_EVER, 0), SP_OK);
    CU_ASSERT_STRING_EQUAL(found(&b, "255.255.255.255", 0), "0.0.0.0/0");
    CU_ASSERT_STRING_EQUAL(found(&b, "::1", 0), "::1");
    CU_ASSERT_STRING_EQUAL(found(&b, "::2", 0), "-");
    bans_clear(&b);
}

static void
a_ban_ends_in_time(void)
{
    struct bans b;

    CU_ASSERT_EQUAL_FATAL(bans_init(&b, 5), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.2.1", BAN_VIOLATIONS, 100, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.2.0/24", BAN_BY_HAND, 50, 0), SP_OK);
    CU_ASSERT_STRING_EQUAL(found(&b, "192.0.2.1", 49), "192.0.2.0/24");
    CU_ASSERT_STRING_EQUAL(found(&b, "192.0.2.1", 50), "192.0.2.1");
    CU_ASSERT_EQUAL(b.count, 1);
    CU_ASSERT_STRING_EQUAL(found(&b, "192.0.2.1", 100), "-");
    CU_ASSERT_EQUAL(b.count, 0);
    bans_clear(&b);
}

static void
an_automatic_ban_never_shortens_another(void)
{
    struct bans b;

    CU_ASSERT_EQUAL_FATAL(bans_init(&b, 6), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.2.1", BAN_BY_HAND, BAN_FOR_EVER, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.2.1", BAN_VIOLATIONS, 100, 0), SP_OK);
    CU_ASSERT_STRING_EQUAL(found(&b, "192.0.2.1", 1000), "192.0.2.1");
    CU_ASSERT_EQUAL(add(&b, "192.0.2.1", BAN_BY_HAND, 2000, 1000), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.2.1", BAN_VIOLATIONS, 3000, 1000), SP_OK);
    CU_ASSERT_STRING_EQUAL(found(&b, "192.0.2.1", 2999), "192.0.2.1");
    CU_ASSERT_EQUAL(b.count, 1);
    bans_clear(&b);
}

static void
what_lies_in_a_network_is_lifted_with_it(void)
{
    struct net_network one = network("192.0.2.1"), wide = network("192.0.2.0/24");
    struct bans b;

    CU_ASSERT_EQUAL_FATAL(bans_init(&b, 7), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.2.1", BAN_VIOLATIONS, 100, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.2.0/25", BAN_BY_HAND, 100, 0), SP_OK);
    CU_ASSERT_EQUAL(add(&b, "192.0.3.1", BAN_VIOLATIONS, 100, 0), SP_OK);
    CU_ASSERT_EQUAL(bans_remove(&b, &one, 1), 1);
    CU_ASSERT_EQUAL(bans_remove(&b, &one, 1), 0);
    CU_ASSERT_PTR_NOT_NULL(bans_over(&b, &one, 1));
    CU_ASSERT_PTR_NULL(bans_over(&b, &wide, 1));
    CU_ASSERT_EQUAL(bans_remove(&b, &wide, 1), 1);
    CU_ASSERT_STRING_EQUAL(found(&b, "192.0.2.1", 1), "-");
    CU_ASSERT_STRING_EQUAL(found(&b, "192.0.3.1", 1), "192.0.3.1");
    bans_clear(&b);
}

static void
count(void *context, const struct ban *ban)
{
    (void)ban;
    (*(unsigned *)context)++;
}

static void
the_table_is_bounded(void)
{
    unsigned seen = 0;
    struct bans b;
    char text[32];

    CU_ASSERT_EQUAL_FATAL(bans_init(&b, 8), SP_OK);
    for (unsigned i = 0; i < BANS_MOST; i++) {
        (void)snprintf(text, sizeof text, "10.0.%u.%u", i >> 8, i & 255);
        if (add(&b, text, BAN_VIOLATIONS, 1000 + i, 0) != SP_OK)
            CU_FAIL("there is room");
    }
    /* an automatic one takes the place of that which ends first */
    CU_ASSERT_EQUAL(add(&b, "192.0.2.1", BAN_VIOLATIONS, 5000, 1), SP_OK);
    CU_ASSERT_STRING_EQUAL(found(&b, "10.0.0.0", 1), "-");
    CU_ASSERT_STRING_EQUAL(found(&b, "10.0.0.1", 1), "10.0.0.1");
    CU_ASSERT_EQUAL(b.count, BANS_MOST);
    /* one by hand is not to vanish unseen, so it is refused rather than taken on */
    CU_ASSERT_EQUAL(add(&b, "192.0.2.2", BAN_BY_HAND, BAN_FOR_EVER, 1), SP_REFUSED);
    /* what has ended makes room */
    CU_ASSERT_EQUAL(add(&b, "192.0.2.2", BAN_BY_HAND, BAN_FOR_EVER, 1500), SP_OK);
    bans_each(&b, 1500, count, &seen);
    CU_ASSERT_EQUAL(seen, b.count);
    CU_ASSERT_EQUAL(seen, BANS_MOST - 500 + 1);
    bans_clear(&b);
}

static const struct unit_test tests[] = {
    { "an address is found in every network that has it",
      an_address_is_found_in_every_network_that_has_it },
    { "everybody can be shut out", everybody_can_be_shut_out },
    { "a ban ends in time", a_ban_ends_in_time },
    { "an automatic ban never shortens another", an_automatic_ban_never_shortens_another },
    { "what lies in a network is lifted with it", what_lies_in_a_network_is_lifted_with_it },
    { "the table of bans is bounded", the_table_is_bounded },
    { NULL, NULL }
};
const struct unit_suite suite_bans = { "bans", tests };
