/*
 * tests/fuzz/fuzz_values.c - numbers, addresses, times and options in parameters
 * (base/number.h, ftp/hostport.h, ftp/timeval.h, ftp/listing.h, base/net.h)
 *
 * Holds: what is accepted, written again and parsed again, is the same value; names and
 * parts lie within the parameter; nothing of another form is accepted.
 */
#include "fuzz.h"

#include "base/calendar.h"
#include "base/number.h"
#include "ftp/hostport.h"
#include "ftp/listing.h"
#include "ftp/timeval.h"

static bool
is_within(struct slice inner, struct slice outer)
{
    return inner.len == 0
        || (inner.at >= outer.at && inner.at + inner.len <= outer.at + outer.len);
}

static void
check_numbers(struct slice s)
{
    char text[NUMBER_TEXT_MAX], octal[16];
    uint64_t n = 0, again = 0, most[] = { 0, 255, UINT16_MAX, INT64_MAX, UINT64_MAX };
    uint32_t mode = 0, mode_again = 0;
    size_t zeros = 0;

    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        if (number_parse(s, most[i], &n) != SP_OK)
            continue;
        FUZZ_HOLDS(n <= most[i] && s.len > 0);
        FUZZ_HOLDS(number_parse(slice_from(text, number_text(n, text)), most[i], &again)
                   == SP_OK && again == n);
        for (zeros = 0; zeros + 1 < s.len && s.at[zeros] == '0'; zeros++)
            continue;
        FUZZ_HOLDS(slice_equal(slice_of(text), slice_from(s.at + zeros, s.len - zeros)));
    }
    if (number_parse_octal(s, &mode) == SP_OK) {
        FUZZ_HOLDS(mode <= 07777 && text_printf(octal, sizeof octal, "%o", mode));
        FUZZ_HOLDS(number_parse_octal(slice_of(octal), &mode_again) == SP_OK
                   && mode_again == mode);
    }
}

static void
check_addresses(struct slice s)
{
    struct net_addr a = NET_ADDR_EMPTY, again = NET_ADDR_EMPTY;
    struct net_network network;
    char text[HOSTPORT_TEXT_MAX], host[NET_TEXT_MAX], eprt[NET_TEXT_MAX + 16];
    unsigned char packed[NET_PACKED];
    enum hostport_epsv epsv = EPSV_ANY;

    if (hostport_parse_port(s, &a) == SP_OK) {
        FUZZ_HOLDS(a.family == AF_INET && a.port != 0 && s.len <= 23);
        FUZZ_HOLDS(hostport_parse_port(slice_of(hostport_text(&a, text)), &again) == SP_OK
                   && net_same(&a, &again) && a.port == again.port);
    }
    if (hostport_parse_eprt(s, &a) == SP_OK) {
        FUZZ_HOLDS((a.family == AF_INET || a.family == AF_INET6) && a.port != 0);
        FUZZ_HOLDS(a.scope == 0);
        /* a mapped address has become IPv4: it is written as what it is */
        FUZZ_HOLDS(text_printf(eprt, sizeof eprt, "|%d|%s|%u|",
                               a.family == AF_INET ? 1 : 2, net_text(&a, host), a.port));
        FUZZ_HOLDS(hostport_parse_eprt(slice_of(eprt), &again) == SP_OK
                   && net_same(&a, &again) && a.port == again.port);
    }
    if (net_parse(&a, s) == SP_OK || net_parse_port(&a, s) == SP_OK) {
        net_pack(&a, packed);
        FUZZ_HOLDS(net_unpack(&again, slice_from(packed, sizeof packed)) == SP_OK
                   && net_same(&a, &again) && a.port == again.port);
    }
    if (net_unpack(&a, s) == SP_OK) {
        net_pack(&a, packed);
        FUZZ_HOLDS(slice_equal(s, slice_from(packed, sizeof packed)));
        (void)net_text_port(&a, host);
        (void)net_is_private(&a);
    }
    if (net_parse_network(&network, s) == SP_OK)
        FUZZ_HOLDS(net_contains(&network, &network.base));
    if (hostport_parse_epsv(s, &epsv) == SP_OK)
        FUZZ_HOLDS(s.len <= 8 || s.at[0] == '0');
}

static void
check_time(const struct timeval_utc *t)
{
    struct timeval_utc again = { 0, 0 };
    struct calendar p;
    char text[TIMEVAL_TEXT_MAX];
    size_t len = 0;

    FUZZ_HOLDS(t->nanos <= 999999999);
    len = timeval_text(t, 9, text);
    FUZZ_HOLDS(len < TIMEVAL_TEXT_MAX && strlen(text) == len);
    calendar_split(t->seconds, &p);
    FUZZ_HOLDS(p.month >= 1 && p.month <= 12 && p.day >= 1 && p.day <= 31 && p.hour < 24
               && p.minute < 60 && p.second < 60);
    /* second 60 of the last year is in a year that cannot be written */
    if (p.year >= 1 && t->seconds <= 253402300799)
        FUZZ_HOLDS(timeval_parse(slice_of(text), &again) == SP_OK
                   && again.seconds == t->seconds && again.nanos == t->nanos);
}

static void
check_times(struct slice s)
{
    struct timeval_utc t = { 0, 0 };
    struct slice name = SLICE_EMPTY;

    if (timeval_parse(s, &t) == SP_OK)
        check_time(&t);
    if (timeval_parse_named(s, &t, &name) == SP_OK) {
        FUZZ_HOLDS(name.len > 0 && is_within(name, s)
                   && name.at + name.len == s.at + s.len);
        check_time(&t);
    }
    if (timeval_parse_utime(s, &t, &name) == SP_OK) {
        FUZZ_HOLDS(name.len > 0 && is_within(name, s));
        check_time(&t);
    }
    if (s.len >= 8) {
        memcpy(&t.seconds, s.at, 8);
        t.nanos = 0;
        check_time(&t);
    }
}

static void
check_options(struct slice s)
{
    struct slice name = SLICE_EMPTY;
    struct buf chosen = BUF_EMPTY(4096);
    unsigned options = 0, facts = listing_parse_facts(s);

    listing_options(s, &options, &name);
    FUZZ_HOLDS(is_within(name, s));
    FUZZ_HOLDS(options < LISTING_CLASSIFY << 1);
    FUZZ_HOLDS(name.len == 0 || name.at + name.len == s.at + s.len);
    /* a name that was set apart by "--" is taken whole */
    FUZZ_HOLDS((facts & ~(unsigned)FACT_ALL) == 0);
    FUZZ_HOLDS(listing_chosen(&chosen, facts) == SP_OK);
    FUZZ_HOLDS(listing_parse_facts(buf_slice(&chosen)) == facts);
    buf_free(&chosen);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice s = slice_from(data, size);
    unsigned char *memory = fuzz_copy(s);

    s.at = memory;
    check_numbers(s);
    check_addresses(s);
    check_times(s);
    check_options(s);
    free(memory);
    return 0;
}
