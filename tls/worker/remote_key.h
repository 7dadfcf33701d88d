/*
 * tls/worker/remote_key.h - private keys that are elsewhere, as OpenSSL sees them
 *
 * Runs in: worker and its template.      Blocks: while a signature is asked for.
 * Trusts:  nothing; a key here is a public key and a number, there is nothing to steal.
 *
 * A small provider named "sallyport" that lives beside OpenSSL's "default" one. Its keys
 * claim a private part, so that libssl takes them for a certificate, and refuse to export
 * it, so that OpenSSL comes back here for each signature.
 */
#ifndef SP_TLS_WORKER_REMOTE_KEY_H
#define SP_TLS_WORKER_REMOTE_KEY_H

#include <openssl/types.h>

#include "base/err.h"
#include "tls/context.h"

#define REMOTE_TBS_MAX 512      /* bytes of a signature's input, as in messages.def */

/* Who signs. Lent to every key: it must outlive them, and may change under them. */
struct remote_signer { tls_sign *sign; void *context; };

/* Load the provider into library; *out is for OSSL_PROVIDER_unload. SP_NOMEM. */
SP_CHECK enum sp_err remote_key_provide(OSSL_LIB_CTX *library, OSSL_PROVIDER **out);
/*
 * A key with the public part of another (RSA or EC) whose private part is number index at
 * the signer. The caller frees *out. SP_INPUT: another kind of key. SP_NOMEM.
 */
SP_CHECK enum sp_err remote_key_new(EVP_PKEY **out, OSSL_LIB_CTX *library,
                                    EVP_PKEY *public, unsigned index,
                                    struct remote_signer *signer);

#endif
