/* tests/unit/test_net.c - src/base/net.c */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/net.h"
#include "suites.h"

static struct net_addr
address(const char *text)
{
    struct net_addr a = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL_FATAL(net_parse(&a, slice_of(text)), SP_OK);
    return a;
}

/* Every member; there is padding between them. */
static bool
identical(const struct net_addr *a, const struct net_addr *b)
{
    return a->family == b->family && a->scope == b->scope && a->port == b->port
        && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void
addresses_are_read_and_written(void)
{
    static const struct { const char *in, *out; } rows[] = {
        { "192.0.2.1", "192.0.2.1" }, { "0.0.0.0", "0.0.0.0" }, { "::", "::" },
        { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, { "::1", "::1" },
        { "::ffff:192.0.2.7", "192.0.2.7" },           /* came over a dual-stack socket */
        { "fe80::1%3", "fe80::1%3" },
    };
    char out[NET_TEXT_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_addr a = address(rows[i].in);

        CU_ASSERT_STRING_EQUAL(net_text(&a, out), rows[i].out);
    }
}

static void
what_is_no_address_is_refused(void)
{
    static const char *const rows[] = {
        "", " ", "192.0.2", "192.0.2.256", "192.0.2.1 ", " 192.0.2.1", "192.0.2.01x", "1",
        "192.0.2.1%1", ":::", "2001:db8::1::2", "fe80::1%", "fe80::1%eth0",
        "fe80::1%99999999999",
        "[::1]", "example.org", "192.0.2.1:21",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd",
    };
    struct net_addr a = NET_ADDR_EMPTY;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_EQUAL(net_parse(&a, slice_of(rows[i])), SP_INPUT);
    CU_ASSERT_EQUAL(net_parse(&a, slice_from("192.0.2.1\0x", 11)), SP_INPUT);
    CU_ASSERT_EQUAL(a.family, AF_UNSPEC);
}

static void
listeners_are_read(void)
{
    static const struct { const char *in, *out; } rows[] = {
        { "192.0.2.1:21", "192.0.2.1:21" }, { "[::]:990", "[::]:990" },
        { "0.0.0.0:65535", "0.0.0.0:65535" }, { "[fe80::1%2]:21", "[fe80::1%2]:21" },
        { "*:21", NULL }, { ":21", NULL }, { "21", NULL }, { "192.0.2.1", NULL },
        { "192.0.2.1:", NULL }, { "192.0.2.1:0", NULL }, { "192.0.2.1:65536", NULL },
        { "192.0.2.1:-1", NULL }, { "192.0.2.1:+21", NULL }, { "192.0.2.1:21x", NULL },
        { "[192.0.2.1]:21", NULL }, { "::1:21", NULL }, { "[::1]", NULL },
        { "[::1]21", NULL },
        { "[]:21", NULL }, { "", NULL },
    };
    char out[NET_TEXT_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_addr a = NET_ADDR_EMPTY;
        enum sp_err rc = net_parse_port(&a, slice_of(rows[i].in));

        if (rc != (rows[i].out == NULL ? SP_INPUT : SP_OK))
            printf("%s: %s\n", rows[i].in, sp_err_text(rc));
        CU_ASSERT_EQUAL(rc, rows[i].out == NULL ? SP_INPUT : SP_OK);
        if (rc == SP_OK)
            CU_ASSERT_STRING_EQUAL(net_text_port(&a, out), rows[i].out);
    }
}

static void
networks_are_read_and_contain_what_they_should(void)
{
    static const struct { const char *network, *inside, *outside; } rows[] = {
        { "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
        { "192.0.2.128/25", "192.0.2.128", "192.0.2.127" },
        { "192.0.2.4/31", "192.0.2.5", "192.0.2.6" },
        { "192.0.2.1", "192.0.2.1", "192.0.2.2" },
        { "192.0.2.1/32", "::ffff:192.0.2.1", "192.0.2.0" },
        { "0.0.0.0/0", "255.255.255.255", "::1" },
        { "::/0", "2001:db8::1", "192.0.2.1" },
        { "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
        { "2001:db8::1", "2001:db8::1", "2001:db8::2" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_network n = { NET_ADDR_EMPTY, 0 };
        struct net_addr inside = address(rows[i].inside);
        struct net_addr outside = address(rows[i].outside);

        CU_ASSERT_EQUAL(net_parse_network(&n, slice_of(rows[i].network)), SP_OK);
        CU_ASSERT(net_contains(&n, &inside));
        CU_ASSERT_FALSE(net_contains(&n, &outside));
        CU_ASSERT(net_in_list(&inside, &rows[i].network, 1));
        CU_ASSERT_FALSE(net_in_list(&outside, &rows[i].network, 1));
        CU_ASSERT_FALSE(net_in_list(&inside, &rows[i].network, 0));
    }
}

static void
what_is_no_network_is_refused(void)
{
    static const char *const rows[] = {
        "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/24/24",
        "2001:db8::1/64", "2001:db8::/129", "::ffff:192.0.2.0/120", "/8", "", "10/8",
    };
    struct net_addr a = address("192.0.2.1");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_network n = { NET_ADDR_EMPTY, 0 };

        CU_ASSERT_EQUAL(net_parse_network(&n, slice_of(rows[i])), SP_INPUT);
        CU_ASSERT_FALSE(net_in_list(&a, &rows[i], 1));
    }
}

static void
private_addresses_are_known(void)
{
    static const struct { const char *text; bool private; } rows[] = {
        { "10.1.2.3", true }, { "172.16.0.1", true }, { "172.31.255.255", true },
        { "172.32.0.0", false }, { "172.15.255.255", false }, { "192.168.1.1", true },
        { "192.169.0.0", false }, { "127.0.0.53", true }, { "169.254.1.1", true },
        { "100.64.0.1", true }, { "100.128.0.0", false }, { "8.8.8.8", false },
        { "::1", true },
        { "::2", false }, { "fe80::1", true }, { "febf::1", true }, { "fec0::1", false },
        { "fd00::1", true }, { "fc00::1", true }, { "fe00::1", false },
        { "2001:db8::1", false },
        { "::ffff:10.0.0.1", true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_addr a = address(rows[i].text);

        CU_ASSERT_EQUAL(net_is_private(&a), rows[i].private);
    }
}

static void
the_same_address_is_known_again(void)
{
    struct net_addr a = address("192.0.2.1"), b = address("::ffff:192.0.2.1");
    struct net_addr six = address("fe80::1%2"), bare = address("fe80::1");
    struct net_addr other = address("fe80::1%3"), empty = NET_ADDR_EMPTY;

    a.port = 1;
    CU_ASSERT(net_same(&a, &b));
    CU_ASSERT_FALSE(net_same(&a, &six));
    CU_ASSERT(net_same(&six, &bare));
    CU_ASSERT_FALSE(net_same(&six, &other));
    CU_ASSERT_FALSE(net_same(&empty, &empty));
}

static void
addresses_go_into_sockets_and_come_back(void)
{
    static const struct { const char *text; int family, out; } rows[] = {
        { "192.0.2.1", AF_INET, AF_INET }, { "192.0.2.1", AF_INET6, AF_INET6 },
        { "2001:db8::1", AF_INET6, AF_INET6 }, { "fe80::1%7", AF_INET6, AF_INET6 },
    };
    struct sockaddr_storage sa;
    socklen_t len = 0;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_addr a = address(rows[i].text), back = NET_ADDR_EMPTY;
        struct sockaddr *bare = (struct sockaddr *)&sa;

        a.port = 2121;
        CU_ASSERT_EQUAL(net_to_sockaddr(&a, rows[i].family, &sa, &len), SP_OK);
        CU_ASSERT_EQUAL(sa.ss_family, rows[i].out);
        CU_ASSERT_EQUAL(net_from_sockaddr(&back, bare, len), SP_OK);
        CU_ASSERT(identical(&a, &back));
        CU_ASSERT_EQUAL(net_from_sockaddr(&back, bare, len - 1), SP_INPUT);
        CU_ASSERT_EQUAL(net_from_sockaddr(&back, bare, 1), SP_INPUT);
    }
}

static void
what_fits_no_socket_is_refused(void)
{
    struct net_addr six = address("2001:db8::1"), empty = NET_ADDR_EMPTY;
    struct sockaddr_storage sa = { .ss_family = AF_UNIX };
    socklen_t len = 0;

    CU_ASSERT_EQUAL(net_from_sockaddr(&empty, (struct sockaddr *)&sa, sizeof sa),
                    SP_INPUT);
    CU_ASSERT_EQUAL(net_to_sockaddr(&six, AF_INET, &sa, &len), SP_INPUT);
    CU_ASSERT_EQUAL(net_to_sockaddr(&empty, AF_INET, &sa, &len), SP_INPUT);
    CU_ASSERT_EQUAL(net_to_sockaddr(&empty, AF_INET6, &sa, &len), SP_INPUT);
    CU_ASSERT_EQUAL(net_to_sockaddr(&six, AF_UNIX, &sa, &len), SP_INPUT);
}

static void
packed_addresses_come_back(void)
{
    static const char *const rows[] = { "192.0.2.1", "2001:db8::1",
                                        "fe80::1%4294967295" };
    unsigned char wire[NET_PACKED];
    struct net_addr back = NET_ADDR_EMPTY, empty = NET_ADDR_EMPTY;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net_addr a = address(rows[i]);

        a.port = 51234;
        net_pack(&a, wire);
        CU_ASSERT_EQUAL(net_unpack(&back, slice_from(wire, sizeof wire)), SP_OK);
        CU_ASSERT(identical(&a, &back));
    }
    net_pack(&empty, wire);
    CU_ASSERT_EQUAL(net_unpack(&back, slice_from(wire, sizeof wire)), SP_OK);
    CU_ASSERT_EQUAL(back.family, AF_UNSPEC);
}

static void
packed_addresses_with_anything_odd_are_refused(void)
{
    static const struct { size_t at; unsigned char value; } odd[] = {
        { 0, 5 }, { 0, 0 }, { 1, 1 }, { 4, 1 }, { 7, 1 }, { 12, 1 }, { 23, 1 },
    };
    struct net_addr a = address("192.0.2.1"), back = NET_ADDR_EMPTY;
    unsigned char wire[NET_PACKED];

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        net_pack(&a, wire);
        wire[odd[i].at] = odd[i].value;
        CU_ASSERT_EQUAL(net_unpack(&back, slice_from(wire, sizeof wire)), SP_INPUT);
    }
    net_pack(&a, wire);
    CU_ASSERT_EQUAL(net_unpack(&back, slice_from(wire, sizeof wire - 1)), SP_INPUT);
    /* IPv4 in an IPv6 coat */
    memset(wire, 0, sizeof wire);
    wire[0] = 6;
    wire[18] = wire[19] = 0xff;
    CU_ASSERT_EQUAL(net_unpack(&back, slice_from(wire, sizeof wire)), SP_INPUT);
}

static const struct unit_test tests[] = {
    { "addresses are read and written", addresses_are_read_and_written },
    { "what is no address is refused", what_is_no_address_is_refused },
    { "listeners are read", listeners_are_read },
    { "networks are read and contain what they should",
      networks_are_read_and_contain_what_they_should },
    { "what is no network is refused", what_is_no_network_is_refused },
    { "private addresses are known", private_addresses_are_known },
    { "the same address is known again", the_same_address_is_known_again },
    { "addresses go into sockets and come back",
      addresses_go_into_sockets_and_come_back },
    { "what fits no socket is refused", what_fits_no_socket_is_refused },
    { "packed addresses come back", packed_addresses_come_back },
    { "packed addresses with anything odd are refused",
      packed_addresses_with_anything_odd_are_refused },
    { NULL, NULL }
};
const struct unit_suite suite_net = { "net", tests };
