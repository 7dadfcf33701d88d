/*
 * tests/bench/limits_tls.c - the bare limits of TLS, of small files and of logins (limits.c)
 */
#include "limits.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITE_PIECE (256u << 10)

/* ---- TLS ----------------------------------------------------------------------------- */

static SSL_CTX *
server_context(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    static const unsigned char id[] = "limits";

    NEED(c != NULL);
    NEED(SSL_CTX_use_certificate_chain_file(c, in_dir("cert.pem")) == 1);
    NEED(SSL_CTX_use_PrivateKey_file(c, in_dir("key.pem"), SSL_FILETYPE_PEM) == 1);
    SSL_CTX_set_session_id_context(c, id, sizeof(id));
    SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_num_tickets(c, 1);
    return c;
}

struct client {
    SSL_CTX *context;
    SSL_SESSION *session;
};

static SSL *
handshake(struct client *with, int fd)
{
    SSL *ssl;

    if (with->context == NULL) {
        NEED((with->context = SSL_CTX_new(TLS_client_method())) != NULL);
        SSL_CTX_set_session_cache_mode(with->context, SSL_SESS_CACHE_OFF);
    }
    NEED((ssl = SSL_new(with->context)) != NULL && SSL_set_fd(ssl, fd));
    if (with->session != NULL)
        SSL_set_session(ssl, with->session);
    NEED(SSL_connect(ssl) == 1);
    return ssl;
}

static void
other_sends_tls(int fd, void *unused)
{
    struct client none = {0};
    SSL *ssl = handshake(&none, fd);

    (void)unused;
    for (size_t i = 0; i < count * (MIB / RECORD); i++)
        NEED(SSL_write(ssl, piece, RECORD) == RECORD);
    SSL_shutdown(ssl);
    shutdown(fd, SHUT_WR);
    drop_all(fd);                   /* the ticket: left unread it made this end a reset */
}

/* UPLOAD: what was read is written to a file, gathered in pieces. */
double
limit_open(unsigned with)
{
    pid_t child;
    SSL_CTX *context = server_context();
    int file = (with & UPLOAD) != 0 ? open_in_dir("limit", O_WRONLY | O_CREAT | O_TRUNC) : -1;
    int fd = pair_with(other_sends_tls, NULL, &child), n;
    SSL *ssl = SSL_new(context);
    size_t total = 0, have = 0;

    NEED(ssl != NULL && SSL_set_fd(ssl, fd) && SSL_accept(ssl) == 1);
    double used = cpu();
    while ((n = SSL_read(ssl, piece + have, RECORD)) > 0) {
        total += (size_t)n;
        if (file == -1)
            continue;
        have += (size_t)n;
        if (have + RECORD > WRITE_PIECE) {
            NEED(write(file, piece, have) == (ssize_t)have);
            have = 0;
        }
    }
    NEED(have == 0 || write(file, piece, have) == (ssize_t)have);
    used = cpu() - used;
    NEED(total == count * MIB);
    close(fd);
    end_child(child);
    if (file != -1) {
        close(file);
        unlink(in_dir("limit"));
    }
    return used;
}

/* ---- small files --------------------------------------------------------------------- */

struct small {
    bool tls, upload;
    struct client with;
    int port_from;                  /* a pipe: the address of each listener */
};

/* The client of small files: the first connection gives the session that others resume. */
static void
small_client(struct small *s)
{
    struct sockaddr_in address;
    unsigned char got[SMALL];

    while (read(s->port_from, &address, sizeof(address)) == sizeof(address)) {
        int fd = dial(&address);
        if (s->tls) {
            SSL *ssl = handshake(&s->with, fd);
            if (s->upload)
                NEED(SSL_write(ssl, piece, SMALL) == SMALL);
            else
                NEED(SSL_read(ssl, got, SMALL) == SMALL);
            SSL_shutdown(ssl);
            shutdown(fd, SHUT_WR);
            while (SSL_read(ssl, got, SMALL) > 0)
                ;
            if (s->with.session == NULL)
                s->with.session = SSL_get1_session(ssl);
            SSL_free(ssl);
        } else if (s->upload) {
            send_all(fd, piece, SMALL);
        } else {
            drop_all(fd);
        }
        close(fd);
    }
}

static void
serve_small(const struct small *s, SSL_CTX *context, int fd, size_t i)
{
    char name[32];
    int file;
    SSL *ssl = NULL;

    if (s->tls)
        NEED((ssl = SSL_new(context)) != NULL && SSL_set_fd(ssl, fd) && SSL_accept(ssl) == 1);
    if (s->upload) {
        size_t total = 0;
        snprintf(name, sizeof(name), "limit%zu", i);
        file = open_in_dir(name, O_WRONLY | O_CREAT | O_EXCL);
        for (ssize_t n = 1; n > 0; total += n > 0 ? (size_t)n : 0) {
            n = ssl ? SSL_read(ssl, piece, RECORD) : recv(fd, piece, RECORD, 0);
            NEED(n <= 0 || write(file, piece, (size_t)n) == n);
        }
        NEED(total == SMALL);
    } else {
        file = open_in_dir("small", O_RDONLY);
        if (ssl != NULL)
            NEED(read(file, piece, SMALL) == SMALL && SSL_write(ssl, piece, SMALL) == SMALL);
        else
            NEED(sendfile(fd, file, NULL, SMALL) == SMALL);
    }
    close(file);
    if (ssl != NULL)
        SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

double
limit_small(unsigned with)
{
    struct small s = {.tls = (with & TLS) != 0, .upload = (with & UPLOAD) != 0};
    SSL_CTX *context = s.tls ? server_context() : NULL;
    struct sockaddr_in address;
    int ends[2];
    double used = 0;
    pid_t child;

    NEED(pipe(ends) == 0);
    if ((child = fork()) == 0) {
        close(ends[1]);
        s.port_from = ends[0];
        small_client(&s);
        _exit(0);
    }
    for (size_t i = 0; i <= count; i++) {
        if (i == 1)
            used = cpu();           /* the first one warms, and gives the TLS session */
        int listener = listen_here(&address);
        NEED(write(ends[1], &address, sizeof(address)) == sizeof(address));
        int fd = accept(listener, NULL, NULL);
        NEED(fd != -1);
        close(listener);
        serve_small(&s, context, fd, i);
    }
    used = cpu() - used;
    close(ends[1]);
    end_child(child);
    if (s.upload)
        unlink_numbered(count + 1);
    return used;
}

/* ---- logins -------------------------------------------------------------------------- */

static void
other_shakes_hands(int fd, void *unused)
{
    struct client none = {0};
    unsigned char byte;
    SSL *ssl = handshake(&none, fd);

    (void)unused;
    SSL_read(ssl, &byte, 1);
}

static void
one_login(SSL_CTX *context, int fd)
{
    static struct crypt_data data;

    NEED(crypt_r("bench-password", "$6$saltsalt", &data) != NULL);
    if (context != NULL) {
        SSL *ssl = SSL_new(context);
        NEED(ssl != NULL && SSL_set_fd(ssl, fd) && SSL_accept(ssl) == 1);
        SSL_shutdown(ssl);
    }
    _exit(0);
}

/* The client's end is a child, too: only what forking and the server's child take is counted. */
double
limit_login(unsigned with)
{
    bool tls = (with & TLS) != 0;
    SSL_CTX *context = tls ? server_context() : NULL;
    double used = 0;

    for (size_t i = 0; i < count; i++) {
        pid_t child, other = -1;
        struct rusage of;
        int fd = tls ? pair_with(other_shakes_hands, NULL, &other) : -1, how;
        double before = cpu();
        if ((child = fork()) == 0)
            one_login(context, fd);
        used += cpu() - before;
        NEED(wait4(child, &how, 0, &of) == child && how == 0);
        used += (double)(of.ru_utime.tv_sec + of.ru_stime.tv_sec)
            + (double)(of.ru_utime.tv_usec + of.ru_stime.tv_usec) / 1e6;
        close(fd);
        if (tls)
            end_child(other);
    }
    return used;
}
