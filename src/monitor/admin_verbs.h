/*
 * monitor/admin_verbs.h - what the administrator's tool can ask for
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  that the tool may ask; the fields of a row are checked as those of any other.
 */
#ifndef SP_MONITOR_ADMIN_VERBS_H
#define SP_MONITOR_ADMIN_VERBS_H

#include "base/err.h"

struct admin_client;
struct message;

/* Does it, and answers, now or later (admin.h). SP_INPUT: it makes no sense. */
SP_CHECK enum sp_err admin_verb(struct admin_client *c, const struct message *m);

#endif
