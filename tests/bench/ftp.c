/*
 * tests/bench/ftp.c - sessions and data connections of the load client: see ftp.h
 */
#include "ftp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE 60                 /* seconds that one read may take */
#define DROP_AT_ONCE (1u << 20)
#define DECRYPTED_MOST (1u << 20)   /* larger files are dropped undecrypted */
#define TICKETS_MOST 4096u          /* what may lie among dropped records besides the file */

struct totals totals;
static const struct target *target;
static SSL_CTX *context;
static unsigned char content[DROP_AT_ONCE];

void
die(const char *format, ...)
{
    va_list list;

    flockfile(stderr);
    fputs("load: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    _exit(1);
}

void
ftp_prepare(const struct target *to)
{
    target = to;
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (unsigned char)(i * 2654435761u >> 13);
    if (!to->tls)
        return;
    if ((context = SSL_CTX_new(TLS_client_method())) == NULL)
        die("no SSL_CTX");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (to->version != 0 && (!SSL_CTX_set_min_proto_version(context, to->version)
                             || !SSL_CTX_set_max_proto_version(context, to->version)))
        die("no such version of TLS");
}

static int
dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
        die("connect to port %d: %s", port, strerror(errno));
    totals.connections++;
    return fd;
}

/* large: writes are gathered, so that many records go with one send. */
static SSL *
shake_hands(int fd, SSL *resumes, bool large)
{
    SSL *ssl = SSL_new(context);
    SSL_SESSION *session = resumes ? SSL_get1_session(resumes) : NULL;
    BIO *gather = NULL;

    if (ssl == NULL || !SSL_set_fd(ssl, fd))
        die("no SSL");
    if (session != NULL)
        SSL_set_session(ssl, session);
    SSL_SESSION_free(session);
    if (large) {
        if ((gather = BIO_new(BIO_f_buffer())) == NULL
            || !BIO_set_write_buffer_size(gather, FTP_PIECE))
            die("no buffer");
        BIO_up_ref(SSL_get_rbio(ssl));
        SSL_set0_wbio(ssl, BIO_push(gather, SSL_get_rbio(ssl)));
    }
    if (SSL_connect(ssl) != 1)
        die("TLS handshake: %s", ERR_reason_error_string(ERR_peek_error())
                ? ERR_reason_error_string(ERR_peek_error()) : strerror(errno));
    if (resumes != NULL && SSL_session_reused(ssl))
        totals.resumed++;
    return ssl;
}

/* ---- the control connection ---------------------------------------------------------- */

static void
send_all(int fd, SSL *ssl, const void *at, size_t len)
{
    const char *from = at;

    while (len > 0) {
        ssize_t n = ssl ? SSL_write(ssl, from, (int)len)
                        : send(fd, from, len, MSG_NOSIGNAL);
        if (n <= 0)
            die("sending failed: %s", ssl ? "TLS" : strerror(errno));
        from += n;
        len -= (size_t)n;
    }
}

/* A line without its end, into f->text. */
static void
read_line(struct ftp *f, const char *asked)
{
    size_t len = 0;

    for (;;) {
        if (f->at == f->have) {
            ssize_t n = f->ssl ? SSL_read(f->ssl, f->in, sizeof(f->in))
                               : recv(f->fd, f->in, sizeof(f->in), 0);
            if (n <= 0)
                die("%s: the server %s", asked,
                    n == 0 || f->ssl ? "closed the session" : "says nothing");
            f->at = 0;
            f->have = (size_t)n;
        }
        char c = f->in[f->at++];
        if (c == '\n')
            break;
        if (c != '\r' && len + 1 < sizeof(f->text))
            f->text[len++] = c;
    }
    f->text[len] = '\0';
}

static bool
is_last_line(const char *text)
{
    return strlen(text) >= 4 && text[3] == ' ' && text[0] >= '1' && text[0] <= '5';
}

static void
expect(struct ftp *f, int code, const char *asked)
{
    do
        read_line(f, asked);
    while (!is_last_line(f->text));
    int got = atoi(f->text);
    if (got != code && !(code == 150 && got == 125))
        die("%s: %d expected, not \"%s\"", asked, code, f->text);
}

void
ftp_command(struct ftp *f, int code, const char *format, ...)
{
    char line[512];
    va_list list;

    va_start(list, format);
    int len = vsnprintf(line, sizeof(line) - 2, format, list);
    va_end(list);
    if (len < 0 || (size_t)len >= sizeof(line) - 2)
        die("a command is too long");
    memcpy(line + len, "\r\n", 3);
    send_all(f->fd, f->ssl, line, (size_t)len + 2);
    line[len] = '\0';
    expect(f, code, line);
}

void
ftp_open(struct ftp *f)
{
    int on = 1;

    *f = (struct ftp){.fd = dial(target->port)};
    setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    expect(f, 220, "the greeting");
    if (target->user == NULL)
        return;
    if (target->tls) {
        ftp_command(f, 234, "AUTH TLS");
        f->ssl = shake_hands(f->fd, NULL, false);
    }
    ftp_command(f, 331, "USER %s", target->user);
    ftp_command(f, 230, "PASS %s", target->password);
    if (target->tls) {
        ftp_command(f, 200, "PBSZ 0");
        ftp_command(f, 200, "PROT P");
    }
    ftp_command(f, 200, "TYPE I");
}

void
ftp_abandon(struct ftp *f)
{
    SSL_free(f->ssl);
    close(f->fd);
    *f = (struct ftp){.fd = -1};
}

void
ftp_quit(struct ftp *f)
{
    ftp_command(f, 221, "QUIT");
    ftp_abandon(f);
}

/* ---- data connections ---------------------------------------------------------------- */

static int
announced_port(const struct ftp *f)
{
    unsigned a, b, c, d, high, low, port;
    const char *at = strchr(f->text, '(');

    if (at != NULL && sscanf(at, "(|||%u|)", &port) == 1)
        return (int)port;
    if (at != NULL && sscanf(at, "(%u,%u,%u,%u,%u,%u", &a, &b, &c, &d, &high, &low) == 6)
        return (int)(high << 8 | low);
    die("no port in \"%s\"", f->text);
}

void
ftp_begin(struct ftp *f, struct data *d, const char *verb, const char *name)
{
    bool upload = strcmp(verb, "STOR") == 0;

    *d = (struct data){.fd = -1};
    ftp_command(f, target->pasv ? 227 : 229, target->pasv ? "PASV" : "EPSV");
    d->fd = dial(announced_port(f));
    ftp_command(f, 150, "%s %s", verb, name);
    if (f->ssl == NULL)
        return;
    d->ssl = shake_hands(d->fd, f->ssl, upload);
    d->version13 = SSL_version(d->ssl) == TLS1_3_VERSION;
    bool explicit_nonce = !d->version13
        && SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(d->ssl)) != NID_chacha20_poly1305;
    d->overhead = d->version13 ? 17 : explicit_nonce ? 24 : 16;
}

void
ftp_end(struct ftp *f, struct data *d)
{
    char rest[4096];

    if (d->ssl != NULL) {
        SSL_shutdown(d->ssl);       /* whether it is answered is the server's affair */
        (void)BIO_flush(SSL_get_wbio(d->ssl));
    }
    shutdown(d->fd, SHUT_WR);
    while (recv(d->fd, rest, sizeof(rest), 0) > 0)
        ;                           /* such as tickets: left unread they made it a reset */
    SSL_free(d->ssl);
    close(d->fd);
    expect(f, 226, "the end of the transfer");
}

/* One header or a part of one body. False: nothing there yet. */
static bool
drop_record(struct data *d, uint64_t expected)
{
    ssize_t n;

    if (d->body > 0)
        n = recv(d->fd, NULL, d->body, MSG_TRUNC);
    else
        n = recv(d->fd, d->head + d->head_have, sizeof(d->head) - d->head_have, 0);
    if (n < 0)
        return false;
    if (n == 0) {
        totals.unnotified++;
        d->ended = true;
    } else if (d->body > 0) {
        d->body -= (size_t)n;
        d->ended = d->body == 0 && d->ended;
    } else if ((d->head_have += (size_t)n) == sizeof(d->head)) {
        size_t len = (size_t)d->head[3] << 8 | d->head[4];
        d->head_have = 0;
        d->body = len;
        if (d->head[0] == 21 || (d->version13 && len == 19 && d->bytes >= expected)) {
            d->ended = true;        /* close_notify, short enough to be there whole */
            d->body = 0;
        } else if (len > d->overhead) {
            d->bytes += len - d->overhead;
        }
    }
    return true;
}

bool
data_drop_some(struct data *d, uint64_t expected)
{
    if (d->ssl != NULL)
        return drop_record(d, expected);
    ssize_t n = recv(d->fd, NULL, DROP_AT_ONCE, MSG_TRUNC);
    if (n < 0)
        return false;
    d->bytes += (uint64_t)n;
    d->ended = n == 0;
    return true;
}

static void
read_some(struct data *d)
{
    static _Thread_local char piece[FTP_PIECE];
    ssize_t n = d->ssl ? SSL_read(d->ssl, piece, sizeof(piece))
                       : recv(d->fd, piece, sizeof(piece), 0);

    if (n <= 0) {
        if (d->ssl != NULL && SSL_get_error(d->ssl, (int)n) != SSL_ERROR_ZERO_RETURN)
            totals.unnotified++;
        else if (n < 0)
            die("reading data: %s", strerror(errno));
        d->ended = true;
        return;
    }
    d->bytes += (uint64_t)n;
    for (const char *at = piece; (at = memchr(at, '\n', (size_t)(piece + n - at))); at++)
        d->lines++;
}

uint64_t
data_read(struct data *d, bool keep, uint64_t expected)
{
    while (!d->ended) {
        if (keep)
            read_some(d);
        else if (!data_drop_some(d, expected))
            die("no data came for %d seconds", PATIENCE);
    }
    return d->bytes;
}

void
data_check(const struct data *d, const char *name, uint64_t got, uint64_t expected)
{
    uint64_t more = d->ssl != NULL && expected > DECRYPTED_MOST ? TICKETS_MOST : 0;

    if (got < expected || got > expected + more)
        die("%s: %llu bytes, not %llu", name, (unsigned long long)got,
            (unsigned long long)expected);
}

void
data_write(struct data *d, const unsigned char *piece, size_t len, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        send_all(d->fd, d->ssl, piece, len);
}

void
ftp_get(struct ftp *f, const char *name, uint64_t bytes)
{
    struct data d;

    ftp_begin(f, &d, "RETR", name);
    bool keep = f->ssl != NULL && bytes <= DECRYPTED_MOST;
    uint64_t got = data_read(&d, keep, bytes);
    data_check(&d, name, got, bytes);
    ftp_end(f, &d);
}

void
ftp_put(struct ftp *f, const char *name, uint64_t bytes)
{
    struct data d;

    ftp_begin(f, &d, "STOR", name);
    size_t len = f->ssl && target->piece > 0 && target->piece < sizeof(content)
        ? target->piece : sizeof(content);
    data_write(&d, content, len, bytes / len);
    data_write(&d, content, bytes % len, 1);
    ftp_end(f, &d);
}
