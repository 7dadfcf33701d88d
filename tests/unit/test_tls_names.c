/* tests/unit/test_tls_names.c - tls/worker: ALPN, server names, certificates */
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/fd.h"
#include "tls_pair.h"
#include "unit.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void
protocols(void)
{
    static const struct { enum tls_kind kind; const char *offered, *chosen; } rows[] = {
        { TLS_CONTROL, "", "" },
        { TLS_CONTROL, "\003ftp", "ftp" },
        { TLS_CONTROL, "\003ftp\017x-filezilla-ftp", "ftp" },
        { TLS_CONTROL, "\017x-filezilla-ftp\003ftp", "ftp" },
        { TLS_CONTROL, "\017x-filezilla-ftp", NULL },
        { TLS_CONTROL, "\010ftp-data", NULL },
        { TLS_CONTROL, "\010http/1.1\002h2", NULL },
        { TLS_CONTROL, "\002ft", NULL },
        { TLS_CONTROL, "\004ftps", NULL },
        { TLS_DATA, "", "" },
        { TLS_DATA, "\003ftp", "ftp" },
        { TLS_DATA, "\010ftp-data", "ftp-data" },
        { TLS_DATA, "\010ftp-data\003ftp", "ftp" },
        { TLS_DATA, "\017x-filezilla-ftp", NULL },
        { TLS_DATA, "\010http/1.1", NULL },
    };
    struct server s;

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "DNS:localhost");
    for (size_t v = 0; v < 2; v++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct client c;
            struct link l;
            const unsigned char *at = NULL;
            unsigned len = 0;
            bool good = rows[i].chosen != NULL;

            client_open(&c, versions[v]);
            if (rows[i].offered[0] != '\0')
                CU_ASSERT_EQUAL(SSL_CTX_set_alpn_protos(
                    c.ssl, (const unsigned char *)rows[i].offered,
                    (unsigned)strlen(rows[i].offered)), 0);
            CU_ASSERT_EQUAL(link_connect(&l, &s, rows[i].kind, &c, NULL), good);
            SSL_get0_alpn_selected(l.client, &at, &len);
            if (good)
                CU_ASSERT_TRUE(len == strlen(rows[i].chosen)
                               && (len == 0 || memcmp(at, rows[i].chosen, len) == 0));
            if (!good)
                CU_ASSERT_EQUAL(l.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
            link_close(&l);
            client_close(&c);
        }
    server_close(&s);
}

/* The first name of the certificate that the client was shown. */
static void
first_name(const struct link *l, char out[64])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(SSL_get0_peer_certificate(l->client),
                                            NID_subject_alt_name, NULL, NULL);
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);

    SP_ASSERT(text_copy(out, 64, (const char *)ASN1_STRING_get0_data(name->d.dNSName)));
    GENERAL_NAMES_free(names);
}

static void
server_names(void)
{
    static const struct { const char *asked, *shown; bool rsa; } rows[] = {
        { NULL, "localhost", false },
        { "localhost", "localhost", false },
        { "LOCALHOST", "localhost", false },
        { "one.example", "one.example", false },
        { "ONE.Example", "one.example", false },
        { "www.one.example", NULL, false },
        { "a.two.example", "*.two.example", true },
        { "exact.two.example", "exact.two.example", false },
        { "a.b.two.example", NULL, false },
        { "two.example", NULL, false },
        { ".two.example", NULL, false },
        { ".example", NULL, false },
        { ".", NULL, false },
        { "nobody.example", NULL, false },
        { "one.example.", "one.example", false },
        { "one.example..", NULL, false },
        { "LocalHost.", "localhost", false },
        { "Alias.example.", "localhost", false },
        { "alias.example", "localhost", false },
        { "Alias.EXAMPLE", "localhost", false },
        { "www.alias.example", NULL, false },
        { "192.0.2.1", "localhost", false },
        { "2001:db8::1", "localhost", false },
        { "192.0.2.1.example", NULL, false },
    };
    struct server s;

    server_open(&s, "1.2");
    CU_ASSERT_EQUAL(text_list_add(&s.settings.server_names, slice_of("alias.example")),
                    SP_OK);
    server_add(&s, PAIR_EC, "DNS:localhost,IP:127.0.0.1,IP:::1");
    server_add(&s, PAIR_EC, "DNS:one.example");
    server_add(&s, PAIR_RSA, "DNS:*.two.example");
    server_add(&s, PAIR_EC384, "DNS:exact.two.example");
    for (size_t v = 0; v < 2; v++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct client c;
            struct link l;
            char name[64] = "", copy[64] = "";
            bool passed = false;

            client_open(&c, versions[v]);
            link_open(&l, &s, TLS_CONTROL, &c);
            if (rows[i].asked != NULL) {
                SP_ASSERT(text_copy(copy, sizeof copy, rows[i].asked));
                CU_ASSERT_EQUAL(SSL_set_tlsext_host_name(l.client, copy), 1);
            }
            CU_ASSERT_EQUAL_FATAL(link_shake(&l), rows[i].shown != NULL);
            if (rows[i].shown == NULL) {
                CU_ASSERT_EQUAL(l.alert, SSL_AD_UNRECOGNIZED_NAME);
                CU_ASSERT_STRING_EQUAL(tls_stream_fault(l.server),
                                       "the client asked for another server's name");
                link_close(&l);
                client_close(&c);
                continue;
            }
            first_name(&l, name);
            CU_ASSERT_STRING_EQUAL(name, rows[i].shown);
            CU_ASSERT_EQUAL(s.last_scheme == 0x0804 || (s.last_scheme & 0xff) == 1,
                            rows[i].rsa);
            passed = rows[i].asked != NULL && strchr(rows[i].asked, ':') == NULL;
            if (strlen(copy) > 0 && copy[strlen(copy) - 1] == '.')
                copy[strlen(copy) - 1] = '\0';
            CU_ASSERT_STRING_EQUAL(tls_stream_server_name(l.server), passed ? copy : "");
            link_close(&l);
            client_close(&c);
        }
    server_close(&s);
}

static void
two_kinds_for_one_name(void)
{
    struct server s;
    struct client c;
    struct link l;
    char schemes[] = "RSA-PSS+SHA256:RSA+SHA256", name[] = "one.example", shown[64];

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "DNS:localhost");
    server_add(&s, PAIR_EC, "DNS:one.example");
    server_add(&s, PAIR_RSA, "DNS:one.example");
    for (size_t i = 0; i < 4; i++) {
        client_open(&c, versions[i / 2]);
        if (i % 2 == 1)
            CU_ASSERT_EQUAL(SSL_CTX_set1_sigalgs_list(c.ssl, schemes), 1);
        link_open(&l, &s, TLS_CONTROL, &c);
        CU_ASSERT_EQUAL(SSL_set_tlsext_host_name(l.client, name), 1);
        CU_ASSERT_TRUE(link_shake(&l));
        first_name(&l, shown);
        CU_ASSERT_STRING_EQUAL(shown, "one.example");
        CU_ASSERT_EQUAL(s.last_scheme == 0x0403, i % 2 == 0);
        link_close(&l);
        client_close(&c);
    }
    /* The default has no RSA certificate: one for other names is no stand-in. */
    client_open(&c, TLS1_3_VERSION);
    CU_ASSERT_EQUAL(SSL_CTX_set1_sigalgs_list(c.ssl, schemes), 1);
    CU_ASSERT_FALSE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
    link_close(&l);
    client_close(&c);
    server_close(&s);
}

static void
odd_server_names_are_not_passed_on(void)
{
    static const char *const odd[] = {
        "a b", "x\r\ny", "\x1b[31m", "na\xc3\xafve.example", "%s%n", "a\"b"
    };
    struct server s;

    server_open(&s, "1.2");
    CU_ASSERT_EQUAL(text_list_add(&s.settings.server_names, slice_of("*")), SP_OK);
    server_add(&s, PAIR_EC, "DNS:localhost");
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct client c;
        struct link l;
        char copy[64];

        client_open(&c, TLS1_3_VERSION);
        link_open(&l, &s, TLS_CONTROL, &c);
        SP_ASSERT(text_copy(copy, sizeof copy, odd[i]));
        CU_ASSERT_EQUAL(SSL_set_tlsext_host_name(l.client, copy), 1);
        CU_ASSERT_TRUE(link_shake(&l));
        CU_ASSERT_STRING_EQUAL(tls_stream_server_name(l.server), "");
        link_close(&l);
        client_close(&c);
    }
    server_close(&s);
}

enum dates { OVER, VALID, TO_COME };

/* By its first name, which the rows make different for each. */
static void
certificates_out_of_date(void)
{
    static const struct { long from, until; } dates[] = {
        [OVER] = { -7200, -3600 }, [VALID] = { -60, 3600 }, [TO_COME] = { 3600, 7200 },
    };
    static const struct {
        struct { enum pair_key kind; const char *names; enum dates dates; } have[3];
        const char *asked, *shown;
    } rows[] = {
        /* the only one is better than none */
        { { { PAIR_EC, "DNS:localhost", OVER } }, NULL, "localhost" },
        { { { PAIR_EC, "DNS:localhost", TO_COME } }, "localhost", "localhost" },
        /* one of several refuses nothing else, whatever its place */
        { { { PAIR_EC, "DNS:localhost", OVER }, { PAIR_EC, "DNS:one.example", VALID } },
          "one.example", "one.example" },
        { { { PAIR_EC, "DNS:localhost", OVER }, { PAIR_EC, "DNS:one.example", VALID } },
          NULL, "localhost" },
        { { { PAIR_EC, "DNS:localhost", VALID }, { PAIR_EC, "DNS:one.example", OVER } },
          "one.example", "one.example" },
        /* of two for one name the valid one, whatever its kind */
        { { { PAIR_EC, "DNS:a,DNS:x.example", OVER },
            { PAIR_EC, "DNS:b,DNS:a,DNS:x.example", VALID } }, "x.example", "b" },
        { { { PAIR_EC, "DNS:a,DNS:x.example", OVER },
            { PAIR_RSA, "DNS:b,DNS:a,DNS:x.example", VALID } }, "x.example", "b" },
        { { { PAIR_EC, "DNS:a", OVER }, { PAIR_RSA, "DNS:b,DNS:a", VALID } }, NULL, "b" },
        { { { PAIR_RSA, "DNS:a", TO_COME }, { PAIR_EC, "DNS:b,DNS:a", VALID } }, NULL,
          "b" },
        { { { PAIR_EC, "DNS:x.a.example", OVER }, { PAIR_EC, "DNS:*.a.example", VALID } },
          "x.a.example", "*.a.example" },
        { { { PAIR_EC, "DNS:*.a.example", OVER }, { PAIR_EC, "DNS:x.a.example", OVER } },
          "x.a.example", "x.a.example" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t v = 0; v < 2; v++) {
            struct server s;
            struct client c;
            struct link l;
            char name[64] = "", copy[64];

            server_open(&s, "1.2");
            for (size_t k = 0; k < 3 && rows[i].have[k].names != NULL; k++)
                server_add_dated(&s, rows[i].have[k].kind, rows[i].have[k].names,
                                 dates[rows[i].have[k].dates].from,
                                 dates[rows[i].have[k].dates].until);
            client_open(&c, versions[v]);
            link_open(&l, &s, TLS_CONTROL, &c);
            if (rows[i].asked != NULL) {
                SP_ASSERT(text_copy(copy, sizeof copy, rows[i].asked));
                CU_ASSERT_EQUAL(SSL_set_tlsext_host_name(l.client, copy), 1);
            }
            CU_ASSERT_TRUE_FATAL(link_shake(&l));
            first_name(&l, name);
            CU_ASSERT_STRING_EQUAL(name, rows[i].shown);
            link_close(&l);
            client_close(&c);
            server_close(&s);
        }
}

static void
certificates_that_cannot_serve(void)
{
    struct server s;
    int fds[] = {
        pair_text_file(""), pair_text_file("no PEM at all"),
        pair_text_file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        pair_key_file(PAIR_EC, NULL),
        pair_certificate_file(PAIR_RSA_SMALL, "DNS:localhost", -60, 3600),
        pair_certificate_file(PAIR_ED25519, "DNS:localhost", -60, 3600),
    };

    server_open(&s, "1.2");
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        CU_ASSERT_EQUAL(tls_context_add(s.context, 0, fds[i], "bad.pem"), SP_INPUT);
        fd_close(&fds[i]);
    }
    /* None of them left anything behind. */
    server_add(&s, PAIR_EC, "DNS:localhost");
    server_close(&s);
}

static void
a_certificate_without_names_serves_as_the_default(void)
{
    /* "test" is its common name, which counts where there is no other */
    static const struct { char name[16]; bool fine; } rows[] = {
        { "localhost", true }, { "test", true }, { "other", false },
    };
    struct server s;

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client c;
        struct link l;
        char name[16];

        SP_ASSERT(text_copy(name, sizeof name, rows[i].name));
        client_open(&c, TLS1_3_VERSION);
        link_open(&l, &s, TLS_CONTROL, &c);
        CU_ASSERT_EQUAL(SSL_set_tlsext_host_name(l.client, name), 1);
        CU_ASSERT_EQUAL(link_shake(&l), rows[i].fine);
        link_close(&l);
        client_close(&c);
    }
    server_close(&s);
}

static const struct unit_test tests[] = {
    { "ALPN: ftp or nothing, and ftp-data on data connections", protocols },
    { "a server name chooses its certificate, an unknown one is refused", server_names },
    { "two kinds of certificate for one name both serve", two_kinds_for_one_name },
    { "a server name that is none is not passed on", odd_server_names_are_not_passed_on },
    { "a certificate out of date is shown where there is no other",
      certificates_out_of_date },
    { "a certificate that cannot serve is refused", certificates_that_cannot_serve },
    { "a certificate without names serves as the default",
      a_certificate_without_names_serves_as_the_default },
    { NULL, NULL }
};
const struct unit_suite suite_tls_names = { "tls: names", tests };
