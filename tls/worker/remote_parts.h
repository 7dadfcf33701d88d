/*
 * tls/worker/remote_parts.h - what the two halves of the provider share: keys, signatures
 *
 * Runs in: worker and its template.
 */
#ifndef SP_TLS_WORKER_REMOTE_PARTS_H
#define SP_TLS_WORKER_REMOTE_PARTS_H

#include <openssl/core.h>
#include <openssl/types.h>

struct remote_signer;

/* Key data of the provider. signer is NULL where only the public part was imported. */
struct remote_key {
    const char *type;           /* "RSA" or "EC" */
    OSSL_LIB_CTX *library;
    EVP_PKEY *public;           /* of the default provider; NULL before the import */
    unsigned index;
    const struct remote_signer *signer;
};

extern const OSSL_DISPATCH remote_rsa_signature[], remote_ecdsa_signature[];

#endif
