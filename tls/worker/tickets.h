/*
 * tls/worker/tickets.h - session resumption: what is remembered, by whom, and for whom
 *
 * Runs in: worker and its template.      Blocks: never.
 * Trusts:  nothing that a client presents.
 *
 * Resuming is how a data connection proves that it belongs to its FTP session, so two
 * rules stand above all others: a session can be resumed only in the process that began
 * it, or in one to which the monitor has given that process' keys (others.h), and only if
 * it began on a control connection. A full handshake on a data
 * connection (which anybody may try who guesses the port) leaves nothing behind that
 * could be resumed.
 *
 * Tickets are numbered. Who presents one that is newer than all that were presented before is
 * no echo: a recorded ClientHello, sent once more, has a number that was seen.
 *
 * Tickets hold everything but their key; clients without tickets (TLS 1.2 only) get a
 * session id, and the newest of those are kept here.
 */
#ifndef SP_TLS_WORKER_TICKETS_H
#define SP_TLS_WORKER_TICKETS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "tls/context.h"

#define TICKET_LIFETIME (7L * 24 * 3600)    /* seconds; the most that TLS 1.3 allows */
#define TICKETS_SESSIONS 64

struct tickets {
    unsigned char name[TLS_TICKET_NAME], cipher_key[32], mac_key[32];
    EVP_CIPHER *cipher;
    SSL_SESSION *sessions[TICKETS_SESSIONS];    /* oldest overwritten first */
    unsigned next;
    uint64_t first;             /* random: tickets count from it                   */
    uint64_t issued, spent;     /* the newest ticket, and the newest that was presented */
};

/* Fetch what the callbacks need and install them in a server's SSL_CTX. SP_NOMEM. */
SP_CHECK enum sp_err tickets_init(struct tickets *t, OSSL_LIB_CTX *library, SSL_CTX *ssl);
/* Fresh keys; every ticket and session of before is worthless. SP_OS: no random bytes. */
SP_CHECK enum sp_err tickets_renew(struct tickets *t, OSSL_LIB_CTX *library);
void tickets_clear(struct tickets *t);
/* True if it came by a ticket of ours, newer than all that this was asked of before. */
bool tickets_spend(struct tickets *t, SSL_SESSION *session);

#endif
