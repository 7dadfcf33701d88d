/* tests/unit/test_tls_resumption.c - tls/worker: tickets, session ids, their bounds */
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#include "tls_pair.h"
#include "tls/worker/tickets.h"
#include "unit.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* A control connection, its sessions taken by the client; stays open. */
static void
begin(struct server *s, struct client *c, struct link *control, int version)
{
    server_open(s, "1.2");
    server_add(s, PAIR_EC, "DNS:localhost");
    server_add(s, PAIR_RSA, "DNS:one.example");
    client_open(c, version);
    CU_ASSERT_TRUE_FATAL(link_connect(control, s, TLS_CONTROL, c, NULL));
    CU_ASSERT_TRUE(link_server_says(control, "220 hello"));
    CU_ASSERT_TRUE_FATAL(c->count > 0);
}

static void
end(struct server *s, struct client *c, struct link *control)
{
    link_close(control);
    client_close(c);
    server_close(s);
}

static void
one_ticket_many_times(void)
{
    for (size_t v = 0; v < 2; v++) {
        struct server s;
        struct client c;
        struct link control;

        begin(&s, &c, &control, versions[v]);
        for (unsigned i = 0; i < 50; i++) {
            struct link l;

            CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &c, c.sessions[0]));
            CU_ASSERT_TRUE(tls_stream_resumed(l.server));
            CU_ASSERT_TRUE(link_server_says(&l, "some data"));
            link_close(&l);
        }
        CU_ASSERT_EQUAL(s.signatures, 1);
        end(&s, &c, &control);
    }
}

static void
a_fresh_ticket_for_each_transfer(void)
{
    struct server s;
    struct client c;
    struct link control;

    begin(&s, &c, &control, TLS1_3_VERSION);
    CU_ASSERT_EQUAL(c.count, 2);        /* of the handshake */
    for (unsigned i = 0; i < 40; i++) {
        struct link l;

        CU_ASSERT_EQUAL(tls_stream_put_ticket(control.server), SP_OK);
        CU_ASSERT_TRUE(link_server_says(&control, "227 Entering Passive Mode"));
        CU_ASSERT_EQUAL(c.count, 3 + i);
        /* Each of them once, as Java does. */
        CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &c, c.sessions[i]));
        CU_ASSERT_TRUE(tls_stream_resumed(l.server));
        link_close(&l);
    }
    end(&s, &c, &control);
}

static void
no_extra_ticket_in_1_2(void)
{
    struct server s;
    struct client c;
    struct link control;

    begin(&s, &c, &control, TLS1_2_VERSION);
    CU_ASSERT_EQUAL(c.tickets, 1);
    CU_ASSERT_EQUAL(tls_stream_put_ticket(control.server), SP_OK);
    CU_ASSERT_EQUAL(tls_stream_unsent(control.server), 0);
    CU_ASSERT_TRUE(link_server_says(&control, "227"));
    CU_ASSERT_EQUAL(c.tickets, 1);
    end(&s, &c, &control);
}

static void
data_connections_send_no_ticket(void)
{
    for (size_t v = 0; v < 2; v++)
        for (unsigned resumed = 0; resumed < 2; resumed++) {
            struct server s;
            struct client c;
            struct link control, l;
            unsigned before = 0;

            begin(&s, &c, &control, versions[v]);
            link_client_listens(&control);
            before = c.count;
            c.tickets = c.full_tickets = 0;
            CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &c,
                                        resumed ? c.sessions[0] : NULL));
            CU_ASSERT_EQUAL(tls_stream_resumed(l.server), resumed == 1);
            CU_ASSERT_EQUAL(tls_stream_put_ticket(l.server), SP_OK);
            CU_ASSERT_EQUAL(tls_stream_unsent(l.server), 0);
            CU_ASSERT_TRUE(link_client_says(&l, "an upload"));
            CU_ASSERT_TRUE(link_server_says(&l, "a download"));
            link_client_listens(&l);
            CU_ASSERT_EQUAL(c.tickets, 0);
            CU_ASSERT_EQUAL(c.full_tickets, 0);
            if (versions[v] == TLS1_3_VERSION || resumed)
                CU_ASSERT_EQUAL(c.count, before);
            link_close(&l);
            end(&s, &c, &control);
        }
}

/* Anybody may shake hands with a data port: that must be no way into the session. */
static void
a_full_handshake_on_data_leaves_nothing(void)
{
    for (size_t v = 0; v < 2; v++)
        for (unsigned tickets = 0; tickets < 2; tickets++) {
            struct server s;
            struct client c, stranger;
            struct link control, l;
            SSL_SESSION *session = NULL;

            begin(&s, &c, &control, versions[v]);
            client_open(&stranger, versions[v]);
            if (!tickets)
                (void)SSL_CTX_set_options(stranger.ssl, SSL_OP_NO_TICKET);
            CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &stranger, NULL));
            CU_ASSERT_TRUE(link_client_says(&l, "let me in"));
            CU_ASSERT_FALSE(tls_stream_resumed(l.server));
            session = SSL_get1_session(l.client);
            link_close(&l);
            CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &stranger, session));
            CU_ASSERT_FALSE(tls_stream_resumed(l.server));
            link_close(&l);
            SSL_SESSION_free(session);
            client_close(&stranger);
            end(&s, &c, &control);
        }
}

/* The client has said its first words, and reads nothing yet; our half is put and sent. */
static void
open_half(struct link *l, struct server *s, enum tls_kind kind, struct client *c,
          SSL_SESSION *session)
{
    SSL_SESSION *copy = session == NULL ? NULL : SSL_SESSION_dup(session);

    link_open(l, s, kind, c);
    if (copy != NULL)
        CU_ASSERT_EQUAL(SSL_set_session(l->client, copy), 1);
    SSL_SESSION_free(copy);
    CU_ASSERT_EQUAL(SSL_do_handshake(l->client), -1);
    CU_ASSERT_EQUAL(tls_stream_handshake(l->server), SP_AGAIN);
}

static void
payload_need_not_wait_for_the_clients_half(void)
{
    struct server s;
    struct client c;
    struct link control, l;
    char back[64];
    size_t n = 0;

    begin(&s, &c, &control, TLS1_3_VERSION);
    open_half(&l, &s, TLS_DATA, &c, c.sessions[1]);
    CU_ASSERT_TRUE_FATAL(tls_stream_is_early(l.server));
    CU_ASSERT_TRUE(tls_stream_resumed(l.server));
    CU_ASSERT_STRING_EQUAL(tls_stream_version(l.server), "TLSv1.3");
    CU_ASSERT_EQUAL(tls_stream_put(l.server, "a whole file", 12, &n), SP_OK);
    CU_ASSERT_EQUAL(tls_stream_put_end(l.server), SP_OK);
    CU_ASSERT_EQUAL(tls_stream_flush(l.server), SP_OK);
    CU_ASSERT_EQUAL(SSL_read_ex(l.client, back, sizeof back, &n), 1);
    CU_ASSERT_TRUE(n == 12 && memcmp(back, "a whole file", n) == 0);
    CU_ASSERT_EQUAL(SSL_read_ex(l.client, back, sizeof back, &n), 0);
    CU_ASSERT_EQUAL(SSL_get_error(l.client, 0), SSL_ERROR_ZERO_RETURN);
    link_close(&l);
    end(&s, &c, &control);
}

/* Nothing was put early: an upload, or the client was quicker than its command. */
static void
a_handshake_goes_on_where_nothing_was_put_early(void)
{
    struct server s;
    struct client c;
    struct link control, l;

    begin(&s, &c, &control, TLS1_3_VERSION);
    open_half(&l, &s, TLS_DATA, &c, c.sessions[0]);
    CU_ASSERT_TRUE(tls_stream_is_early(l.server));
    CU_ASSERT_EQUAL(tls_stream_handshake(l.server), SP_AGAIN);
    CU_ASSERT_FALSE(tls_stream_is_early(l.server));
    CU_ASSERT_TRUE(link_shake(&l));
    CU_ASSERT_FALSE(tls_stream_is_early(l.server));
    CU_ASSERT_TRUE(tls_stream_resumed(l.server));
    CU_ASSERT_TRUE(link_client_says(&l, "an upload"));
    CU_ASSERT_TRUE(link_server_says(&l, "a download"));
    link_close(&l);
    end(&s, &c, &control);
}

/* A ClientHello that somebody has recorded comes with a ticket that was seen. */
static void
nothing_is_early_without_a_ticket_newer_than_all_before(void)
{
    static const struct { unsigned session; bool early; } rows[] = {
        { 0, true }, { 0, false }, { 2, true }, { 1, false }, { 2, false }, { 3, true },
    };
    struct server s;
    struct client c;
    struct link control, l;

    begin(&s, &c, &control, TLS1_3_VERSION);
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(tls_stream_put_ticket(control.server), SP_OK);
        CU_ASSERT_TRUE(link_server_says(&control, "227 Entering Passive Mode"));
    }
    CU_ASSERT_EQUAL_FATAL(c.count, 4);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_half(&l, &s, TLS_DATA, &c, c.sessions[rows[i].session]);
        CU_ASSERT_EQUAL(tls_stream_is_early(l.server), rows[i].early);
        CU_ASSERT_TRUE(link_shake(&l));
        CU_ASSERT_TRUE(tls_stream_resumed(l.server));
        link_close(&l);
    }
    end(&s, &c, &control);
}

static void
nothing_is_early_in_full_in_1_2_and_on_control(void)
{
    for (size_t v = 0; v < 2; v++) {
        struct server s;
        struct client c;
        struct link control, l;

        begin(&s, &c, &control, versions[v]);
        open_half(&l, &s, TLS_DATA, &c, NULL);
        CU_ASSERT_FALSE(tls_stream_is_early(l.server));
        CU_ASSERT_FALSE(tls_stream_resumed(l.server));
        link_close(&l);
        open_half(&l, &s, TLS_CONTROL, &c, c.sessions[0]);
        CU_ASSERT_FALSE(tls_stream_is_early(l.server));
        link_close(&l);
        open_half(&l, &s, TLS_DATA, &c, c.sessions[0]);
        CU_ASSERT_EQUAL(tls_stream_is_early(l.server), versions[v] == TLS1_3_VERSION);
        link_close(&l);
        end(&s, &c, &control);
    }
}

static void
a_session_id_many_times(void)
{
    struct server s;
    struct client c;
    struct link control, l;

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "DNS:localhost");
    client_open(&c, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(c.ssl, SSL_OP_NO_TICKET);
    CU_ASSERT_TRUE_FATAL(link_connect(&control, &s, TLS_CONTROL, &c, NULL));
    CU_ASSERT_EQUAL_FATAL(c.count, 1);
    CU_ASSERT_EQUAL(c.tickets, 0);
    for (unsigned i = 0; i < 20; i++) {
        CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &c, c.sessions[0]));
        CU_ASSERT_TRUE(tls_stream_resumed(l.server));
        if (i % 2 == 0)         /* aborted, or ended by an alert */
            SSL_set_quiet_shutdown(l.client, 1);
        else
            (void)send(l.fds[1], "\x15\x03\x03\x00\x02\x02\x50", 7, MSG_NOSIGNAL);
        if (i % 2 == 1) {
            char byte = 0;
            size_t n = 0;

            CU_ASSERT_EQUAL(tls_stream_read(l.server, &byte, 1, &n), SP_INPUT);
        }
        link_close(&l);
    }
    link_close(&control);
    client_close(&c);
    server_close(&s);
}

static void
session_ids_are_bounded(void)
{
    struct server s;
    struct client c;
    struct link l;

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "DNS:localhost");
    client_open(&c, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(c.ssl, SSL_OP_NO_TICKET);
    for (unsigned i = 0; i < TICKETS_SESSIONS + 10; i++) {
        CU_ASSERT_TRUE(link_connect(&l, &s, TLS_CONTROL, &c, NULL));
        link_close(&l);
    }
    CU_ASSERT_EQUAL_FATAL(c.count, CLIENT_SESSIONS);
    CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &c, c.sessions[0]));
    CU_ASSERT_FALSE(tls_stream_resumed(l.server));
    link_close(&l);
    CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &c, c.sessions[CLIENT_SESSIONS - 1]));
    CU_ASSERT_TRUE(tls_stream_resumed(l.server));
    link_close(&l);
    client_close(&c);
    server_close(&s);
}

/* A context after tls_context_begin is that of another worker. */
static void
a_foreign_ticket_means_a_full_handshake(void)
{
    for (size_t v = 0; v < 2; v++)
        for (unsigned tickets = 0; tickets < 2; tickets++) {
            struct server s;
            struct client c;
            struct link control, l;

            server_open(&s, "1.2");
            server_add(&s, PAIR_EC, "DNS:localhost");
            client_open(&c, versions[v]);
            if (!tickets)
                (void)SSL_CTX_set_options(c.ssl, SSL_OP_NO_TICKET);
            CU_ASSERT_TRUE(link_connect(&control, &s, TLS_CONTROL, &c, NULL));
            CU_ASSERT_TRUE(link_server_says(&control, "220"));
            link_close(&control);
            CU_ASSERT_TRUE_FATAL(c.count > 0);
            CU_ASSERT_EQUAL(tls_context_begin(s.context, server_sign, &s), SP_OK);
            c.tickets = 0;
            for (unsigned kind = 0; kind < 2; kind++) {
                CU_ASSERT_TRUE(link_connect(&l, &s, kind == 0 ? TLS_DATA : TLS_CONTROL,
                                            &c, c.sessions[0]));
                CU_ASSERT_FALSE(tls_stream_resumed(l.server));
                CU_ASSERT_TRUE(link_client_says(&l, "hello"));
                CU_ASSERT_EQUAL(l.alert, -1);
                if (kind == 0) {
                    link_client_listens(&l);
                    CU_ASSERT_EQUAL(c.tickets, 0);
                }
                link_close(&l);
            }
            client_close(&c);
            server_close(&s);
        }
}

static void
a_forged_ticket_means_a_full_handshake(void)
{
    struct server s;
    struct client c;
    struct link control, l;
    unsigned char der[4096], *at = der;
    const unsigned char *from = der, *ticket = NULL;
    size_t ticket_len = 0;
    int len = 0;
    SSL_SESSION *forged = NULL;

    for (size_t v = 0; v < 2; v++) {
        begin(&s, &c, &control, versions[v]);
        SSL_SESSION_get0_ticket(c.sessions[0], &ticket, &ticket_len);
        at = der;
        from = der;
        len = i2d_SSL_SESSION(c.sessions[0], &at);
        CU_ASSERT_TRUE_FATAL(len > 0 && ticket_len > 64);
        for (int i = 0; i + (int)ticket_len <= len; i++)
            if (memcmp(der + i, ticket, ticket_len) == 0)
                der[(size_t)i + ticket_len / 2] ^= 1;
        forged = d2i_SSL_SESSION(NULL, &from, len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(forged);
        CU_ASSERT_TRUE(link_connect(&l, &s, TLS_DATA, &c, forged));
        CU_ASSERT_FALSE(tls_stream_resumed(l.server));
        link_close(&l);
        SSL_SESSION_free(forged);
        end(&s, &c, &control);
    }
}

static void
resumption_with_and_without_the_server_name(void)
{
    static const char *const names[] = { NULL, "localhost", "one.example" };

    for (size_t v = 0; v < 2; v++)
        for (size_t i = 0; i < 9; i++) {
            struct server s;
            struct client c;
            struct link control, l;

            server_open(&s, "1.2");
            server_add(&s, PAIR_EC, "DNS:localhost");
            server_add(&s, PAIR_RSA, "DNS:one.example");
            client_open(&c, versions[v]);
            link_open(&control, &s, TLS_CONTROL, &c);
            if (names[i / 3] != NULL) {
                char copy[32];

                SP_ASSERT(text_copy(copy, sizeof copy, names[i / 3]));
                CU_ASSERT_EQUAL(SSL_set_tlsext_host_name(control.client, copy), 1);
            }
            CU_ASSERT_TRUE(link_shake(&control));
            CU_ASSERT_TRUE(link_server_says(&control, "220"));
            link_open(&l, &s, TLS_DATA, &c);
            CU_ASSERT_EQUAL(SSL_set_session(l.client, c.sessions[0]), 1);
            if (names[i % 3] != NULL) {
                char copy[32];

                SP_ASSERT(text_copy(copy, sizeof copy, names[i % 3]));
                CU_ASSERT_EQUAL(SSL_set_tlsext_host_name(l.client, copy), 1);
            }
            CU_ASSERT_TRUE(link_shake(&l));
            CU_ASSERT_TRUE(tls_stream_resumed(l.server));
            link_close(&l);
            end(&s, &c, &control);
        }
}

static void
sessions_last_a_week(void)
{
    for (size_t v = 0; v < 2; v++) {
        struct server s;
        struct client c;
        struct link control;

        begin(&s, &c, &control, versions[v]);
        CU_ASSERT_EQUAL(SSL_SESSION_get_ticket_lifetime_hint(c.sessions[0]),
                        7 * 24 * 3600);
        end(&s, &c, &control);
    }
}

static const struct unit_test tests[] = {
    { "one ticket resumes any number of times", one_ticket_many_times },
    { "a fresh ticket comes with each reply that announces a port",
      a_fresh_ticket_for_each_transfer },
    { "TLS 1.2 has one ticket, in its handshake", no_extra_ticket_in_1_2 },
    { "data connections send no ticket, full or resumed",
      data_connections_send_no_ticket },
    { "a full handshake on a data connection cannot be resumed",
      a_full_handshake_on_data_leaves_nothing },
    { "payload need not wait for the client's half",
      payload_need_not_wait_for_the_clients_half },
    { "a handshake goes on where nothing was put early",
      a_handshake_goes_on_where_nothing_was_put_early },
    { "nothing is early without a ticket newer than all before",
      nothing_is_early_without_a_ticket_newer_than_all_before },
    { "nothing is early in full, in 1.2 and on control",
      nothing_is_early_in_full_in_1_2_and_on_control },
    { "a session id resumes any number of times, aborts or not",
      a_session_id_many_times },
    { "session ids are bounded in number", session_ids_are_bounded },
    { "a ticket of another worker means a full handshake",
      a_foreign_ticket_means_a_full_handshake },
    { "a forged ticket means a full handshake", a_forged_ticket_means_a_full_handshake },
    { "resumption works with and without the server name",
      resumption_with_and_without_the_server_name },
    { "tickets are good for a week", sessions_last_a_week },
    { NULL, NULL }
};
const struct unit_suite suite_tls_resumption = { "tls: resumption", tests };
