/* tests/unit/test_sign.c - tls/keyholder/sign.c: what is signed, and all that is not */
#include "tls/keyholder/sign.h"

#include <string.h>

#include "unit.h"

/* Builds inputs. spaces, context and hash for TLS 1.3; parameters for TLS 1.2. */
struct input { unsigned char at[600]; size_t len; };

static void
add(struct input *in, const void *at, size_t len)
{
    memcpy(in->at + in->len, at, len);
    in->len += len;
}

static void
fill(struct input *in, int byte, size_t len)
{
    memset(in->at + in->len, byte, len);
    in->len += len;
}

static struct input
input_13(const char *context, size_t hash)
{
    struct input in = { .len = 0 };

    fill(&in, ' ', 64);
    add(&in, context, strlen(context) + 1);
    fill(&in, 0xab, hash);
    return in;
}

static struct input
input_12(unsigned type, unsigned curve, unsigned stated, unsigned first, size_t point)
{
    struct input in = { .len = 0 };

    fill(&in, 0x11, 64);
    fill(&in, (int)type, 1);
    fill(&in, (int)(curve >> 8), 1);
    fill(&in, (int)(curve & 0xff), 1);
    fill(&in, (int)stated, 1);
    fill(&in, (int)first, point > 0 ? 1 : 0);
    fill(&in, 0x22, point > 0 ? point - 1 : 0);
    return in;
}

static enum sp_err
check(enum sign_key key, unsigned scheme, const struct input *in)
{
    const char *why = NULL;
    enum sp_err rc = sign_check(key, scheme, (struct slice){ in->at, in->len }, &why);

    if (rc != SP_OK) {
        CU_ASSERT_EQUAL(rc, SP_REFUSED);
        CU_ASSERT_PTR_NOT_NULL(why);
    }
    return rc;
}

static const char server_13[] = "TLS 1.3, server CertificateVerify";

static void
inputs_of_1_3_by_scheme(void)
{
    static const struct { enum sign_key key; unsigned scheme; bool good; } rows[] = {
        { SIGN_P256, 0x0403, true },   { SIGN_P256, 0x0503, false },
        { SIGN_P256, 0x0603, false },  { SIGN_P384, 0x0503, true },
        { SIGN_P384, 0x0403, false },  { SIGN_P384, 0x0603, false },
        { SIGN_RSA, 0x0804, true },    { SIGN_RSA, 0x0805, true },
        { SIGN_RSA, 0x0806, true },    { SIGN_RSA, 0x0401, false },
        { SIGN_RSA, 0x0501, false },   { SIGN_RSA, 0x0601, false },
        { SIGN_RSA, 0x0403, false },   { SIGN_P256, 0x0804, false },
        { SIGN_P384, 0x0401, false },
        /* SHA-1, EdDSA, rsa_pss_pss, MD5 with SHA-1, nothing */
        { SIGN_RSA, 0x0201, false },   { SIGN_P256, 0x0203, false },
        { SIGN_P256, 0x0807, false },  { SIGN_RSA, 0x0809, false },
        { SIGN_RSA, 0xff01, false },   { SIGN_RSA, 0, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t hash = 32; hash <= 48; hash += 16) {
            struct input in = input_13(server_13, hash);

            CU_ASSERT_EQUAL(check(rows[i].key, rows[i].scheme, &in) == SP_OK,
                            rows[i].good);
        }
}

static void
inputs_of_1_2_by_scheme(void)
{
    static const struct { enum sign_key key; unsigned scheme; bool good; } rows[] = {
        { SIGN_P256, 0x0403, true }, { SIGN_P256, 0x0503, true },
        { SIGN_P256, 0x0603, true }, { SIGN_P384, 0x0403, true },
        { SIGN_P384, 0x0503, true }, { SIGN_P384, 0x0603, true },
        { SIGN_RSA, 0x0401, true },  { SIGN_RSA, 0x0501, true },
        { SIGN_RSA, 0x0601, true },  { SIGN_RSA, 0x0804, true },
        { SIGN_RSA, 0x0805, true },  { SIGN_RSA, 0x0806, true },
        { SIGN_RSA, 0x0403, false }, { SIGN_P256, 0x0401, false },
        { SIGN_RSA, 0x0201, false }, { SIGN_P256, 0x0203, false },
    };
    struct input in = input_12(3, 29, 32, 0x22, 32);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_EQUAL(check(rows[i].key, rows[i].scheme, &in) == SP_OK, rows[i].good);
}

static void
any_other_1_3_input_is_refused(void)
{
    struct input in = input_13("TLS 1.3, client CertificateVerify", 32);

    CU_ASSERT_NOT_EQUAL(check(SIGN_P256, 0x0403, &in), SP_OK);
    in = input_13("TLS 1.3, server CertificateVerifx", 32);
    CU_ASSERT_NOT_EQUAL(check(SIGN_P256, 0x0403, &in), SP_OK);
    in = input_13("Exported authenticator", 32);
    CU_ASSERT_NOT_EQUAL(check(SIGN_P256, 0x0403, &in), SP_OK);
    for (size_t hash = 0; hash <= 128; hash++) {
        in = input_13(server_13, hash);
        CU_ASSERT_EQUAL(check(SIGN_RSA, 0x0804, &in) == SP_OK, hash == 32 || hash == 48);
    }
    in = input_13(server_13, 32);
    for (size_t i = 0; i < in.len - 32; i++) {
        in.at[i] ^= 1;
        CU_ASSERT_NOT_EQUAL(check(SIGN_P256, 0x0403, &in), SP_OK);
        in.at[i] ^= 1;
    }
    CU_ASSERT_EQUAL(check(SIGN_P256, 0x0403, &in), SP_OK);
}

static void
key_shares_of_1_2(void)
{
    static const struct {
        unsigned type, curve, stated, first; size_t point; bool good;
    } rows[] = {
        { 3, 29, 32, 0x09, 32, true },      /* x25519: any bytes                    */
        { 3, 23, 65, 0x04, 65, true },      /* P-256                                */
        { 3, 24, 97, 0x04, 97, true },      /* P-384                                */
        { 3, 23, 33, 0x02, 33, false },     /* compressed                           */
        { 3, 23, 65, 0x06, 65, false },     /* hybrid                               */
        { 3, 25, 133, 0x04, 133, false },   /* P-521 is not offered                 */
        { 3, 30, 56, 0x09, 56, false },     /* nor x448                             */
        { 3, 22, 65, 0x04, 65, false },     /* nor secp256k1                        */
        { 3, 0, 32, 0x09, 32, false },
        { 1, 29, 32, 0x09, 32, false },     /* explicit prime                       */
        { 2, 29, 32, 0x09, 32, false },     /* explicit char2                       */
        { 0, 29, 32, 0x09, 32, false },
        { 3, 29, 31, 0x09, 32, false },     /* the stated length is another         */
        { 3, 29, 33, 0x09, 32, false },
        { 3, 29, 32, 0x09, 31, false },     /* bytes missing                        */
        { 3, 29, 32, 0x09, 33, false },     /* bytes left over                      */
        { 3, 23, 65, 0x04, 64, false },
        { 3, 23, 65, 0x04, 66, false },
        { 3, 29, 0, 0x09, 0, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct input in = input_12(rows[i].type, rows[i].curve, rows[i].stated,
                                   rows[i].first, rows[i].point);

        CU_ASSERT_EQUAL(check(SIGN_P256, 0x0403, &in) == SP_OK, rows[i].good);
    }
}

static void
cut_inputs_are_refused(void)
{
    struct input whole[2] = { input_13(server_13, 32), input_12(3, 23, 65, 4, 65) };

    for (size_t i = 0; i < 2; i++)
        for (size_t len = 0; len < whole[i].len; len++) {
            struct input in = whole[i];

            in.len = len;
            CU_ASSERT_NOT_EQUAL(check(SIGN_P256, 0x0403, &in), SP_OK);
        }
}

static void
what_other_protocols_sign_is_refused(void)
{
    /* A hash alone, a to-be-signed certificate, SSH, a finite field ServerKeyExchange */
    static const char certificate[] = "\x30\x82\x01\x0a\xa0\x03\x02\x01\x02";
    static const char ssh[] =
        "\0\0\0\040abcdefghijklmnopqrstuvwxyz012345\062\0\0\0\04user";
    struct input in = { .len = 0 };

    fill(&in, 0xcd, 32);
    CU_ASSERT_NOT_EQUAL(check(SIGN_P256, 0x0403, &in), SP_OK);
    in.len = 0;
    add(&in, certificate, sizeof certificate);
    fill(&in, 0x55, 300);
    CU_ASSERT_NOT_EQUAL(check(SIGN_RSA, 0x0401, &in), SP_OK);
    in.len = 0;
    add(&in, ssh, sizeof ssh);
    fill(&in, 0x55, 100);
    CU_ASSERT_NOT_EQUAL(check(SIGN_P256, 0x0403, &in), SP_OK);
    in.len = 0;
    fill(&in, 0x11, 64);
    fill(&in, 1, 1);
    fill(&in, 0, 1);
    fill(&in, 0x77, 400);
    CU_ASSERT_NOT_EQUAL(check(SIGN_RSA, 0x0401, &in), SP_OK);
    in.len = 0;
    CU_ASSERT_NOT_EQUAL(check(SIGN_RSA, 0x0401, &in), SP_OK);
}

static const struct unit_test tests[] = {
    { "CertificateVerify of TLS 1.3 is signed with its own schemes",
      inputs_of_1_3_by_scheme },
    { "ServerKeyExchange of TLS 1.2 is signed with its own schemes",
      inputs_of_1_2_by_scheme },
    { "any other input in the form of TLS 1.3 is refused",
      any_other_1_3_input_is_refused },
    { "only key shares of served curves are signed", key_shares_of_1_2 },
    { "an input cut at any byte is refused", cut_inputs_are_refused },
    { "what other protocols sign is refused", what_other_protocols_sign_is_refused },
    { NULL, NULL }
};
const struct unit_suite suite_sign = { "keyholder: sign", tests };
