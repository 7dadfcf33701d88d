/* tls/worker/warm.c - see tls_context_warm in tls/context.h */
#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "tls/worker/inside.h"

#define STEPS_MAX 100           /* a handshake takes about six */
#define PAYLOAD ((size_t)48 << 10)

/* A key that never leaves this process and dies in it, and a client for it. */
struct warm {
    EVP_PKEY *key;              /* the private one, which "the keyholder" has */
    struct certificate shown;
    SSL_CTX *client;
    struct remote_signer signer;
};

static enum sp_err
warm_sign(void *context, unsigned key, unsigned scheme, struct slice tbs,
          unsigned char *signature, size_t room, size_t *len)
{
    const struct warm *w = context;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const char *hash = "SHA256";
    enum sp_err rc = SP_INPUT;

    (void)key;
    if (scheme == 0x0503)
        hash = "SHA384";
    else if (scheme == 0x0603)
        hash = "SHA512";
    *len = room;
    if (md != NULL && EVP_DigestSignInit_ex(md, NULL, hash, NULL, NULL, w->key, NULL) == 1
        && EVP_DigestSign(md, signature, len, tbs.at, tbs.len) == 1)
        rc = SP_OK;
    EVP_MD_CTX_free(md);
    return rc;
}

static enum sp_err
make_certificate(struct warm *w, OSSL_LIB_CTX *library)
{
    X509 *x = X509_new_ex(library, NULL);

    w->shown.leaf = x;
    w->shown.kind = CERTIFICATE_EC;
    if (x == NULL || (w->key = EVP_PKEY_Q_keygen(library, NULL, "EC", "P-256")) == NULL
        || X509_set_version(x, X509_VERSION_3) != 1
        || ASN1_INTEGER_set(X509_get_serialNumber(x), 1) != 1
        || X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                      (const unsigned char *)"warm", -1, -1, 0) != 1
        || X509_set_issuer_name(x, X509_get_subject_name(x)) != 1
        || X509_gmtime_adj(X509_getm_notBefore(x), 0) == NULL
        || X509_gmtime_adj(X509_getm_notAfter(x), 3600) == NULL
        || X509_set_pubkey(x, w->key) != 1
        || X509_sign(x, w->key, EVP_sha256()) <= 0)
        return SP_NOMEM;
    w->signer = (struct remote_signer){ warm_sign, w };
    return remote_key_new(&w->shown.key, library, X509_get0_pubkey(x), 0, &w->signer);
}

/* ---- one connection with ourselves ------------------------------------------------- */

static bool
client_waits(SSL *client, int returned)
{
    int error = SSL_get_error(client, returned);

    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static enum sp_err
shake_hands(struct tls_stream *server, SSL *client)
{
    enum sp_err rc = SP_AGAIN;
    int done = 0;

    for (unsigned step = 0; step < STEPS_MAX; step++) {
        if (done != 1 && (done = SSL_do_handshake(client)) != 1
            && !client_waits(client, done))
            return SP_INPUT;
        if (rc == SP_AGAIN && (rc = tls_stream_handshake(server)) != SP_AGAIN
            && rc != SP_OK)
            return rc;
        if (done == 1 && rc == SP_OK)
            return SP_OK;
    }
    return SP_INPUT;
}

/* Both directions, and the goodbye. What does not fit the socket is left where it is. */
static enum sp_err
exchange(struct tls_stream *server, SSL *client)
{
    static const unsigned char zeros[PAYLOAD];
    unsigned char back[1024];
    size_t n = 0;
    enum sp_err rc = SP_OK;

    if ((rc = tls_stream_put_ticket(server)) != SP_OK
        || (rc = tls_stream_put(server, zeros, sizeof zeros, &n)) != SP_OK
        || (rc = tls_stream_flush(server)) != SP_OK)
        return rc;
    if (SSL_read_ex(client, back, sizeof back, &n) != 1
        || SSL_write_ex(client, back, n, &n) != 1)
        return SP_INPUT;
    if ((rc = tls_stream_read(server, back, sizeof back, &n)) != SP_OK
        || (rc = tls_stream_put_end(server)) != SP_OK)
        return rc;
    return tls_stream_flush(server);
}

static enum sp_err
connect_once(struct tls_context *c, const struct warm *w, enum tls_kind kind, int version,
             SSL_SESSION **session)
{
    int pair[2] = { -1, -1 };
    struct tls_stream *server = NULL;
    SSL *client = NULL;
    enum sp_err rc = SP_OS;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        goto out;
    if ((rc = tls_stream_new(&server, c, pair[0], kind)) != SP_OK)
        goto out;
    rc = SP_NOMEM;
    SSL_set_cert_cb(tls_stream_ssl(server), NULL, NULL);
    SSL_certs_clear(tls_stream_ssl(server));
    if (SSL_use_cert_and_key(tls_stream_ssl(server), w->shown.leaf, w->shown.key, NULL,
                             1) != 1
        || (client = SSL_new(w->client)) == NULL || SSL_set_fd(client, pair[1]) != 1
        || SSL_set_min_proto_version(client, version) != 1
        || SSL_set_max_proto_version(client, version) != 1
        || SSL_set_tlsext_host_name(client, "localhost") != 1
        || (*session != NULL && SSL_set_session(client, *session) != 1))
        goto out;
    SSL_set_connect_state(client);
    if ((rc = shake_hands(server, client)) != SP_OK
        || (rc = exchange(server, client)) != SP_OK)
        goto out;
    if (*session == NULL)
        *session = SSL_get1_session(client);
    else if (!tls_stream_resumed(server))
        rc = SP_INPUT;
out:
    if (client != NULL)         /* else OpenSSL takes the session for a bad one */
        SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    tls_stream_free(server);
    fd_close(&pair[0]);
    fd_close(&pair[1]);
    return rc;
}

/* A control connection, and a data connection that resumes it. */
static enum sp_err
warm_version(struct tls_context *c, const struct warm *w, int version)
{
    SSL_SESSION *session = NULL;
    enum sp_err rc = SP_OK;

    if ((rc = connect_once(c, w, TLS_CONTROL, version, &session)) == SP_OK)
        rc = connect_once(c, w, TLS_DATA, version, &session);
    SSL_SESSION_free(session);
    return rc;
}

/* The throw-away key is an EC key, and an administrator may serve RSA suites alone. */
static bool
serves_ecdsa_12(const struct tls_context *c)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(c->ssl);

    if (SSL_CTX_get_min_proto_version(c->ssl) > TLS1_2_VERSION)
        return false;
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
        if (SSL_CIPHER_get_auth_nid(sk_SSL_CIPHER_value(ciphers, i)) == NID_auth_ecdsa)
            return true;
    return false;
}

enum sp_err
tls_context_warm(struct tls_context *c)
{
    static const unsigned char protocol[] = "\003ftp";
    struct warm w = {0};
    const char *why = NULL;
    bool begun = c->begun;
    enum sp_err rc = SP_OK;

    c->begun = true;            /* with keys that nobody uses behind the fork */
    ERR_clear_error();
    if ((rc = make_certificate(&w, c->library)) != SP_OK
        || (rc = tickets_renew(&c->tickets, c->library)) != SP_OK)
        goto out;
    rc = SP_NOMEM;
    if ((w.client = SSL_CTX_new_ex(c->library, NULL, TLS_client_method())) == NULL
        || SSL_CTX_set_alpn_protos(w.client, protocol, sizeof protocol - 1) != 0)
        goto out;
    rc = SP_OK;
    if (serves_ecdsa_12(c))
        rc = warm_version(c, &w, TLS1_2_VERSION);
    if (rc == SP_OK)
        rc = warm_version(c, &w, TLS1_3_VERSION);
out:
    if (rc != SP_OK) {
        why = ERR_reason_error_string(ERR_peek_error());
        log_event(EVENT_TLS_WARM, "fault=\"%s\" code=%s", why == NULL ? "" : why,
                  sp_err_text(rc));
    }
    ERR_clear_error();
    c->begun = begun;
    SSL_CTX_free(w.client);
    certificate_clear(&w.shown);
    EVP_PKEY_free(w.key);
    return rc;
}
