/* auth/users.c - see auth/users.h */
#include "auth/users.h"

#include <string.h>

#include "auth/accounts.h"
#include "auth/attempt.h"
#include "auth/chain.h"
#include "auth/derive.h"
#include "auth/jaildir.h"
#include "auth/password.h"
#include "auth/slots.h"
#include "auth/verdict.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/settings.h"

static struct password_cost
configured_cost(const struct settings *s)
{
    return (struct password_cost){ .memory_kib = s->argon2_memory,
                                   .passes = s->argon2_operations };
}

/*
 * A wrong password for a hash of an older, lower cost takes as long as for a name that is not
 * there. (One of a higher cost takes longer until its owner logs in.) As password_verify.
 */
static enum sp_err
make_up(struct attempt *a, const char hash[PASSWORD_HASH_MAX])
{
    struct password_cost missing = { 0 };
    char dummy[PASSWORD_HASH_MAX] = "";

    if (!password_missing_cost(hash, configured_cost(a->settings), &missing))
        return SP_REFUSED;
    a->hashes++;
    return password_dummy(missing, dummy) == SP_OK ? password_verify(dummy, &a->password)
                                                   : SP_REFUSED;
}

/*
 * The one place where an attempt costs an Argon2 run: real and pretended checks come
 * through here. As password_verify; SP_CLOSED: nobody waits for the verdict any more;
 * SP_OS.
 */
static enum sp_err
verify_in_slot(struct attempt *a, const char hash[PASSWORD_HASH_MAX])
{
    enum sp_err rc = slots_take(a->slots);

    if (rc != SP_OK)
        return rc;
    /* who floods us with attempts and goes away has only cost us a place in the queue */
    if (attempt_abandoned(a)) {
        rc = SP_CLOSED;
    } else {
        a->hashes++;
        rc = password_verify(hash, &a->password);
        if (rc == SP_REFUSED)
            rc = make_up(a, hash);
    }
    slots_release(a->slots);
    return rc;
}

static void
no_memory(struct attempt *a, struct verdict *v)
{
    struct log_escaped name;

    log_event(EVENT_LOGIN_NO_MEMORY, "user=%s remedy=\"argon2_memory, argon2_at_once\"",
              log_text(slice_of(a->user), &name));
    verdict_refuse(v, attempt_fault(a), "not enough memory for the password hash");
}

static void
no_slot(struct attempt *a, struct verdict *v)
{
    log_event(EVENT_LOGIN_SLOTS_FAILED, "directory=%s fault=\"%m\"",
              a->settings->run_directory);
    verdict_refuse(v, attempt_fault(a), "no free slot for the password hash (argon2_at_once)");
}

void
users_pretend(struct attempt *a, struct verdict *v)
{
    char hash[PASSWORD_HASH_MAX] = "";
    enum sp_err rc = password_dummy(configured_cost(a->settings), hash);

    if (rc == SP_OK)
        rc = verify_in_slot(a, hash);
    /* a name that is there would fail as well */
    if (rc == SP_NOMEM)
        no_memory(a, v);
    else if (rc == SP_OS)
        no_slot(a, v);
}

/*
 * A hash of the configured cost in place of the one that the password was checked with: if
 * that has been changed since, the password may be the old one. Failure changes nothing.
 */
static void
rehash(struct attempt *a, struct accounts *db, const char *user)
{
    char hash[PASSWORD_HASH_MAX] = "";
    struct log_escaped name;
    enum sp_err rc = slots_take(a->slots);

    if (rc == SP_OK) {
        a->hashes++;
        rc = password_hash(&a->password, configured_cost(a->settings), hash);
        slots_release(a->slots);
    }
    if (rc == SP_OK)
        rc = accounts_set_hash(db, user, hash, a->checked);
    if (rc == SP_OK)
        log_event(EVENT_LOGIN_REHASHED, "user=%s", log_text(slice_of(user), &name));
    else if (rc == SP_REFUSED)  /* another login, or the administrator, was faster */
        log_event(EVENT_LOGIN_REHASH_LATE, "user=%s", log_text(slice_of(user), &name));
    else
        log_event(EVENT_LOGIN_REHASH_FAILED, "user=%s fault=\"%s\"",
                  log_text(slice_of(user), &name), db->fault);
}

static enum sp_err
record(struct attempt *a, struct accounts *db, const char *user)
{
    enum sp_err rc = accounts_open(db, a->settings->users_database, ACCOUNTS_WRITE);

    if (rc == SP_OK) {
        if (password_outdated(a->checked, configured_cost(a->settings)))
            rehash(a, db, user);
        rc = accounts_logged_in(db, user);
    }
    accounts_close(db);
    return rc;
}

void
users_record(struct attempt *a, const struct verdict *v)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct log_escaped name;

    if (v->kind == VERDICT_GRANTED && strcmp(v->account.backend, "users") == 0
        && record(a, &db, v->account.user) != SP_OK)
        log_event(EVENT_LOGIN_NOT_RECORDED, "user=%s fault=\"%s\"",
                  log_text(slice_of(v->account.user), &name), db.fault);
}

static enum sp_err
fill_account(const struct settings *s, const struct accounts_entry *e, struct account *to,
             const char **why)
{
    enum sp_err rc = derive_users(s, e, to, why);

    return rc != SP_OK ? rc
        : jaildir_ensure(to->jail, JAILDIR_HOW(s->jail_create),
                         (uint32_t)s->jail_create_mode, to->uid,
                         to->gid, why);
}

/* The password was right: may this account in, here and now? */
static void
admit(struct attempt *a, struct verdict *v, const struct accounts_entry *e)
{
    struct log_escaped name, jail;
    const char *why = "";

    if (e->disabled) {
        verdict_refuse(v, REFUSE_DISABLED, "the account is disabled");
    } else if (e->expires != 0 && clock_seconds() >= e->expires) {
        verdict_refuse(v, REFUSE_DISABLED, "the account has expired");
    } else if (!accounts_network_allowed(e->networks, &a->peer)) {
        verdict_refuse(v, REFUSE_DISABLED,
                       "the account may not log in from this network");
    } else if (fill_account(a->settings, e, &v->account, &why) != SP_OK) {
        log_event(EVENT_LOGIN_ACCOUNT_UNUSABLE, "user=%s jail=%s fault=\"%s\"",
                  log_text(slice_of(e->name), &name), log_text(slice_of(e->jail), &jail),
                  why);
        verdict_refuse(v, REFUSE_ERROR, "this account cannot be used: %s", why);
    } else {
        verdict_grant(v);
    }
}

static void
check_password(struct attempt *a, struct verdict *v, const struct accounts_entry *e)
{
    struct log_escaped name;
    enum sp_err rc = verify_in_slot(a, e->hash);

    switch (rc) {
    case SP_OK:
        memcpy(a->checked, e->hash, sizeof a->checked);
        admit(a, v, e);
        return;
    case SP_REFUSED:
        verdict_refuse(v, REFUSE_CREDENTIALS, "wrong password");
        return;
    case SP_CLOSED:
        verdict_refuse(v, REFUSE_BUSY, "cancelled");
        return;
    case SP_NOMEM:
        no_memory(a, v);
        return;
    case SP_INPUT:
        log_event(EVENT_LOGIN_HASH_BROKEN, "user=%s remedy=\"sallyport user passwd\"",
                  log_text(slice_of(e->name), &name));
        verdict_refuse(v, REFUSE_UNUSABLE, "the stored password hash is invalid");
        users_pretend(a, v);            /* no other name fails so fast */
        return;
    case SP_AGAIN:
    case SP_OS:
        no_slot(a, v);
        return;
    }
}

static void
database_failed(struct attempt *a, struct verdict *v, const struct accounts *db,
                enum refuse_reason reason)
{
    struct log_escaped file;

    log_event(EVENT_LOGIN_DATABASE_FAILED, "file=%s fault=\"%s\"",
              log_text(slice_of(a->settings->users_database), &file), db->fault);
    verdict_refuse(v, reason, "the users database cannot be used");
}

/* Would this happen to any name, or is it the row of one account that cannot be read? */
static bool
all_names_fail(struct accounts *db)
{
    struct accounts_entry e = { 0 };
    struct accounts fault = *db;
    bool all = accounts_find(db, "", &e) != SP_REFUSED;

    memcpy(db->fault, fault.fault, sizeof db->fault);
    return all;
}

void
users_check(struct attempt *a, struct verdict *v)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e = { 0 };
    bool all = false;
    enum sp_err rc = SP_OK;

    if (accounts_open(&db, a->settings->users_database, ACCOUNTS_READ) != SP_OK) {
        database_failed(a, v, &db, attempt_fault(a));
        return;
    }
    rc = accounts_find(&db, a->user, &e);
    if (rc != SP_OK && rc != SP_REFUSED)
        all = all_names_fail(&db);
    /* nothing is held open while Argon2 runs */
    accounts_close(&db);
    if (rc == SP_OK) {
        check_password(a, v, &e);
    } else if (rc == SP_REFUSED) {
        verdict_unknown(v);
        users_pretend(a, v);
    } else if (all) {
        database_failed(a, v, &db, attempt_fault(a));
    } else {
        database_failed(a, v, &db, REFUSE_UNUSABLE);
        users_pretend(a, v);
    }
    wipe(&e, sizeof e);
}
