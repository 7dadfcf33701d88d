/*
 * tls/worker/certificates.h - the server's certificates, and which one a client is shown
 *
 * Runs in: worker and its template.      Blocks: on the file while one is read.
 * Trusts:  the administrator's files, as far as OpenSSL reads them; no client's name.
 * Owns:    the certificates and their (remote) keys.
 */
#ifndef SP_TLS_WORKER_CERTIFICATES_H
#define SP_TLS_WORKER_CERTIFICATES_H

#include <openssl/types.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CERTIFICATES_MAX 32     /* as many as the setting may have */

enum certificate_kind { CERTIFICATE_RSA, CERTIFICATE_EC, CERTIFICATE_KINDS };

struct certificate {
    enum certificate_kind kind;
    X509 *leaf;
    STACK_OF(X509) *chain;      /* what stands behind it in the file, in that order */
    EVP_PKEY *key;              /* remote_key.h */
    int64_t from, until;        /* the leaf is valid then; seconds since the epoch */
};

struct certificates { struct certificate all[CERTIFICATES_MAX]; size_t count; };

/* At most one of each kind; NULL where there is none. Borrowed. */
struct certificate_choice { const struct certificate *of[CERTIFICATE_KINDS]; };

/*
 * Read a PEM file into *out, all but its key. fd is read to its end. SP_INPUT: the file
 * says no such thing (logged with its name, what is wrong and the remedy). SP_OS,
 * SP_NOMEM.
 */
SP_CHECK enum sp_err certificate_read(struct certificate *out, OSSL_LIB_CTX *library,
                                      int fd, const char *file);
void certificate_clear(struct certificate *c);
void certificates_clear(struct certificates *all);

/*
 * For the server name a client asks for (NULL: none): a certificate that has this very
 * name before one that covers it by a wildcard, else the default, which is the first of
 * all and the first of the other kind for the same names. One that is not valid now (seconds
 * since the epoch) is chosen only where there is no other for the name: then the client
 * may decide.
 */
void certificates_choose(const struct certificates *all, const char *name, int64_t now,
                         struct certificate_choice *out);
/* Has one of them this name? A common name counts where there is no alternative name. */
bool certificates_have(const struct certificates *all, const char *name);

#endif
