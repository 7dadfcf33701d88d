/* tests/unit/tls_pair.c - see tls_pair.h */
#include "tls_pair.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit.h"

#define STEPS_MAX 200

/* ---- keys and certificates --------------------------------------------------------- */

EVP_PKEY *
pair_key(enum pair_key kind)
{
    static EVP_PKEY *keys[PAIR_KEYS];

    if (keys[kind] != NULL)
        return keys[kind];
    switch (kind) {
    case PAIR_RSA: keys[kind] = EVP_RSA_gen(2048u); break;
    case PAIR_RSA_SMALL: keys[kind] = EVP_RSA_gen(1024u); break;
    case PAIR_EC: keys[kind] = EVP_EC_gen("P-256"); break;
    case PAIR_EC384: keys[kind] = EVP_EC_gen("P-384"); break;
    case PAIR_ED25519: keys[kind] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"); break;
    case PAIR_KEYS: break;
    }
    SP_ASSERT(keys[kind] != NULL);
    return keys[kind];
}

static int
memory_file(BIO *from)
{
    char *at = NULL;
    long len = BIO_get_mem_data(from, &at);
    int fd = memfd_create("test", MFD_CLOEXEC);

    SP_ASSERT(fd != -1 && fd_write_all(fd, at, (size_t)len) == SP_OK
              && lseek(fd, 0, SEEK_SET) == 0);
    BIO_free(from);
    return fd;
}

int
pair_text_file(const char *text)
{
    BIO *out = BIO_new(BIO_s_mem());

    SP_ASSERT(out != NULL && BIO_puts(out, text) >= 0);
    return memory_file(out);
}

int
pair_key_file(enum pair_key kind, const char *passphrase)
{
    BIO *out = BIO_new(BIO_s_mem());
    char pass[64] = "";

    SP_ASSERT(out != NULL
              && text_copy(pass, sizeof pass, passphrase == NULL ? "" : passphrase));
    SP_ASSERT(PEM_write_bio_PKCS8PrivateKey(out, pair_key(kind),
                                            passphrase == NULL ? NULL : EVP_aes_128_cbc(),
                                            passphrase == NULL ? NULL : pass,
                                            passphrase == NULL ? 0 : (int)strlen(pass),
                                            NULL, NULL) == 1);
    return memory_file(out);
}

int
pair_certificate_file(enum pair_key kind, const char *names, long from, long until)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    X509_EXTENSION *extension = NULL;
    BIO *out = BIO_new(BIO_s_mem());

    SP_ASSERT(X509_set_version(x, X509_VERSION_3) == 1
              && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1
              && X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                            (const unsigned char *)"test", -1, -1, 0) == 1
              && X509_set_issuer_name(x, subject) == 1
              && X509_gmtime_adj(X509_getm_notBefore(x), from) != NULL
              && X509_gmtime_adj(X509_getm_notAfter(x), until) != NULL
              && X509_set_pubkey(x, pair_key(kind)) == 1);
    if (names[0] != '\0') {
        extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        SP_ASSERT(extension != NULL && X509_add_ext(x, extension, -1) == 1);
        X509_EXTENSION_free(extension);
    }
    SP_ASSERT(X509_sign(x, pair_key(kind), kind == PAIR_ED25519 ? NULL : EVP_sha256()) > 0
              && PEM_write_bio_X509(out, x) == 1);
    X509_free(x);
    return memory_file(out);
}

/* ---- the server -------------------------------------------------------------------- */

enum sp_err
server_sign(void *server, unsigned key, unsigned scheme, struct slice tbs,
            unsigned char *signature, size_t room, size_t *len)
{
    struct server *s = server;
    const char *why = NULL;
    enum sp_err rc = keys_sign(&s->keys, key, scheme, tbs, signature, room, len, &why);

    s->signatures++;
    s->last_scheme = scheme;
    if (rc != SP_OK)
        s->refusals++;
    return rc;
}

void
server_open(struct server *s, const char *minimum)
{
    memset(s, 0, sizeof *s);
    SP_ASSERT(settings_init(&s->settings) == SP_OK);
    SP_ASSERT(text_copy(s->settings.tls_minimum, strlen("1.2") + 1, minimum));
    SP_ASSERT(tls_context_new(&s->context, &s->settings) == SP_OK);
    SP_ASSERT(tls_context_begin(s->context, server_sign, s) == SP_OK);
}

void
server_add(struct server *s, enum pair_key kind, const char *names)
{
    server_add_dated(s, kind, names, -3600, 24 * 3600);
}

void
server_add_dated(struct server *s, enum pair_key kind, const char *names, long from,
                 long until)
{
    int certificate = pair_certificate_file(kind, names, from, until);
    int key = pair_key_file(kind, NULL);
    char fault[KEY_FAULT_MAX];

    SP_ASSERT(tls_context_add(s->context, s->certificates, certificate, "test.pem")
              == SP_OK);
    SP_ASSERT(keys_load(&s->keys, s->certificates, key, slice_of("test.key"), fault)
              == SP_OK);
    s->certificates++;
    fd_close(&certificate);
    fd_close(&key);
}

void
server_close(struct server *s)
{
    tls_context_free(s->context);
    keys_clear(&s->keys);
    settings_clear(&s->settings);
}

/* ---- the client -------------------------------------------------------------------- */

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if (c->count == CLIENT_SESSIONS)
        return 0;
    c->sessions[c->count++] = session;
    return 1;
}

static void
on_message(int written, int version, int type, const void *at, size_t len, SSL *ssl,
           void *unused)
{
    struct client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const unsigned char *bytes = at;
    size_t header = SSL_version(ssl) == TLS1_3_VERSION ? 4 + 8 : 4 + 4;

    (void)version;
    (void)unused;
    if (written || type != SSL3_RT_HANDSHAKE || len < 4)
        return;
    if (bytes[0] == SSL3_MT_CERTIFICATE_REQUEST)
        c->requests++;
    if (bytes[0] != SSL3_MT_NEWSESSION_TICKET)
        return;
    c->tickets++;
    if (len > header + 2)
        c->full_tickets++;
}

void
client_open(struct client *c, int version)
{
    memset(c, 0, sizeof *c);
    c->ssl = SSL_CTX_new(TLS_client_method());
    SP_ASSERT(c->ssl != NULL && SSL_CTX_set_min_proto_version(c->ssl, version) == 1
              && SSL_CTX_set_max_proto_version(c->ssl, version) == 1);
    SSL_CTX_set_app_data(c->ssl, c);
    (void)SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_CLIENT
                                                 | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(c->ssl, on_session);
    SSL_CTX_set_msg_callback(c->ssl, on_message);
}

void
client_close(struct client *c)
{
    for (unsigned i = 0; i < c->count; i++)
        SSL_SESSION_free(c->sessions[i]);
    SSL_CTX_free(c->ssl);
}

/* ---- one connection ---------------------------------------------------------------- */

static void
on_info(const SSL *ssl, int where, int value)
{
    struct link *l = SSL_get_app_data(ssl);

    if (l != NULL && (where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        l->alert = value & 0xff;
}

void
link_open(struct link *l, struct server *s, enum tls_kind kind, struct client *c)
{
    *l = (struct link){ .fds = { -1, -1 }, .alert = -1 };
    SP_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, l->fds)
              == 0);
    SP_ASSERT(tls_stream_new(&l->server, s->context, l->fds[0], kind) == SP_OK);
    SP_ASSERT((l->client = SSL_new(c->ssl)) != NULL
              && SSL_set_fd(l->client, l->fds[1]) == 1);
    SSL_set_app_data(l->client, l);
    SSL_set_info_callback(l->client, on_info);
    SSL_set_connect_state(l->client);
}

bool
link_shake(struct link *l)
{
    int done = 0;
    bool failed = false;

    l->rc = SP_AGAIN;
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        if (done != 1 && !failed) {
            ERR_clear_error();
            done = SSL_do_handshake(l->client);
            l->client_error = SSL_get_error(l->client, done);
            failed = done != 1 && l->client_error != SSL_ERROR_WANT_READ
                && l->client_error != SSL_ERROR_WANT_WRITE;
        }
        if (l->rc == SP_AGAIN)
            l->rc = tls_stream_handshake(l->server);
        if (done == 1 && l->rc == SP_OK)
            return true;
        if (failed && l->rc != SP_AGAIN)
            return false;
        if (failed && step > STEPS_MAX / 2)
            return false;
    }
    return false;
}

bool
link_connect(struct link *l, struct server *s, enum tls_kind kind, struct client *c,
             SSL_SESSION *session)
{
    SSL_SESSION *copy = NULL;

    link_open(l, s, kind, c);
    if (session != NULL) {
        /* OpenSSL as a client uses a session of TLS 1.3 once; others go on. */
        SP_ASSERT((copy = SSL_SESSION_dup(session)) != NULL);
        SP_ASSERT(SSL_set_session(l->client, copy) == 1);
        SSL_SESSION_free(copy);
    }
    return link_shake(l);
}

bool
link_server_says(struct link *l, const char *text)
{
    char back[256];
    size_t n = 0, len = strlen(text);

    return tls_stream_put(l->server, text, len, &n) == SP_OK && n == len
        && tls_stream_flush(l->server) == SP_OK
        && SSL_read_ex(l->client, back, sizeof back, &n) == 1 && n == len
        && memcmp(back, text, len) == 0;
}

bool
link_client_says(struct link *l, const char *text)
{
    char back[256];
    size_t n = 0, len = strlen(text);

    return SSL_write_ex(l->client, text, len, &n) == 1 && n == len
        && tls_stream_read(l->server, back, sizeof back, &n) == SP_OK && n == len
        && memcmp(back, text, len) == 0;
}

void
link_client_listens(struct link *l)
{
    char byte = 0;
    size_t n = 0;

    CU_ASSERT_EQUAL(SSL_peek_ex(l->client, &byte, 1, &n), 0);
    CU_ASSERT_EQUAL(SSL_get_error(l->client, 0), SSL_ERROR_WANT_READ);
    ERR_clear_error();
}

void
link_close(struct link *l)
{
    if (l->client != NULL)      /* else OpenSSL takes the session for a bad one */
        SSL_set_shutdown(l->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(l->client);
    tls_stream_free(l->server);
    fd_close(&l->fds[0]);
    fd_close(&l->fds[1]);
}
