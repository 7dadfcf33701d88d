/* tls/worker/context.c - see tls/context.h */
#include "tls/context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#endif

#include "base/clock.h"
#include "base/log.h"
#include "base/nearest.h"
#include "config/settings.h"
#include "tls/worker/gather.h"
#include "tls/worker/inside.h"
#include "tls/worker/urgent.h"

#define GROUPS "X25519:P-256:P-384"
/* What the keyholder signs, and nothing else (tls/keyholder/sign.c). */
#define SIGNATURES \
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:" \
    "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"

#define AES_128 "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
#define AES_256 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define CHACHA "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* ---- what is negotiated ------------------------------------------------------------ */

/* AES in hardware, and the carry-less multiplication that GCM lives on. */
static bool
aes_is_fast(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & (HWCAP_AES | HWCAP_PMULL)) == (HWCAP_AES | HWCAP_PMULL);
#else
    return false;
#endif
}

static enum sp_err
bad_setting(const char *key, const char *value, const char *fault)
{
    struct log_escaped text;

    log_event(EVENT_TLS_SETTING, "key=%s value=%s fault=\"%s\"", key,
              log_text(slice_of(value), &text), fault);
    ERR_clear_error();
    return SP_INPUT;
}

/*
 * The private key only signs, and only ephemeral keys of our own curves: all else would
 * be negotiated and then fail, in the middle of a client's handshake.
 */
static enum sp_err
check_ciphers(SSL_CTX *ssl, const char *list)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ssl);

    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        int exchange = SSL_CIPHER_get_kx_nid(cipher);
        char fault[160];

        if (exchange == NID_kx_ecdhe || exchange == NID_kx_any)
            continue;
        (void)text_printf(fault, sizeof fault, "%s is not supported; use only ECDHE suites",
                          SSL_CIPHER_get_name(cipher));
        return bad_setting("tls_ciphers", list, fault);
    }
    return SP_OK;
}

/* Among those that the context would offer now. */
static bool
has_suite(SSL_CTX *ssl, const char *name)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ssl);

    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
        if (strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)), name) == 0)
            return true;
    return false;
}

/* OpenSSL passes over what it does not know, as long as it knows one of the list. */
static bool
is_known(SSL_CTX *ssl, const char *one, bool of_tls_1_3)
{
    bool known = of_tls_1_3 ? SSL_CTX_set_ciphersuites(ssl, one) == 1
        : SSL_CTX_set_cipher_list(ssl, one) == 1;

    ERR_clear_error();
    /* 3.0 takes an unknown one of TLS 1.3 for none at all */
    return known && (!of_tls_1_3 || has_suite(ssl, one));
}

static const char *
nearest_suite(const char *one, bool of_tls_1_3)
{
    static const char *const old[] = {
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    };
    static const char *const new[] = {
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
    };

    return of_tls_1_3 ? nearest_of(one, new, sizeof new / sizeof *new)
        : nearest_of(one, old, sizeof old / sizeof *old);
}

/* Each word of a list; what only orders or takes out ("!aNULL", "@STRENGTH") is left alone. */
static enum sp_err
check_words(SSL_CTX *ssl, const char *key, const char *list, bool of_tls_1_3)
{
    char word[NEAREST_MOST], fault[320];
    enum sp_err rc = SP_OK;

    for (const char *at = list; *at != '\0';) {
        size_t len = strcspn(at, ": ,");
        const char *nearest = NULL;

        if (len > 0 && strchr("!-+@", *at) == NULL
            && slice_to_text(slice_from(at, len), word, sizeof word) == SP_OK
            && !is_known(ssl, word, of_tls_1_3)) {
            nearest = nearest_suite(word, of_tls_1_3);
            (void)text_printf(fault, sizeof fault, "unknown cipher suites%s%s%s",
                              nearest == NULL ? "" : "; did you mean ",
                              nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
            rc = bad_setting(key, word, fault);
        }
        at += len;
        at += strspn(at, ": ,");
    }
    return rc;
}

static bool
is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static enum sp_err
set_ciphers(SSL_CTX *ssl, const struct settings *s)
{
    const char *first = aes_is_fast() ? AES_128 ":" AES_256 ":" CHACHA
        : CHACHA ":" AES_128 ":" AES_256;
    const char *suites = aes_is_fast()
        ? "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
        : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";

    enum sp_err rc = SP_OK;     /* both lists are looked at before one is refused */

    /* who puts ChaCha20 first has no AES in hardware, and pays more for it than we do */
    if (!is_given(s->tls_ciphers) && !is_given(s->tls_ciphersuites))
        (void)SSL_CTX_set_options(ssl, SSL_OP_PRIORITIZE_CHACHA);
    if (is_given(s->tls_ciphers))
        first = s->tls_ciphers;
    if (is_given(s->tls_ciphersuites))
        suites = s->tls_ciphersuites;
    if (is_given(s->tls_ciphers))
        rc = check_words(ssl, "tls_ciphers", first, false);
    if (is_given(s->tls_ciphersuites)
        && check_words(ssl, "tls_ciphersuites", suites, true) != SP_OK)
        rc = SP_INPUT;
    if (rc != SP_OK)
        return rc;
    if (SSL_CTX_set_cipher_list(ssl, first) != 1)
        return bad_setting("tls_ciphers", first, "unknown cipher suites");
    if (SSL_CTX_set_ciphersuites(ssl, suites) != 1)
        return bad_setting("tls_ciphersuites", suites,
                           "unknown cipher suites");
    return check_ciphers(ssl, first);
}

static enum sp_err
set_versions(SSL_CTX *ssl, const struct settings *s)
{
    int least = 0;

    if (strcmp(s->tls_minimum, "1.2") == 0)
        least = TLS1_2_VERSION;
    else if (strcmp(s->tls_minimum, "1.3") == 0)
        least = TLS1_3_VERSION;
    else
        return bad_setting("tls_minimum", s->tls_minimum, "must be 1.2 or 1.3");
    if (SSL_CTX_set_min_proto_version(ssl, least) != 1
        || SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1)
        return SP_NOMEM;
    return SP_OK;
}

/* ---- callbacks --------------------------------------------------------------------- */

static bool
is_offered(const unsigned char *list, unsigned len, const char *name,
           const unsigned char **at)
{
    size_t name_len = strlen(name);

    for (unsigned i = 0; i < len; i += 1u + list[i]) {
        if (list[i] != name_len || i + 1u + list[i] > len)
            continue;
        if (memcmp(list + i + 1, name, name_len) == 0) {
            *at = list + i + 1;
            return true;
        }
    }
    return false;
}

/*
 * interop.md 8. x-filezilla-ftp is a profile with duties of its own, so it is never
 * chosen, and offered alone refused like any other protocol. No offer at all does not
 * come here.
 */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                const unsigned char *list, unsigned len, void *unused)
{
    (void)unused;
    if (is_offered(list, len, "ftp", out)) {
        *out_len = 3;
        return SSL_TLSEXT_ERR_OK;
    }
    if (kind_of(ssl) == TLS_DATA && is_offered(list, len, "ftp-data", out)) {
        *out_len = 8;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void
cut_last_dot(char *name)
{
    size_t len = strlen(name);

    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
}

bool
server_name_of(const SSL *ssl, char name[SERVER_NAME_MAX + 1])
{
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    if (asked == NULL || !text_copy(name, SERVER_NAME_MAX + 1, asked))
        return false;
    cut_last_dot(name);
    return true;
}

static bool
same_choice(const struct certificate_choice *a, const struct certificate_choice *b)
{
    return memcmp(a->of, b->of, sizeof a->of) == 0;
}

/*
 * Full handshakes only. The SSL starts with the certificates of the SSL_CTX; a server name
 * that has its own, or a time at which others are valid, gets them here. One SSL_CTX serves all names, so
 * resumption, tickets and ALPN are the same whether a client names the server on its data
 * connections or not.
 */
static int
choose_certificate(SSL *ssl, void *context)
{
    struct tls_context *c = context;
    struct certificate_choice choice = {0};
    char name[SERVER_NAME_MAX + 1];

    certificates_choose(&c->certificates, server_name_of(ssl, name) ? name : NULL,
                        clock_seconds(), &choice);
    if (same_choice(&c->installed, &choice))
        return 1;
    SSL_certs_clear(ssl);
    for (int i = 0; i < CERTIFICATE_KINDS; i++)
        if (choice.of[i] != NULL
            && SSL_use_cert_and_key(ssl, choice.of[i]->leaf, choice.of[i]->key,
                                    choice.of[i]->chain, 1) != 1)
            return 0;
    return 1;
}

/* An address is no name (RFC 6066 section 3), and localhost is nobody else's. */
static bool
names_nobody(const char *name)
{
    unsigned char address[sizeof (struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1
        || inet_pton(AF_INET6, name, address) == 1
        || strcasecmp(name, "localhost") == 0;
}

static bool
is_listed(const struct text_list *names, const char *name)
{
    char listed[SERVER_NAME_MAX + 1];

    for (size_t i = 0; i < names->count; i++) {
        if (!text_copy(listed, sizeof listed, names->texts[i]))
            continue;
        cut_last_dot(listed);
        if (strcmp(listed, "*") == 0 || strcasecmp(listed, name) == 0)
            return true;
    }
    return false;
}

/*
 * Here the version is known and no key is made. OpenSSL would have the kernel open the
 * records of TLS 1.2, too, one by one: reading many at once is faster.
 */
static void
leave_to_kernel(SSL *ssl, const struct tls_context *c)
{
    if (c->in_kernel && kind_of(ssl) == TLS_DATA && SSL_version(ssl) == TLS1_3_VERSION)
        (void)SSL_set_options(ssl, SSL_OP_ENABLE_KTLS);
}

/*
 * A connection meant for another server must not end at ours: a browser sent here by a
 * man in the middle would take our replies for its own server's (ALPACA attack), as long
 * as one certificate is good for both. Known names are answered with an empty extension,
 * as RFC 6066 section 3 asks.
 */
static int
check_server_name(SSL *ssl, int *alert, void *context)
{
    const struct tls_context *c = context;
    char name[SERVER_NAME_MAX + 1];
    struct log_escaped text;

    leave_to_kernel(ssl, c);
    if (!server_name_of(ssl, name))
        return SSL_TLSEXT_ERR_NOACK;
    if (names_nobody(name) || is_listed(c->server_names, name)
        || certificates_have(&c->certificates, name))
        return SSL_TLSEXT_ERR_OK;
    log_event(EVENT_TLS_REFUSED, "reason=server-name name=%s remedy=server_names",
              log_text(slice_of(name), &text));
    ERR_raise_data(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT,
                   "the client asked for another server's name");
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- making ------------------------------------------------------------------------ */

static enum sp_err
open_library(struct tls_context *c)
{
    /* Ciphers, versions and providers are ours to say, not openssl.cnf's. */
    /* no cleaning up at exit: it would write to, and so copy, the template's pages */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1
        || (c->library = OSSL_LIB_CTX_new()) == NULL
        || (c->standard = OSSL_PROVIDER_load(c->library, "default")) == NULL
        || EVP_set_default_properties(c->library, "?provider=default") != 1)
        return SP_NOMEM;
    return remote_key_provide(c->library, &c->remote);
}

static enum sp_err
set_up(struct tls_context *c, const struct settings *s)
{
    SSL_CTX *ssl = c->ssl;
    enum sp_err rc = SP_OK;

    c->server_names = &s->server_names;
    c->in_kernel = s->tls_kernel;
    /* SSL_OP_IGNORE_UNEXPECTED_EOF: off. A cut upload must not look like a whole one. */
    (void)SSL_CTX_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                   | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* A chain is sent as the file has it, never built from whatever is trusted here. */
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);     /* no CertificateRequest (z/OS) */
    SSL_CTX_set_app_data(ssl, c);
    if (SSL_CTX_set_max_early_data(ssl, 0) != 1
        || SSL_CTX_set1_groups_list(ssl, GROUPS) != 1
        || SSL_CTX_set1_sigalgs_list(ssl, SIGNATURES) != 1)
        return SP_NOMEM;
    if ((rc = set_versions(ssl, s)) != SP_OK || (rc = set_ciphers(ssl, s)) != SP_OK)
        return rc;
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl, check_server_name);
    SSL_CTX_set_tlsext_servername_arg(ssl, c);
    SSL_CTX_set_cert_cb(ssl, choose_certificate, c);
    others_init(ssl);
    return tickets_init(&c->tickets, c->library, ssl);
}

enum sp_err
tls_context_new(struct tls_context **out, const struct settings *s)
{
    struct tls_context *c = calloc(1, sizeof *c);
    enum sp_err rc = SP_NOMEM;

    if (c == NULL)
        goto out;
    if ((rc = open_library(c)) != SP_OK || (rc = gather_method_new(&c->gather)) != SP_OK
        || (rc = urgent_method_new(&c->urgent)) != SP_OK)
        goto out;
    rc = SP_NOMEM;
    if ((c->ssl = SSL_CTX_new_ex(c->library, NULL, TLS_server_method())) == NULL)
        goto out;
    if ((rc = set_up(c, s)) != SP_OK)
        goto out;
    *out = c;
    c = NULL;
out:
    tls_context_free(c);
    return rc;
}

/*
 * The certificates shown to who asks for no name, or for an unknown one. A kind that is not
 * chosen any more stays in the SSL_CTX: choose_certificate compares with what is there.
 */
static enum sp_err
install_default(struct tls_context *c)
{
    struct certificate_choice choice = {0};

    certificates_choose(&c->certificates, NULL, clock_seconds(), &choice);
    for (int i = 0; i < CERTIFICATE_KINDS; i++) {
        if (choice.of[i] == NULL)
            continue;
        if (SSL_CTX_use_cert_and_key(c->ssl, choice.of[i]->leaf, choice.of[i]->key,
                                     choice.of[i]->chain, 1) != 1)
            return SP_NOMEM;
        c->installed.of[i] = choice.of[i];
    }
    return SP_OK;
}

/* Will OpenSSL serve it (a hash that is too weak, ...)? Else a client would find out. */
static enum sp_err
try_on(struct tls_context *c, const struct certificate *one, const char *file)
{
    struct log_escaped name;
    const char *why = NULL;
    SSL *ssl = SSL_new(c->ssl);
    int good = 0;

    if (ssl == NULL)
        return SP_NOMEM;
    ERR_clear_error();
    good = SSL_use_cert_and_key(ssl, one->leaf, one->key, one->chain, 1);
    SSL_free(ssl);
    if (good == 1)
        return SP_OK;
    why = ERR_reason_error_string(ERR_peek_error());
    log_event(EVENT_CERTIFICATE_UNUSABLE, "file=%s fault=\"%s\"",
              log_text(slice_of(file), &name), why != NULL ? why : "OpenSSL rejects it");
    ERR_clear_error();
    return SP_INPUT;
}

enum sp_err
tls_context_add(struct tls_context *c, unsigned index, int fd, const char *file)
{
    struct certificate one = {0};
    enum sp_err rc = SP_OK;

    if (c->certificates.count >= CERTIFICATES_MAX)
        return SP_INPUT;
    if ((rc = certificate_read(&one, c->library, fd, file)) != SP_OK)
        return rc;
    rc = remote_key_new(&one.key, c->library, X509_get0_pubkey(one.leaf), index,
                        &c->signer);
    if (rc == SP_OK)
        rc = try_on(c, &one, file);
    if (rc != SP_OK) {
        certificate_clear(&one);
        return rc;
    }
    c->certificates.all[c->certificates.count++] = one;
    return install_default(c);
}

enum sp_err
tls_context_begin(struct tls_context *c, tls_sign *sign, void *context)
{
    c->signer.sign = sign;
    c->signer.context = context;
    c->begun = true;
    /* OpenSSL's generators see another pid, and take new seed of themselves. */
    return tickets_renew(&c->tickets, c->library);
}

void
tls_context_accept(struct tls_context *c, tls_tickets_of *others, void *context)
{
    c->others = (struct others){ .ask = others, .context = context };
}

void
tls_context_tickets(const struct tls_context *c, unsigned char name[TLS_TICKET_NAME],
                    unsigned char keys[TLS_TICKET_KEYS])
{
    const struct tickets *t = &c->tickets;

    memcpy(name, t->name, sizeof t->name);
    memcpy(keys, t->cipher_key, sizeof t->cipher_key);
    memcpy(keys + sizeof t->cipher_key, t->mac_key, sizeof t->mac_key);
}

void
tls_context_free(struct tls_context *c)
{
    if (c == NULL)
        return;
    tickets_clear(&c->tickets);
    SSL_CTX_free(c->ssl);
    certificates_clear(&c->certificates);
    BIO_meth_free(c->gather);
    BIO_meth_free(c->urgent);
    if (c->remote != NULL)
        (void)OSSL_PROVIDER_unload(c->remote);
    if (c->standard != NULL)
        (void)OSSL_PROVIDER_unload(c->standard);
    OSSL_LIB_CTX_free(c->library);
    free(c);
}
