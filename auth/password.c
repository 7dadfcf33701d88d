/* auth/password.c - see include/auth/password.h */
#include "auth/password.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/buf.h"

#define SALT 16                 /* bytes, as crypto_pwhash_str makes them */
#define DIGEST 32

_Static_assert(PASSWORD_HASH_MAX == crypto_pwhash_STRBYTES,
               "libsodium's hash has another size");

static size_t
cost_bytes(struct password_cost cost)
{
    return (size_t)cost.memory_kib * 1024;
}

enum sp_err
password_hash(const struct secret *password, struct password_cost cost,
              char out[PASSWORD_HASH_MAX])
{
    char made[PASSWORD_HASH_MAX] = "";

    if (crypto_pwhash_str_alg(made, secret_text(password), password->len,
                              (unsigned long long)cost.passes, cost_bytes(cost),
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return SP_NOMEM;
    memcpy(out, made, sizeof made);
    return SP_OK;
}

enum sp_err
password_verify(const char hash[PASSWORD_HASH_MAX], const struct secret *password)
{
    errno = 0;
    if (crypto_pwhash_str_verify(hash, secret_text(password), password->len) == 0)
        return SP_OK;
    /* EINVAL is libsodium's word for a mismatch; a text that is no hash sets nothing */
    if (errno == EINVAL)
        return crypto_pwhash_str_needs_rehash(hash, crypto_pwhash_OPSLIMIT_MIN,
                                              crypto_pwhash_MEMLIMIT_MIN) == -1
            ? SP_INPUT : SP_REFUSED;
    return errno == ENOMEM ? SP_NOMEM : SP_INPUT;
}

enum sp_err
password_dummy(struct password_cost cost, char out[PASSWORD_HASH_MAX])
{
    unsigned char salt[SALT] = { 0 }, digest[DIGEST] = { 0 };
    char salt_text[2 * SALT] = "", digest_text[2 * DIGEST] = "";
    const int form = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;

    randombytes_buf(salt, sizeof salt);
    randombytes_buf(digest, sizeof digest);
    (void)sodium_bin2base64(salt_text, sizeof salt_text, salt, sizeof salt, form);
    (void)sodium_bin2base64(digest_text, sizeof digest_text, digest, sizeof digest, form);
    memset(out, 0, PASSWORD_HASH_MAX);
    return text_printf(out, PASSWORD_HASH_MAX, "$argon2id$v=19$m=%llu,t=%llu,p=1$%s$%s",
                       (unsigned long long)cost.memory_kib,
                       (unsigned long long)cost.passes, salt_text, digest_text)
               ? SP_OK
               : SP_INPUT;
}

bool
password_outdated(const char hash[PASSWORD_HASH_MAX], struct password_cost cost)
{
    return crypto_pwhash_str_needs_rehash(hash, (unsigned long long)cost.passes,
                                          cost_bytes(cost)) == 1
        || strncmp(hash, crypto_pwhash_STRPREFIX, strlen(crypto_pwhash_STRPREFIX)) != 0;
}
