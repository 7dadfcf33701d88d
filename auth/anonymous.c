/* auth/anonymous.c - see auth/anonymous.h */
#include "auth/anonymous.h"

#include "auth/attempt.h"
#include "auth/derive.h"
#include "auth/jaildir.h"
#include "auth/verdict.h"
#include "base/log.h"
#include "config/settings.h"

static enum sp_err
fill_account(const struct settings *s, struct account *to, const char **why)
{
    enum sp_err rc = derive_anonymous(s, to, why);

    /* never made: what the world reads is for the administrator to lay out */
    return rc != SP_OK ? rc : jaildir_ensure(to->jail, JAILDIR_LEAVE, 0, to->uid, to->gid, why);
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
        log_event(EVENT_LOGIN_ANONYMOUS_UNUSABLE, "fault=\"%s\"", why);
        verdict_refuse(v, REFUSE_ERROR, "anonymous logins are not possible: %s", why);
        return;
    }
    verdict_grant(v);
}
