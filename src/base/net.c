/* src/base/net.c - see base/net.h */
#include "base/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/number.h"

static const unsigned char mapped_prefix[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

/* An IPv4-mapped address becomes what it is. */
static void
unmap(struct net_addr *a)
{
    if (a->family != AF_INET6
        || memcmp(a->bytes, mapped_prefix, sizeof mapped_prefix) != 0)
        return;
    memmove(a->bytes, a->bytes + sizeof mapped_prefix, 4);
    memset(a->bytes + 4, 0, sizeof a->bytes - 4);
    a->family = AF_INET;
    a->scope = 0;
}

enum sp_err
net_from_sockaddr(struct net_addr *out, const struct sockaddr *sa, socklen_t len)
{
    struct net_addr a = NET_ADDR_EMPTY;
    struct sockaddr_in in = {0};
    struct sockaddr_in6 in6 = {0};

    if (len < sizeof sa->sa_family)
        return SP_INPUT;
    if (sa->sa_family == AF_INET && len >= sizeof in) {
        memcpy(&in, sa, sizeof in);
        memcpy(a.bytes, &in.sin_addr, 4);
        a.port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6 && len >= sizeof in6) {
        memcpy(&in6, sa, sizeof in6);
        memcpy(a.bytes, &in6.sin6_addr, 16);
        a.port = ntohs(in6.sin6_port);
        a.scope = in6.sin6_scope_id;
    } else {
        return SP_INPUT;
    }
    a.family = sa->sa_family;
    unmap(&a);
    *out = a;
    return SP_OK;
}

enum sp_err
net_to_sockaddr(const struct net_addr *a, int family, struct sockaddr_storage *out,
                socklen_t *len)
{
    struct sockaddr_in in = {0};
    struct sockaddr_in6 in6 = {0};

    if (family == AF_INET && a->family == AF_INET) {
        in.sin_family = AF_INET;
        in.sin_port = htons(a->port);
        memcpy(&in.sin_addr, a->bytes, 4);
        memset(out, 0, sizeof *out);
        memcpy(out, &in, sizeof in);
        *len = sizeof in;
        return SP_OK;
    }
    if (family != AF_INET6 || (a->family != AF_INET && a->family != AF_INET6))
        return SP_INPUT;
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(a->port);
    if (a->family == AF_INET6) {
        memcpy(&in6.sin6_addr, a->bytes, 16);
        in6.sin6_scope_id = a->scope;
    } else {
        memcpy(in6.sin6_addr.s6_addr, mapped_prefix, sizeof mapped_prefix);
        memcpy(in6.sin6_addr.s6_addr + sizeof mapped_prefix, a->bytes, 4);
    }
    memset(out, 0, sizeof *out);
    memcpy(out, &in6, sizeof in6);
    *len = sizeof in6;
    return SP_OK;
}

/* No longer than any number here is. */
static bool
parse_number(struct slice text, uint64_t most, uint64_t *out)
{
    return text.len <= 10 && number_parse(text, most, out) == SP_OK;
}

/* Parts text at the last sep: false where there is none. */
static bool
split_last(struct slice text, char sep, struct slice *before, struct slice *after)
{
    const unsigned char *at = NULL;

    if (text.len > 0)
        at = memrchr(text.at, sep, text.len);
    if (at == NULL)
        return false;
    *before = slice_from(text.at, (size_t)(at - text.at));
    *after = slice_from(at + 1, text.len - before->len - 1);
    return true;
}

enum sp_err
net_parse(struct net_addr *out, struct slice text)
{
    struct net_addr a = NET_ADDR_EMPTY;
    struct slice address = text, scope = SLICE_EMPTY;
    char buf[INET6_ADDRSTRLEN];
    uint64_t number = 0;
    enum sp_err rc = SP_INPUT;

    /* By number only: an interface's name is a lookup, which a sandbox does not allow. */
    if (split_last(text, '%', &address, &scope)) {
        if (!parse_number(scope, UINT32_MAX, &number))
            return SP_INPUT;
        a.scope = (uint32_t)number;
    }
    if ((rc = slice_to_text(address, buf, sizeof buf)) != SP_OK)
        return rc;
    if (inet_pton(AF_INET, buf, a.bytes) == 1)
        a.family = AF_INET;
    else if (inet_pton(AF_INET6, buf, a.bytes) == 1)
        a.family = AF_INET6;
    else
        return SP_INPUT;
    if (a.family == AF_INET && scope.at != NULL)
        return SP_INPUT;
    unmap(&a);
    *out = a;
    return SP_OK;
}

enum sp_err
net_parse_port(struct net_addr *out, struct slice text)
{
    struct slice address = SLICE_EMPTY, port = SLICE_EMPTY;
    struct net_addr a = NET_ADDR_EMPTY;
    uint64_t number = 0;
    bool brackets = false;
    enum sp_err rc = SP_INPUT;

    if (!split_last(text, ':', &address, &port) || !parse_number(port, 65535, &number)
        || number == 0)
        return SP_INPUT;
    brackets = address.len >= 2 && address.at[0] == '['
        && address.at[address.len - 1] == ']';
    if (brackets)
        address = slice_from(address.at + 1, address.len - 2);
    /* "2001:db8::1:21" would be read in two ways: IPv6 has brackets, IPv4 has none. */
    if (brackets != (address.len > 0 && memchr(address.at, ':', address.len) != NULL))
        return SP_INPUT;
    if ((rc = net_parse(&a, address)) != SP_OK)
        return rc;
    a.port = (uint16_t)number;
    *out = a;
    return SP_OK;
}

static unsigned
address_bits(const struct net_addr *a)
{
    return a->family == AF_INET ? 32 : 128;
}

/* True where all bits from first on are zero. */
static bool
rest_is_zero(const struct net_addr *a, unsigned first)
{
    for (unsigned bit = first; bit < address_bits(a); bit++)
        if ((a->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return false;
    return true;
}

enum sp_err
net_parse_network(struct net_network *out, struct slice text)
{
    struct net_network n = { NET_ADDR_EMPTY, 0 };
    struct slice address = text, bits = SLICE_EMPTY;
    bool prefix = split_last(text, '/', &address, &bits);
    uint64_t number = 0;
    enum sp_err rc = SP_INPUT;

    if ((rc = net_parse(&n.base, address)) != SP_OK)
        return rc;
    number = address_bits(&n.base);
    if (prefix) {
        /* "::ffff:192.0.2.0/120" counts bits of the longer form, which is gone by now. */
        if (n.base.family == AF_INET && memchr(address.at, ':', address.len) != NULL)
            return SP_INPUT;
        if (!parse_number(bits, address_bits(&n.base), &number))
            return SP_INPUT;
    }
    n.bits = (unsigned)number;
    if (!rest_is_zero(&n.base, n.bits))
        return SP_INPUT;
    *out = n;
    return SP_OK;
}

const char *
net_text(const struct net_addr *a, char out[NET_TEXT_MAX])
{
    char text[INET6_ADDRSTRLEN] = "-";

    if (a->family == AF_INET || a->family == AF_INET6)
        if (inet_ntop(a->family, a->bytes, text, sizeof text) == NULL)
            (void)text_copy(text, sizeof text, "-");
    if (a->family == AF_INET6 && a->scope != 0)
        (void)text_printf(out, NET_TEXT_MAX, "%s%%%u", text, (unsigned)a->scope);
    else
        (void)text_copy(out, NET_TEXT_MAX, text);
    return out;
}

const char *
net_text_port(const struct net_addr *a, char out[NET_TEXT_MAX])
{
    char text[NET_TEXT_MAX];

    (void)net_text(a, text);
    if (a->family == AF_INET6)
        (void)snprintf(out, NET_TEXT_MAX, "[%.*s]:%u", NET_TEXT_MAX - 10, text, a->port);
    else
        (void)snprintf(out, NET_TEXT_MAX, "%.*s:%u", NET_TEXT_MAX - 10, text, a->port);
    return out;
}

bool
net_same(const struct net_addr *a, const struct net_addr *b)
{
    if (a->family != b->family || (a->family != AF_INET && a->family != AF_INET6))
        return false;
    /* An address a client writes has no scope, or one of its own counting. */
    if (a->scope != 0 && b->scope != 0 && a->scope != b->scope)
        return false;
    return memcmp(a->bytes, b->bytes, address_bits(a) / 8) == 0;
}

bool
net_contains(const struct net_network *n, const struct net_addr *a)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;

    if (n->base.family != a->family || (a->family != AF_INET && a->family != AF_INET6))
        return false;
    if (n->bits > address_bits(a) || memcmp(n->base.bytes, a->bytes, whole) != 0)
        return false;
    return rest == 0 || (n->base.bytes[whole] ^ a->bytes[whole]) >> (8 - rest) == 0;
}

struct net_network
net_network_of(const struct net_addr *a, unsigned bits)
{
    struct net_network n = { NET_ADDR_EMPTY, bits };

    n.base.family = a->family;
    for (unsigned i = 0; i < bits && i < address_bits(a); i++)
        n.base.bytes[i / 8] |= (unsigned char)(a->bytes[i / 8] & 0x80u >> i % 8);
    return n;
}

bool
net_network_valid(const struct net_network *n)
{
    return (n->base.family == AF_INET || n->base.family == AF_INET6)
           && n->bits <= address_bits(&n->base) && rest_is_zero(&n->base, n->bits);
}

bool
net_covers(const struct net_network *a, const struct net_network *b)
{
    return a->bits <= b->bits && net_contains(a, &b->base);
}

const char *
net_network_text(const struct net_network *n, char out[NET_TEXT_MAX])
{
    char text[NET_TEXT_MAX];

    (void)net_text(&n->base, text);
    if (n->bits == address_bits(&n->base))
        (void)text_copy(out, NET_TEXT_MAX, text);
    else
        (void)snprintf(out, NET_TEXT_MAX, "%.*s/%u", NET_TEXT_MAX - 5, text, n->bits);
    return out;
}

bool
net_in_list(const struct net_addr *a, const char *const *networks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct net_network n = { NET_ADDR_EMPTY, 0 };

        if (net_parse_network(&n, slice_of(networks[i])) == SP_OK && net_contains(&n, a))
            return true;
    }
    return false;
}

bool
net_is_private(const struct net_addr *a)
{
    static const char *const networks[] = {
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",    /* RFC 1918  */
        "100.64.0.0/10",                                    /* RFC 6598  */
        "127.0.0.0/8", "::1",                               /* loopback  */
        "169.254.0.0/16", "fe80::/10",                      /* this link */
        "fc00::/7",                                         /* RFC 4193  */
    };

    return net_in_list(a, networks, sizeof networks / sizeof *networks);
}

/* family (4, 6, 0), port, scope: little-endian, 2 + 2 + 4 bytes; then 16 of address. */
void
net_pack(const struct net_addr *a, unsigned char out[NET_PACKED])
{
    memset(out, 0, NET_PACKED);
    if (a->family != AF_INET && a->family != AF_INET6)
        return;
    out[0] = a->family == AF_INET ? 4 : 6;
    bytes_put_little(out + 2, a->port, 2);
    if (a->family == AF_INET6)
        bytes_put_little(out + 4, a->scope, 4);
    memcpy(out + 8, a->bytes, address_bits(a) / 8);
}

enum sp_err
net_unpack(struct net_addr *a, struct slice in)
{
    static const unsigned char zero[NET_PACKED] = {0};
    struct net_addr got = NET_ADDR_EMPTY;
    unsigned char again[NET_PACKED];

    if (in.len != NET_PACKED)
        return SP_INPUT;
    if (in.at[0] == 4 || in.at[0] == 6) {
        got.family = in.at[0] == 4 ? AF_INET : AF_INET6;
        got.port = (uint16_t)bytes_get_little(in.at + 2, 2);
        got.scope = (uint32_t)bytes_get_little(in.at + 4, 4);
        memcpy(got.bytes, in.at + 8, address_bits(&got) / 8);
    } else if (memcmp(in.at, zero, sizeof zero) != 0) {
        return SP_INPUT;
    }
    unmap(&got);
    /* There is one way to write an address: a mapped one, or with more, is refused. */
    net_pack(&got, again);
    if (memcmp(again, in.at, sizeof again) != 0)
        return SP_INPUT;
    *a = got;
    return SP_OK;
}
