/*
 * tests/fuzz/fuzz_sign.c - what a captured worker asks the keyholder to sign
 * (tls/keyholder/sign.h, keys.h)
 *
 * Input: the key, the scheme (two bytes), then what is to be signed.
 * Holds: a signature is made only of what a TLS server signs, as RFC 8446 and RFC 8422
 * write it, and it is one that the public key verifies.
 */
#include "tls/keyholder/keys.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"

static struct keys keys;

/* Made at each start: a key has no place in git. */
static void
make_key(unsigned index, EVP_PKEY *key)
{
    char fault[KEY_FAULT_MAX] = "";
    int fd = memfd_create("key", MFD_CLOEXEC);
    BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);

    FUZZ_HOLDS(key != NULL && bio != NULL);
    FUZZ_HOLDS(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    FUZZ_HOLDS(lseek(fd, 0, SEEK_SET) == 0);
    FUZZ_HOLDS(keys_load(&keys, index, fd, slice_of("key"), fault) == SP_OK);
    BIO_free(bio);
    EVP_PKEY_free(key);
    fd_close(&fd);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    SP_IGNORE(keys_prepare());          /* locked memory is a wish here */
    make_key(SIGN_RSA, EVP_RSA_gen(2048));
    make_key(SIGN_P256, EVP_EC_gen("P-256"));
    make_key(SIGN_P384, EVP_EC_gen("P-384"));
    return 0;
}

static bool
is_13(struct slice s)
{
    static const char text[] = "                                "
        "                                TLS 1.3, server CertificateVerify";

    return (s.len == sizeof text + 32 || s.len == sizeof text + 48)
        && memcmp(s.at, text, sizeof text) == 0;
}

/*
 * client random, server random, curve_type 3, the curve, one byte of length, the point.
 */
static bool
is_12(struct slice s)
{
    static const struct { unsigned curve; size_t point; } curves[] = {
        { 29, 32 }, { 23, 65 }, { 24, 97 } };

    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        if (s.len == 68 + curves[i].point && s.at[64] == 3 && s.at[65] == 0
            && s.at[66] == curves[i].curve && s.at[67] == curves[i].point)
            return true;
    return false;
}

static void
verify(unsigned index, const struct sign_scheme *scheme, struct slice tbs,
       const unsigned char *signature, size_t len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters = NULL;

    FUZZ_HOLDS(context != NULL);
    FUZZ_HOLDS(EVP_DigestVerifyInit_ex(context, &parameters, scheme->hash, NULL, NULL,
                                       keys.all[index].key, NULL) == 1);
    if (scheme->padding == SIGN_PSS)
        FUZZ_HOLDS(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1
                   && EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters,
                                                       RSA_PSS_SALTLEN_DIGEST) == 1);
    FUZZ_HOLDS(EVP_DigestVerify(context, signature, len, tbs.at, tbs.len) == 1);
    EVP_MD_CTX_free(context);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    unsigned index = fuzz_u8(&in) % 5, scheme = (unsigned)fuzz_number(&in, 2);
    struct slice tbs = fuzz_bytes(&in, in.len);
    unsigned char *memory = fuzz_copy(tbs), signature[1024];
    size_t len = 0;
    const char *why = NULL;
    enum sp_err rc = SP_OK;

    tbs.at = memory;
    rc = keys_sign(&keys, index, scheme, tbs, signature, sizeof signature, &len, &why);
    FUZZ_HOLDS(rc == SP_OK || (rc == SP_REFUSED && why != NULL));
    if (rc == SP_OK) {
        FUZZ_HOLDS(index <= SIGN_P384 && sign_scheme_find(scheme) != NULL);
        FUZZ_HOLDS(is_13(tbs) || is_12(tbs));
        FUZZ_HOLDS((sign_scheme_find(scheme)->padding == SIGN_ECDSA)
                   == (index != SIGN_RSA));
        FUZZ_HOLDS(!is_13(tbs) || sign_scheme_find(scheme)->padding != SIGN_PKCS1);
        verify(index, sign_scheme_find(scheme), tbs, signature, len);
    } else if (index == SIGN_RSA && scheme == 0x0804) {
        FUZZ_HOLDS(!is_13(tbs));        /* what a server needs is not refused */
    }
    free(memory);
    return 0;
}
