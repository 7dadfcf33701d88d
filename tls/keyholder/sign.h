/*
 * tls/keyholder/sign.h - what may be signed: what a TLS server signs, no more
 *
 * Runs in: keyholder.                    Blocks: never. Pure: no keys, no system calls.
 * Trusts:  nothing: every byte may come from a captured worker.
 *
 * Whoever has this oracle can still pose as the server in a handshake that he makes up,
 * for as long as he has it. He cannot have it sign a certificate, a mail, a program, a
 * client's handshake, or anything for another protocol or another day.
 */
#ifndef SP_TLS_KEYHOLDER_SIGN_H
#define SP_TLS_KEYHOLDER_SIGN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

enum sign_key { SIGN_RSA, SIGN_P256, SIGN_P384 };
enum sign_padding { SIGN_ECDSA, SIGN_PSS, SIGN_PKCS1 };

/* A TLS SignatureScheme (RFC 8446 section 4.2.3). */
struct sign_scheme { unsigned number; enum sign_padding padding; const char *hash; };

/* NULL: not one that is served. */
const struct sign_scheme *sign_scheme_find(unsigned number);

/*
 * May this key sign these bytes with this scheme? They have to be, from the first to the
 * last, what a server of TLS 1.3 signs in CertificateVerify (RFC 8446 section 4.4.3), or
 * one of TLS 1.2 in an ECDHE ServerKeyExchange (RFC 8422 section 5.4). SP_REFUSED: *why,
 * a text that lives for ever.
 */
SP_CHECK enum sp_err sign_check(enum sign_key key, unsigned scheme, struct slice tbs,
                                const char **why);

#endif
