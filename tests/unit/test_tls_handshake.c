/* tests/unit/test_tls_handshake.c - tls/worker: context, remote keys, full handshakes */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "tls/worker/remote_key.h"
#include "tls/worker/inside.h"
#include "tls_pair.h"
#include "unit.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* Which of the server's certificates the client was shown. */
static enum pair_key
shown(const struct link *l)
{
    X509 *x = SSL_get0_peer_certificate(l->client);

    for (int kind = 0; kind < PAIR_KEYS; kind++)
        if (EVP_PKEY_eq(X509_get0_pubkey(x), pair_key((enum pair_key)kind)) == 1)
            return (enum pair_key)kind;
    return PAIR_KEYS;
}

/* OpenSSL's macros cast const away, so they get a copy. */
static int
set_schemes(SSL_CTX *ssl, const char *list)
{
    char copy[128];

    return text_copy(copy, sizeof copy, list)
           && SSL_CTX_set1_sigalgs_list(ssl, copy) == 1;
}

static int
set_groups(SSL_CTX *ssl, const char *list)
{
    char copy[128];

    return text_copy(copy, sizeof copy, list) && SSL_CTX_set1_groups_list(ssl, copy) == 1;
}

static void
both_versions_with_every_key(void)
{
    static const enum pair_key kinds[] = { PAIR_RSA, PAIR_EC, PAIR_EC384 };

    for (size_t v = 0; v < 2; v++)
        for (size_t k = 0; k < 3; k++) {
            struct server s;
            struct client c;
            struct link l;

            server_open(&s, "1.2");
            server_add(&s, kinds[k], "DNS:localhost");
            client_open(&c, versions[v]);
            CU_ASSERT_TRUE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
            CU_ASSERT_EQUAL(s.signatures, 1);
            CU_ASSERT_EQUAL(shown(&l), kinds[k]);
            CU_ASSERT_STRING_EQUAL(tls_stream_version(l.server),
                                   v == 0 ? "TLSv1.2" : "TLSv1.3");
            CU_ASSERT_PTR_NOT_NULL(strstr(tls_stream_cipher(l.server), "GCM"));
            CU_ASSERT_FALSE(tls_stream_resumed(l.server));
            CU_ASSERT_TRUE(link_server_says(&l, "220 hello"));
            CU_ASSERT_TRUE(link_client_says(&l, "USER joe"));
            CU_ASSERT_EQUAL(c.requests, 0);
            link_close(&l);
            client_close(&c);
            server_close(&s);
        }
}

static void
both_kinds_of_certificate_side_by_side(void)
{
    static const struct {
        int version;
        const char *schemes;
        enum pair_key kind;
        unsigned used;
    } rows[] = {
        { TLS1_2_VERSION, "ECDSA+SHA256:RSA+SHA256", PAIR_EC, 0x0403 },
        { TLS1_2_VERSION, "RSA+SHA256", PAIR_RSA, 0x0401 },
        { TLS1_2_VERSION, "RSA+SHA512", PAIR_RSA, 0x0601 },
        { TLS1_2_VERSION, "RSA-PSS+SHA384", PAIR_RSA, 0x0805 },
        { TLS1_2_VERSION, "ECDSA+SHA512", PAIR_EC, 0x0603 },
        { TLS1_3_VERSION, "RSA-PSS+SHA256:ECDSA+SHA256", PAIR_EC, 0x0403 },
        { TLS1_3_VERSION, "RSA-PSS+SHA256", PAIR_RSA, 0x0804 },
        { TLS1_3_VERSION, "RSA-PSS+SHA512", PAIR_RSA, 0x0806 },
    };
    struct server s;

    server_open(&s, "1.2");
    server_add(&s, PAIR_RSA, "DNS:localhost,IP:127.0.0.1");
    server_add(&s, PAIR_EC, "DNS:localhost,IP:127.0.0.1");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client c;
        struct link l;

        client_open(&c, rows[i].version);
        CU_ASSERT_EQUAL(set_schemes(c.ssl, rows[i].schemes), 1);
        CU_ASSERT_TRUE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
        CU_ASSERT_EQUAL(shown(&l), rows[i].kind);
        CU_ASSERT_EQUAL(s.last_scheme, rows[i].used);
        link_close(&l);
        client_close(&c);
    }
    CU_ASSERT_EQUAL(s.refusals, 0);
    server_close(&s);
}

/* The keyholder looks at every input: all that libssl makes has to pass. */
static void
every_curve_and_suite_is_signed(void)
{
    static const char *const groups[] = { "X25519", "P-256", "P-384" };
    static const char *const suites[] = { "TLS_AES_128_GCM_SHA256",
                                          "TLS_AES_256_GCM_SHA384",
                                          "TLS_CHACHA20_POLY1305_SHA256" };
    struct server s;

    server_open(&s, "1.2");
    server_add(&s, PAIR_RSA, "DNS:localhost");  /* its curve would be negotiated, too */
    for (size_t v = 0; v < 2; v++)
        for (size_t i = 0; i < 9; i++) {
            struct client c;
            struct link l;

            client_open(&c, versions[v]);
            CU_ASSERT_EQUAL(set_groups(c.ssl, groups[i / 3]), 1);
            CU_ASSERT_EQUAL(SSL_CTX_set_ciphersuites(c.ssl, suites[i % 3]), 1);
            CU_ASSERT_TRUE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
            link_close(&l);
            client_close(&c);
        }
    CU_ASSERT_EQUAL(s.signatures, 18);
    CU_ASSERT_EQUAL(s.refusals, 0);
    server_close(&s);
}

/* The server's order; but a phone's ChaCha20, unless the order was given. */
static void
a_client_that_begins_with_chacha_gets_it(void)
{
    static const char given[] = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    static const struct { bool ours; const char *offered, *used; } rows[] = {
        { true, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
          "TLS_CHACHA20_POLY1305_SHA256" },
        { true, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256" },
        { false, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
          "TLS_AES_256_GCM_SHA384" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct server s;
        struct client c;
        struct link l;

        server_open(&s, "1.2");
        if (!rows[i].ours) {
            tls_context_free(s.context);
            free(s.settings.tls_ciphersuites);
            s.settings.tls_ciphersuites = strdup(given);
            CU_ASSERT_EQUAL_FATAL(tls_context_new(&s.context, &s.settings), SP_OK);
            CU_ASSERT_EQUAL(tls_context_begin(s.context, server_sign, &s), SP_OK);
        }
        server_add(&s, PAIR_EC, "DNS:localhost");
        client_open(&c, TLS1_3_VERSION);
        CU_ASSERT_EQUAL(SSL_CTX_set_ciphersuites(c.ssl, rows[i].offered), 1);
        CU_ASSERT_TRUE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
        CU_ASSERT_STRING_EQUAL(tls_stream_cipher(l.server), rows[i].used);
        link_close(&l);
        client_close(&c);
        server_close(&s);
    }
}

static void
what_is_not_negotiated(void)
{
    static const struct {
        const char *least;
        int version;
        const char *ciphers, *says;
    } rows[] = {
        { "1.3", TLS1_2_VERSION, "DEFAULT", "unsupported protocol" },
        { "1.2", TLS1_1_VERSION, "DEFAULT@SECLEVEL=0", "unsupported protocol" },
        { "1.2", TLS1_2_VERSION, "AES128-GCM-SHA256", "no shared cipher" },
        { "1.2", TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", "no shared cipher" },
        { "1.2", TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA256", "no shared cipher" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct server s;
        struct client c;
        struct link l;

        server_open(&s, rows[i].least);
        server_add(&s, PAIR_RSA, "DNS:localhost");
        client_open(&c, rows[i].version);
        CU_ASSERT_EQUAL(SSL_CTX_set_cipher_list(c.ssl, rows[i].ciphers), 1);
        CU_ASSERT_FALSE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
        CU_ASSERT_EQUAL(l.rc, SP_INPUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(tls_stream_fault(l.server), rows[i].says));
        CU_ASSERT_NOT_EQUAL(l.alert, -1);
        CU_ASSERT_STRING_EQUAL(tls_stream_version(l.server), "");
        link_close(&l);
        client_close(&c);
        server_close(&s);
    }
}

static void
the_servers_order_of_ciphers_counts(void)
{
    struct server s;
    struct client c;
    struct link l;

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "DNS:localhost");
    for (size_t v = 0; v < 2; v++) {
        client_open(&c, versions[v]);
        CU_ASSERT_EQUAL(SSL_CTX_set_ciphersuites(
            c.ssl, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"), 1);
        CU_ASSERT_EQUAL(SSL_CTX_set_cipher_list(
            c.ssl, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
        CU_ASSERT_TRUE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
        CU_ASSERT_STRING_EQUAL(tls_stream_cipher(l.server),
                               v == 0 ? "ECDHE-ECDSA-AES128-GCM-SHA256"
                               : "TLS_AES_128_GCM_SHA256");
        link_close(&l);
        client_close(&c);
    }
    server_close(&s);
}

static enum sp_err
context_with(const char *ciphers, const char *suites)
{
    struct settings set;
    struct tls_context *c = NULL;
    enum sp_err rc = SP_OK;

    SP_ASSERT(settings_init(&set) == SP_OK);
    free(set.tls_ciphers);
    free(set.tls_ciphersuites);
    set.tls_ciphers = strdup(ciphers);
    set.tls_ciphersuites = strdup(suites);
    rc = tls_context_new(&c, &set);
    if (rc == SP_OK)
        CU_ASSERT_EQUAL(tls_context_warm(c), SP_OK);
    tls_context_free(c);
    settings_clear(&set);
    return rc;
}

static void
cipher_settings(void)
{
    CU_ASSERT_EQUAL(context_with("", ""), SP_OK);
    CU_ASSERT_EQUAL(context_with("ECDHE-RSA-AES256-GCM-SHA384", ""), SP_OK);
    CU_ASSERT_EQUAL(context_with("ECDHE+AESGCM", "TLS_AES_256_GCM_SHA384"), SP_OK);
    CU_ASSERT_EQUAL(context_with("NO-SUCH-CIPHER", ""), SP_INPUT);
    CU_ASSERT_EQUAL(context_with("", "TLS_NONE"), SP_INPUT);
    CU_ASSERT_EQUAL(context_with("AES128-GCM-SHA256", ""), SP_INPUT);
    CU_ASSERT_EQUAL(context_with("DHE-RSA-AES128-GCM-SHA256", ""), SP_INPUT);
}

static enum sp_err
refuse_to_sign(void *context, unsigned key, unsigned scheme, struct slice tbs,
               unsigned char *signature, size_t room, size_t *len)
{
    (void)context;
    (void)key;
    (void)scheme;
    (void)tbs;
    (void)signature;
    (void)room;
    (void)len;
    return SP_REFUSED;
}

static void
a_refused_signature_ends_the_handshake(void)
{
    for (size_t v = 0; v < 2; v++) {
        struct server s;
        struct client c;
        struct link l;

        server_open(&s, "1.2");
        server_add(&s, PAIR_EC, "DNS:localhost");
        CU_ASSERT_EQUAL(tls_context_begin(s.context, refuse_to_sign, NULL), SP_OK);
        client_open(&c, versions[v]);
        CU_ASSERT_FALSE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
        CU_ASSERT_EQUAL(l.rc, SP_INPUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(tls_stream_fault(l.server), "keyholder"));
        CU_ASSERT_EQUAL(l.alert, SSL_AD_INTERNAL_ERROR);
        link_close(&l);
        client_close(&c);
        server_close(&s);
    }
}

static void
a_key_of_another_certificate_is_seen_by_the_client(void)
{
    struct server s;
    struct client c;
    struct link l;
    EVP_PKEY *other = EVP_EC_gen("P-256");

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "DNS:localhost");
    EVP_PKEY_free(s.keys.all[0].key);
    s.keys.all[0].key = other;
    client_open(&c, TLS1_3_VERSION);
    CU_ASSERT_FALSE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
    CU_ASSERT_PTR_NOT_NULL(strstr(tls_stream_fault(l.server), "private key belong"));
    link_close(&l);
    client_close(&c);
    server_close(&s);
}

static void
noise_instead_of_a_hello(void)
{
    static const char *const noise[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "USER joe\r\n", "\x16\x03\x01\xff\xff",
                                         "\x80\x2e\x01\x03\x01" };

    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++) {
        struct server s;
        struct client c;
        struct link l;
        size_t len = strlen(noise[i]);

        server_open(&s, "1.2");
        server_add(&s, PAIR_EC, "DNS:localhost");
        client_open(&c, TLS1_3_VERSION);
        link_open(&l, &s, TLS_CONTROL, &c);
        CU_ASSERT_EQUAL(fd_write_all(l.fds[1], noise[i], len), SP_OK);
        fd_close(&l.fds[1]);
        do {
            l.rc = tls_stream_handshake(l.server);
        } while (l.rc == SP_AGAIN);
        CU_ASSERT_TRUE(l.rc == SP_INPUT || l.rc == SP_CLOSED);
        CU_ASSERT_TRUE(tls_stream_fault(l.server)[0] != '\0');
        link_close(&l);
        client_close(&c);
        server_close(&s);
    }
}

static void
a_client_that_leaves(void)
{
    struct server s;
    struct client c;
    struct link l;

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "DNS:localhost");
    client_open(&c, TLS1_3_VERSION);
    link_open(&l, &s, TLS_CONTROL, &c);
    CU_ASSERT_EQUAL(tls_stream_handshake(l.server), SP_AGAIN);
    CU_ASSERT_FALSE(tls_stream_wants_write(l.server));
    fd_close(&l.fds[1]);
    CU_ASSERT_EQUAL(tls_stream_handshake(l.server), SP_CLOSED);
    CU_ASSERT_EQUAL(tls_stream_handshake(l.server), SP_CLOSED);
    link_close(&l);
    client_close(&c);
    server_close(&s);
}

static void
a_remote_key_shows_its_public_part_only(void)
{
    static const enum pair_key kinds[] = { PAIR_RSA, PAIR_EC };
    struct server s;

    server_open(&s, "1.2");
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *real = pair_key(kinds[i]), *key = NULL;
        OSSL_PARAM *params = NULL;
        EVP_PKEY_CTX *op = NULL;

        CU_ASSERT_EQUAL(
            remote_key_new(&key, s.context->library, real, 5, &s.context->signer), SP_OK);
        CU_ASSERT_EQUAL(EVP_PKEY_eq(key, real), 1);
        CU_ASSERT_EQUAL(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(real));
        CU_ASSERT_EQUAL(EVP_PKEY_get_size(key), EVP_PKEY_get_size(real));
        CU_ASSERT_EQUAL(EVP_PKEY_get_security_bits(key),
                        EVP_PKEY_get_security_bits(real));
        CU_ASSERT_EQUAL(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params), 0);
        CU_ASSERT_EQUAL(EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params), 1);
        OSSL_PARAM_free(params);
        op = EVP_PKEY_CTX_new_from_pkey(s.context->library, key, NULL);
        CU_ASSERT_TRUE(op == NULL || EVP_PKEY_decrypt_init(op) <= 0);
        CU_ASSERT_TRUE(op == NULL || EVP_PKEY_sign_init(op) <= 0);
        EVP_PKEY_CTX_free(op);
        EVP_PKEY_free(key);
        ERR_clear_error();
    }
    CU_ASSERT_EQUAL(s.signatures, 0);
    server_close(&s);
}

static void
warming_up(void)
{
    static const char *const least[] = { "1.2", "1.3" };

    for (size_t i = 0; i < 2; i++) {
        struct server s;
        struct client c;
        struct link l;

        server_open(&s, least[i]);
        server_add(&s, PAIR_RSA, "DNS:localhost");
        CU_ASSERT_EQUAL(tls_context_warm(s.context), SP_OK);
        CU_ASSERT_EQUAL(s.signatures, 0);
        CU_ASSERT_EQUAL(tls_context_begin(s.context, server_sign, &s), SP_OK);
        client_open(&c, TLS1_3_VERSION);
        CU_ASSERT_TRUE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
        CU_ASSERT_EQUAL(shown(&l), PAIR_RSA);
        link_close(&l);
        client_close(&c);
        server_close(&s);
    }
}

static const struct unit_test tests[] = {
    { "TLS 1.2 and 1.3 work with RSA, P-256 and P-384 keys",
      both_versions_with_every_key },
    { "RSA and ECDSA certificates serve side by side",
      both_kinds_of_certificate_side_by_side },
    { "the keyholder signs what every curve and suite gives it",
      every_curve_and_suite_is_signed },
    { "a client that begins with ChaCha20 gets it, unless the order was given",
      a_client_that_begins_with_chacha_gets_it },
    { "old versions and suites without AEAD or forward secrecy fail",
      what_is_not_negotiated },
    { "the server's order of cipher suites counts", the_servers_order_of_ciphers_counts },
    { "cipher settings are checked", cipher_settings },
    { "a refused signature ends the handshake", a_refused_signature_ends_the_handshake },
    { "a key of another certificate is explained in the log",
      a_key_of_another_certificate_is_seen_by_the_client },
    { "noise instead of a hello ends the handshake", noise_instead_of_a_hello },
    { "a client that leaves during the handshake is gone", a_client_that_leaves },
    { "a remote key shows its public part only",
      a_remote_key_shows_its_public_part_only },
    { "warming up signs nothing and leaves nothing", warming_up },
    { NULL, NULL }
};
const struct unit_suite suite_tls_handshake = { "tls: handshake", tests };
