/*
 * auth/sysuser.h - users and groups of the system, as NSS knows them
 *
 * Runs in: login (root), the administrator's tool.   Blocks: as NSS does.
 * Trusts:  NSS; what does not fit the bounds of an account is refused.
 */
#ifndef SP_AUTH_SYSUSER_H
#define SP_AUTH_SYSUSER_H

#include <stddef.h>
#include <stdint.h>

#include "auth/account.h"
#include "base/err.h"

struct sysuser {
    char name[ACCOUNT_NAME_MAX + 1];
    uint32_t uid, gid;
    char home[ACCOUNT_PATH_MAX + 1];
};

/* SP_REFUSED: there is none; SP_INPUT: a field of it is too long; SP_OS, SP_NOMEM. */
SP_CHECK enum sp_err sysuser_by_name(const char *name, struct sysuser *out);
SP_CHECK enum sp_err sysuser_by_uid(uint32_t uid, struct sysuser *out);
SP_CHECK enum sp_err sysuser_gid_of(const char *group, uint32_t *gid);
/* The name of a group, or its number as text where it has no (fitting) name. */
void sysuser_group_name(uint32_t gid, char out[ACCOUNT_NAME_MAX + 1]);
/* Every group of a user, the primary one included. SP_INPUT: more than
 * ACCOUNT_GROUPS_MAX. */
SP_CHECK enum sp_err sysuser_groups(const struct sysuser *u, uint32_t *groups,
                                    size_t *count);

#endif
