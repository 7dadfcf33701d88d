/* auth/password.c - see include/auth/password.h */
#include "auth/password.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/number.h"

#define SALT 16                 /* bytes, as crypto_pwhash_str makes them */
#define DIGEST 32
#define MEMORY_LEAST_KIB 8      /* of Argon2 with one lane */

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

/* A hash as password_hash makes them, taken apart. */
struct parts {
    uint64_t memory_kib, passes;
    unsigned char salt[SALT], digest[DIGEST];
};

static bool
take_base64(const char **at, unsigned char *out, size_t size)
{
    const char *end = NULL;
    size_t len = 0;

    return sodium_base642bin(out, size, *at, strlen(*at), NULL, &len, &end,
                             sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0
        && len == size && ((*at = end) != NULL);
}

static bool
take_number(const char **at, const char *before, uint64_t *out)
{
    size_t len = strlen(before);
    struct slice rest = SLICE_EMPTY;

    if (strncmp(*at, before, len) != 0)
        return false;
    rest = slice_of(*at + len);
    if (number_take(&rest, UINT64_MAX, out) != SP_OK)
        return false;
    *at = (const char *)rest.at;
    return true;
}

static bool
take_apart(const char *hash, struct parts *p)
{
    const char *at = hash;
    uint64_t version = 0, lanes = 0;

    return take_number(&at, "$argon2id$v=", &version) && version == 19
        && take_number(&at, "$m=", &p->memory_kib) && take_number(&at, ",t=", &p->passes)
        && take_number(&at, ",p=", &lanes) && lanes == 1
        && p->memory_kib <= crypto_pwhash_MEMLIMIT_MAX / 1024 && *at++ == '$'
        && take_base64(&at, p->salt, sizeof p->salt) && *at++ == '$'
        && take_base64(&at, p->digest, sizeof p->digest) && *at == '\0';
}

/*
 * By hand, because crypto_pwhash_str_verify says "another password" where the memory for the
 * hash could not be had.
 */
static enum sp_err
verify_parts(const struct parts *p, const struct secret *password)
{
    unsigned char digest[DIGEST] = { 0 };
    enum sp_err rc = SP_NOMEM;

    if (crypto_pwhash(digest, sizeof digest, secret_text(password), password->len, p->salt,
                      p->passes, (size_t)p->memory_kib * 1024,
                      crypto_pwhash_ALG_ARGON2ID13) == 0)
        rc = sodium_memcmp(digest, p->digest, sizeof digest) == 0 ? SP_OK : SP_REFUSED;
    else if (errno == EINVAL || errno == EFBIG)
        rc = SP_INPUT;                  /* a cost that none of ours has */
    wipe(digest, sizeof digest);
    return rc;
}

enum sp_err
password_verify(const char hash[PASSWORD_HASH_MAX], const struct secret *password)
{
    struct parts p = { 0 };

    errno = 0;
    if (take_apart(hash, &p)) {
        enum sp_err rc = verify_parts(&p, password);

        wipe(&p, sizeof p);
        return rc;
    }
    wipe(&p, sizeof p);
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
password_missing_cost(const char hash[PASSWORD_HASH_MAX], struct password_cost cost,
                      struct password_cost *missing)
{
    struct parts p = { 0 };
    bool known = take_apart(hash, &p);
    unsigned long long whole = (unsigned long long)cost.memory_kib * (unsigned long long)cost.passes;
    unsigned long long done = known ? p.memory_kib * p.passes : whole;

    wipe(&p, sizeof p);
    if (done >= whole)
        return false;
    if ((int64_t)(whole - done) / cost.passes < MEMORY_LEAST_KIB)
        return false;
    *missing = (struct password_cost){ (int64_t)(whole - done) / cost.passes, cost.passes };
    return true;
}

bool
password_outdated(const char hash[PASSWORD_HASH_MAX], struct password_cost cost)
{
    return crypto_pwhash_str_needs_rehash(hash, (unsigned long long)cost.passes,
                                          cost_bytes(cost)) == 1
        || strncmp(hash, crypto_pwhash_STRPREFIX, strlen(crypto_pwhash_STRPREFIX)) != 0;
}
