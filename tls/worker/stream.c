/* tls/worker/stream.c - see tls/stream.h */
#include "tls/stream.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls/worker/gather.h"
#include "tls/worker/inside.h"
#include "tls/worker/urgent.h"

/*
 * Measured with TLS 1.3 and AES-128-GCM over loopback, on an AMD EPYC with 512 KiB of L2 for
 * each core. Downloads: as much as is read at once. Twice that is better for one stream (0.71
 * for 0.73 CPU-s/GiB), and worse where others want the caches, too (32 at once: 0.81 for
 * 0.79). Sends of single records, with MSG_MORE and no copy between, cost 0.1 CPU-s/GiB more:
 * the reader is woken for each. Uploads: 1.02 CPU-s/GiB with 128 KiB read and 512 KiB written
 * at once, 0.98 with 64 and 256 KiB: the caches hold both. Whole records fit into what is
 * read: else the last one is moved, and its rest read by a call of its own.
 */
#define DATA_GATHER GATHER_FOR((size_t)256 << 10)
#define READ_RECORDS 4
#define READ_SLACK 7                    /* OpenSSL's alignment */
#define WIRE_RECORD_1_2 (5 + 8 + 16384 + 16)
#define WIRE_RECORD_1_3 (5 + 16384 + 1 + 16)
#define NARROW_ROOM ((size_t)64 << 10)  /* who asks for no more has OpenSSL's own buffer */
#define CONTROL_GATHER GATHER_FOR((size_t)64 << 10)

struct tls_stream {
    enum tls_kind kind;         /* first: the SSL's app data points here */
    int fd;
    SSL *ssl;
    struct gather out;
    struct urgent urgent;
    bool secured;               /* the handshake is done                        */
    bool half_done;             /* data: our half of it is                      */
    bool early;                 /* data: payload may go before the client's half came */
    bool wants_write;           /* the last step stopped at a full socket       */
    bool undecided;             /* at a ticket of which nobody can say yet      */
    bool reads_ahead;           /* payload: the read buffer is filled up        */
    bool reads_wide;            /* the large one is in use, or is to be         */
    bool direct;                /* OpenSSL writes to the socket, not to out     */
    bool in_kernel;             /* the kernel seals: out has what is in clear   */
    bool rekeyed;               /* in_kernel: the client's keys and ours part   */
    bool end_sent;              /* in_kernel: close_notify has gone             */
    bool starved;               /* no whole record is buffered, only the socket */
    bool end_put;               /* close_notify is on its way                   */
    bool answered;              /* our half of the handshake has gone           */
    bool hurried;               /* payload is acknowledged at once              */
    bool ended_well;
    enum sp_err reading;        /* SP_OK, or what every further read returns    */
    char fault[192];
    char server_name[SERVER_NAME_MAX + 1];
};

/* ---- sealing by the kernel ---------------------------------------------------------- */

/* Nothing changes for the bytes of a socket until keys are set; not every kind can. */
static bool
kernel_joins(int fd)
{
    return setsockopt(fd, SOL_TCP, TCP_ULP, "tls", sizeof "tls") == 0;
}

/* OpenSSL 3.0 has no way to give the kernel a second key, and would go on with the first. */
static void
see_message(int is_written, int version, int content, const void *at, size_t len, SSL *ssl,
            void *context)
{
    struct tls_stream *s = context;

    (void)version;
    (void)ssl;
    if (is_written && s->in_kernel && content == SSL3_RT_HANDSHAKE && len > 0
        && *(const unsigned char *)at == SSL3_MT_KEY_UPDATE)
        s->rekeyed = true;
}

/* ---- life -------------------------------------------------------------------------- */

static enum sp_err
write_to_gather(struct tls_stream *s, const struct tls_context *c)
{
    BIO *out = NULL;
    enum sp_err rc = gather_bio(&out, c->gather, &s->out);

    if (rc == SP_OK)
        SSL_set0_wbio(s->ssl, out);
    return rc;
}

/*
 * OpenSSL hands its keys to the kernel in the middle of the handshake, through the BIO of
 * a socket only. Whether it did is known at the end of it (choose_sealer).
 */
static enum sp_err
attach(struct tls_stream *s, const struct tls_context *c)
{
    BIO *socket = BIO_new_socket(s->fd, BIO_NOCLOSE);

    if (socket == NULL)
        return SP_NOMEM;
    if (s->kind == TLS_CONTROL && urgent_bio(&socket, c->urgent, &s->urgent) != SP_OK) {
        BIO_free_all(socket);
        return SP_NOMEM;
    }
    SSL_set0_rbio(s->ssl, socket);
    if (s->kind != TLS_DATA || !c->in_kernel || !kernel_joins(s->fd))
        return write_to_gather(s, c);
    if (BIO_up_ref(socket) != 1)
        return SP_NOMEM;
    SSL_set0_wbio(s->ssl, socket);
    SSL_set_msg_callback(s->ssl, see_message);
    SSL_set_msg_callback_arg(s->ssl, s);
    s->direct = true;
    return SP_OK;
}

static enum sp_err
choose_sealer(struct tls_stream *s)
{
    if (!s->direct)
        return SP_OK;
    s->in_kernel = BIO_get_ktls_send(SSL_get_wbio(s->ssl));
    if (s->in_kernel)
        return SP_OK;
    s->direct = false;
    return write_to_gather(s, context_of(s->ssl));
}

enum sp_err
tls_stream_new(struct tls_stream **out, struct tls_context *c, int fd, enum tls_kind kind)
{
    struct tls_stream *s = NULL;
    enum sp_err rc = SP_NOMEM;

    SP_ASSERT(c->begun);        /* else the ticket keys would be those of other sessions */
    if ((s = calloc(1, sizeof *s)) == NULL)
        goto out;
    s->kind = kind;
    s->fd = fd;
    s->urgent = (struct urgent)URGENT_EMPTY;
    s->out = (struct gather)GATHER_EMPTY(kind == TLS_DATA ? DATA_GATHER : CONTROL_GATHER);
    ERR_clear_error();
    if ((s->ssl = SSL_new(c->ssl)) == NULL)
        goto out;
    if (SSL_set_app_data(s->ssl, &s->kind) != 1)
        goto out;
    if ((rc = attach(s, c)) != SP_OK)
        goto out;
    rc = SP_NOMEM;
    if (kind == TLS_DATA && SSL_set_num_tickets(s->ssl, 0) != 1)
        goto out;
    /* An idle control connection holds no buffers; one record of 16 KiB after another
     * would have to get them anew each time. */
    if (kind == TLS_CONTROL)
        (void)SSL_set_mode(s->ssl, SSL_MODE_RELEASE_BUFFERS);
    /* A client may send KeyUpdates without end: each is one step, not one more turn of a
     * loop inside OpenSSL that none of the caller's clocks would get out of. */
    (void)SSL_clear_mode(s->ssl, SSL_MODE_AUTO_RETRY);
    SSL_set_accept_state(s->ssl);
    *out = s;
    s = NULL;
    rc = SP_OK;
out:
    tls_stream_free(s);
    return rc;
}

void
tls_stream_free(struct tls_stream *s)
{
    if (s == NULL)
        return;
    SSL_free(s->ssl);
    gather_free(&s->out);
    free(s);
}

SSL *
tls_stream_ssl(struct tls_stream *s)
{
    return s->ssl;
}

/* ---- what went wrong --------------------------------------------------------------- */

/* Reasons from here on are alerts that the client sent: its word against us. */
#define IS_ALERT(reason) \
    ((reason) >= SSL_AD_REASON_OFFSET && (reason) < SSL_AD_REASON_OFFSET + 256)

static void
explain(struct tls_stream *s)
{
    const char *more = NULL, *text = NULL;
    int flags = 0;
    unsigned long error = ERR_get_error_all(NULL, NULL, NULL, &more, &flags);
    int reason = ERR_GET_REASON(error);

    if (error == 0)
        (void)text_copy(s->fault, sizeof s->fault, "the connection broke");
    else if (ERR_GET_LIB(error) == ERR_LIB_SSL && IS_ALERT(reason))
        (void)text_printf(s->fault, sizeof s->fault, "the client's alert: %s%s",
                          SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET),
                          reason == SSL_R_TLSV1_ALERT_DECRYPT_ERROR
                          ? " (does the private key belong to the certificate?)" : "");
    else if ((flags & ERR_TXT_STRING) != 0 && more != NULL && more[0] != '\0')
        (void)text_copy(s->fault, sizeof s->fault, more);
    else if ((text = ERR_reason_error_string(error)) != NULL)
        (void)text_copy(s->fault, sizeof s->fault, text);
    else
        (void)text_printf(s->fault, sizeof s->fault, "OpenSSL error %lx", error);
    ERR_clear_error();
}

static bool
is_cut(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL
        && ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

/* What a call of OpenSSL's that failed means. Fills fault for all but SP_AGAIN. */
static enum sp_err
judge(struct tls_stream *s, int returned, int os_error)
{
    switch (SSL_get_error(s->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        return SP_AGAIN;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
        s->undecided = true;
        return SP_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        if (s->direct) {
            s->wants_write = true;
            return SP_AGAIN;
        }
        /* Only past the slack: a client that provokes answers and does not take them. */
        (void)text_copy(s->fault, sizeof s->fault,
                        "too many answers are waiting to be sent");
        return SP_INPUT;
    case SSL_ERROR_ZERO_RETURN:
        s->ended_well = true;
        (void)text_copy(s->fault, sizeof s->fault, "the client said goodbye");
        return SP_CLOSED;
    case SSL_ERROR_SYSCALL:
        (void)text_printf(s->fault, sizeof s->fault, "the connection broke: %s",
                          os_error == 0 ? "end of file" : strerror(os_error));
        ERR_clear_error();
        return os_error == 0 ? SP_CLOSED : SP_INPUT;
    default:
        break;
    }
    if (is_cut(ERR_peek_error())) {
        ERR_clear_error();
        (void)text_copy(s->fault, sizeof s->fault,
                        "the client closed without close_notify");
        return SP_CLOSED;
    }
    explain(s);
    return SP_INPUT;
}

const char *
tls_stream_fault(const struct tls_stream *s)
{
    return s->fault;
}

/* ---- no waiting for acknowledgements ------------------------------------------------ */

/*
 * A client's kernel that holds a small segment holds the next one back until the first is
 * acknowledged (Nagle), and ours, when it has sent something, waits 40 ms for more to send
 * before it acknowledges. So where we can do nothing but wait for more, what came is
 * acknowledged now. That lasts until we send again.
 */
static void
acknowledge(const struct tls_stream *s)
{
    int on = 1;

    (void)setsockopt(s->fd, SOL_TCP, TCP_QUICKACK, &on, sizeof on);
}

/* ---- handshake --------------------------------------------------------------------- */

/* What the client typed into SNI goes on to replies, messages and the log: names only. */
static void
keep_server_name(struct tls_stream *s)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    if (!server_name_of(s->ssl, s->server_name)
        || strspn(s->server_name, allowed) != strlen(s->server_name))
        s->server_name[0] = '\0';
}

static enum sp_err
flush_step(struct tls_stream *s)
{
    bool sends = s->direct || tls_stream_unsent(s) > 0;
    enum sp_err rc = tls_stream_flush(s);

    s->wants_write = rc == SP_AGAIN;
    /* GnuTLS sends ChangeCipherSpec alone, and Finished behind it */
    if (s->answered && !s->secured)
        acknowledge(s);
    s->answered = s->answered || sends;
    return rc;
}

static enum sp_err
handshake_failed(struct tls_stream *s, enum sp_err why)
{
    s->reading = why;
    SP_IGNORE(tls_stream_flush(s));     /* the alert, if there is room for it */
    return why;
}

/*
 * As SSL_do_handshake, but it stops when our half of a data connection's handshake is put: so
 * far, and before OpenSSL has looked for the client's half, payload may be put behind it
 * (tls_stream_is_early). The client that has resumed by a fresh ticket has shown by its
 * ClientHello that it is the client of this FTP session, and nobody else can read what
 * follows (RFC 8446, section 4.4.4 and appendix E.5). Early data of clients is never taken.
 */
static int
shake_hands(struct tls_stream *s)
{
    unsigned char none = 0;
    size_t got = 0;

    s->early = false;
    if (s->kind != TLS_DATA || s->direct || s->half_done)
        return SSL_do_handshake(s->ssl);
    if (SSL_read_early_data(s->ssl, &none, sizeof none, &got) != SSL_READ_EARLY_DATA_FINISH)
        return 0;
    s->half_done = true;
    if (SSL_version(s->ssl) != TLS1_3_VERSION)
        return SSL_do_handshake(s->ssl);        /* it is over */
    s->early = SSL_session_reused(s->ssl) == 1
        && tickets_spend(&context_of(s->ssl)->tickets, SSL_get_session(s->ssl));
    return 0;
}

enum sp_err
tls_stream_handshake(struct tls_stream *s)
{
    enum sp_err rc = SP_OK;
    bool before = s->half_done;
    int done = 0;

    if (s->reading != SP_OK)
        return s->reading;
    if (s->secured)
        return flush_step(s);
    ERR_clear_error();
    errno = 0;
    s->wants_write = s->undecided = false;
    if ((done = shake_hands(s)) != 1) {
        if (s->half_done == before && (rc = judge(s, done, errno)) != SP_AGAIN)
            return handshake_failed(s, rc);
        if (s->wants_write)
            return SP_AGAIN;
        /* Sent or not, the next step is the client's; but it waits for all of ours. */
        rc = flush_step(s);
        return rc == SP_OK ? SP_AGAIN : rc;
    }
    s->secured = s->urgent.allowed = true;
    if ((rc = choose_sealer(s)) != SP_OK)
        return handshake_failed(s, rc);
    keep_server_name(s);
    return flush_step(s);
}

bool
tls_stream_is_early(const struct tls_stream *s)
{
    return s->early;
}

/* The keys for what we send are there, and it is known who has the others. */
static bool
is_open(const struct tls_stream *s)
{
    return s->secured || s->early;
}

bool
tls_stream_wants_write(const struct tls_stream *s)
{
    return s->wants_write;
}

bool
tls_stream_is_undecided(const struct tls_stream *s)
{
    return s->undecided;
}

const char *
tls_stream_version(const struct tls_stream *s)
{
    return is_open(s) ? SSL_get_version(s->ssl) : "";
}

const char *
tls_stream_cipher(const struct tls_stream *s)
{
    return is_open(s) ? SSL_CIPHER_get_name(SSL_get_current_cipher(s->ssl)) : "";
}

const char *
tls_stream_server_name(const struct tls_stream *s)
{
    return s->server_name;
}

bool
tls_stream_resumed(const struct tls_stream *s)
{
    return is_open(s) && SSL_session_reused(s->ssl) == 1;
}

/* ---- reading ----------------------------------------------------------------------- */

/*
 * Large reads from the socket are most of an upload's speed, and a buffer for them most of
 * a connection's memory, whose fresh pages cost a small file 3 % of its CPU: so it comes
 * with the first large read, and OpenSSL's own is filled up until then. It is changed for
 * the other one between two records, which have to be read one by one until there is such
 * a moment. On control connections nothing is read ahead: after close_notify (CCC) the
 * bytes behind it are not TLS's any more.
 */
static void
read_ahead(struct tls_stream *s, size_t room)
{
    if (!s->reads_wide && room > NARROW_ROOM) {
        s->reads_wide = true;
        s->reads_ahead = false;
        SSL_set_read_ahead(s->ssl, 0);
        SSL_set_default_read_buffer_len(s->ssl, READ_SLACK + READ_RECORDS
            * (SSL_version(s->ssl) == TLS1_3_VERSION ? WIRE_RECORD_1_3 : WIRE_RECORD_1_2));
    }
    /* what is pending is looked at by SSL_free_buffers itself since 3.0.14 (CVE-2024-4741) */
    if (s->reads_ahead
        || (s->reads_wide && (SSL_pending(s->ssl) > 0 || SSL_free_buffers(s->ssl) != 1)))
        return;
    s->reads_ahead = true;
    SSL_set_read_ahead(s->ssl, 1);
}

/* Of an upload what is small comes behind Finished, and close_notify behind that. */
static void
hurry(struct tls_stream *s)
{
    if (s->kind != TLS_DATA || s->hurried)
        return;
    s->hurried = true;
    acknowledge(s);
}

enum sp_err
tls_stream_read(struct tls_stream *s, void *at, size_t room, size_t *got)
{
    unsigned char *to = at;
    size_t have = 0, n = 0;
    int done = 0;

    if (s->reading != SP_OK)
        return s->reading;
    SP_ASSERT(s->secured && room > 0);
    ERR_clear_error();
    while (have < room) {
        if (s->kind == TLS_DATA)
            read_ahead(s, room);
        errno = 0;
        done = SSL_read_ex(s->ssl, to + have, room - have, &n);
        if (s->rekeyed) {
            (void)text_copy(s->fault, sizeof s->fault,
                            "a KeyUpdate, which tls_kernel = true cannot answer");
            s->reading = SP_INPUT;
            break;
        }
        if (done != 1) {
            enum sp_err rc = judge(s, done, errno);

            s->starved = true;
            if (rc != SP_AGAIN)
                s->reading = rc;        /* after the bytes before it */
            else if (have == 0) {
                hurry(s);
                return SP_AGAIN;
            }
            break;
        }
        s->starved = false;
        have += n;
    }
    if (have == 0)
        return s->reading;
    *got = have;
    return SP_OK;
}

bool
tls_stream_ended_well(const struct tls_stream *s)
{
    return s->ended_well;
}

bool
tls_stream_has_input(const struct tls_stream *s)
{
    if (!s->secured)
        return false;
    if (s->reading != SP_OK)
        return true;            /* the end is still to be read */
    /* Part of a record is in the buffer: the rest of it is the socket's to announce. */
    return SSL_pending(s->ssl) > 0 || (SSL_has_pending(s->ssl) == 1 && !s->starved);
}

/* ---- writing ----------------------------------------------------------------------- */

enum sp_err
tls_stream_put(struct tls_stream *s, const void *at, size_t len, size_t *taken)
{
    size_t room = gather_room(&s->out);
    size_t n = 0;
    int done = 0;

    SP_ASSERT(is_open(s));
    if (len > room)
        len = room;
    *taken = 0;
    if (len == 0)
        return SP_OK;
    if (s->in_kernel) {
        enum sp_err rc = gather_add(&s->out, at, len);

        *taken = rc == SP_OK ? len : 0;
        return rc;
    }
    ERR_clear_error();
    errno = 0;
    /* The whole of it: the gathering buffer has the room, and without partial writes
     * enabled OpenSSL writes all or fails. */
    done = s->secured ? SSL_write_ex(s->ssl, at, len, &n)
        : SSL_write_early_data(s->ssl, at, len, &n);
    if (done != 1) {
        SP_IGNORE(judge(s, done, errno));       /* for its text */
        return SP_INPUT;
    }
    *taken = n;
    return SP_OK;
}

/* What came before has gone. */
static enum sp_err
send_end(struct tls_stream *s)
{
    struct pollfd p = { .fd = s->fd };
    enum sp_err rc = SP_OK;
    int done = 0;

    if (!s->end_put || s->end_sent)
        return SP_OK;
    if (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0)
        return SP_CLOSED;       /* Linux 6.1 may swallow that what came before went nowhere */
    ERR_clear_error();
    errno = 0;
    if ((done = SSL_shutdown(s->ssl)) < 0 && (rc = judge(s, done, errno)) != SP_OK)
        return rc == SP_AGAIN ? SP_AGAIN : SP_CLOSED;
    s->end_sent = true;
    return SP_OK;
}

enum sp_err
tls_stream_flush(struct tls_stream *s)
{
    /* on a data connection the FIN comes right after close_notify, in the same segment */
    int more = s->end_put && s->kind == TLS_DATA ? MSG_MORE : 0;
    enum sp_err rc = gather_send(&s->out, s->fd, s->in_kernel ? 0 : more);

    if (rc == SP_OK && s->in_kernel)
        rc = send_end(s);
    if (rc == SP_OK && s->kind == TLS_CONTROL)
        gather_release(&s->out);
    return rc;
}

size_t
tls_stream_unsent(const struct tls_stream *s)
{
    return gather_unsent(&s->out) + (s->in_kernel && s->end_put && !s->end_sent ? 1 : 0);
}

bool
tls_stream_takes_clear(const struct tls_stream *s)
{
    return s->in_kernel && !s->end_put && gather_unsent(&s->out) == 0;
}

enum sp_err
tls_stream_put_ticket(struct tls_stream *s)
{
    int done = 0;

    if (s->kind != TLS_CONTROL || !s->secured || s->end_put || s->reading != SP_OK
        || SSL_version(s->ssl) != TLS1_3_VERSION)
        return SP_OK;
    ERR_clear_error();
    errno = 0;
    if (SSL_new_session_ticket(s->ssl) != 1)
        return SP_OK;           /* not now, such as in the middle of a KeyUpdate */
    if ((done = SSL_do_handshake(s->ssl)) == 1)
        return SP_OK;
    SP_IGNORE(judge(s, done, errno));
    return SP_INPUT;
}

enum sp_err
tls_stream_put_end(struct tls_stream *s)
{
    int done = 0;

    if (s->end_put || !is_open(s))
        return SP_OK;
    s->end_put = true;
    if (s->in_kernel)
        return SP_OK;           /* a record of its own, behind what is to be sent: flush */
    ERR_clear_error();
    errno = 0;
    if ((done = SSL_shutdown(s->ssl)) >= 0)
        return SP_OK;
    SP_IGNORE(judge(s, done, errno));
    return SP_INPUT;
}
