/* tests/unit/test_nearest.c - src/base/nearest.c */
#include <string.h>

#include "base/nearest.h"
#include "suites.h"
#include "unit.h"

static const char *const words[] = { "users", "pam", "anonymous", "max_sessions",
                                     "max_sessions_per_address" };

static const struct { const char *word, *meant; } rows[] = {
    { "user", "users" },                /* one is missing    */
    { "userss", "users" },              /* one too many      */
    { "usars", "users" },               /* another one       */
    { "suers", "users" },               /* two exchanged     */
    { "pma", "pam" },
    { "anonymus", "anonymous" },
    { "max_session", "max_sessions" },
    { "max_sessions_per_adress", "max_sessions_per_address" },
    { "ldap", NULL }, { "x", NULL }, { "", NULL }, { "frobnication", NULL },
};

static void
the_word_that_was_meant_is_found(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *found = nearest_of(rows[i].word, words, sizeof words / sizeof *words);

        CU_ASSERT_EQUAL(found == NULL, rows[i].meant == NULL);
        if (found != NULL && rows[i].meant != NULL)
            CU_ASSERT_STRING_EQUAL(found, rows[i].meant);
    }
}

static void
a_word_of_any_length_is_looked_at(void)
{
    char longest[2 * NEAREST_MOST];
    const char *const itself[] = { longest };

    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CU_ASSERT_PTR_NULL(nearest_of(longest, words, sizeof words / sizeof *words));
    CU_ASSERT_PTR_NULL(nearest_of("users", itself, 1));
    longest[NEAREST_MOST - 1] = '\0';
    CU_ASSERT_PTR_EQUAL(nearest_of(longest, itself, 1), longest);
}

static const struct unit_test tests[] = {
    { "the word that was meant is found", the_word_that_was_meant_is_found },
    { "a word of any length is looked at", a_word_of_any_length_is_looked_at },
    { NULL, NULL }
};
const struct unit_suite suite_nearest = { "nearest", tests };
