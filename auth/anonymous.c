/* auth/anonymous.c - see include/auth/anonymous.h */
#include "auth/anonymous.h"

#include "auth/attempt.h"
#include "auth/jaildir.h"
#include "auth/sysuser.h"
#include "auth/verdict.h"
#include "base/log.h"
#include "base/privilege.h"
#include "config/settings.h"

static enum sp_err
fill_account(const struct settings *s, struct account *to, const char **why)
{
    struct sysuser owner = { .name = "" };
    enum sp_err rc = SP_OK;

    *to = (struct account){ .backend = "anonymous", .user = "anonymous", .start = "/",
                            .permits = PERMIT_READ_ONLY, .umask = (uint32_t)s->umask };
    if (privilege_is_root()) {
        *why = "the system user that anonymous_user names is not known";
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
    *why = "anonymous_root is no absolute path";
    if (s->anonymous_root[0] != '/')
        return SP_INPUT;
    if ((rc = account_normalise(s->anonymous_root, to->jail, sizeof to->jail)) != SP_OK)
        return rc;
    /* never made: what the world reads is for the administrator to lay out */
    return jaildir_ensure(to->jail, false, 0, to->uid, to->gid, why);
}

void
anonymous_check(struct attempt *a, struct verdict *v)
{
    struct slice name = slice_of(a->user);
    const char *why = "";

    if (!slice_equal_nocase(name, "anonymous") && !slice_equal_nocase(name, "ftp")) {
        verdict_unknown(v);
        return;
    }
    if (fill_account(a->settings, &v->account, &why) != SP_OK) {
        log_error("login.anonymous_unusable fault=\"%s\"", why);
        verdict_refuse(v, REFUSE_ERROR, "anonymous logins cannot be served: %s", why);
        return;
    }
    verdict_grant(v);
}
