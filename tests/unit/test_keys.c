/* tests/unit/test_keys.c - tls/keyholder/keys.c */
#include "tls/keyholder/keys.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/fd.h"
#include "tls_pair.h"
#include "unit.h"

static enum sp_err
load(struct keys *k, unsigned index, int fd, char fault[KEY_FAULT_MAX])
{
    enum sp_err rc = keys_load(k, index, fd, slice_of("/etc/some.key"), fault);

    fd_close(&fd);
    return rc;
}

static void
good_keys(void)
{
    static const struct {
        enum pair_key made; enum sign_key kind; unsigned bits; const char *text;
    } rows[] = {
        { PAIR_RSA, SIGN_RSA, 2048, "RSA" },
        { PAIR_EC, SIGN_P256, 256, "ECDSA" },
        { PAIR_EC384, SIGN_P384, 384, "ECDSA" },
    };
    struct keys k = {0};
    char fault[KEY_FAULT_MAX] = "";

    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(load(&k, i, pair_key_file(rows[i].made, NULL), fault), SP_OK);
        CU_ASSERT_EQUAL(k.all[i].kind, rows[i].kind);
        CU_ASSERT_EQUAL(k.all[i].bits, rows[i].bits);
        CU_ASSERT_STRING_EQUAL(key_kind_text(k.all[i].kind), rows[i].text);
    }
    keys_clear(&k);
    CU_ASSERT_PTR_NULL(k.all[0].key);
}

static void
bad_keys(void)
{
    struct keys k = {0};
    char fault[KEY_FAULT_MAX] = "";
    struct { int fd; const char *says; } rows[] = {
        { pair_key_file(PAIR_RSA_SMALL, NULL), "fewer than 2048 bits" },
        { pair_key_file(PAIR_ED25519, NULL), "not an RSA or ECDSA key" },
        { pair_key_file(PAIR_EC, "secret"), "passphrase" },
        { pair_text_file(""), "no PEM private key" },
        { pair_text_file("-----BEGIN PRIVATE KEY-----\nAAAA\n"
                         "-----END PRIVATE KEY-----\n"), "no PEM private key" },
        { pair_certificate_file(PAIR_EC, "DNS:localhost", -60, 60),
          "no PEM private key" },
        { -1, "cannot read the file" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fault[0] = '\0';
        CU_ASSERT_NOT_EQUAL(load(&k, 0, rows[i].fd, fault), SP_OK);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault, rows[i].says));
        CU_ASSERT_PTR_NOT_NULL(strstr(fault, "/etc/some.key"));
        CU_ASSERT_PTR_NULL(k.all[0].key);
    }
}

static void
signatures_verify(void)
{
    static const struct {
        enum pair_key made;
        unsigned scheme;
        const char *hash;
        int padding;
    } rows[] = {
        { PAIR_RSA, 0x0804, "SHA256", RSA_PKCS1_PSS_PADDING },
        { PAIR_RSA, 0x0806, "SHA512", RSA_PKCS1_PSS_PADDING },
        { PAIR_RSA, 0x0501, "SHA384", RSA_PKCS1_PADDING },
        { PAIR_EC, 0x0403, "SHA256", 0 },
        { PAIR_EC384, 0x0603, "SHA512", 0 },
    };
    unsigned char tbs[64 + 4 + 32] = {0}, signature[1024];
    char fault[KEY_FAULT_MAX];

    tbs[64] = 3;
    tbs[66] = 29;
    tbs[67] = 32;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct keys k = {0};
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        EVP_PKEY_CTX *how = NULL;
        const char *why = NULL;
        size_t len = 0;

        CU_ASSERT_EQUAL(load(&k, 7, pair_key_file(rows[i].made, NULL), fault), SP_OK);
        /* the form of TLS 1.2 may be signed by every scheme */
        CU_ASSERT_EQUAL(keys_sign(&k, 7, rows[i].scheme, slice_from(tbs, sizeof tbs),
                                  signature, sizeof signature, &len, &why),
                        SP_OK);
        CU_ASSERT_EQUAL(EVP_DigestVerifyInit_ex(md, &how, rows[i].hash, NULL, NULL,
                                                pair_key(rows[i].made), NULL), 1);
        if (rows[i].padding != 0)
            CU_ASSERT_EQUAL(EVP_PKEY_CTX_set_rsa_padding(how, rows[i].padding), 1);
        if (rows[i].padding == RSA_PKCS1_PSS_PADDING)
            CU_ASSERT_EQUAL(EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST),
                            1);
        CU_ASSERT_EQUAL(EVP_DigestVerify(md, signature, len, tbs, sizeof tbs), 1);
        EVP_MD_CTX_free(md);
        keys_clear(&k);
    }
}

static void
refusals(void)
{
    struct keys k = {0};
    unsigned char tbs[64 + 4 + 32] = {0}, signature[1024];
    char fault[KEY_FAULT_MAX];
    const char *why = NULL;
    size_t len = 0;

    tbs[64] = 3;
    tbs[66] = 29;
    tbs[67] = 32;
    CU_ASSERT_EQUAL(load(&k, 0, pair_key_file(PAIR_RSA, NULL), fault), SP_OK);
    CU_ASSERT_EQUAL(keys_sign(&k, 1, 0x0401, slice_from(tbs, sizeof tbs), signature,
                              sizeof signature, &len, &why), SP_REFUSED);
    CU_ASSERT_EQUAL(keys_sign(&k, 99, 0x0401, slice_from(tbs, sizeof tbs), signature,
                              sizeof signature, &len, &why), SP_REFUSED);
    CU_ASSERT_EQUAL(keys_sign(&k, 0, 0x0401, slice_from(tbs, sizeof tbs - 1), signature,
                              sizeof signature, &len, &why), SP_REFUSED);
    CU_ASSERT_EQUAL(keys_sign(&k, 0, 0x0401, slice_from(tbs, sizeof tbs), signature,
                              100, &len, &why), SP_OS);
    keys_clear(&k);
}

static const struct unit_test tests[] = {
    { "RSA and ECDSA keys are taken with kind and bits", good_keys },
    { "a key that cannot be served is refused with file and reason", bad_keys },
    { "signatures of every padding verify", signatures_verify },
    { "no key, a wrong input and a short room are refused", refusals },
    { NULL, NULL }
};
const struct unit_suite suite_keys = { "keyholder: keys", tests };
