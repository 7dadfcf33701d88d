/* tests/unit/test_users.c - auth/users.c on a real database */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/password.h"
#include "auth/users.h"
#include "auth_fixture.h"
#include "base/clock.h"
#include "unit.h"
#include "wire/grant.h"

static struct fixture f;

static void
try(const char *user, const char *password)
{
    fixture_attempt(&f, user, password);
    f.attempt.first_backend = true;
    users_check(&f.attempt, &f.verdict);
}

/* And what comes behind the verdict. */
static void
log_in(const char *user, const char *password)
{
    try(user, password);
    users_record(&f.attempt, &f.verdict);
}

static void
right_password(void)
{
    struct accounts_entry e;

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 1);
    (void)text_copy(e.groups, sizeof e.groups, "100,200");
    (void)text_copy(e.start, sizeof e.start, "in//box/");
    e.session_limit = 4;
    e.umask = 077;
    e.cleartext_data = true;
    fixture_add(&f, &e);
    fixture_list(&f.settings.no_resumption_users, "bob");
    log_in("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_GRANTED);
    CU_ASSERT_PTR_NULL(f.verdict.release);
    CU_ASSERT_STRING_EQUAL(f.verdict.account.backend, "users");
    CU_ASSERT_STRING_EQUAL(f.verdict.account.user, "bob");
    CU_ASSERT_STRING_NOT_EQUAL(f.verdict.account.group, "");
    CU_ASSERT_EQUAL(f.verdict.account.uid, fixture_uid());
    CU_ASSERT_EQUAL(f.verdict.account.gid, fixture_gid());
    CU_ASSERT_EQUAL(f.verdict.account.group_count, 2);
    CU_ASSERT_EQUAL(f.verdict.account.groups[1], 200);
    CU_ASSERT_STRING_EQUAL(f.verdict.account.jail, f.jail);
    CU_ASSERT_STRING_EQUAL(f.verdict.account.start, "/in/box");
    CU_ASSERT_EQUAL(f.verdict.account.permits, PERMIT_ALL);
    CU_ASSERT_EQUAL(f.verdict.account.flags, ACCOUNT_NO_RESUMPTION | ACCOUNT_CLEAR_DATA);
    CU_ASSERT_EQUAL(f.verdict.account.umask, 077);
    CU_ASSERT_EQUAL(f.verdict.account.session_limit, 4);
    CU_ASSERT_TRUE(fixture_find(&f, "bob").last_login > 0);
    fixture_end(&f);
}

static void
read_only(void)
{
    struct accounts_entry e;

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 1);
    e.writable = false;
    fixture_add(&f, &e);
    f.settings.umask = 027;
    try("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_GRANTED);
    CU_ASSERT_EQUAL(f.verdict.account.permits, PERMIT_READ_ONLY);
    CU_ASSERT_EQUAL(f.verdict.account.umask, 027);
    CU_ASSERT_EQUAL(f.verdict.account.flags, 0);
    fixture_end(&f);
}

/* Same work for all of them: one hash of the configured cost. */
static void
same_work(void)
{
    struct accounts_entry e;

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    try("bob", "wrong password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_REFUSED);
    CU_ASSERT_EQUAL(f.verdict.reason, REFUSE_CREDENTIALS);
    CU_ASSERT_EQUAL(f.attempt.hashes, 1);
    CU_ASSERT_EQUAL(fixture_find(&f, "bob").last_login, 0);
    try("nobody-here", "wrong password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_UNKNOWN);
    CU_ASSERT_EQUAL(f.attempt.hashes, 1);
    try("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_GRANTED);
    CU_ASSERT_EQUAL(f.attempt.hashes, 1);
    try("bob", "");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_REFUSED);
    CU_ASSERT_EQUAL(f.attempt.hashes, 1);
    fixture_end(&f);
}

/* What stands against an account is told only to who knows its password. */
static void
barred(void)
{
    static const struct {
        const char *name, *networks;
        int64_t expires;
        bool disabled, in;
    } cases[] = {
        { "disabled", "", 0, true, false },
        { "expired", "", 1000, false, false },
        { "valid", "", INT64_MAX, false, true },
        { "elsewhere", "198.51.100.0/24", 0, false, false },
        { "here", "198.51.100.0/24,192.0.2.0/24", 0, false, true },
        { "broken", "rubbish", 0, false, false },
    };

    fixture_begin(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct accounts_entry e = fixture_entry(&f, cases[i].name, 1);

        e.disabled = cases[i].disabled;
        e.expires = cases[i].expires;
        (void)text_copy(e.networks, sizeof e.networks, cases[i].networks);
        fixture_add(&f, &e);
        try(cases[i].name, "wrong password");
        CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_REFUSED);
        CU_ASSERT_EQUAL(f.verdict.reason, REFUSE_CREDENTIALS);
        CU_ASSERT_EQUAL(f.attempt.hashes, 1);
        try(cases[i].name, "right password");
        CU_ASSERT_EQUAL(f.verdict.kind, cases[i].in ? VERDICT_GRANTED : VERDICT_REFUSED);
        if (!cases[i].in)
            CU_ASSERT_EQUAL(f.verdict.reason, REFUSE_DISABLED);
        CU_ASSERT_EQUAL(f.attempt.hashes, 1);
    }
    fixture_end(&f);
}

static void
rehashed(void)
{
    struct accounts_entry e, back;
    struct password_cost cost = { 8192, 1 };

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 3);            /* costlier than configured */
    fixture_add(&f, &e);
    log_in("bob", "wrong password");
    CU_ASSERT_EQUAL(f.attempt.hashes, 1);
    CU_ASSERT_STRING_EQUAL(fixture_find(&f, "bob").hash, e.hash);
    log_in("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_GRANTED);
    CU_ASSERT_EQUAL(f.attempt.hashes, 2);
    back = fixture_find(&f, "bob");
    CU_ASSERT_STRING_NOT_EQUAL(back.hash, e.hash);
    CU_ASSERT_FALSE(password_outdated(back.hash, cost));
    log_in("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_GRANTED);
    CU_ASSERT_EQUAL(f.attempt.hashes, 1);
    f.settings.argon2_memory = 16384;           /* and cheaper */
    log_in("bob", "wrong password");
    CU_ASSERT_EQUAL(f.attempt.hashes, 2);       /* what it is cheaper is made up for */
    log_in("bob", "right password");
    CU_ASSERT_EQUAL(f.attempt.hashes, 2);
    log_in("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_GRANTED);
    CU_ASSERT_EQUAL(f.attempt.hashes, 1);
    fixture_end(&f);
}

/* Between the check and the record an administrator sets another password. */
static void
changed_meanwhile(void)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e, other;

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 3);
    other = fixture_entry(&f, "bob", 3);        /* another salt, as another password has */
    fixture_add(&f, &e);
    try("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_GRANTED);
    CU_ASSERT_EQUAL(fixture_find(&f, "bob").last_login, 0);     /* nothing is written yet */
    CU_ASSERT_EQUAL_FATAL(accounts_open(&db, f.database, ACCOUNTS_WRITE), SP_OK);
    CU_ASSERT_EQUAL(accounts_set_hash(&db, "bob", other.hash, NULL), SP_OK);
    accounts_close(&db);
    users_record(&f.attempt, &f.verdict);
    CU_ASSERT_STRING_EQUAL(fixture_find(&f, "bob").hash, other.hash);
    CU_ASSERT_TRUE(fixture_find(&f, "bob").last_login > 0);
    fixture_end(&f);
}

static void
given_up(void)
{
    struct accounts_entry e;

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    channel_clear(&f.monitor);
    try("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_REFUSED);
    CU_ASSERT_EQUAL(f.attempt.hashes, 0);
    fixture_end(&f);
}

static void
expect_error(const char *user)
{
    try(user, "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_REFUSED);
    CU_ASSERT_EQUAL(f.verdict.reason, REFUSE_ERROR);
}

static void
unusable_database(void)
{
    struct accounts_entry e;

    fixture_begin(&f);
    expect_error("bob");                        /* missing: not "unknown" */
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    CU_ASSERT_EQUAL(chmod(f.database, 0666), 0);
    expect_error("bob");
    expect_error("nobody-here");
    CU_ASSERT_EQUAL(f.attempt.hashes, 0);
    /* behind a backend that has decided over some names, it would tell which */
    fixture_attempt(&f, "nobody-here", "any");
    users_check(&f.attempt, &f.verdict);
    CU_ASSERT_EQUAL(f.verdict.reason, REFUSE_UNUSABLE);
    fixture_end(&f);
}

static void
unusable_accounts(void)
{
    struct accounts_entry e;

    fixture_begin(&f);
    e = fixture_entry(&f, "no-jail", 1);
    (void)text_copy(e.jail, sizeof e.jail, "/nonexistent/jail");
    fixture_add(&f, &e);
    expect_error("no-jail");
    e = fixture_entry(&f, "climber", 1);
    (void)text_copy(e.jail, sizeof e.jail, "/srv/../etc");
    fixture_add(&f, &e);
    expect_error("climber");
    e = fixture_entry(&f, "grouped", 1);
    (void)text_copy(e.groups, sizeof e.groups, "100,0");
    fixture_add(&f, &e);
    expect_error("grouped");
    e = fixture_entry(&f, "hash", 1);
    (void)text_copy(e.hash, sizeof e.hash, "plain");
    fixture_add(&f, &e);
    try("hash", "right password");
    CU_ASSERT_EQUAL(f.verdict.reason, REFUSE_UNUSABLE); /* told like a wrong password, */
    CU_ASSERT_EQUAL(f.attempt.hashes, 2);               /* and after the same work     */
    e = fixture_entry(&f, "guest", 1);
    e.own_ids = false;
    fixture_add(&f, &e);
    fixture_text(&f.settings.guest_user, "no-such-system-user");
    expect_error("guest");
    fixture_text(&f.settings.guest_user, "root");
    expect_error("guest");
    fixture_text(&f.settings.guest_user, "");
    try("guest", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, geteuid() == 0 ? VERDICT_REFUSED : VERDICT_GRANTED);
    fixture_end(&f);
}

static void
jail_made(void)
{
    struct accounts_entry e;
    struct stat st = { 0 };
    char jail[160] = "";

    fixture_begin(&f);
    f.settings.jail_create = true;
    f.settings.jail_create_mode = 0711;
    e = fixture_entry(&f, "bob", 1);
    (void)text_printf(e.jail, sizeof e.jail, "%s/%%u", f.directory);
    (void)text_printf(jail, sizeof jail, "%s/bob", f.directory);
    fixture_add(&f, &e);
    try("bob", "wrong password");
    CU_ASSERT_NOT_EQUAL(stat(jail, &st), 0);
    try("bob", "right password");
    CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_GRANTED);
    CU_ASSERT_STRING_EQUAL(f.verdict.account.jail, jail);
    CU_ASSERT_EQUAL(stat(jail, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0711);
    CU_ASSERT_EQUAL(st.st_uid, fixture_uid());
    fixture_end(&f);
}

static const struct unit_test tests[] = {
    { "the right password gives the account as it stands", right_password },
    { "a read-only account may only list and download", read_only },
    { "wrong name and wrong password are the same work", same_work },
    { "what bars an account is told after its password only", barred },
    { "a hash of another cost is renewed at login", rehashed },
    { "a password that was changed meanwhile stays", changed_meanwhile },
    { "who has gone away costs no hash", given_up },
    { "an unusable database refuses everybody", unusable_database },
    { "an unusable account is refused and logged", unusable_accounts },
    { "a jail is made at the first login, not before", jail_made },
    { NULL, NULL }
};
const struct unit_suite suite_users = { "users", tests };
