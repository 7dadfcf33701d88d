/*
 * tests/unit/tls_pair.h - a server and a client of TLS in one process, for unit-tls
 *
 * The server is a tls_context whose signatures come from a struct keys, as they do in
 * life, only without the processes between. The client is plain OpenSSL.
 */
#ifndef SP_TESTS_TLS_PAIR_H
#define SP_TESTS_TLS_PAIR_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/settings.h"
#include "tls/context.h"
#include "tls/keyholder/keys.h"
#include "tls/stream.h"

/* ---- keys and certificates; made once, never written to a file system ---- */
enum pair_key { PAIR_RSA, PAIR_EC, PAIR_EC384, PAIR_RSA_SMALL, PAIR_ED25519, PAIR_KEYS };

EVP_PKEY *pair_key(enum pair_key kind);
/*
 * A PEM file (a memfd) with a self-signed certificate for names as "DNS:a,IP:::1", valid
 * from now + from to now + until, in seconds.
 */
int pair_certificate_file(enum pair_key kind, const char *names, long from, long until);
/* A PEM file with the private key; passphrase may be NULL. */
int pair_key_file(enum pair_key kind, const char *passphrase);
/* A file with that text. */
int pair_text_file(const char *text);

/* ---- the server ---- */
struct server {
    struct settings settings;
    struct tls_context *context;
    struct keys keys;
    unsigned certificates, signatures, refusals;
    unsigned last_scheme;
};

/* minimum: "1.2" or "1.3". Begun, without certificates. */
void server_open(struct server *s, const char *minimum);
void server_add(struct server *s, enum pair_key kind, const char *names);
/* Valid from now + from to now + until, in seconds. */
void server_add_dated(struct server *s, enum pair_key kind, const char *names, long from,
                      long until);
void server_close(struct server *s);
/* The tls_sign of a struct server. */
enum sp_err server_sign(void *server, unsigned key, unsigned scheme, struct slice tbs,
                        unsigned char *signature, size_t room, size_t *len);

/* ---- the client ---- */
#define CLIENT_SESSIONS 64

struct client {
    SSL_CTX *ssl;
    SSL_SESSION *sessions[CLIENT_SESSIONS];     /* all that were offered, in order */
    unsigned count;
    unsigned tickets;           /* NewSessionTicket messages seen                */
    unsigned full_tickets;      /* of these, with a ticket in them               */
    unsigned requests;          /* CertificateRequest messages                   */
};

/* version: TLS1_2_VERSION or TLS1_3_VERSION. */
void client_open(struct client *c, int version);
void client_close(struct client *c);

/* ---- one connection ---- */
struct link {
    int fds[2];                 /* server, client */
    struct tls_stream *server;
    SSL *client;
    enum sp_err rc;             /* of tls_stream_handshake, at last */
    int client_error;           /* SSL_get_error of the handshake   */
    int alert;                  /* the last alert that reached the client, or -1 */
};

/* Sockets and both ends; no handshake yet. */
void link_open(struct link *l, struct server *s, enum tls_kind kind, struct client *c);
/* Step both sides until both are done or one failed. True: both are done. */
bool link_shake(struct link *l);
/* link_open, resume session unless NULL, link_shake. */
bool link_connect(struct link *l, struct server *s, enum tls_kind kind, struct client *c,
                  SSL_SESSION *session);
/* Sends text from one end, flushed, and reads it at the other. */
bool link_server_says(struct link *l, const char *text);
bool link_client_says(struct link *l, const char *text);
/* Let the client take in what came besides payload (tickets). */
void link_client_listens(struct link *l);
void link_close(struct link *l);

#endif
