/* tests/unit/test_anonymous.c - auth/anonymous.c */
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/anonymous.h"
#include "auth_fixture.h"
#include "unit.h"
#include "wire/grant.h"

static struct fixture f;

static enum verdict_kind
try(const char *user)
{
    fixture_attempt(&f, user, "me@example.org");
    anonymous_check(&f.attempt, &f.verdict);
    return f.verdict.kind;
}

static void
begin(void)
{
    fixture_begin(&f);
    fixture_text(&f.settings.anonymous_root, f.jail);
    fixture_text(&f.settings.anonymous_user, "nobody");
}

static void
names(void)
{
    static const struct { const char *name; bool known;
    } cases[] = {
        { "anonymous", true }, { "ftp", true },       { "Anonymous", true },
        { "FTP", true },       { "anonymou", false }, { "anonymous2", false },
        { "bob", false },      { "ftpd", false },
    };

    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_EQUAL(try(cases[i].name),
                        cases[i].known ? VERDICT_GRANTED : VERDICT_UNKNOWN);
    fixture_end(&f);
}

static void
may_only_read(void)
{
    const struct passwd *nobody = getpwnam("nobody");

    begin();
    CU_ASSERT_EQUAL(try("ftp"), VERDICT_GRANTED);
    CU_ASSERT_STRING_EQUAL(f.verdict.account.user, "anonymous");
    CU_ASSERT_STRING_EQUAL(f.verdict.account.backend, "anonymous");
    CU_ASSERT_EQUAL(f.verdict.account.permits, PERMIT_LIST | PERMIT_DOWNLOAD);
    CU_ASSERT_EQUAL(f.verdict.account.flags, ACCOUNT_ANONYMOUS);
    CU_ASSERT_STRING_EQUAL(f.verdict.account.jail, f.jail);
    CU_ASSERT_STRING_EQUAL(f.verdict.account.start, "/");
    CU_ASSERT_EQUAL(f.verdict.account.group_count, 0);
    if (geteuid() == 0 && nobody != NULL)
        CU_ASSERT_EQUAL(f.verdict.account.uid, nobody->pw_uid);
    CU_ASSERT_NOT_EQUAL(f.verdict.account.uid, 0);
    fixture_end(&f);
}

static void
not_possible(void)
{
    begin();
    fixture_text(&f.settings.anonymous_root, "/nonexistent/root");
    CU_ASSERT_EQUAL(try("ftp"), VERDICT_REFUSED);
    CU_ASSERT_EQUAL(f.verdict.reason, REFUSE_ERROR);
    fixture_text(&f.settings.anonymous_root, "relative");
    CU_ASSERT_EQUAL(try("ftp"), VERDICT_REFUSED);
    if (geteuid() == 0) {
        fixture_text(&f.settings.anonymous_root, f.jail);
        fixture_text(&f.settings.anonymous_user, "root");
        CU_ASSERT_EQUAL(try("ftp"), VERDICT_REFUSED);
        fixture_text(&f.settings.anonymous_user, "no-such-system-user");
        CU_ASSERT_EQUAL(try("ftp"), VERDICT_REFUSED);
    } else {
        printf("skipped aloud: the ids of anonymous_user need root\n");
    }
    fixture_end(&f);
}

static const struct unit_test tests[] = {
    { "two names are anonymous, in any case", names },
    { "an anonymous session may only read", may_only_read },
    { "an impossible anonymous account is refused", not_possible },
    { NULL, NULL }
};
const struct unit_suite suite_anonymous = { "anonymous", tests };
