/* tls/worker/remote_signature.c - see remote_key.h: provider-signature(7) */
#include "tls/worker/remote_parts.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tls/worker/remote_key.h"

/* One signature in the making. The key is lent by the EVP_PKEY_CTX above. */
struct remote_signature {
    const struct remote_key *key;
    const struct hash *hash;
    bool pss;
};

/* TLS SignatureScheme (RFC 8446 section 4.2.3) by hash; no other is negotiated. */
static const struct hash {
    const char *name, *other_name;      /* of the fetched and of the static EVP_MD */
    int bytes;
    unsigned ecdsa, pss, pkcs1;
} hashes[] = {
    { "SHA2-256", "SHA256", 32, 0x0403, 0x0804, 0x0401 },
    { "SHA2-384", "SHA384", 48, 0x0503, 0x0805, 0x0501 },
    { "SHA2-512", "SHA512", 64, 0x0603, 0x0806, 0x0601 },
};

static const struct hash *
hash_named(const char *name)
{
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        if (strcasecmp(name, hashes[i].name) == 0
            || strcasecmp(name, hashes[i].other_name) == 0)
            return &hashes[i];
    return NULL;
}

static void *
signature_new(void *library, const char *properties)
{
    (void)library;
    (void)properties;
    return calloc(1, sizeof(struct remote_signature));
}

static void
signature_free(void *context)
{
    free(context);
}

static void *
signature_dup(void *context)
{
    const struct remote_signature *from = context;
    struct remote_signature *copy = malloc(sizeof *copy);

    if (copy != NULL)
        *copy = *from;
    return copy;
}

static int
set_padding(struct remote_signature *s, const OSSL_PARAM *p)
{
    const char *word = NULL;
    int number = 0;

    if (p->data_type == OSSL_PARAM_UTF8_STRING) {
        if (OSSL_PARAM_get_utf8_string_ptr(p, &word) != 1)
            return 0;
        number = strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ? RSA_PKCS1_PSS_PADDING
            : strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING : 0;
    } else if (OSSL_PARAM_get_int(p, &number) != 1) {
        return 0;
    }
    s->pss = number == RSA_PKCS1_PSS_PADDING;
    return s->pss || number == RSA_PKCS1_PADDING;
}

/* TLS knows one length of the salt, that of the hash, and so does the keyholder. */
static int
check_salt(const struct remote_signature *s, const OSSL_PARAM *p)
{
    const char *word = NULL;
    int number = 0;

    if (p->data_type == OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_get_utf8_string_ptr(p, &word) == 1
            && strcmp(word, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
    return OSSL_PARAM_get_int(p, &number) == 1
           && (number == RSA_PSS_SALTLEN_DIGEST
               || (s->hash != NULL && number == s->hash->bytes));
}

static int
signature_set(void *context, const OSSL_PARAM params[])
{
    struct remote_signature *s = context;
    const OSSL_PARAM *p = NULL;
    const char *word = NULL;

    if (params == NULL)
        return 1;
    if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)) != NULL
        && set_padding(s, p) != 1)
        return 0;
    if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN)) != NULL
        && check_salt(s, p) != 1)
        return 0;
    if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST)) != NULL
        && (OSSL_PARAM_get_utf8_string_ptr(p, &word) != 1 || hash_named(word) != s->hash))
        return 0;
    return 1;
}

static const OSSL_PARAM *
signature_settable(void *context, void *library)
{
    static const OSSL_PARAM settable[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
        OSSL_PARAM_END
    };

    (void)context;
    (void)library;
    return settable;
}

static int
signature_begin(void *context, const char *hash, void *data, const OSSL_PARAM params[])
{
    struct remote_signature *s = context;
    const struct remote_key *key = data;

    if (key == NULL || key->signer == NULL || key->public == NULL || hash == NULL)
        return 0;
    if ((s->hash = hash_named(hash)) == NULL) {
        ERR_raise_data(ERR_LIB_PROV, ERR_R_PASSED_INVALID_ARGUMENT, "hash %s not served",
                       hash);
        return 0;
    }
    s->key = key;
    s->pss = false;
    return signature_set(s, params);
}

static int
sign(const struct remote_signature *s, unsigned scheme, unsigned char *at, size_t *len,
     size_t room, const unsigned char *tbs, size_t tbs_len)
{
    const struct remote_signer *signer = s->key->signer;
    int most = EVP_PKEY_get_size(s->key->public);
    size_t got = 0;
    enum sp_err rc = SP_OK;

    if (most <= 0)
        return 0;
    if (at == NULL) {
        *len = (size_t)most;
        return 1;
    }
    if (signer->sign == NULL || tbs_len > REMOTE_TBS_MAX)
        return 0;
    rc = signer->sign(signer->context, s->key->index, scheme,
                      (struct slice){ tbs, tbs_len }, at, room, &got);
    if (rc != SP_OK || got == 0 || got > room) {
        ERR_raise_data(ERR_LIB_PROV, ERR_R_OPERATION_FAIL,
                       "no signature from the keyholder: %s", sp_err_text(rc));
        return 0;
    }
    *len = got;
    return 1;
}

static int
sign_rsa(void *context, unsigned char *at, size_t *len, size_t room,
         const unsigned char *tbs, size_t tbs_len)
{
    const struct remote_signature *s = context;

    return s->key != NULL
        && sign(s, s->pss ? s->hash->pss : s->hash->pkcs1, at, len, room, tbs, tbs_len);
}

static int
sign_ecdsa(void *context, unsigned char *at, size_t *len, size_t room,
           const unsigned char *tbs, size_t tbs_len)
{
    const struct remote_signature *s = context;

    return s->key != NULL && sign(s, s->hash->ecdsa, at, len, room, tbs, tbs_len);
}

/*
 * One shot only: the input has to reach the keyholder whole, which looks at it before it
 * hashes it, and libssl has never given it in pieces since SSL 3.
 */
#define FUNCTION(number, function) { (number), (void (*)(void))(function) }
#define SIGNATURE_FUNCTIONS(kind) \
    FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new), \
    FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, signature_free), \
    FUNCTION(OSSL_FUNC_SIGNATURE_DUPCTX, signature_dup), \
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signature_begin), \
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign_##kind), \
    FUNCTION(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set), \
    FUNCTION(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable), \
    { 0, NULL }

const OSSL_DISPATCH remote_rsa_signature[] = { SIGNATURE_FUNCTIONS(rsa) };
const OSSL_DISPATCH remote_ecdsa_signature[] = { SIGNATURE_FUNCTIONS(ecdsa) };
