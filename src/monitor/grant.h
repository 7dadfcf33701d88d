/*
 * monitor/grant.h - what login and broker say of an account
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  that a grant comes from our login program; not that it makes sense.
 */
#ifndef SP_MONITOR_GRANT_H
#define SP_MONITOR_GRANT_H

#include "base/err.h"

struct message;
struct part;

/* From the session's login or broker. SP_INPUT: it broke the format. */
SP_CHECK enum sp_err grant_hear(struct part *part, const struct message *m);

#endif
