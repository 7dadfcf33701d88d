/* tests/unit/test_secret.c - src/base/secret.c */
#include <string.h>

#include "base/secret.h"
#include "suites.h"

static struct secret secret;

static bool
is_zero(const void *at, size_t len)
{
    const unsigned char *byte = at;
    unsigned char sum = 0;

    for (size_t i = 0; i < len; i++)
        sum |= byte[i];
    return sum == 0;
}

static void
a_password_is_kept_as_text(void)
{
    secret_init(&secret);
    CU_ASSERT_FALSE(secret.set);
    CU_ASSERT_STRING_EQUAL(secret_text(&secret), "");
    CU_ASSERT_EQUAL(secret_set(&secret, slice_from("open sesame!", 11)), SP_OK);
    CU_ASSERT(secret.set);
    CU_ASSERT_EQUAL(secret.len, 11);
    CU_ASSERT_STRING_EQUAL(secret_text(&secret), "open sesame");
    secret_clear(&secret);
}

static void
an_empty_password_is_set_all_the_same(void)
{
    secret_init(&secret);
    CU_ASSERT_EQUAL(secret_set(&secret, slice_from(NULL, 0)), SP_OK);
    CU_ASSERT(secret.set);
    CU_ASSERT_STRING_EQUAL(secret_text(&secret), "");
    secret_clear(&secret);
    CU_ASSERT_FALSE(secret.set);
}

static void
too_long_or_with_a_nul_is_refused_and_changes_nothing(void)
{
    unsigned char big[SECRET_MAX + 1];

    memset(big, 'p', sizeof big);
    secret_init(&secret);
    CU_ASSERT_EQUAL(secret_set(&secret, slice_of("before")), SP_OK);
    CU_ASSERT_EQUAL(secret_set(&secret, slice_from(big, sizeof big)), SP_INPUT);
    CU_ASSERT_EQUAL(secret_set(&secret, slice_from("a\0b", 3)), SP_INPUT);
    CU_ASSERT_STRING_EQUAL(secret_text(&secret), "before");
    CU_ASSERT_EQUAL(secret_set(&secret, slice_from(big, SECRET_MAX)), SP_OK);
    CU_ASSERT_EQUAL(strlen(secret_text(&secret)), SECRET_MAX);
    secret_clear(&secret);
}

static void
a_shorter_one_leaves_nothing_of_the_longer(void)
{
    secret_init(&secret);
    CU_ASSERT_EQUAL(secret_set(&secret, slice_of("a long pass phrase")), SP_OK);
    CU_ASSERT_EQUAL(secret_set(&secret, slice_of("short")), SP_OK);
    CU_ASSERT(is_zero(secret.bytes + 5, sizeof secret.bytes - 5));
    secret_clear(&secret);
}

static void
clearing_overwrites_every_byte(void)
{
    secret_init(&secret);
    CU_ASSERT_EQUAL(secret_set(&secret, slice_of("hunter2")), SP_OK);
    secret_clear(&secret);
    CU_ASSERT(is_zero(&secret, sizeof secret));
    secret_clear(&secret);
}

static void
wiping_overwrites(void)
{
    char text[] = "hunter2";

    wipe(text, sizeof text);
    CU_ASSERT(is_zero(text, sizeof text));
}

static const struct unit_test tests[] = {
    { "a password is kept as text", a_password_is_kept_as_text },
    { "an empty password is set all the same", an_empty_password_is_set_all_the_same },
    { "too long, or with a NUL, is refused and changes nothing",
      too_long_or_with_a_nul_is_refused_and_changes_nothing },
    { "a shorter one leaves nothing of the longer",
      a_shorter_one_leaves_nothing_of_the_longer },
    { "clearing overwrites every byte", clearing_overwrites_every_byte },
    { "wiping overwrites", wiping_overwrites },
    { NULL, NULL }
};
const struct unit_suite suite_secret = { "secret", tests };
