/* auth/derive.c - see include/auth/derive.h */
#include "auth/derive.h"

#include <string.h>

#include "auth/accounts.h"
#include "auth/sysuser.h"
#include "base/privilege.h"
#include "config/settings.h"
#include "wire/grant.h"

/* ---- the users database ----------------------------------------------------------------- */

/* Ids and home directory: the account's own ones, or those of guest_user. */
static enum sp_err
users_ids(const struct settings *s, const struct accounts_entry *e, struct account *to,
          char home[ACCOUNT_PATH_MAX + 1], const char **why)
{
    struct sysuser owner = { .name = "" };

    if (e->own_ids) {
        to->uid = e->uid;
        to->gid = e->gid;
        *why = "its list of groups is invalid";
        if (accounts_parse_groups(e->groups, to->groups, ACCOUNT_GROUPS_MAX,
                                  &to->group_count)
            != SP_OK)
            return SP_INPUT;
        /* an id without a system user is fine: it has no home directory, that is all */
        if (sysuser_by_uid(to->uid, &owner) == SP_OK)
            memcpy(home, owner.home, sizeof owner.home);
    } else if (s->guest_user[0] != '\0') {
        *why = "no such system user: the one named by guest_user";
        if (sysuser_by_name(s->guest_user, &owner) != SP_OK)
            return SP_INPUT;
        to->uid = owner.uid;
        to->gid = owner.gid;
        memcpy(home, owner.home, sizeof owner.home);
    } else {
        *why = "the account has no uid, and guest_user is not set";
        if (privilege_is_root())
            return SP_REFUSED;
        account_take_own_ids(to);       /* rootless there is only one user */
    }
    return account_check_ids(to, why);
}

enum sp_err
derive_users(const struct settings *s, const struct accounts_entry *e, struct account *to,
             const char **why)
{
    char home[ACCOUNT_PATH_MAX + 1] = "";
    struct account_names names = { .user = e->name, .group = to->group, .home = home };
    enum sp_err rc = SP_OK;

    *to = (struct account){ .backend = "users", .session_limit = e->session_limit };
    memcpy(to->user, e->name, sizeof to->user);
    if ((rc = users_ids(s, e, to, home, why)) != SP_OK)
        return rc;
    sysuser_group_name(to->gid, to->group);
    *why = "its jail is not an absolute path, or its %u, %g or %h has no value";
    if ((rc = account_expand(e->jail, &names, to->jail, sizeof to->jail)) != SP_OK)
        return rc;
    *why = "its start directory is too long";
    if ((rc = account_normalise(e->start, to->start, sizeof to->start)) != SP_OK)
        return rc;
    to->permits = e->writable ? PERMIT_ALL : PERMIT_READ_ONLY;
    to->umask = (uint32_t)(e->umask >= 0 ? e->umask : s->umask);
    to->flags = account_listed_flags(s, e->name)
        | (e->no_resumption ? ACCOUNT_NO_RESUMPTION : 0u)
        | (e->no_close_notify ? ACCOUNT_NO_CLOSE_NOTIFY : 0u)
        | (e->cleartext_data ? ACCOUNT_CLEAR_DATA : 0u) | (e->ccc ? ACCOUNT_CCC : 0u);
    return SP_OK;
}

/* ---- users of the system ---------------------------------------------------------------- */

enum sp_err
derive_system_ids(const struct settings *s, const struct sysuser *u, struct account *to,
                  const char **why)
{
    enum sp_err rc = SP_OK;

    *to = (struct account){ .backend = "pam" };
    *why = "its system user name is not a valid account name";
    if (!account_name_valid(slice_of(u->name)))
        return SP_INPUT;
    memcpy(to->user, u->name, sizeof to->user);
    to->uid = u->uid;
    to->gid = u->gid;
    *why = "its uid is below system_user_least_uid";
    if (u->uid < s->system_user_least_uid)
        return SP_REFUSED;
    *why = "it has too many groups";
    if ((rc = sysuser_groups(u, to->groups, &to->group_count)) != SP_OK)
        return rc;
    sysuser_group_name(to->gid, to->group);
    return account_check_ids(to, why);
}

enum sp_err
derive_system_jail(const struct settings *s, const struct sysuser *u, struct account *to,
                   const char **why)
{
    struct account_names names = { .user = to->user,
                                   .group = to->group,
                                   .home = u->home };

    to->permits = PERMIT_ALL;
    to->umask |= (uint32_t)s->umask;    /* beside that of PAM, if it has set one */
    to->flags = account_listed_flags(s, to->user);
    *why = "its home directory is not a valid start directory";
    if (!s->jail_system_users) {
        memcpy(to->jail, "/", sizeof "/");
        return account_normalise(u->home, to->start, sizeof to->start);
    }
    memcpy(to->start, "/", sizeof "/");
    *why = "system_user_jail is not an absolute path, or its %u, %g or %h has no value";
    return account_expand(s->system_user_jail, &names, to->jail, sizeof to->jail);
}

/* ---- anonymous -------------------------------------------------------------------------- */

enum sp_err
derive_anonymous(const struct settings *s, struct account *to, const char **why)
{
    struct sysuser owner = { .name = "" };
    enum sp_err rc = SP_OK;

    *to = (struct account){ .backend = "anonymous", .user = "anonymous", .start = "/",
                            .permits = PERMIT_READ_ONLY, .umask = (uint32_t)s->umask };
    if (privilege_is_root()) {
        *why = "no such system user: the one named by anonymous_user";
        if ((rc = sysuser_by_name(s->anonymous_user, &owner)) != SP_OK)
            return rc;
        to->uid = owner.uid;
        to->gid = owner.gid;
    } else {
        account_take_own_ids(to);       /* rootless there is only one user */
    }
    if ((rc = account_check_ids(to, why)) != SP_OK)
        return rc;
    sysuser_group_name(to->gid, to->group);
    to->flags = account_listed_flags(s, to->user) | ACCOUNT_ANONYMOUS;
    *why = "anonymous_root is not an absolute path";
    if (s->anonymous_root[0] != '/')
        return SP_INPUT;
    return account_normalise(s->anonymous_root, to->jail, sizeof to->jail);
}
