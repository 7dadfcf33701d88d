/*
 * admin/ban.h - `sallyport ban`: who is shut out by the running server
 *
 * Runs in: the administrator's tool.     Blocks: until the server has answered.
 */
#ifndef SP_ADMIN_BAN_H
#define SP_ADMIN_BAN_H

#include "admin/say.h"
#include "base/err.h"
#include "base/net.h"

struct site;

/* argv[0] is the command behind "ban". */
enum say_exit ban_run(struct site *site, int argc, char **argv);
/*
 * "192.0.2.7", "192.0.2.0/24", "2001:db8::/32". An IPv6 address alone is its /64, as the
 * server counts it. SP_INPUT (said): it is no network.
 */
SP_CHECK enum sp_err ban_parse(const char *text, struct net_network *out);
/* "90s", "15min", "12h", "7d": up to 4294967295 seconds, at least one. SP_INPUT (said). */
SP_CHECK enum sp_err ban_parse_seconds(const char *text, unsigned long *out);
/* "forever", or about how long: "59 s", "15 min", "12 h", "7 days". Returns out. */
const char *ban_time_text(unsigned long long seconds, char out[32]);

#endif
