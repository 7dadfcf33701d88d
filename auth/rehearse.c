/* auth/rehearse.c - see auth/rehearse.h */
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
#include "wire/channel.h"
#include "wire/login.h"
#include "wire/pack.h"

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

struct names { struct channel *monitor; unsigned count; };

static enum sp_err
tell_name(void *context, const char *name)
{
    struct names *n = context;
    struct message m;

    if (++n->count > CLEAR_NAMES_MOST)
        return SP_OK;
    msg_clear_name_pack(&m, &(struct msg_clear_name){ .user = slice_of(name) });
    return channel_send_wait(n->monitor, &m) == SP_OK ? SP_OK : SP_CLOSED;
}

enum sp_err
rehearse_database(const struct settings *s, struct channel *monitor)
{
    struct names n = { monitor, 0 };
    struct accounts db = ACCOUNTS_EMPTY;
    struct log_escaped file;
    enum sp_err rc = open_database(s, &db);

    if (rc == SP_OK && s->tls_required
        && (rc = accounts_each_clear(&db, CLEAR_NAMES_MOST + 1, tell_name, &n)) == SP_OS)
        log_event(EVENT_LOGIN_DATABASE_FAILED, "file=%s fault=\"%s\"",
                  log_text(slice_of(s->users_database), &file), db.fault);
    /* a database that is broken, or not there: the other backends go on */
    if (rc == SP_INPUT || rc == SP_OS || rc == SP_REFUSED || (rc == SP_CLOSED && n.count == 0))
        rc = SP_OK;
    if (n.count > CLEAR_NAMES_MOST)
        log_event(EVENT_LOGIN_MANY_CLEAR, "file=%s most=%d",
                  log_text(slice_of(s->users_database), &file), CLEAR_NAMES_MOST);
    accounts_close(&db);
    return rc;
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
