/*
 * base/net.h - IP addresses and networks as values
 *
 * Runs in: every process.                Blocks: never (no name is resolved here).
 *
 * An IPv4-mapped IPv6 address is turned into its IPv4 form on the way in, so that a client
 * that came over a dual-stack socket counts as what it is.
 */
#ifndef SP_BASE_NET_H
#define SP_BASE_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"

#define NET_TEXT_MAX 64         /* "[" + INET6_ADDRSTRLEN + "%scope]:65535" + NUL */
#define NET_PACKED 24           /* bytes of net_pack */

/* family is AF_INET or AF_INET6 (AF_UNSPEC: empty); bytes has 4 or 16 in use. */
struct net_addr { int family; unsigned char bytes[16]; uint32_t scope; uint16_t port; };

struct net_network { struct net_addr base; unsigned bits; };

#define NET_ADDR_EMPTY { AF_UNSPEC, {0}, 0, 0 }

/* SP_INPUT: another family, or cut. */
SP_CHECK enum sp_err net_from_sockaddr(struct net_addr *out, const struct sockaddr *sa,
                                       socklen_t len);
/*
 * The sockaddr for a socket of the given family; an IPv4 address becomes IPv4-mapped for
 * AF_INET6. SP_INPUT: an IPv6 address for AF_INET.
 */
SP_CHECK enum sp_err net_to_sockaddr(const struct net_addr *a, int family,
                                     struct sockaddr_storage *out, socklen_t *len);
/* "192.0.2.1" or "2001:db8::1" (no port, no brackets). */
SP_CHECK enum sp_err net_parse(struct net_addr *out, struct slice text);
/* "192.0.2.1:21", "[::]:990", "*:21" is not accepted. */
SP_CHECK enum sp_err net_parse_port(struct net_addr *out, struct slice text);
/* "192.0.2.0/24", "2001:db8::/32", or one address. Bits set beyond the prefix: SP_INPUT. */
SP_CHECK enum sp_err net_parse_network(struct net_network *out, struct slice text);
/* The network of that many bits that has the address in it. */
struct net_network net_network_of(const struct net_addr *a, unsigned bits);
/* True where it is a network: a family, bits of an address, and none set beyond them. */
bool net_network_valid(const struct net_network *n);
/* All of b lies in a. */
bool net_covers(const struct net_network *a, const struct net_network *b);
/* "192.0.2.0/24"; one address has no prefix. out has room for NET_TEXT_MAX. Returns out. */
const char *net_network_text(const struct net_network *n, char out[NET_TEXT_MAX]);
/* Address text without the port. out has room for NET_TEXT_MAX. Returns out. */
const char *net_text(const struct net_addr *a, char out[NET_TEXT_MAX]);
/* Address text with the port: "192.0.2.1:50000", "[::1]:50000". Returns out. */
const char *net_text_port(const struct net_addr *a, char out[NET_TEXT_MAX]);
/* Same address; the port plays no part. */
bool net_same(const struct net_addr *a, const struct net_addr *b);
bool net_contains(const struct net_network *n, const struct net_addr *a);
/* Is the address in one of the networks of a list like settings keep it? A text of the
 * list that is no network matches nothing (the configuration check has refused it). */
bool net_in_list(const struct net_addr *a, const char *const *networks, size_t count);
/* RFC 1918, RFC 4193, loopback, link-local, RFC 6598: not to be announced to the internet. */
bool net_is_private(const struct net_addr *a);
/* Fixed layout for messages: family, port, scope, bytes. */
void net_pack(const struct net_addr *a, unsigned char out[NET_PACKED]);
SP_CHECK enum sp_err net_unpack(struct net_addr *a, struct slice in);

#endif
