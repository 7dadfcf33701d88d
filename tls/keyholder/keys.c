/* tls/keyholder/keys.c - see keys.h */
#include "tls/keyholder/keys.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

#define FILE_MAX ((size_t)256 << 10)
/* 32 keys of the largest size that is served, and what computing with one takes. */
#define SECURE_HEAP ((size_t)1 << 20)
#define SECURE_LEAST ((size_t)32)
#define RSA_LEAST 2048
#define RSA_MOST 8192           /* its signatures fill a KEY_SIGNED message */
#define SIGNATURE_MAX (RSA_MOST / 8)

enum sp_err
keys_prepare(void)
{
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return SP_OS;
    /* 2: there, but not locked (RLIMIT_MEMLOCK). 0: the numbers lie on the heap. */
    return CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_LEAST) == 1 ? SP_OK : SP_OS;
}

const char *
key_kind_text(enum sign_key kind)
{
    switch (kind) {
    case SIGN_RSA: return "RSA";
    case SIGN_P256:
    case SIGN_P384: return "ECDSA";
    }
    return "?";
}

/* ---- loading ----------------------------------------------------------------------- */

static enum sp_err
complain(char fault[KEY_FAULT_MAX], struct slice file, const char *what)
{
    struct log_escaped name;

    (void)text_printf(fault, KEY_FAULT_MAX, "%.300s: %s", log_text(file, &name), what);
    return SP_INPUT;
}

/* Nobody is there to type a passphrase: note that one was asked for. */
static int      /* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's type */
no_passphrase(char *at, int room, int writing, void *asked)
{
    bool *was_asked = asked;

    (void)at;
    (void)room;
    (void)writing;
    *was_asked = true;
    return -1;
}

static enum sp_err
classify(struct key *k, const char **what)
{
    char group[64] = "";

    k->bits = (unsigned)EVP_PKEY_get_bits(k->key);
    if (EVP_PKEY_is_a(k->key, "RSA")) {
        k->kind = SIGN_RSA;
        if (k->bits >= RSA_LEAST && k->bits <= RSA_MOST)
            return SP_OK;
        *what = k->bits < RSA_LEAST
            ? "the RSA key has fewer than 2048 bits; use a larger one, or an ECDSA key"
            : "the RSA key has more than 8192 bits; use a smaller one, or an ECDSA key";
        return SP_INPUT;
    }
    if (EVP_PKEY_is_a(k->key, "EC")
        && EVP_PKEY_get_group_name(k->key, group, sizeof group, NULL) == 1) {
        k->kind = strcmp(group, SN_X9_62_prime256v1) == 0 ? SIGN_P256 : SIGN_P384;
        if (k->kind == SIGN_P256 || strcmp(group, SN_secp384r1) == 0)
            return SP_OK;
        *what = "the curve of the ECDSA key is not supported; use P-256 or P-384";
        return SP_INPUT;
    }
    *what = "not an RSA or ECDSA key; use one of these";
    return SP_INPUT;
}

static enum sp_err
make_signature(EVP_PKEY *key, const struct sign_scheme *scheme, struct slice tbs,
               unsigned char *at, size_t *len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    enum sp_err rc = SP_OS;

    if (md == NULL
        || EVP_DigestSignInit_ex(md, &how, scheme->hash, NULL, NULL, key, NULL) != 1)
        goto out;
    if (scheme->padding == SIGN_PSS
        && (EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) != 1
            || EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) != 1))
        goto out;
    if (EVP_DigestSign(md, at, len, tbs.at, tbs.len) == 1)
        rc = SP_OK;
out:
    EVP_MD_CTX_free(md);
    return rc;
}

/*
 * Both halves belong together. Also the first use: what OpenSSL sets up then is there
 * before the sandbox closes.
 */
static enum sp_err
try_out(const struct key *k)
{
    const struct sign_scheme *scheme =
        sign_scheme_find(k->kind == SIGN_RSA ? 0x0401 : 0x0403);
    const struct slice tbs = slice_of("a key that fits");
    unsigned char signature[SIGNATURE_MAX];
    size_t len = sizeof signature;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    enum sp_err rc = SP_INPUT;

    if (md == NULL || make_signature(k->key, scheme, tbs, signature, &len) != SP_OK)
        goto out;
    if (EVP_DigestVerifyInit_ex(md, NULL, scheme->hash, NULL, NULL, k->key, NULL) == 1
        && EVP_DigestVerify(md, signature, len, tbs.at, tbs.len) == 1)
        rc = SP_OK;
out:
    EVP_MD_CTX_free(md);
    return rc;
}

static enum sp_err
parse(struct key *k, struct slice text, const char **what)
{
    bool asked = false;
    BIO *in = BIO_new_mem_buf(text.at, (int)text.len);
    enum sp_err rc = SP_OK;

    *what = "out of memory";
    if (in == NULL)
        return SP_NOMEM;
    k->key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked);
    BIO_free(in);
    if (k->key == NULL) {
        *what = asked
            ? "the private key is encrypted with a passphrase; "
              "remove the passphrase (openssl pkey)"
            : text.len > 0 && text.at[0] == 0x30
            ? "the private key is in DER format; convert it to PEM (openssl pkey -inform DER)"
            : "contains no PEM private key";
        return SP_INPUT;
    }
    if ((rc = classify(k, what)) != SP_OK)
        return rc;
    *what = "the private key is invalid: its public and private parts do not match";
    return try_out(k);
}

/* 0: it cannot be read. */
static int64_t
seconds_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, rest = 0;
    bool read = epoch != NULL && ASN1_TIME_diff(&days, &rest, epoch, time) == 1;

    ASN1_TIME_free(epoch);
    return read ? (int64_t)days * 86400 + rest : 0;
}

void
keys_expect(struct keys *k, unsigned index, int fd)
{
    struct buf text = BUF_EMPTY(FILE_MAX);
    struct key *of = NULL;
    X509 *certificate = NULL;
    BIO *in = NULL;

    SP_ASSERT(index < KEYS_MAX);
    of = &k->all[index];
    EVP_PKEY_free(of->certified);
    of->certified = NULL;
    of->from = of->until = 0;
    if (buf_read_all(&text, fd) != SP_OK
        || (in = BIO_new_mem_buf(text.at, (int)text.len)) == NULL
        || (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)) == NULL)
        goto out;
    of->certified = X509_get_pubkey(certificate);
    of->from = seconds_of(X509_get0_notBefore(certificate));
    of->until = seconds_of(X509_get0_notAfter(certificate));
out:
    ERR_clear_error();
    X509_free(certificate);
    BIO_free(in);
    buf_free(&text);
}

enum sp_err
keys_load(struct keys *k, unsigned index, int fd, struct slice file,
          char fault[KEY_FAULT_MAX])
{
    struct buf text = BUF_EMPTY(FILE_MAX);
    struct key one = {0};
    const char *what = "";
    enum sp_err rc = SP_OK;

    SP_ASSERT(index < KEYS_MAX);
    ERR_clear_error();
    if ((rc = buf_read_all(&text, fd)) != SP_OK) {
        (void)complain(fault, file, rc == SP_NOMEM ? "too large for a private key"
                       : "cannot read the file");
        goto out;
    }
    if ((rc = parse(&one, buf_slice(&text), &what)) != SP_OK) {
        (void)complain(fault, file, what);
        goto out;
    }
    one.certified = k->all[index].certified;
    one.from = k->all[index].from;
    one.until = k->all[index].until;
    if (one.certified != NULL && EVP_PKEY_eq(one.key, one.certified) != 1) {
        rc = complain(fault, file, "the key does not match the certificate at the same "
                      "position in the setting certificate; list both in the same order");
        goto out;
    }
    EVP_PKEY_free(k->all[index].key);
    k->all[index] = one;
    one = (struct key){0};
out:
    ERR_clear_error();
    EVP_PKEY_free(one.key);
    buf_wipe(&text);
    return rc;
}

/* ---- signing ----------------------------------------------------------------------- */

enum sp_err
keys_sign(const struct keys *k, unsigned index, unsigned scheme, struct slice tbs,
          unsigned char *at, size_t room, size_t *len, const char **why)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t have = sizeof signature;
    const struct key *key = NULL;
    enum sp_err rc = SP_OK;

    *why = "there is no such key";
    if (index >= KEYS_MAX || (key = &k->all[index])->key == NULL)
        return SP_REFUSED;
    if ((rc = sign_check(key->kind, scheme, tbs, why)) != SP_OK)
        return rc;
    ERR_clear_error();
    *why = "OpenSSL could not sign";
    rc = make_signature(key->key, sign_scheme_find(scheme), tbs, signature, &have);
    ERR_clear_error();
    if (rc != SP_OK || have > room)
        return SP_OS;
    memcpy(at, signature, have);
    *len = have;
    return SP_OK;
}

void
keys_clear(struct keys *k)
{
    for (unsigned i = 0; i < KEYS_MAX; i++) {
        EVP_PKEY_free(k->all[i].key);
        EVP_PKEY_free(k->all[i].certified);
        k->all[i] = (struct key){0};
    }
}
