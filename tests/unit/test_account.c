/* tests/unit/test_account.c - auth/account.c */
#include <string.h>
#include <unistd.h>

#include "auth/account.h"
#include "config/settings.h"
#include "unit.h"
#include "auth_fixture.h"
#include "wire/grant.h"

static void
names(void)
{
    static const struct { const char *name; bool valid;
    } cases[] = {
        { "bob", true },
        { "", false },
        { ".", false },
        { "..", false },
        { "...", true },
        { ".bob", true },
        { "a/b", false },
        { "/", false },
        { "a\nb", false },
        { "a\x7f", false },
        { "a\tb", false },
        { "bob smith", true },
        { "-rf", true },
        { "b\xc3\xb6"
          "b",
          true },
        { "bob@example.org", true },
    };
    char longest[257];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_EQUAL(account_name_valid(slice_of(cases[i].name)), cases[i].valid);
    memset(longest, 'x', sizeof longest);
    CU_ASSERT_TRUE(account_name_valid(slice_from(longest, 255)));
    CU_ASSERT_FALSE(account_name_valid(slice_from(longest, 256)));
    CU_ASSERT_FALSE(account_name_valid(slice_from("a\0b", 3)));
}

static void
expansions(void)
{
    static const struct {
        const char *pattern, *user, *group, *home, *expected;   /* NULL: refused */
    } cases[] = {
        { "/srv/%u", "bob", "staff", "/home/bob", "/srv/bob" },
        { "/srv/%g/%u/", "bob", "staff", "/home/bob", "/srv/staff/bob" },
        { "%h", "bob", "staff", "/home/bob", "/home/bob" },
        { "%h/ftp", "bob", "staff", "/home/bob", "/home/bob/ftp" },
        { "/srv/100%%/%u", "bob", "staff", NULL, "/srv/100%/bob" },
        { "/srv//x/./y", "bob", "staff", NULL, "/srv/x/y" },
        { "/", "bob", "staff", NULL, "/" },
        { "/srv/%u", "%h", "staff", "/home", "/srv/%h" },
        { "/srv/%u", "..", "staff", NULL, NULL },
        { "/srv/%u", "a/b", "staff", NULL, NULL },
        { "/srv/%u", "", "staff", NULL, NULL },
        { "/srv/%g", "bob", "a/../b", NULL, NULL },
        { "%h", "bob", "staff", NULL, NULL },
        { "%h", "bob", "staff", "", NULL },
        { "%h", "bob", "staff", "home", NULL },
        { "%h", "bob", "staff", "/home/../etc", NULL },
        { "/srv/../etc", "bob", "staff", NULL, NULL },
        { "/srv/..", "bob", "staff", NULL, NULL },
        { "/srv/..x", "bob", "staff", NULL, "/srv/..x" },
        { "/srv/.%u", ".", "staff", NULL, NULL },
        { "/srv/.%u", "bob", "staff", NULL, "/srv/.bob" },
        { "srv/%u", "bob", "staff", NULL, NULL },
        { "%u", "bob", "staff", NULL, NULL },
        { "", "bob", "staff", NULL, NULL },
        { "/srv/%x", "bob", "staff", NULL, NULL },
        { "/srv/%", "bob", "staff", NULL, NULL },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct account_names n = { cases[i].user, cases[i].group, cases[i].home };
        char out[ACCOUNT_PATH_MAX + 1] = "untouched";
        enum sp_err rc = account_expand(cases[i].pattern, &n, out, sizeof out);

        CU_ASSERT_EQUAL(rc, cases[i].expected != NULL ? SP_OK : SP_INPUT);
        CU_ASSERT_STRING_EQUAL(out, rc == SP_OK && cases[i].expected != NULL
                               ? cases[i].expected : "untouched");
    }
}

static void
parts_that_meet(void)
{
    /* two harmless parts must not make a ".." where they meet */
    struct account_names n = { ".", "g", NULL };
    char out[64] = "";

    CU_ASSERT_EQUAL(account_expand("/srv/.%u/x", &n, out, sizeof out), SP_INPUT);
    n.user = ".x";
    CU_ASSERT_EQUAL(account_expand("/srv/.%u", &n, out, sizeof out), SP_OK);
    CU_ASSERT_STRING_EQUAL(out, "/srv/..x");
}

static void
too_long(void)
{
    static char pattern[ACCOUNT_PATH_MAX + 2];
    static char out[ACCOUNT_PATH_MAX + 1];
    struct account_names n = { "bob", "g", NULL };

    memset(pattern, 'x', ACCOUNT_PATH_MAX);
    pattern[0] = '/';
    CU_ASSERT_EQUAL(account_expand(pattern, &n, out, sizeof out), SP_OK);
    CU_ASSERT_EQUAL(strlen(out), ACCOUNT_PATH_MAX);
    CU_ASSERT_EQUAL(account_expand(pattern, &n, out, sizeof out - 1), SP_INPUT);
    pattern[ACCOUNT_PATH_MAX] = 'x';
    CU_ASSERT_EQUAL(account_expand(pattern, &n, out, sizeof out), SP_INPUT);
}

static void
normal_forms(void)
{
    static const struct { const char *path, *expected;
    } cases[] = {
        { "", "/" },          { "/", "/" },           { "///", "/" },
        { ".", "/" },         { "..", "/" },          { "/..", "/" },
        { "a", "/a" },        { "/a/", "/a" },        { "/a//b", "/a/b" },
        { "/a/./b", "/a/b" }, { "/a/../b", "/b" },    { "/a/b/../..", "/" },
        { "/../../a", "/a" }, { "/a/...", "/a/..." }, { "/a/..b", "/a/..b" },
    };
    char out[64] = "";

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CU_ASSERT_EQUAL(account_normalise(cases[i].path, out, sizeof out), SP_OK);
        CU_ASSERT_STRING_EQUAL(out, cases[i].expected);
    }
    CU_ASSERT_EQUAL(account_normalise("/abc", out, 4), SP_INPUT);
    CU_ASSERT_EQUAL(account_normalise("/abc", out, 5), SP_OK);
}

static void
root_ids(void)
{
    static struct account a;
    const char *why = NULL;

    a = (struct account){ .uid = fixture_uid(), .gid = fixture_gid() };
    CU_ASSERT_EQUAL(account_check_ids(&a, &why), SP_OK);
    a.group_count = 2;
    a.groups[0] = 100;
    a.groups[1] = 0;
    CU_ASSERT_EQUAL(account_check_ids(&a, &why), SP_REFUSED);
    a.groups[1] = 101;
    CU_ASSERT_EQUAL(account_check_ids(&a, &why), SP_OK);
    a.uid = 0;
    CU_ASSERT_EQUAL(account_check_ids(&a, &why), SP_REFUSED);
    a.uid = UINT32_MAX;
    CU_ASSERT_EQUAL(account_check_ids(&a, &why), SP_REFUSED);
    a.uid = fixture_uid();
    a.gid = 0;
    CU_ASSERT_EQUAL(account_check_ids(&a, &why), SP_REFUSED);
    a.gid = UINT32_MAX;
    CU_ASSERT_EQUAL(account_check_ids(&a, &why), SP_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(why);
    a.gid = fixture_gid();
    a.uid = fixture_uid() + 1;
    CU_ASSERT_EQUAL(account_check_ids(&a, &why), geteuid() == 0 ? SP_OK : SP_REFUSED);
}

static void
lists_become_flags(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    fixture_list(&s.no_resumption_users, "bob,eve");
    fixture_list(&s.no_close_notify_users, "bob");
    fixture_list(&s.cleartext_users, "eve");
    fixture_list(&s.clear_command_users, "eve");
    CU_ASSERT_EQUAL(account_listed_flags(&s, "bob"),
                    ACCOUNT_NO_RESUMPTION | ACCOUNT_NO_CLOSE_NOTIFY);
    CU_ASSERT_EQUAL(account_listed_flags(&s, "eve"),
                    ACCOUNT_NO_RESUMPTION | ACCOUNT_CLEAR_DATA | ACCOUNT_CCC);
    CU_ASSERT_EQUAL(account_listed_flags(&s, "Bob"), 0);
    settings_clear(&s);
}

static const struct unit_test tests[] = {
    { "a name is one safe path component", names },
    { "a jail path takes %u, %g, %h and %% and nothing else", expansions },
    { "parts that meet make no climbing path", parts_that_meet },
    { "a jail path that is too long is refused", too_long },
    { "a start directory never climbs above the jail", normal_forms },
    { "nobody logs in with the ids of root", root_ids },
    { "the lists of the configuration become flags", lists_become_flags },
    { NULL, NULL }
};
const struct unit_suite suite_account = { "account", tests };
