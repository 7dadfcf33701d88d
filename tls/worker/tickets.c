/* tls/worker/tickets.c - see tickets.h */
#include "tls/worker/tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/secret.h"
#include "tls/worker/inside.h"

/* One for all: a client may resume across kinds, listeners and server names. */
static const unsigned char session_id_context[] = "sallyport";

static int
set_mac_key(unsigned char key[32], EVP_MAC_CTX *mac)
{
    char hash[] = "SHA256";
    OSSL_PARAM params[3];

    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, 32);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0);
    params[2] = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(mac, params);
}

static int
open_with(const struct tickets *t, const unsigned char *cipher_key, unsigned char *mac_key,
          const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    return EVP_DecryptInit_ex2(cipher, t->cipher, cipher_key, iv, NULL) == 1
        && set_mac_key(mac_key, mac) == 1 ? 1 : -1;
}

/*
 * The return value is the policy. Sealing: 0 makes no ticket. Opening: 0 is a ticket we
 * do not know, so a full handshake follows; 1 is "use", and never 2, "use and renew":
 * that would send a new ticket down a data connection (interop.md 3).
 */
static int
ticket_key(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
           EVP_MAC_CTX *mac, int sealing)
{
    struct tls_context *c = context_of(ssl);
    struct tickets *t = &c->tickets;
    size_t iv_len = 0;

    if (sealing) {
        if (kind_of(ssl) == TLS_DATA)
            return 0;
        iv_len = (size_t)EVP_CIPHER_get_iv_length(t->cipher);
        if (RAND_bytes_ex(c->library, iv, iv_len, 0) != 1
            || EVP_EncryptInit_ex2(cipher, t->cipher, t->cipher_key, iv, NULL) != 1)
            return -1;
        memcpy(name, t->name, sizeof t->name);
        return set_mac_key(t->mac_key, mac) == 1 ? 1 : -1;
    }
    if (memcmp(name, t->name, sizeof t->name) == 0)
        return open_with(t, t->cipher_key, t->mac_key, iv, cipher, mac);
    if (!others_have(&c->others, name))
        return 0;
    return open_with(t, c->others.keys, c->others.keys + sizeof t->cipher_key, iv, cipher,
                     mac);
}

/* A full handshake of TLS 1.2 or 1.3 on a data connection: no ticket, no session id. */
static int
is_not_resumable(SSL *ssl, int forward_secure)
{
    (void)forward_secure;
    return kind_of(ssl) == TLS_DATA;
}

/*
 * Our own ring instead of OpenSSL's cache, which forgets a session as soon as one
 * connection that resumed it ends without close_notify or with an alert: an aborted
 * transfer would be the last of its FTP session.
 */
static int
remember(SSL *ssl, SSL_SESSION *session)
{
    struct tickets *t = &context_of(ssl)->tickets;
    SSL_SESSION *copy = NULL;

    if (kind_of(ssl) == TLS_DATA
        || SSL_SESSION_get_protocol_version(session) > TLS1_2_VERSION
        || (copy = SSL_SESSION_dup(session)) == NULL)
        return 0;
    SSL_SESSION_free(t->sessions[t->next]);
    t->sessions[t->next] = copy;
    t->next = (t->next + 1) % TICKETS_SESSIONS;
    return 0;                   /* the reference offered to us is not kept */
}

static SSL_SESSION *
recall(SSL *ssl, const unsigned char *id, int len, int *keep)
{
    struct tickets *t = &context_of(ssl)->tickets;
    const unsigned char *known = NULL;
    unsigned known_len = 0;

    *keep = 0;                  /* the caller owns what is returned */
    for (unsigned i = 0; i < TICKETS_SESSIONS; i++) {
        if (t->sessions[i] == NULL)
            continue;
        known = SSL_SESSION_get_id(t->sessions[i], &known_len);
        if (len > 0 && (unsigned)len == known_len && memcmp(id, known, known_len) == 0)
            return SSL_SESSION_dup(t->sessions[i]);
    }
    return NULL;
}

/* The number lies inside the ticket, sealed with the rest. */
static int
number_ticket(SSL *ssl, void *context)
{
    struct tickets *t = context;
    uint64_t number = t->first + ++t->issued;

    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &number, sizeof number);
}

bool
tickets_spend(struct tickets *t, SSL_SESSION *session)
{
    uint64_t number = 0;
    void *at = NULL;
    size_t len = 0;

    if (SSL_SESSION_get0_ticket_appdata(session, &at, &len) != 1 || len != sizeof number)
        return false;
    memcpy(&number, at, sizeof number);
    number -= t->first;         /* of another process' ticket (others.h): anything */
    if (number <= t->spent || number > t->issued)
        return false;
    t->spent = number;
    return true;
}

enum sp_err
tickets_init(struct tickets *t, OSSL_LIB_CTX *library, SSL_CTX *ssl)
{
    memset(t, 0, sizeof *t);
    if ((t->cipher = EVP_CIPHER_fetch(library, "AES-256-CBC", NULL)) == NULL)
        return SP_NOMEM;
    if (SSL_CTX_set_session_id_context(ssl, session_id_context,
                                       sizeof session_id_context - 1) != 1
        || SSL_CTX_set_num_tickets(ssl, 2) != 1
        || SSL_CTX_set_session_ticket_cb(ssl, number_ticket, NULL, t) != 1
        || SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, ticket_key) != 1)
        return SP_NOMEM;
    (void)SSL_CTX_set_timeout(ssl, TICKET_LIFETIME);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_SERVER
                                                  | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, remember);
    SSL_CTX_sess_set_get_cb(ssl, recall);
    SSL_CTX_set_not_resumable_session_callback(ssl, is_not_resumable);
    return SP_OK;
}

static void
forget(struct tickets *t)
{
    for (unsigned i = 0; i < TICKETS_SESSIONS; i++) {
        SSL_SESSION_free(t->sessions[i]);
        t->sessions[i] = NULL;
    }
    t->next = 0;
    wipe(t->cipher_key, sizeof t->cipher_key);
    wipe(t->mac_key, sizeof t->mac_key);
}

enum sp_err
tickets_renew(struct tickets *t, OSSL_LIB_CTX *library)
{
    forget(t);
    t->issued = t->spent = 0;
    if (RAND_bytes_ex(library, t->name, sizeof t->name, 0) != 1
        || RAND_bytes_ex(library, (unsigned char *)&t->first, sizeof t->first, 0) != 1
        || RAND_priv_bytes_ex(library, t->cipher_key, sizeof t->cipher_key, 0) != 1
        || RAND_priv_bytes_ex(library, t->mac_key, sizeof t->mac_key, 0) != 1)
        return SP_OS;
    return SP_OK;
}

void
tickets_clear(struct tickets *t)
{
    forget(t);
    EVP_CIPHER_free(t->cipher);
    t->cipher = NULL;
}
