/* tests/unit/test_keyed.c - monitor/keyed.c */
#include "monitor/keyed.h"

#include "suites_monitor.h"

static struct net_addr
address(const char *text)
{
    struct net_addr a = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL_FATAL(net_parse(&a, slice_of(text)), SP_OK);
    return a;
}

/* The vectors of SipHash's authors: the key is 00..0f, the text 00, 01, 02... */
static void
siphash_of_its_authors(void)
{
    static const struct { size_t len; uint64_t hash; } rows[] = {
        { 0, 0x726fdb47dd0e0e31u }, { 1, 0x74f839c593dc67fdu }, { 7, 0xab0200f58b01d137u },
        { 8, 0x93f5f5799a932462u }, { 15, 0xa129ca6149be45e5u },
    };
    const struct keyed key = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
    unsigned char text[16];

    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_EQUAL(keyed_hash(&key, slice_from(text, rows[i].len)), rows[i].hash);
}

static void
another_key_another_number(void)
{
    struct keyed a, b;

    CU_ASSERT_EQUAL_FATAL(keyed_init(&a), SP_OK);
    CU_ASSERT_EQUAL_FATAL(keyed_init(&b), SP_OK);
    CU_ASSERT_NOT_EQUAL(keyed_hash(&a, slice_of("alice")), keyed_hash(&b, slice_of("alice")));
}

static void
networks(void)
{
    static const struct { const char *a, *b; bool own, around; } rows[] = {
        { "192.0.2.1", "192.0.2.1", true, false },
        { "192.0.2.1", "192.0.2.2", false, false },
        { "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true, true },
        { "2001:db8:1:2::1", "2001:db8:1:3::1", false, true },
        { "2001:db8:1:2::1", "2001:db8:2:2::1", false, false },
        { "32.1.13.184", "2001:db8::", false, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct net_addr a = address(rows[i].a), b = address(rows[i].b);
        const struct network own = network_of(&a), other = network_of(&b);
        const struct network around = network_around(&a);

        CU_ASSERT_EQUAL(network_same(&own, &other), rows[i].own);
        CU_ASSERT_EQUAL(network_holds(&around, &other), rows[i].around);
        CU_ASSERT_EQUAL(network_holds(&own, &other), rows[i].own);
    }
}

static void
whole_networks(void)
{
    static const struct { const char *address, *own, *around; } rows[] = {
        { "192.0.2.255", "192.0.2.255", NULL }, { "255.255.255.255", "255.255.255.255", NULL },
        { "2001:db8:1:2::9", "2001:db8:1:2::/64", "2001:db8:1::/48" },
    };
    static const struct network none[] = {
        { NETWORK_NONE, 0 }, { NETWORK_IPV4, (uint64_t)UINT32_MAX + 1 }, { NETWORK_48, 1 },
        { (enum network_kind)4, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct net_addr a = address(rows[i].address);
        const struct network own = network_of(&a), around = network_around(&a);
        char text[NET_TEXT_MAX];
        struct net_network n = network_whole(&own);

        CU_ASSERT_STRING_EQUAL(net_network_text(&n, text), rows[i].own);
        if (rows[i].around == NULL)
            continue;
        n = network_whole(&around);
        CU_ASSERT_STRING_EQUAL(net_network_text(&n, text), rows[i].around);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CU_ASSERT_FALSE(network_valid(&none[i]));
}

static const struct unit_test tests[] = {
    { "SipHash-2-4 gives what its authors say", siphash_of_its_authors },
    { "another key gives another number", another_key_another_number },
    { "an IPv6 address counts as its /64, and in its /48", networks },
    { "a network that is counted has a prefix, too", whole_networks },
    { NULL, NULL }
};

const struct unit_suite suite_keyed = { "keyed", tests };
