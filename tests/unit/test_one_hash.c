/* tests/unit/test_one_hash.c - auth/one_hash.c, above a libcrypt that counts */
#include <crypt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "auth/one_hash.h"
#include "unit.h"

static unsigned hashed;

/* In place of libcrypt's: this program's own comes first. */
char *
crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
    struct crypt_data *d = data;

    CU_ASSERT_EQUAL((size_t)size, sizeof *d);
    hashed++;
    (void)snprintf(d->output, sizeof d->output, "%s:%.64s", setting, phrase);
    return *d->output == '*' ? NULL : d->output;
}

/* Is the hash of these what it is, and was it made anew? */
static bool
is_made(const char *phrase, const char *setting)
{
    static struct crypt_data data;
    char right[CRYPT_OUTPUT_SIZE];
    unsigned before = hashed;
    const char *hash = NULL;

    memset(data.output, 'x', sizeof data.output - 1);
    (void)snprintf(right, sizeof right, "%s:%.64s", setting, phrase);
    hash = one_hash_crypt(phrase, setting, &data);
    CU_ASSERT_PTR_EQUAL(hash, data.output);
    CU_ASSERT_STRING_EQUAL(hash, right);
    CU_ASSERT_TRUE(hashed <= before + 1);
    return hashed != before;
}

static void
the_same_question_is_hashed_once(void)
{
    struct one_hash o;

    one_hash_begin(&o);
    CU_ASSERT_TRUE(is_made("secret", "$6$salt"));
    CU_ASSERT_FALSE(is_made("secret", "$6$salt"));
    CU_ASSERT_FALSE(is_made("secret", "$6$salt"));
    one_hash_end(&o);
}

static void
another_question_never_gets_that_answer(void)
{
    static const char *const words[] = { "secret", "secreT", "secret ", "secre", "", "s" };
    static const char *const settings[] = { "$6$salt", "$6$salT", "$6$salt$" };
    struct one_hash o;

    one_hash_begin(&o);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        CU_ASSERT_TRUE(is_made(words[i], "$6$salt"));
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        CU_ASSERT_TRUE(is_made("secret", settings[i]));
        CU_ASSERT_FALSE(is_made("secret", settings[i]));
    }
    one_hash_end(&o);
}

static void
the_next_login_hashes_anew(void)
{
    struct one_hash o;

    for (unsigned i = 0; i < 2; i++) {
        one_hash_begin(&o);
        CU_ASSERT_TRUE(is_made("secret", "$6$salt"));
        one_hash_end(&o);
        CU_ASSERT_TRUE(is_made("secret", "$6$salt"));
        CU_ASSERT_TRUE(is_made("secret", "$6$salt"));
    }
}

static void
a_failure_is_not_remembered(void)
{
    struct one_hash o;

    one_hash_begin(&o);
    CU_ASSERT_TRUE(is_made("secret", "*0"));
    CU_ASSERT_TRUE(is_made("secret", "*0"));
    one_hash_end(&o);
}

static void
a_password_that_is_too_long_is_hashed_each_time(void)
{
    char phrase[SECRET_MAX + 2];
    struct one_hash o;

    memset(phrase, 'a', sizeof phrase - 1);
    phrase[sizeof phrase - 1] = '\0';
    one_hash_begin(&o);
    CU_ASSERT_TRUE(is_made(phrase, "$6$salt"));
    CU_ASSERT_TRUE(is_made(phrase, "$6$salt"));
    one_hash_end(&o);
}

static void *
ask_elsewhere(void *made)
{
    *(bool *)made = is_made("secret", "$6$salt");
    return NULL;
}

static void
another_thread_has_no_part_in_it(void)
{
    struct one_hash o;
    pthread_t thread;
    bool made = false;

    one_hash_begin(&o);
    CU_ASSERT_TRUE(is_made("secret", "$6$salt"));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, ask_elsewhere, &made), 0);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT_TRUE(made);
    one_hash_end(&o);
}

static void
nothing_stays_behind(void)
{
    unsigned char bytes[sizeof(struct one_hash)], left = 0;
    struct one_hash o;

    one_hash_begin(&o);
    CU_ASSERT_TRUE(is_made("secret", "$6$salt"));
    CU_ASSERT_STRING_EQUAL(secret_text(&o.phrase), "secret");
    one_hash_end(&o);
    memcpy(bytes, &o, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        left |= bytes[i];
    CU_ASSERT_EQUAL(left, 0);
}

static const struct unit_test tests[] = {
    { "the same question is hashed once", the_same_question_is_hashed_once },
    { "another question never gets that answer", another_question_never_gets_that_answer },
    { "the next login hashes anew", the_next_login_hashes_anew },
    { "a failure is not remembered", a_failure_is_not_remembered },
    { "a password that is too long is hashed each time",
      a_password_that_is_too_long_is_hashed_each_time },
    { "another thread has no part in it", another_thread_has_no_part_in_it },
    { "nothing stays behind", nothing_stays_behind },
    { NULL, NULL }
};

const struct unit_suite suite_one_hash = { "one_hash", tests };
