/*
 * auth/derive.h - the account behind a row, a system user or a setting: its ids and jail
 *
 * Runs in: login (root), the administrator's tool.   Blocks: as NSS does.
 * Trusts:  the configuration. What a database or NSS says is checked.
 *
 * Each backend has its own way to ids, jail, start, permits and flags. Nothing is asked of
 * the jail itself: it may not be there yet (auth/jaildir.h).
 */
#ifndef SP_AUTH_DERIVE_H
#define SP_AUTH_DERIVE_H

#include "auth/account.h"
#include "base/err.h"

struct accounts_entry;
struct settings;
struct sysuser;

/*
 * All of these: SP_OK; SP_INPUT, SP_REFUSED, SP_OS, SP_NOMEM where the account cannot be
 * used: *why is a sentence then. Ids are checked by account_check_ids.
 */

/* A row of the users database. */
SP_CHECK enum sp_err derive_users(const struct settings *s, const struct accounts_entry *e,
                                  struct account *to, const char **why);
/* A system user: all but the jail, the start and what the configuration gives its name. */
SP_CHECK enum sp_err derive_system_ids(const struct settings *s, const struct sysuser *u,
                                       struct account *to, const char **why);
/* And those. Where system users are not jailed the jail is "/". */
SP_CHECK enum sp_err derive_system_jail(const struct settings *s, const struct sysuser *u,
                                        struct account *to, const char **why);
/* Who logs in as anonymous. */
SP_CHECK enum sp_err derive_anonymous(const struct settings *s, struct account *to,
                                      const char **why);

#endif
