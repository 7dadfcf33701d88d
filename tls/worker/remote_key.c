/* tls/worker/remote_key.c - see remote_key.h: provider-keymgmt(7) */
#include "tls/worker/remote_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

#include "tls/worker/remote_parts.h"

#define PARAM_INDEX "sallyport-index"
#define PARAM_SIGNER "sallyport-signer"     /* the address of a struct remote_signer */

/* ---- key data ---------------------------------------------------------------------- */

static void *
key_new(void *library, const char *type)
{
    struct remote_key *key = calloc(1, sizeof *key);

    if (key != NULL) {
        key->type = type;
        key->library = library;
    }
    return key;
}

static void *
key_new_rsa(void *library)
{
    return key_new(library, "RSA");
}

static void *
key_new_ec(void *library)
{
    return key_new(library, "EC");
}

static void
key_free(void *data)
{
    struct remote_key *key = data;

    if (key != NULL)
        EVP_PKEY_free(key->public);
    free(key);
}

static int
key_has(const void *data, int selection)
{
    const struct remote_key *key = data;

    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && key->signer == NULL)
        return 0;
    return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) == 0 || key->public != NULL;
}

/* There is no private part to compare; the public one says all. */
static int
key_match(const void *data, const void *other_data, int selection)
{
    const struct remote_key *key = data, *other = other_data;

    (void)selection;
    return key->public != NULL && other->public != NULL
        && EVP_PKEY_eq(key->public, other->public) == 1;
}

static EVP_PKEY *
public_from(OSSL_LIB_CTX *library, const char *type, const OSSL_PARAM params[])
{
    EVP_PKEY_CTX *maker = NULL;
    EVP_PKEY *public = NULL;
    OSSL_PARAM *copy = NULL;

    if ((copy = OSSL_PARAM_dup(params)) == NULL)
        goto out;               /* EVP_PKEY_fromdata wants them writable */
    if ((maker = EVP_PKEY_CTX_new_from_name(library, type, "provider=default")) == NULL
        || EVP_PKEY_fromdata_init(maker) <= 0)
        goto out;
    if (EVP_PKEY_fromdata(maker, &public, EVP_PKEY_PUBLIC_KEY, copy) <= 0)
        public = NULL;
out:
    EVP_PKEY_CTX_free(maker);
    OSSL_PARAM_free(copy);
    return public;
}

static int
key_import(void *data, int selection, const OSSL_PARAM params[])
{
    struct remote_key *key = data;
    const OSSL_PARAM *index = OSSL_PARAM_locate_const(params, PARAM_INDEX);
    const OSSL_PARAM *signer = OSSL_PARAM_locate_const(params, PARAM_SIGNER);
    const void *at = NULL;
    size_t len = 0;
    EVP_PKEY *public = NULL;

    if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) == 0)
        return 0;
    if (index != NULL && OSSL_PARAM_get_uint(index, &key->index) != 1)
        return 0;
    if (signer != NULL && OSSL_PARAM_get_octet_ptr(signer, &at, &len) != 1)
        return 0;
    if ((public = public_from(key->library, key->type, params)) == NULL)
        return 0;
    EVP_PKEY_free(key->public);
    key->public = public;
    key->signer = at;
    return 1;
}

/*
 * The public part only. A selection with the private part is refused as a whole: OpenSSL
 * would otherwise carry the key over to the default provider and sign with what is not
 * there.
 */
static int
key_export(void *data, int selection, OSSL_CALLBACK *take, void *context)
{
    const struct remote_key *key = data;

    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || key->public == NULL)
        return 0;
    return EVP_PKEY_export(key->public, selection, take, context);
}

static const OSSL_PARAM *
key_types(int selection)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_END
    };

    return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? types : NULL;
}

static int
key_get_params(void *data, OSSL_PARAM params[])
{
    const struct remote_key *key = data;

    return key->public != NULL && EVP_PKEY_get_params(key->public, params) == 1;
}

static const OSSL_PARAM *
key_gettable(void *library)
{
    static const OSSL_PARAM gettable[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_END
    };

    (void)library;
    return gettable;
}

static const char *
rsa_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

static const char *
ec_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* ---- the provider ------------------------------------------------------------------ */

#define FUNCTION(number, function) { (number), (void (*)(void))(function) }
#define KEY_FUNCTIONS(kind) \
    FUNCTION(OSSL_FUNC_KEYMGMT_NEW, key_new_##kind), \
    FUNCTION(OSSL_FUNC_KEYMGMT_FREE, key_free), \
    FUNCTION(OSSL_FUNC_KEYMGMT_HAS, key_has), \
    FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, key_match), \
    FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, key_import), \
    FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types), \
    FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT, key_export), \
    FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types), \
    FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params), \
    FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable), \
    FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, kind##_operation), \
    { 0, NULL }

static const OSSL_DISPATCH rsa_keys[] = { KEY_FUNCTIONS(rsa) };
static const OSSL_DISPATCH ec_keys[] = { KEY_FUNCTIONS(ec) };

#define RSA_NAMES "RSA:rsaEncryption:1.2.840.113549.1.1.1"
#define EC_NAMES "EC:id-ecPublicKey:1.2.840.10045.2.1"
#define OURS "provider=sallyport"

static const OSSL_ALGORITHM key_kinds[] = {
    { RSA_NAMES, OURS, rsa_keys, "RSA keys at the keyholder" },
    { EC_NAMES, OURS, ec_keys, "EC keys at the keyholder" },
    { NULL, NULL, NULL, NULL }
};
static const OSSL_ALGORITHM signatures[] = {
    { RSA_NAMES, OURS, remote_rsa_signature, "RSA signatures by the keyholder" },
    { "ECDSA", OURS, remote_ecdsa_signature, "ECDSA signatures by the keyholder" },
    { NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM *
provider_query(void *library, int operation, int *no_cache)
{
    (void)library;
    *no_cache = 0;
    if (operation == OSSL_OP_KEYMGMT)
        return key_kinds;
    return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static const OSSL_DISPATCH provider_functions[] = {
    FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
    { 0, NULL }
};

/* The library context it was loaded into is all that the provider has to know. */
static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
              const OSSL_DISPATCH **functions, void **context)
{
    OSSL_FUNC_core_get_libctx_fn *library_of = NULL;

    for (; core->function_id != 0; core++)
        if (core->function_id == OSSL_FUNC_CORE_GET_LIBCTX)
            library_of = OSSL_FUNC_core_get_libctx(core);
    if (library_of == NULL)
        return 0;
    *context = library_of(handle);
    *functions = provider_functions;
    return 1;
}

enum sp_err
remote_key_provide(OSSL_LIB_CTX *library, OSSL_PROVIDER **out)
{
    OSSL_PROVIDER *provider = NULL;

    if (OSSL_PROVIDER_add_builtin(library, "sallyport", provider_init) != 1
        || (provider = OSSL_PROVIDER_load(library, "sallyport")) == NULL)
        return SP_NOMEM;
    *out = provider;
    return SP_OK;
}

enum sp_err
remote_key_new(EVP_PKEY **out, OSSL_LIB_CTX *library, EVP_PKEY *public, unsigned index,
               struct remote_signer *signer)
{
    const char *type = EVP_PKEY_is_a(public, "RSA") ? "RSA" : "EC";
    void *lent = signer;
    OSSL_PARAM ours[3] = { OSSL_PARAM_END, OSSL_PARAM_END, OSSL_PARAM_END };
    OSSL_PARAM *from = NULL, *all = NULL;
    EVP_PKEY_CTX *maker = NULL;
    EVP_PKEY *key = NULL;
    enum sp_err rc = SP_NOMEM;

    if (!EVP_PKEY_is_a(public, type))
        return SP_INPUT;
    ours[0] = OSSL_PARAM_construct_uint(PARAM_INDEX, &index);
    ours[1] = OSSL_PARAM_construct_octet_ptr(PARAM_SIGNER, &lent, sizeof *signer);
    if (EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY, &from) != 1
        || (all = OSSL_PARAM_merge(from, ours)) == NULL)
        goto out;
    if ((maker = EVP_PKEY_CTX_new_from_name(library, type, OURS)) == NULL
        || EVP_PKEY_fromdata_init(maker) <= 0
        || EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEYPAIR, all) <= 0)
        goto out;
    *out = key;
    rc = SP_OK;
out:
    EVP_PKEY_CTX_free(maker);
    OSSL_PARAM_free(all);
    OSSL_PARAM_free(from);
    return rc;
}
