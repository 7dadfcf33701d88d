/* tests/unit/test_hostport.c - src/ftp/hostport.c */
#include "ftp/hostport.h"
#include "suites_ftp.h"

static void
port_has_six_numbers(void)
{
    struct net_addr a = NET_ADDR_EMPTY;
    char text[NET_TEXT_MAX];

    CU_ASSERT_EQUAL(hostport_parse_port(slice_of("192,0,2,7,200,13"), &a), SP_OK);
    CU_ASSERT_STRING_EQUAL(net_text_port(&a, text), "192.0.2.7:51213");
    CU_ASSERT_EQUAL(hostport_parse_port(slice_of("010,000,000,001,000,001"), &a), SP_OK);
    CU_ASSERT_STRING_EQUAL(net_text_port(&a, text), "10.0.0.1:1");
    CU_ASSERT_EQUAL(hostport_parse_port(slice_of("255,255,255,255,255,255"), &a), SP_OK);
    CU_ASSERT_STRING_EQUAL(net_text_port(&a, text), "255.255.255.255:65535");
}

static void
what_is_no_port_is_refused(void)
{
    static const struct slice rows[] = {
        { NULL, 0 }, BYTES(""), BYTES("1,2,3,4,5"), BYTES("1,2,3,4,5,6,7"),
        BYTES("1,2,3,4,5,6,"), BYTES(",1,2,3,4,5"), BYTES("1,2,3,4,,6"),
        BYTES("256,2,3,4,5,6"), BYTES("1,2,3,4,5,256"), BYTES("0001,2,3,4,5,6"),
        BYTES("1,2,3,4,0,0"), BYTES("-1,2,3,4,5,6"), BYTES("1.2.3.4,5,6"),
        BYTES("1, 2,3,4,5,6"), BYTES("1,2,3,4,5,6 "), BYTES("1,2,3,4,5,6\0"),
        BYTES("|1|1.2.3.4|5|"), BYTES(",,,,,"), BYTES("99999999999999999999,2,3,4,5,6"),
    };
    struct net_addr a = { .port = 4242 };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(hostport_parse_port(rows[i], &a), SP_INPUT);
    CU_ASSERT_EQUAL(a.port, 4242);
}

static void
eprt_takes_both_families_and_any_delimiter(void)
{
    static const struct { const char *in, *out; } rows[] = {
        { "|1|132.235.1.2|6275|", "132.235.1.2:6275" },
        { "|2|1080::8:800:200C:417A|5282|", "[1080::8:800:200c:417a]:5282" },
        { "!1!10.0.0.1!1!", "10.0.0.1:1" }, { "~2~::1~65535~", "[::1]:65535" },
        { "a1a10.0.0.1a1a", "10.0.0.1:1" }, { ",1,10.0.0.1,20,", "10.0.0.1:20" },
        /* a client on a dual-stack socket: counts as what it is */
        { "|2|::ffff:192.0.2.1|1024|", "192.0.2.1:1024" },
    };
    char text[NET_TEXT_MAX];

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct net_addr a = NET_ADDR_EMPTY;

        CU_ASSERT_EQUAL(hostport_parse_eprt(slice_of(rows[i].in), &a), SP_OK);
        CU_ASSERT_STRING_EQUAL(net_text_port(&a, text), rows[i].out);
    }
}

static void
what_is_no_eprt_is_refused(void)
{
    static const struct { struct slice in; enum sp_err rc; } rows[] = {
        { { NULL, 0 }, SP_INPUT }, { BYTES(""), SP_INPUT }, { BYTES("|"), SP_INPUT },
        { BYTES("||||"), SP_INPUT }, { BYTES("|1|10.0.0.1|1"), SP_INPUT },
        { BYTES("|1|10.0.0.1|1|x"), SP_INPUT }, { BYTES("|1|10.0.0.1|1||"), SP_INPUT },
        { BYTES("|1|10.0.0.1|0|"), SP_INPUT }, { BYTES("|1|10.0.0.1|65536|"), SP_INPUT },
        { BYTES("|1||1|"), SP_INPUT }, { BYTES("|1|::1|1|"), SP_INPUT },
        { BYTES("|2|10.0.0.1|1|"), SP_INPUT }, { BYTES("|2|fe80::1%eth0|1|"), SP_INPUT },
        { BYTES("|1|localhost|1|"), SP_INPUT }, { BYTES("|1|10.0.0.1\0|1|"), SP_INPUT },
        { BYTES(" 1 10.0.0.1 1 "), SP_INPUT },
        { BYTES("\0001\00010.0.0.1\0001\0"), SP_INPUT },
        { BYTES("\3771\37710.0.0.1\3771\377"), SP_INPUT }, { BYTES("1111111"), SP_INPUT },
        { BYTES("|x|10.0.0.1|1|"), SP_INPUT }, { BYTES("|1 |10.0.0.1|1|"), SP_INPUT },
        { BYTES("|3|10.0.0.1|1|"), SP_REFUSED }, { BYTES("|0|10.0.0.1|1|"), SP_REFUSED },
    };
    struct net_addr a = { .port = 4242 };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(hostport_parse_eprt(rows[i].in, &a), rows[i].rc);
    CU_ASSERT_EQUAL(a.port, 4242);
}

static void
epsv_may_name_a_protocol(void)
{
    static const struct {
        const char *in;
        enum sp_err rc;
        enum hostport_epsv out;
    } rows[] = {
        { "", SP_OK, EPSV_ANY }, { "1", SP_OK, EPSV_IPV4 }, { "2", SP_OK, EPSV_IPV6 },
        { "ALL", SP_OK, EPSV_ALL }, { "all", SP_OK, EPSV_ALL },
        { "3", SP_REFUSED, EPSV_ANY }, { "0", SP_REFUSED, EPSV_ANY },
        { "ALLES", SP_INPUT, EPSV_ANY }, { "-1", SP_INPUT, EPSV_ANY },
        { "70000", SP_INPUT, EPSV_ANY }, { "1 2", SP_INPUT, EPSV_ANY },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        enum hostport_epsv out = EPSV_ANY;

        CU_ASSERT_EQUAL(hostport_parse_epsv(slice_of(rows[i].in), &out), rows[i].rc);
        CU_ASSERT_EQUAL(out, rows[i].out);
    }
}

static void
replies_name_the_address(void)
{
    struct net_addr a = NET_ADDR_EMPTY;
    char text[HOSTPORT_TEXT_MAX];

    CU_ASSERT_EQUAL(net_parse(&a, slice_of("255.255.255.255")), SP_OK);
    a.port = 65535;
    CU_ASSERT_STRING_EQUAL(hostport_text(&a, text), "255,255,255,255,255,255");
    CU_ASSERT_EQUAL(net_parse(&a, slice_of("192.0.2.1")), SP_OK);
    a.port = 50001;
    CU_ASSERT_STRING_EQUAL(hostport_text(&a, text), "192,0,2,1,195,81");
    CU_ASSERT_STRING_EQUAL(hostport_text_extended(65535, text), "|||65535|");
}

static const struct unit_test tests[] = {
    { "PORT has six numbers", port_has_six_numbers },
    { "what is no PORT is refused", what_is_no_port_is_refused },
    { "EPRT takes both families and any delimiter",
      eprt_takes_both_families_and_any_delimiter },
    { "what is no EPRT is refused", what_is_no_eprt_is_refused },
    { "EPSV may name a protocol", epsv_may_name_a_protocol },
    { "replies name the address", replies_name_the_address },
    { NULL, NULL }
};

const struct unit_suite suite_hostport = { "hostport", tests };
