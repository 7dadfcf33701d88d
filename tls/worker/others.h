/*
 * tls/worker/others.h - tickets that another worker has made, on data connections
 *
 * Runs in: worker.                       Blocks: while the one who decides is asked.
 * Trusts:  nothing that a client presents.
 *
 * Some clients keep one store of tickets for all their connections to a server, and offer on
 * a data connection the newest one, of whichever session it is. Whether such a ticket proves
 * as much as one of our own is decided elsewhere (monitor/bond.h): asked by its name, before
 * the handshake goes on. The keys are forgotten with the next ClientHello.
 */
#ifndef SP_TLS_WORKER_OTHERS_H
#define SP_TLS_WORKER_OTHERS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "tls/context.h"

struct others {
    tls_tickets_of *ask;        /* NULL: none is good */
    void *context;
    bool have;                  /* those of: */
    unsigned char name[TLS_TICKET_NAME], keys[TLS_TICKET_KEYS];
};

/* Installs what it needs in a server's SSL_CTX. */
void others_init(SSL_CTX *ssl);
/* Are there keys for tickets of that name? */
bool others_have(const struct others *o, const unsigned char name[TLS_TICKET_NAME]);

#endif
