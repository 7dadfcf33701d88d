/* tests/unit/test_tls_stream.c - tls/worker/stream.c: bytes, ends, bounds */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tls_pair.h"
#include "unit.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

struct scene { struct server s; struct client c; struct link l; };

static void
begin(struct scene *t, enum tls_kind kind, int version)
{
    server_open(&t->s, "1.2");
    server_add(&t->s, PAIR_EC, "DNS:localhost");
    client_open(&t->c, version);
    CU_ASSERT_TRUE_FATAL(link_connect(&t->l, &t->s, kind, &t->c, NULL));
    if (kind == TLS_CONTROL)
        CU_ASSERT_TRUE(link_server_says(&t->l, "220"));
}

static void
end(struct scene *t)
{
    link_close(&t->l);
    client_close(&t->c);
    server_close(&t->s);
}

static int
waiting_at_client(const struct link *l)
{
    int n = -1;

    return ioctl(l->fds[1], FIONREAD, &n) == 0 ? n : -1;
}

static void
ticket_and_reply_leave_together(void)
{
    struct scene t;
    size_t n = 0, ticket = 0;

    begin(&t, TLS_CONTROL, TLS1_3_VERSION);
    CU_ASSERT_EQUAL(tls_stream_put_ticket(t.l.server), SP_OK);
    ticket = tls_stream_unsent(t.l.server);
    CU_ASSERT_TRUE(ticket > 100);
    CU_ASSERT_EQUAL(tls_stream_put(t.l.server, "227 ok\r\n", 8, &n), SP_OK);
    CU_ASSERT_TRUE(n == 8 && tls_stream_unsent(t.l.server) == ticket + 8 + 5 + 17);
    CU_ASSERT_EQUAL(waiting_at_client(&t.l), 0);
    CU_ASSERT_EQUAL(tls_stream_flush(t.l.server), SP_OK);
    CU_ASSERT_EQUAL(waiting_at_client(&t.l), (int)(ticket + 8 + 5 + 17));
    CU_ASSERT_EQUAL(tls_stream_unsent(t.l.server), 0);
    end(&t);
}

/* Moves total bytes from one end to the other; both ends know the pattern. */
static void
pump(struct scene *t, bool upload, size_t total, size_t piece)
{
    unsigned char *out = malloc(piece), *in = malloc(1 << 20);
    size_t put = 0, got = 0, n = 0;
    unsigned wrong = 0, idle = 0;

    while (got < total && idle < 1000) {
        size_t want = total - put < piece ? total - put : piece;
        size_t before = put + got;

        for (size_t i = 0; i < want; i++)
            out[i] = (unsigned char)((put + i) * 2654435761u >> 13);
        if (upload) {
            if (want > 0 && SSL_write_ex(t->l.client, out, want, &n) == 1)
                put += n;
            n = 0;
            if (tls_stream_read(t->l.server, in, 1 << 20, &n) != SP_OK)
                n = 0;
        } else {
            n = 0;
            if (want > 0)
                CU_ASSERT_EQUAL(tls_stream_put(t->l.server, out, want, &n), SP_OK);
            put += n;
            enum sp_err rc = tls_stream_flush(t->l.server);

            CU_ASSERT_TRUE(rc == SP_OK || rc == SP_AGAIN);
            n = 0;
            if (SSL_read_ex(t->l.client, in, 1 << 20, &n) != 1)
                n = 0;
        }
        for (size_t i = 0; i < n; i++)
            wrong += in[i] != (unsigned char)((got + i) * 2654435761u >> 13);
        got += n;
        idle = put + got == before ? idle + 1 : 0;
    }
    CU_ASSERT_EQUAL(got, total);
    CU_ASSERT_EQUAL(wrong, 0);
    free(out);
    free(in);
}

static void
bytes_arrive_as_they_were(void)
{
    static const size_t pieces[] = { 1000, 16384, 16385, 65536, 262144, 3000000 };

    for (size_t v = 0; v < 2; v++)
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            struct scene t;

            begin(&t, TLS_DATA, versions[v]);
            (void)SSL_set_mode(t.l.client, SSL_MODE_ENABLE_PARTIAL_WRITE
                                           | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
            pump(&t, true, 3000001, pieces[i]);
            pump(&t, false, 3000001, pieces[i]);
            end(&t);
        }
}

static void
reading_takes_all_that_is_there(void)
{
    struct scene t;
    static unsigned char bytes[5 * 16384];
    static unsigned char in[sizeof bytes + 100];
    size_t n = 0;

    for (unsigned kind = 0; kind < 2; kind++) {
        begin(&t, kind == 0 ? TLS_DATA : TLS_CONTROL, TLS1_3_VERSION);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_AGAIN);
        CU_ASSERT_FALSE(tls_stream_has_input(t.l.server));
        CU_ASSERT_EQUAL(SSL_write_ex(t.l.client, bytes, sizeof bytes, &n), 1);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_OK);
        CU_ASSERT_EQUAL(n, sizeof bytes);
        CU_ASSERT_FALSE(tls_stream_has_input(t.l.server));
        /* A room smaller than the record: the rest is announced, and given next. */
        CU_ASSERT_EQUAL(SSL_write_ex(t.l.client, "hello", 5, &n), 1);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, 2, &n), SP_OK);
        CU_ASSERT_EQUAL(n, 2);
        CU_ASSERT_TRUE(tls_stream_has_input(t.l.server));
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_OK);
        CU_ASSERT_TRUE(n == 3 && memcmp(in, "llo", 3) == 0);
        CU_ASSERT_FALSE(tls_stream_has_input(t.l.server));
        end(&t);
    }
}

static size_t
unread_by_server(const struct link *l)
{
    int n = -1;

    CU_ASSERT_EQUAL(ioctl(l->fds[0], FIONREAD, &n), 0);
    return (size_t)n;
}

/* In the middle of a record, and of the buffer or at its end: nothing of either is lost. */
static void
large_reads_get_a_large_buffer(void)
{
    static unsigned char bytes[5 * 16384], in[sizeof bytes];
    static const size_t before[] = { 16384, 2 * 16384 };

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    for (size_t v = 0; v < 4; v++) {
        const size_t first = before[v / 2];
        struct scene t;
        size_t n = 0, left = 0;

        begin(&t, TLS_DATA, versions[v % 2]);
        CU_ASSERT_EQUAL(SSL_write_ex(t.l.client, bytes, first, &n), 1);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, 100, &n), SP_OK);
        CU_ASSERT_EQUAL(n, 100);
        left = unread_by_server(&t.l);
        CU_ASSERT_TRUE(first == 16384 ? left == 0
                       : left > first - 2 * 16384 && left < first - 16384);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in + 100, sizeof in - 100, &n), SP_OK);
        CU_ASSERT_TRUE_FATAL(100 + n == first);
        CU_ASSERT_EQUAL(SSL_write_ex(t.l.client, bytes + first, sizeof bytes - first, &n), 1);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in + first, 100, &n), SP_OK);
        CU_ASSERT_EQUAL(n, 100);
        CU_ASSERT_EQUAL(unread_by_server(&t.l), 0);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in + first + 100,
                                        sizeof in - first - 100, &n), SP_OK);
        CU_ASSERT_TRUE(first + 100 + n == sizeof in && memcmp(in, bytes, sizeof in) == 0);
        end(&t);
    }
}

/* Makes the client's records without sending them, to be cut by the test. */
static size_t
client_record(struct link *l, const char *text, unsigned char *out, size_t room)
{
    BIO *memory = BIO_new(BIO_s_mem());
    size_t n = 0;
    char *at = NULL;
    long len = 0;

    (void)BIO_up_ref(SSL_get_rbio(l->client));
    SSL_set0_rbio(l->client, SSL_get_rbio(l->client));
    (void)BIO_up_ref(memory);
    SSL_set0_wbio(l->client, memory);
    CU_ASSERT_EQUAL(SSL_write_ex(l->client, text, strlen(text), &n), 1);
    len = BIO_get_mem_data(memory, &at);
    SP_ASSERT(len > 0 && (size_t)len <= room);
    memcpy(out, at, (size_t)len);
    BIO_free(memory);
    return (size_t)len;
}

static void
part_of_a_record_is_no_input(void)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        struct scene t;
        unsigned char record[256];
        char in[64];
        size_t len = 0, n = 0;

        begin(&t, kind == 0 ? TLS_DATA : TLS_CONTROL, TLS1_3_VERSION);
        len = client_record(&t.l, "hello", record, sizeof record);
        CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], record, 10), SP_OK);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_AGAIN);
        CU_ASSERT_FALSE(tls_stream_has_input(t.l.server));
        CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], record + 10, len - 10), SP_OK);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_OK);
        CU_ASSERT_TRUE(n == 5 && memcmp(in, "hello", 5) == 0);
        end(&t);
    }
}

static void
the_end_of_an_upload(void)
{
    enum { NOTIFY, FIN, FIN_IN_RECORD, GARBAGE, ENDS };
    static const struct { enum sp_err rc; bool well; } wanted[ENDS] = {
        [NOTIFY] = { SP_CLOSED, true }, [FIN] = { SP_CLOSED, false },
        [FIN_IN_RECORD] = { SP_CLOSED, false }, [GARBAGE] = { SP_INPUT, false },
    };

    for (size_t v = 0; v < 2; v++)
        for (int how = 0; how < ENDS; how++) {
            struct scene t;
            char in[64];
            unsigned char record[256];
            size_t n = 0;

            begin(&t, TLS_DATA, versions[v]);
            CU_ASSERT_EQUAL(SSL_write_ex(t.l.client, "the last bytes", 14, &n), 1);
            if (how == NOTIFY)
                CU_ASSERT_TRUE(SSL_shutdown(t.l.client) >= 0);
            if (how == FIN_IN_RECORD) {
                n = client_record(&t.l, "cut", record, sizeof record);
                CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], record, n - 1), SP_OK);
            }
            if (how == GARBAGE)
                CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], "USER joe\r\n", 10), SP_OK);
            CU_ASSERT_EQUAL(shutdown(t.l.fds[1], SHUT_WR), 0);
            CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_OK);
            CU_ASSERT_TRUE(n == 14 && memcmp(in, "the last bytes", 14) == 0);
            CU_ASSERT_TRUE(tls_stream_has_input(t.l.server));
            for (unsigned twice = 0; twice < 2; twice++) {
                CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n),
                                wanted[how].rc);
                CU_ASSERT_EQUAL(tls_stream_ended_well(t.l.server), wanted[how].well);
            }
            CU_ASSERT_TRUE(tls_stream_fault(t.l.server)[0] != '\0');
            end(&t);
        }
}

static void
a_reset_is_no_end(void)
{
    struct scene t;
    char in[64];
    size_t n = 0;

    begin(&t, TLS_DATA, TLS1_3_VERSION);
    CU_ASSERT_EQUAL(tls_stream_put(t.l.server, "unread", 6, &n), SP_OK);
    CU_ASSERT_EQUAL(tls_stream_flush(t.l.server), SP_OK);
    fd_close(&t.l.fds[1]);      /* with bytes unread: ECONNRESET here */
    CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_INPUT);
    CU_ASSERT_FALSE(tls_stream_ended_well(t.l.server));
    CU_ASSERT_EQUAL(tls_stream_put(t.l.server, "more", 4, &n), SP_OK);
    CU_ASSERT_EQUAL(tls_stream_flush(t.l.server), SP_CLOSED);
    end(&t);
}

static void
the_end_of_a_download(void)
{
    for (size_t v = 0; v < 2; v++) {
        struct scene t;
        char in[64];
        size_t n = 0, unsent = 0;

        begin(&t, TLS_DATA, versions[v]);
        CU_ASSERT_EQUAL(tls_stream_put(t.l.server, "bytes", 5, &n), SP_OK);
        CU_ASSERT_EQUAL(tls_stream_put_end(t.l.server), SP_OK);
        unsent = tls_stream_unsent(t.l.server);
        CU_ASSERT_EQUAL(tls_stream_put_end(t.l.server), SP_OK);
        CU_ASSERT_EQUAL(tls_stream_unsent(t.l.server), unsent);
        CU_ASSERT_EQUAL(tls_stream_flush(t.l.server), SP_OK);
        CU_ASSERT_EQUAL(SSL_read_ex(t.l.client, in, sizeof in, &n), 1);
        CU_ASSERT_EQUAL(SSL_read_ex(t.l.client, in, sizeof in, &n), 0);
        CU_ASSERT_EQUAL(SSL_get_error(t.l.client, 0), SSL_ERROR_ZERO_RETURN);
        /* The client's answer is still heard. */
        CU_ASSERT_TRUE(SSL_shutdown(t.l.client) >= 0);
        CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_CLOSED);
        CU_ASSERT_TRUE(tls_stream_ended_well(t.l.server));
        end(&t);
    }
}

/* CCC: TLS ends, what stands behind close_notify is for whoever reads the socket next. */
static void
nothing_is_read_behind_the_end_on_control(void)
{
    struct scene t;
    char in[64];
    size_t n = 0;

    begin(&t, TLS_CONTROL, TLS1_3_VERSION);
    CU_ASSERT_TRUE(SSL_shutdown(t.l.client) >= 0);
    CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], "NOOP\r\n", 6), SP_OK);
    CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_CLOSED);
    CU_ASSERT_TRUE(tls_stream_ended_well(t.l.server));
    CU_ASSERT_EQUAL(read(t.l.fds[0], in, sizeof in), 6);
    CU_ASSERT_EQUAL(memcmp(in, "NOOP\r\n", 6), 0);
    end(&t);
}

/* Perl's Net::FTP writes Telnet's IAC IP IAC past its TLS; each byte may come alone. */
static void
urgent_bytes_between_records_are_passed_over(void)
{
    static const char urgent[] = "\377\364\377\362";

    for (size_t v = 0; v < 2; v++) {
        struct scene t;
        char in[64];
        size_t n = 0;

        begin(&t, TLS_CONTROL, versions[v]);
        CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], urgent, 3), SP_OK);
        CU_ASSERT_TRUE(link_client_says(&t.l, "\362ABOR\r\n"));
        for (unsigned i = 0; i < 4; i++) {
            CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], urgent + i, 1), SP_OK);
            CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_AGAIN);
            CU_ASSERT_FALSE(tls_stream_has_input(t.l.server));
        }
        /* the same bytes inside of a record are the client's words, and are left alone */
        CU_ASSERT_TRUE(link_client_says(&t.l, urgent));
        end(&t);
    }
}

static void
other_bytes_between_records_end_the_session(void)
{
    static const struct { enum tls_kind kind; const char *at; size_t times; } rows[] = {
        { TLS_CONTROL, "ABOR\r\n", 1 }, { TLS_CONTROL, "\377\364X\r\n\r\n", 1 },
        { TLS_CONTROL, "\377\364\377\362\377", 20 }, { TLS_DATA, "\377\364\377\362\377", 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene t;
        char in[64];
        size_t n = 0;
        enum sp_err rc = SP_AGAIN;

        begin(&t, rows[i].kind, TLS1_3_VERSION);
        for (size_t k = 0; k < rows[i].times; k++)
            CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], rows[i].at, strlen(rows[i].at)), SP_OK);
        for (unsigned k = 0; k < 100 && rc == SP_AGAIN; k++)
            rc = tls_stream_read(t.l.server, in, sizeof in, &n);
        CU_ASSERT_EQUAL(rc, SP_INPUT);
        end(&t);
    }
}

/* Before the handshake is done nobody has a reason to send any. */
static void
urgent_bytes_in_a_handshake_are_refused(void)
{
    struct scene t;

    server_open(&t.s, "1.2");
    server_add(&t.s, PAIR_EC, "DNS:localhost");
    client_open(&t.c, TLS1_3_VERSION);
    link_open(&t.l, &t.s, TLS_CONTROL, &t.c);
    CU_ASSERT_EQUAL(fd_write_all(t.l.fds[1], "\377\364\377", 3), SP_OK);
    CU_ASSERT_FALSE(link_shake(&t.l));
    CU_ASSERT_EQUAL(t.l.rc, SP_INPUT);
    end(&t);
}

static void
gathering_has_a_bound(void)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        struct scene t;
        static unsigned char bytes[4 << 20];
        size_t n = 0, total = 0, most = kind == 0 ? 514 << 10 : 65 << 10;

        begin(&t, kind == 0 ? TLS_DATA : TLS_CONTROL, TLS1_3_VERSION);
        do {
            CU_ASSERT_EQUAL(tls_stream_put(t.l.server, bytes, sizeof bytes, &n), SP_OK);
            total += n;
        } while (n > 0);
        CU_ASSERT_TRUE(total >= (size_t)4 * 16384 && total < most);
        CU_ASSERT_TRUE(tls_stream_unsent(t.l.server) <= most);
        /* Alerts have room of their own. */
        CU_ASSERT_EQUAL(tls_stream_put_end(t.l.server), SP_OK);
        end(&t);
    }
}

static void
a_full_socket_is_waited_for(void)
{
    struct scene t;
    static unsigned char bytes[1 << 20];
    size_t n = 0, total = 0, got = 0;
    int small = 4096;

    begin(&t, TLS_DATA, TLS1_3_VERSION);
    CU_ASSERT_EQUAL(setsockopt(t.l.fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                    0);
    CU_ASSERT_EQUAL(tls_stream_put(t.l.server, bytes, sizeof bytes, &total), SP_OK);
    CU_ASSERT_EQUAL(tls_stream_flush(t.l.server), SP_AGAIN);
    CU_ASSERT_TRUE(tls_stream_unsent(t.l.server) > 0);
    for (unsigned i = 0; i < 10000 && got < total; i++) {
        if (SSL_read_ex(t.l.client, bytes, sizeof bytes, &n) == 1)
            got += n;
        enum sp_err rc = tls_stream_flush(t.l.server);

        CU_ASSERT_TRUE(rc == SP_OK || rc == SP_AGAIN);
    }
    CU_ASSERT_EQUAL(got, total);
    end(&t);
}

static void
a_handshake_waits_for_a_full_socket(void)
{
    struct server s;
    struct client c;
    struct link l;
    char junk[4096] = {0};
    int small = 1;

    server_open(&s, "1.2");
    server_add(&s, PAIR_RSA, "DNS:localhost");
    client_open(&c, TLS1_3_VERSION);
    link_open(&l, &s, TLS_CONTROL, &c);
    CU_ASSERT_EQUAL(setsockopt(l.fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    CU_ASSERT_EQUAL(SSL_do_handshake(l.client), -1);
    while (send(l.fds[0], junk, sizeof junk, MSG_NOSIGNAL) > 0 || small++ < 3)
        ;
    CU_ASSERT_EQUAL(tls_stream_handshake(l.server), SP_AGAIN);
    CU_ASSERT_TRUE(tls_stream_wants_write(l.server));
    while (read(l.fds[1], junk, sizeof junk) > 0)
        ;
    CU_ASSERT_EQUAL(tls_stream_handshake(l.server), SP_AGAIN);
    CU_ASSERT_FALSE(tls_stream_wants_write(l.server));
    link_close(&l);
    client_close(&c);
    server_close(&s);
}

static void
no_renegotiation(void)
{
    struct scene t;
    char in[64];
    size_t n = 0;

    begin(&t, TLS_CONTROL, TLS1_2_VERSION);
    CU_ASSERT_EQUAL(SSL_renegotiate(t.l.client), 1);
    (void)SSL_do_handshake(t.l.client);
    CU_ASSERT_NOT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_OK);
    CU_ASSERT_EQUAL(tls_stream_flush(t.l.server), SP_OK);
    (void)SSL_do_handshake(t.l.client);
    CU_ASSERT_EQUAL(t.l.alert, SSL_AD_NO_RENEGOTIATION);
    CU_ASSERT_EQUAL(t.s.signatures, 1);
    ERR_clear_error();
    end(&t);
}

/* Each is answered by the protocol itself: a client that does not read fills memory. */
static void
key_updates_without_end(void)
{
    struct scene t;
    char in[64];
    size_t n = 0, most = 0, unsent = 0;
    enum sp_err rc = SP_AGAIN;

    begin(&t, TLS_CONTROL, TLS1_3_VERSION);
    for (unsigned i = 0; i < 20000 && rc == SP_AGAIN; i++) {
        if (SSL_key_update(t.l.client, SSL_KEY_UPDATE_REQUESTED) == 1)
            (void)SSL_do_handshake(t.l.client);
        if (SSL_write_ex(t.l.client, "x", 1, &n) == 1)
            while ((rc = tls_stream_read(t.l.server, in, sizeof in, &n)) == SP_OK)
                ;
        unsent = tls_stream_unsent(t.l.server);
        most = unsent > most ? unsent : most;
    }
    CU_ASSERT_EQUAL(rc, SP_INPUT);
    CU_ASSERT_TRUE(most <= (65 + 64) << 10);
    end(&t);
}

/* Each is a step of its own: the caller looks at its clocks between them. */
static void
key_updates_do_not_keep_a_read_from_returning(void)
{
    struct scene t;
    char in[64];
    unsigned char one = 0;
    size_t n = 0;

    begin(&t, TLS_CONTROL, TLS1_3_VERSION);
    for (unsigned i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(SSL_key_update(t.l.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        CU_ASSERT_EQUAL(SSL_do_handshake(t.l.client), 1);
    }
    CU_ASSERT_EQUAL(SSL_write_ex(t.l.client, "x", 1, &n), 1);
    CU_ASSERT_EQUAL(tls_stream_read(t.l.server, in, sizeof in, &n), SP_AGAIN);
    CU_ASSERT_EQUAL(recv(t.l.fds[0], &one, 1, MSG_PEEK | MSG_DONTWAIT), 1);
    for (unsigned i = 0; i < 100; i++)
        if (tls_stream_read(t.l.server, in, sizeof in, &n) == SP_OK)
            break;
    CU_ASSERT_TRUE(n == 1 && in[0] == 'x');
    end(&t);
}

static const struct unit_test tests[] = {
    { "a ticket and the reply behind it leave together",
      ticket_and_reply_leave_together },
    { "bytes arrive as they were, both ways, in pieces of any size",
      bytes_arrive_as_they_were },
    { "one read takes all records that are there", reading_takes_all_that_is_there },
    { "large reads get a large buffer", large_reads_get_a_large_buffer },
    { "part of a record is no input", part_of_a_record_is_no_input },
    { "an upload has ended well only by close_notify", the_end_of_an_upload },
    { "a reset is no end", a_reset_is_no_end },
    { "a download ends by close_notify, once", the_end_of_a_download },
    { "on control nothing is read behind close_notify",
      nothing_is_read_behind_the_end_on_control },
    { "Telnet's urgent bytes between records are passed over",
      urgent_bytes_between_records_are_passed_over },
    { "other bytes between records end the session",
      other_bytes_between_records_end_the_session },
    { "Telnet's urgent bytes in a handshake are refused",
      urgent_bytes_in_a_handshake_are_refused },
    { "the gathering buffer has a bound", gathering_has_a_bound },
    { "a full socket is waited for", a_full_socket_is_waited_for },
    { "a handshake waits for a full socket", a_handshake_waits_for_a_full_socket },
    { "a renegotiation is refused", no_renegotiation },
    { "key updates without end are ended", key_updates_without_end },
    { "key updates do not keep a read from returning",
      key_updates_do_not_keep_a_read_from_returning },
    { NULL, NULL }
};
const struct unit_suite suite_tls_stream = { "tls: stream", tests };
