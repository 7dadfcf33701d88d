/* tls/worker/others.c - see others.h */
#include "tls/worker/others.h"

#include <string.h>

#include "base/secret.h"
#include "tls/worker/inside.h"

#define IDENTITIES_MOST 2       /* looked at in one ClientHello: clients offer one or two */

/* Takes a number of two bytes off the front. False: there is none. */
static bool
take_u16(struct slice *from, size_t *out)
{
    if (from->len < 2)
        return false;
    *out = (size_t)from->at[0] << 8 | from->at[1];
    *from = slice_from(from->at + 2, from->len - 2);
    return true;
}

/* RFC 8446 section 4.2.11: a list of identities, each with an age of four bytes. */
static bool
take_identity(struct slice *list, struct slice *ticket)
{
    size_t len = 0;

    if (!take_u16(list, &len) || list->len < len + 4)
        return false;
    *ticket = slice_from(list->at, len);
    *list = slice_from(list->at + len + 4, list->len - len - 4);
    return true;
}

static bool
is_named(struct slice ticket, const unsigned char name[TLS_TICKET_NAME])
{
    return ticket.len > TLS_TICKET_NAME && memcmp(ticket.at, name, TLS_TICKET_NAME) == 0;
}

/* SP_REFUSED: nothing to be asked, or no. */
static enum sp_err
ask_about(struct others *o, struct slice ticket)
{
    enum sp_err rc = SP_REFUSED;

    if (ticket.len <= TLS_TICKET_NAME)
        return SP_REFUSED;
    if ((rc = o->ask(o->context, ticket.at, o->keys)) != SP_OK)
        return rc;
    memcpy(o->name, ticket.at, sizeof o->name);
    o->have = true;
    return SP_OK;
}

/* All that is offered, one after the other, until one of them is good. */
static enum sp_err
look_at(struct tls_context *c, SSL *ssl)
{
    const unsigned char *at = NULL;
    struct slice list = SLICE_EMPTY, ticket = SLICE_EMPTY;
    size_t len = 0;
    enum sp_err rc = SP_REFUSED;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &at, &len) == 1) {
        list = slice_from(at, len);
        if (!take_u16(&list, &len) || len > list.len)
            return SP_REFUSED;
        list.len = len;
        for (unsigned i = 0; rc == SP_REFUSED && i < IDENTITIES_MOST
             && take_identity(&list, &ticket); i++) {
            if (is_named(ticket, c->tickets.name))
                return SP_OK;
            rc = ask_about(&c->others, ticket);
        }
    }
    if (rc == SP_REFUSED
        && SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &at, &len) == 1) {
        ticket = slice_from(at, len);
        rc = is_named(ticket, c->tickets.name) ? SP_OK : ask_about(&c->others, ticket);
    }
    return rc;
}

static void
forget(struct others *o)
{
    o->have = false;
    wipe(o->keys, sizeof o->keys);
}

static int
/* NOLINTNEXTLINE(readability-non-const-parameter): the type is OpenSSL's */
on_client_hello(SSL *ssl, int *alert, void *unused)
{
    struct tls_context *c = context_of(ssl);

    (void)alert;
    (void)unused;
    forget(&c->others);
    if (kind_of(ssl) != TLS_DATA || c->others.ask == NULL)
        return SSL_CLIENT_HELLO_SUCCESS;
    return look_at(c, ssl) == SP_AGAIN ? SSL_CLIENT_HELLO_RETRY : SSL_CLIENT_HELLO_SUCCESS;
}

void
others_init(SSL_CTX *ssl)
{
    SSL_CTX_set_client_hello_cb(ssl, on_client_hello, NULL);
}

bool
others_have(const struct others *o, const unsigned char name[TLS_TICKET_NAME])
{
    return o->have && memcmp(o->name, name, sizeof o->name) == 0;
}
