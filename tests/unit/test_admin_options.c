/* tests/unit/test_admin_options.c - src/admin/options.c */
#include "admin/options.h"

#include <string.h>

#include "admin/site.h"
#include "unit.h"

#define WORDS 12

/* getopt permutes the words: each case gets a copy. */
static enum sp_err
parse(struct user_options *o, struct site *site, const char *const *words)
{
    static char texts[WORDS][32];
    char *argv[WORDS + 1] = { NULL };
    int argc = 0;

    for (; words[argc] != NULL; argc++) {
        CU_ASSERT_FATAL(argc < WORDS);
        CU_ASSERT_FATAL(text_copy(texts[argc], sizeof texts[argc], words[argc]));
        argv[argc] = texts[argc];
    }
    return options_parse(o, site, argc, argv);
}

static void
understood(void)
{
    static const char *const words[] = { "add", "--jail", "/srv", "bob", "-d", "x.db",
                                         "--read-only", "--ccc=on", "--disable", NULL };
    static const char *const none[] = { "list", NULL };
    struct site site = { .config = NULL };
    struct user_options o;

    CU_ASSERT_EQUAL(parse(&o, &site, words), SP_OK);
    CU_ASSERT_STRING_EQUAL(o.name, "bob");
    CU_ASSERT_STRING_EQUAL(o.jail, "/srv");
    CU_ASSERT_STRING_EQUAL(site.database, "x.db");
    CU_ASSERT_TRUE(o.writable == 0 && o.ccc == 1 && o.disabled == 1 && o.cleartext == -1);
    CU_ASSERT_TRUE(options_change(&o));
    CU_ASSERT_EQUAL(parse(&o, &site, none), SP_OK);
    CU_ASSERT_PTR_NULL(o.name);
    CU_ASSERT_FALSE(options_change(&o));
}

static void
refused(void)
{
    static const char *const cases[][5] = {
        { "add", "bob", "secret", NULL },
        { "add", "bob", "--ccc", "yes", NULL },
        { "add", "bob", "--password", "secret", NULL },
        { "add", "bob", "--jail", NULL },
        { "add", "bob", "--random", "--password-stdin", NULL },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct site site = { .config = NULL };
        struct user_options o;

        CU_ASSERT_EQUAL(parse(&o, &site, cases[i]), SP_INPUT);
    }
}

static const struct unit_test tests[] = {
    { "options stand before and behind the name", understood },
    { "a password is never an argument, and other mistakes", refused },
    { NULL, NULL }
};
const struct unit_suite suite_admin_options = { "options of the tool", tests };
