/* tests/unit/test_password.c - auth/password.c */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/password.h"
#include "config.h"
#include "unit.h"

static const struct password_cost cheap = { 8192, 1 };

static struct secret
word(const char *text)
{
    struct secret s;

    CU_ASSERT_NOT_EQUAL_FATAL(sodium_init(), -1);
    secret_init(&s);
    CU_ASSERT_EQUAL_FATAL(secret_set(&s, slice_of(text)), SP_OK);
    return s;
}

static void
verifies(void)
{
    struct secret right = word("right password"), wrong = word("Right password"),
                  none = word("");
    char hash[PASSWORD_HASH_MAX] = "";

    CU_ASSERT_EQUAL_FATAL(password_hash(&right, cheap, hash), SP_OK);
    CU_ASSERT_EQUAL(strncmp(hash, "$argon2id$v=19$m=8192,t=1,p=1$", 30), 0);
    CU_ASSERT_EQUAL(password_verify(hash, &right), SP_OK);
    CU_ASSERT_EQUAL(password_verify(hash, &wrong), SP_REFUSED);
    CU_ASSERT_EQUAL(password_verify(hash, &none), SP_REFUSED);
}

static void
dummy(void)
{
    struct secret any = word("any password");
    char hash[PASSWORD_HASH_MAX] = "", real[PASSWORD_HASH_MAX] = "";

    CU_ASSERT_EQUAL_FATAL(password_dummy(cheap, hash), SP_OK);
    CU_ASSERT_EQUAL_FATAL(password_hash(&any, cheap, real), SP_OK);
    CU_ASSERT_EQUAL(strlen(hash), strlen(real));
    CU_ASSERT_EQUAL(strncmp(hash, real, 30), 0);        /* the same cost */
    CU_ASSERT_EQUAL(password_verify(hash, &any), SP_REFUSED);
    CU_ASSERT_FALSE(password_outdated(hash, cheap));
    CU_ASSERT_EQUAL(password_dummy((struct password_cost){ 4194304, 100 }, hash), SP_OK);
}

/* Where the memory for the hash cannot be had, nothing is said about the password. */
static void
no_memory(void)
{
#ifdef SP_SANITIZERS
    printf("skipped aloud: AddressSanitizer maps more than any limit\n");
#else
    struct secret any = word("any password");
    char hash[PASSWORD_HASH_MAX] = "";
    int status = 0;
    pid_t pid = -1;

    CU_ASSERT_EQUAL_FATAL(password_dummy((struct password_cost){ 262144, 1 }, hash), SP_OK);
    if ((pid = fork()) == 0) {
        const struct rlimit small = { (rlim_t)1 << 20, (rlim_t)1 << 20 };

        _exit(setrlimit(RLIMIT_AS, &small) == 0 ? 1 + (int)password_verify(hash, &any) : 0);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 1 + SP_NOMEM);
#endif
}

static void
broken(void)
{
    static const char *const cases[] = {
        "", "x", "*", "$argon2id$", "$argon2id$v=19$m=8192,t=1,p=1$short$short",
        "$argon2id$v=19$m=8192,t=1,p=1", "$6$salt$hash", "plain password",
    };
    struct secret any = word("plain password");

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char hash[PASSWORD_HASH_MAX] = "";

        (void)text_copy(hash, sizeof hash, cases[i]);
        CU_ASSERT_EQUAL(password_verify(hash, &any), SP_INPUT);
    }
}

static void
missing_cost(void)
{
    static const struct { struct password_cost now, missing; } cases[] = {
        { { 8192, 1 }, { 0, 0 } },              /* the same  */
        { { 8192, 3 }, { 5461, 3 } },           /* 2 * 8192 / 3 */
        { { 16384, 1 }, { 8192, 1 } },
        { { 8195, 1 }, { 0, 0 } },              /* too little for a run */
        { { 4096, 1 }, { 0, 0 } },              /* cheaper than it was */
    };
    struct secret any = word("any password");
    char hash[PASSWORD_HASH_MAX] = "";

    CU_ASSERT_EQUAL_FATAL(password_hash(&any, cheap, hash), SP_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct password_cost missing = { 0, 0 };

        if (!password_missing_cost(hash, cases[i].now, &missing))
            missing = (struct password_cost){ 0, 0 };
        CU_ASSERT_EQUAL(missing.memory_kib, cases[i].missing.memory_kib);
        CU_ASSERT_EQUAL(missing.passes, cases[i].missing.passes);
    }
}

static void
outdated(void)
{
    struct secret any = word("any password");
    char hash[PASSWORD_HASH_MAX] = "";

    CU_ASSERT_EQUAL_FATAL(password_hash(&any, cheap, hash), SP_OK);
    CU_ASSERT_FALSE(password_outdated(hash, cheap));
    CU_ASSERT_TRUE(password_outdated(hash, (struct password_cost){ 8192, 2 }));
    CU_ASSERT_TRUE(password_outdated(hash, (struct password_cost){ 16384, 1 }));
    CU_ASSERT_EQUAL_FATAL(password_hash(&any, (struct password_cost){ 16384, 2 }, hash),
                          SP_OK);
    CU_ASSERT_TRUE(password_outdated(hash, cheap));
    CU_ASSERT_EQUAL(password_verify(hash, &any), SP_OK);
}

static const struct unit_test tests[] = {
    { "a hash knows its password and no other", verifies },
    { "the dummy hash costs as much and has no password", dummy },
    { "what is no hash is told from a wrong password", broken },
    { "a hash of another cost is outdated and still works", outdated },
    { "what an older hash costs less is known", missing_cost },
    { "too little memory is not a wrong password", no_memory },
    { NULL, NULL }
};
const struct unit_suite suite_password = { "password", tests };
