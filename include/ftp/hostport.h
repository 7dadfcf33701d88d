/*
 * ftp/hostport.h - addresses as PORT, PASV, EPRT and EPSV write them
 *
 * Runs in: worker.                       Blocks: never.
 * Trusts:  nothing. Whether an address may be connected to is decided by the monitor.
 */
#ifndef SP_FTP_HOSTPORT_H
#define SP_FTP_HOSTPORT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net.h"

#define HOSTPORT_TEXT_MAX 32

/* RFC 959: "h1,h2,h3,h4,p1,p2", decimal. SP_INPUT (also for port 0). */
SP_CHECK enum sp_err hostport_parse_port(struct slice text, struct net_addr *out);
/*
 * RFC 2428: "|1|132.235.1.2|6275|", "|2|1080::8:800:200C:417A|5282|", any delimiter of
 * ASCII 33 to 126. SP_REFUSED: a network protocol that is neither 1 nor 2 (522).
 * SP_INPUT.
 */
SP_CHECK enum sp_err hostport_parse_eprt(struct slice text, struct net_addr *out);

/* What EPSV asks for: nothing said, IPv4 (1), IPv6 (2), or ALL: only EPSV from now on. */
enum hostport_epsv { EPSV_ANY, EPSV_IPV4, EPSV_IPV6, EPSV_ALL };

/* SP_REFUSED: another network protocol (522). SP_INPUT. */
SP_CHECK enum sp_err hostport_parse_epsv(struct slice text, enum hostport_epsv *out);

/* "h1,h2,h3,h4,p1,p2" for 227; the address must be IPv4. Returns out. */
const char *hostport_text(const struct net_addr *a, char out[HOSTPORT_TEXT_MAX]);
/* "|||port|" for 229. Returns out. */
const char *hostport_text_extended(uint16_t port, char out[HOSTPORT_TEXT_MAX]);

#endif
