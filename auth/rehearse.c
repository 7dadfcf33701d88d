/* auth/rehearse.c - see include/auth/rehearse.h */
#include "auth/rehearse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "auth/account.h"
#include "auth/accounts.h"
#include "auth/derive.h"
#include "auth/jaildir.h"
#include "base/log.h"
#include "config/settings.h"

#define LINES_MOST 20           /* of accounts; the others are counted */

struct rehearsal { const struct settings *s; unsigned accounts, unusable; };

/* SP_CLOSED: there is nothing to look into. */
static enum sp_err
open_database(const struct settings *s, struct accounts *db)
{
    struct log_escaped file;

    if (!text_list_has(&s->auth, slice_of("users"))
        || (access(s->users_database, F_OK) == -1 && errno == ENOENT))
        return SP_CLOSED;
    if (accounts_open(db, s->users_database, ACCOUNTS_READ) == SP_OK)
        return SP_OK;
    log_event(EVENT_LOGIN_DATABASE_FAILED, "file=%s fault=\"%s\"",
              log_text(slice_of(s->users_database), &file), db->fault);
    return SP_INPUT;
}

void
rehearse_database(const struct settings *s)
{
    struct accounts db = ACCOUNTS_EMPTY;
    enum sp_err rc = open_database(s, &db);

    (void)rc;                   /* it has been logged, and the other backends go on */
    accounts_close(&db);
}

static enum sp_err
look_at(void *context, const struct accounts_entry *e)
{
    struct rehearsal *r = context;
    struct log_escaped name, jail;
    struct account a;
    const char *why = "";
    enum sp_err rc = derive_users(r->s, e, &a, &why);

    if (e->disabled)
        return SP_OK;
    r->accounts++;
    if (rc == SP_OK)
        rc = jaildir_ensure(a.jail, r->s->jail_create ? JAILDIR_LOOK : JAILDIR_LEAVE, 0, a.uid,
                            a.gid, &why);
    if (rc == SP_OK)
        return SP_OK;
    if (++r->unusable <= LINES_MOST)
        log_event(EVENT_ACCOUNT_UNFIT, "user=%s jail=%s fault=\"%s\"",
                  log_text(slice_of(e->name), &name), log_text(slice_of(e->jail), &jail), why);
    return SP_OK;
}

void
rehearse_accounts(const struct settings *s)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct rehearsal r = { .s = s };
    struct log_escaped file;

    (void)log_text(slice_of(s->users_database), &file);
    if (open_database(s, &db) != SP_OK)
        goto out;
    if (accounts_each(&db, look_at, &r) != SP_OK)
        log_event(EVENT_LOGIN_DATABASE_FAILED, "file=%s fault=\"%s\"", file.text, db.fault);
    else if (r.unusable > 0 && r.unusable == r.accounts)
        log_event(EVENT_ACCOUNTS_UNFIT, "accounts=%u fault=\"no account can log in; see the "
                  "lines above\"", r.accounts);
    else if (r.unusable > LINES_MOST)
        log_event(EVENT_ACCOUNT_UNFIT, "fault=\"and %u more accounts\"", r.unusable - LINES_MOST);
out:
    accounts_close(&db);
}
