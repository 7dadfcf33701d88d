/*
 * tls/context.h - the server's side of TLS, set up once in the template
 *
 * Runs in: worker and its template.      Blocks: never, but for the signer.
 * Trusts:  nothing a client sends. Holds no private key: signatures come from the signer.
 */
#ifndef SP_TLS_CONTEXT_H
#define SP_TLS_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct settings;
struct tls_context;

/*
 * Asks the keyholder for one signature. scheme: TLS SignatureScheme (RFC 8446 section
 * 4.2.3); tbs: the bytes to be signed, before hashing (TLS 1.3: RFC 8446 section 4.4.3;
 * TLS 1.2: RFC 5246 section 7.4.3). Writes the signature as TLS carries it (DER for
 * ECDSA), at most room bytes. Called in the middle of a handshake; may block.
 */
typedef enum sp_err tls_sign(void *context, unsigned key, unsigned scheme,
                             struct slice tbs, unsigned char *signature, size_t room,
                             size_t *len);

#define TLS_TICKET_NAME 16
#define TLS_TICKET_KEYS 64

/*
 * A client offers a ticket of another process on a data connection. SP_OK: keys opens those
 * of that name, and they are as good as our own. SP_REFUSED: they are worth nothing here.
 * SP_AGAIN: that is not decided; ask again. Called in the middle of a handshake; may block.
 */
typedef enum sp_err tls_tickets_of(void *context, const unsigned char name[TLS_TICKET_NAME],
                                   unsigned char keys[TLS_TICKET_KEYS]);

/*
 * In the template. The settings have to live as long as the context. SP_INPUT: a setting
 * OpenSSL refuses (logged). SP_NOMEM.
 */
SP_CHECK enum sp_err tls_context_new(struct tls_context **out, const struct settings *s);
/*
 * Take the certificate chain of a PEM file (fd is read to its end, not closed); index is
 * the key's number at the keyholder. The first is the default; the others are chosen by
 * SNI from their subject alternative names (wildcards as RFC 6125 section 6.4.3). Two
 * certificates for the same names but of different key types (RSA, ECDSA) both serve.
 * A client that asks for a name that neither a certificate nor the setting server_names
 * has is refused; one that asks for none, or for an address or localhost, is served.
 * One that is not valid now is shown only to who asks for a name that no valid one has.
 * SP_INPUT: no certificate in it, or of an unserved kind (logged with file).
 */
SP_CHECK enum sp_err tls_context_add(struct tls_context *c, unsigned index, int fd,
                                     const char *file);
/*
 * One full and one resumed handshake with itself for TLS 1.2 and 1.3, with a throw-away
 * key, so that every lazily made page of OpenSSL is there before the first fork. Asks no
 * signer. SP_INPUT: the settings let no handshake succeed (logged). SP_OS, SP_NOMEM.
 */
SP_CHECK enum sp_err tls_context_warm(struct tls_context *c);
/*
 * In the forked worker, before its first stream: fresh ticket keys and session cache (so
 * that a ticket can be redeemed only here), fresh random state, and who signs. SP_OS.
 */
SP_CHECK enum sp_err tls_context_begin(struct tls_context *c, tls_sign *sign,
                                       void *context);
/* Who decides about the tickets of other processes. Without: they are worth nothing. */
void tls_context_accept(struct tls_context *c, tls_tickets_of *others, void *context);
/* What another process has to know to open the tickets of this one. */
void tls_context_tickets(const struct tls_context *c, unsigned char name[TLS_TICKET_NAME],
                         unsigned char keys[TLS_TICKET_KEYS]);
void tls_context_free(struct tls_context *c);

#endif
