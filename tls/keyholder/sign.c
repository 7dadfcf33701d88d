/* tls/keyholder/sign.c - see sign.h */
#include "tls/keyholder/sign.h"

#include <string.h>

static const struct sign_scheme schemes[] = {
    { 0x0403, SIGN_ECDSA, "SHA256" },   /* ecdsa_secp256r1_sha256; TLS 1.2: any curve */
    { 0x0503, SIGN_ECDSA, "SHA384" },   /* ecdsa_secp384r1_sha384; the same           */
    { 0x0603, SIGN_ECDSA, "SHA512" },   /* ecdsa_secp521r1_sha512; TLS 1.2 only here  */
    { 0x0804, SIGN_PSS, "SHA256" },     /* rsa_pss_rsae_sha256                        */
    { 0x0805, SIGN_PSS, "SHA384" },
    { 0x0806, SIGN_PSS, "SHA512" },
    { 0x0401, SIGN_PKCS1, "SHA256" },   /* rsa_pkcs1_sha256; TLS 1.2 only             */
    { 0x0501, SIGN_PKCS1, "SHA384" },
    { 0x0601, SIGN_PKCS1, "SHA512" },
};

const struct sign_scheme *
sign_scheme_find(unsigned number)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (schemes[i].number == number)
            return &schemes[i];
    return NULL;
}

static enum sp_err
refuse(const char **why, const char *text)
{
    *why = text;
    return SP_REFUSED;
}

/* ---- TLS 1.3: 64 spaces, the context, a NUL, the hash of the transcript ------------ */

#define SPACES 64
static const char context_13[] = "TLS 1.3, server CertificateVerify";    /* and its NUL */

static bool
begins_as_13(struct slice tbs)
{
    if (tbs.len < SPACES + sizeof context_13)
        return false;
    for (size_t i = 0; i < SPACES; i++)
        if (tbs.at[i] != 0x20)
            return false;
    return memcmp(tbs.at + SPACES, context_13, sizeof context_13) == 0;
}

static enum sp_err
check_13(enum sign_key key, const struct sign_scheme *scheme, size_t hash,
         const char **why)
{
    /* SHA-256 or SHA-384: the hashes of the TLS 1.3 suites */
    if (hash != 32 && hash != 48)
        return refuse(why, "the transcript hash has a wrong length");
    switch (scheme->padding) {
    case SIGN_PKCS1:
        return refuse(why, "TLS 1.3 does not sign with PKCS #1");
    case SIGN_ECDSA:
        /* In TLS 1.3 a scheme means one curve and one hash. */
        if ((key == SIGN_P256 && scheme->number == 0x0403)
            || (key == SIGN_P384 && scheme->number == 0x0503))
            return SP_OK;
        return refuse(why, "in TLS 1.3 that hash belongs to another curve");
    case SIGN_PSS:
        break;
    }
    return SP_OK;
}

/* ---- TLS 1.2: both randoms, then ECParameters and ECPoint -------------------------- */

#define RANDOMS 64
#define NAMED_CURVE 3

/* The curves that a worker offers (tls/worker/context.c), and their points' lengths. */
static const struct curve {
    unsigned number;
    size_t point;
    bool uncompressed;
} curves[] = {
    { 29, 32, false },          /* x25519 */
    { 23, 65, true },           /* secp256r1: 0x04, x, y */
    { 24, 97, true },           /* secp384r1 */
};

static enum sp_err
check_12(struct slice params, const char **why)
{
    const unsigned char *at = params.at;

    if (params.len < 4 || at[0] != NAMED_CURVE)
        return refuse(why, "not the input of a server's signature");
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        const struct curve *curve = &curves[i];

        if (((unsigned)at[1] << 8 | at[2]) != curve->number)
            continue;
        if (at[3] != curve->point || params.len != 4 + curve->point)
            return refuse(why, "the key share has a wrong length");
        if (curve->uncompressed && at[4] != 4)
            return refuse(why, "the key share is not an uncompressed point");
        return SP_OK;
    }
    return refuse(why, "a curve that is not served");
}

/* ---- both -------------------------------------------------------------------------- */

enum sp_err
sign_check(enum sign_key key, unsigned number, struct slice tbs, const char **why)
{
    const struct sign_scheme *scheme = sign_scheme_find(number);

    if (scheme == NULL)
        return refuse(why, "a signature scheme that is not served");
    if ((key == SIGN_RSA) != (scheme->padding != SIGN_ECDSA))
        return refuse(why, "the signature scheme does not fit the key");
    if (begins_as_13(tbs))
        return check_13(key, scheme, tbs.len - SPACES - sizeof context_13, why);
    if (tbs.len < RANDOMS)
        return refuse(why, "not the input of a server's signature");
    return check_12((struct slice){ tbs.at + RANDOMS, tbs.len - RANDOMS }, why);
}
