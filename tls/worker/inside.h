/*
 * tls/worker/inside.h - struct tls_context, for the modules of this folder only
 *
 * Runs in: worker and its template.
 */
#ifndef SP_TLS_WORKER_INSIDE_H
#define SP_TLS_WORKER_INSIDE_H

#include <openssl/ssl.h>

#include "tls/context.h"
#include "tls/stream.h"
#include "tls/worker/certificates.h"
#include "tls/worker/others.h"
#include "tls/worker/remote_key.h"
#include "tls/worker/tickets.h"

/*
 * The library context is our own, so that no configuration file of OpenSSL's and no other
 * user of the library in this process has a say in what is fetched from it.
 */
struct text_list;

struct tls_context {
    OSSL_LIB_CTX *library;
    OSSL_PROVIDER *standard, *remote;
    SSL_CTX *ssl;
    BIO_METHOD *gather, *urgent;
    struct remote_signer signer;
    struct certificates certificates;
    struct certificate_choice installed;        /* in the SSL_CTX */
    const struct text_list *server_names;       /* of the settings; borrowed */
    struct tickets tickets;
    struct others others;
    bool in_kernel;             /* data connections may be sealed by the kernel */
    bool begun;                 /* this process has ticket keys of its own   */
};

/* What a callback of OpenSSL's knows of the connection it is called for. */
static inline struct tls_context *
context_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* The app data of every SSL is the kind in its tls_stream. */
static inline enum tls_kind
kind_of(const SSL *ssl)
{
    const enum tls_kind *kind = SSL_get_app_data(ssl);

    return *kind;
}

#define SERVER_NAME_MAX 255

/*
 * The name that the client asks for, without the dot at its end that makes it absolute and
 * no other. False: it asks for none.
 */
bool server_name_of(const SSL *ssl, char name[SERVER_NAME_MAX + 1]);

/* The SSL of a stream; the stream keeps it. For tls_context_warm and the tests. */
SSL *tls_stream_ssl(struct tls_stream *s);

#endif
