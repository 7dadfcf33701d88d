/* src/ftp/hostport.c - see ftp/hostport.h */
#include "ftp/hostport.h"

#include <string.h>

#include "base/number.h"

/* Takes what stands before the next delimiter off rest. False: there is none. */
static bool
cut(struct slice *rest, unsigned char delimiter, struct slice *part)
{
    const unsigned char *end = NULL;
    size_t len = 0;

    if (rest->len > 0)
        end = memchr(rest->at, delimiter, rest->len);
    if (end == NULL)
        return false;
    len = (size_t)(end - rest->at);
    *part = slice_from(rest->at, len);
    *rest = slice_from(end + 1, rest->len - len - 1);
    return true;
}

enum sp_err
hostport_parse_port(struct slice text, struct net_addr *out)
{
    struct net_addr a = NET_ADDR_EMPTY;
    unsigned char field[6] = { 0 };
    struct slice rest = text, part = SLICE_EMPTY;
    uint64_t value = 0;

    for (unsigned i = 0; i < 6; i++) {
        if (i == 5)
            part = rest;
        else if (!cut(&rest, ',', &part))
            return SP_INPUT;
        if (part.len > 3 || number_parse(part, 255, &value) != SP_OK)
            return SP_INPUT;
        field[i] = (unsigned char)value;
    }
    a.family = AF_INET;
    memcpy(a.bytes, field, 4);
    a.port = (uint16_t)(field[4] << 8 | field[5]);
    if (a.port == 0)
        return SP_INPUT;
    *out = a;
    return SP_OK;
}

enum sp_err
hostport_parse_eprt(struct slice text, struct net_addr *out)
{
    struct net_addr a = NET_ADDR_EMPTY;
    struct slice rest = text;
    struct slice protocol = SLICE_EMPTY, host = SLICE_EMPTY, port = SLICE_EMPTY;
    unsigned char delimiter = 0;
    uint64_t family = 0, number = 0;

    if (text.len == 0 || (delimiter = *text.at) < 33 || delimiter > 126)
        return SP_INPUT;
    rest = slice_from(text.at + 1, text.len - 1);
    if (!cut(&rest, delimiter, &protocol) || !cut(&rest, delimiter, &host)
        || !cut(&rest, delimiter, &port) || rest.len != 0)
        return SP_INPUT;
    if (number_parse(protocol, UINT16_MAX, &family) != SP_OK
        || number_parse(port, UINT16_MAX, &number) != SP_OK || number == 0
        || host.len == 0)
        return SP_INPUT;
    if (family != 1 && family != 2)
        return SP_REFUSED;
    /* A scope ("%eth0") is ours to know, not the client's to choose; and the family has
     * to be the one the text is written in, whatever net_parse makes of a mapped one. */
    if (memchr(host.at, '%', host.len) != NULL
        || (memchr(host.at, ':', host.len) != NULL) != (family == 2))
        return SP_INPUT;
    if (net_parse(&a, host) != SP_OK)
        return SP_INPUT;
    a.port = (uint16_t)number;
    *out = a;
    return SP_OK;
}

enum sp_err
hostport_parse_epsv(struct slice text, enum hostport_epsv *out)
{
    uint64_t family = 0;

    if (text.len == 0)
        *out = EPSV_ANY;
    else if (slice_equal_nocase(text, "ALL"))
        *out = EPSV_ALL;
    else if (number_parse(text, UINT16_MAX, &family) != SP_OK)
        return SP_INPUT;
    else if (family == 1)
        *out = EPSV_IPV4;
    else if (family == 2)
        *out = EPSV_IPV6;
    else
        return SP_REFUSED;
    return SP_OK;
}

const char *
hostport_text(const struct net_addr *a, char out[HOSTPORT_TEXT_MAX])
{
    SP_ASSERT(a->family == AF_INET);
    text_printf_whole(out, HOSTPORT_TEXT_MAX, "%u,%u,%u,%u,%u,%u", a->bytes[0],
                      a->bytes[1], a->bytes[2], a->bytes[3], a->port >> 8,
                      a->port & 0xffu);
    return out;
}

const char *
hostport_text_extended(uint16_t port, char out[HOSTPORT_TEXT_MAX])
{
    text_printf_whole(out, HOSTPORT_TEXT_MAX, "|||%u|", port);
    return out;
}
