/* tests/unit/test_chain.c - auth/chain.c, with backends of our own */
#include <string.h>

#include "auth/chain.h"
#include "auth_fixture.h"
#include "unit.h"

/* Which backends were asked, in order; "!" behind the one that was told it is last. */
static char asked[64];

static void
remember(const struct attempt *a, const char *name)
{
    strncat(asked, name, sizeof asked - 1 - strlen(asked));
    if (a->last_backend)
        strncat(asked, "!", sizeof asked - 1 - strlen(asked));
}

static void
unknown(struct attempt *a, struct verdict *v)
{
    remember(a, "u");
    verdict_unknown(v);
}

static void
grants(struct attempt *a, struct verdict *v)
{
    remember(a, "g");
    verdict_grant(v);
}

static void
refuses(struct attempt *a, struct verdict *v)
{
    remember(a, "r");
    verdict_refuse(v, REFUSE_DISABLED, "no");
}

static void
silent(struct attempt *a, struct verdict *v)
{
    (void)v;
    remember(a, "s");
}

static const struct chain_backend backends[] = { { "unknown", unknown },
                                                 { "grants", grants },
                                                 { "refuses", refuses },
                                                 { "silent", silent },
                                                 { NULL, NULL } };

static void
orders(void)
{
    static const struct {
        const char *order, *asked;
        enum verdict_kind kind;
        enum refuse_reason reason;
    } cases[] = {
        { "grants", "g!", VERDICT_GRANTED, 0 },
        { "unknown,grants", "ug!", VERDICT_GRANTED, 0 },
        { "grants,refuses", "g", VERDICT_GRANTED, 0 },
        { "refuses,grants", "r", VERDICT_REFUSED, REFUSE_DISABLED },
        { "unknown,refuses,grants", "ur", VERDICT_REFUSED, REFUSE_DISABLED },
        { "unknown", "u!", VERDICT_REFUSED, REFUSE_CREDENTIALS },
        { "unknown,unknown", "uu!", VERDICT_REFUSED, REFUSE_CREDENTIALS },
        { "silent,grants", "sg!", VERDICT_GRANTED, 0 },
        { "silent", "s!", VERDICT_REFUSED, REFUSE_CREDENTIALS },
        { "missing,grants", "", VERDICT_REFUSED, REFUSE_ERROR },
        { "unknown,missing,grants", "u", VERDICT_REFUSED, REFUSE_ERROR },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;

        fixture_begin(&f);
        fixture_list(&f.settings.auth, cases[i].order);
        fixture_attempt(&f, "bob", "x");
        asked[0] = '\0';
        chain_run(backends, &f.attempt, &f.verdict);
        CU_ASSERT_STRING_EQUAL(asked, cases[i].asked);
        CU_ASSERT_EQUAL(f.verdict.kind, cases[i].kind);
        if (cases[i].kind == VERDICT_REFUSED)
            CU_ASSERT_EQUAL(f.verdict.reason, cases[i].reason);
        fixture_end(&f);
    }
}

static void
impossible_names(void)
{
    static const char *const names[] = { "", ".", "..", "a/b", "a\nb", "a\x01" };
    struct fixture f;

    fixture_begin(&f);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fixture_list(&f.settings.auth, "grants,users");
        fixture_attempt(&f, names[i], "x");
        asked[0] = '\0';
        chain_run(backends, &f.attempt, &f.verdict);
        CU_ASSERT_STRING_EQUAL(asked, "");
        CU_ASSERT_EQUAL(f.verdict.kind, VERDICT_REFUSED);
        CU_ASSERT_EQUAL(f.verdict.reason, REFUSE_CREDENTIALS);
        CU_ASSERT_EQUAL(f.attempt.hashes, 1);   /* the work of a wrong password */
    }
    fixture_list(&f.settings.auth, "grants");
    fixture_attempt(&f, "..", "x");
    chain_run(backends, &f.attempt, &f.verdict);
    CU_ASSERT_EQUAL(f.attempt.hashes, 0);       /* where nobody hashes, nor do we */
    fixture_end(&f);
}

static const struct unit_test tests[] = {
    { "the first backend that knows the name decides", orders },
    { "a name that nobody can have is asked of nobody", impossible_names },
    { NULL, NULL }
};
const struct unit_suite suite_chain = { "chain", tests };
