/*
 * tests/bench/ftp.h - one FTP session of the load client, blocking, explicit TLS or clear
 *
 * Nothing here returns an error: a wrong reply or a wrong count of bytes makes the figures
 * of the whole run worthless, so it ends the program with one clear line (die). Sessions of
 * several threads may be used side by side, one session only by one thread at a time.
 */
#ifndef BENCH_FTP_H
#define BENCH_FTP_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define FTP_PIECE (256u << 10)

struct target {
    int port;                       /* on 127.0.0.1 */
    const char *user, *password;    /* user NULL: sessions stop at the greeting */
    bool tls, pasv;
    int version;                    /* TLS1_2_VERSION, TLS1_3_VERSION; 0: what both know */
    size_t piece;                   /* bytes of a record that is sent; 0: as many as it holds */
};

struct ftp {
    int fd;
    SSL *ssl;
    char text[512];                 /* the last reply's last line */
    char in[4096];
    size_t at, have;
};

/* A data connection, and what is known of the records that are dropped unread. */
struct data {
    int fd;
    SSL *ssl;
    unsigned char head[5];
    size_t head_have, body, overhead;
    uint64_t bytes, lines;
    bool version13, ended;
};

/* Counted over all sessions and threads. */
struct totals {
    _Atomic uint64_t connections, resumed, unnotified;
};

extern struct totals totals;

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void ftp_prepare(const struct target *to);
void ftp_open(struct ftp *f);
void ftp_command(struct ftp *f, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ftp_quit(struct ftp *f);
/* Ends the TCP connection at once. */
void ftp_abandon(struct ftp *f);

/* The data connection of this command, with TLS where the session has it. */
void ftp_begin(struct ftp *f, struct data *d, const char *verb, const char *name);
/* Both ends are closed, and 226 is read. */
void ftp_end(struct ftp *f, struct data *d);

/* To the end of the data; returns the bytes of the file. keep: decrypted and counted in
 * lines; else dropped in the kernel, TLS records by their headers (expected tells the end
 * from a short record). */
uint64_t data_read(struct data *d, bool keep, uint64_t expected);
/* One step of the same on a socket that does not block: false where it would have to. */
bool data_drop_some(struct data *d, uint64_t expected);
void data_write(struct data *d, const unsigned char *piece, size_t len, uint64_t count);
/* Whether these dropped bytes can be that file: TLS tickets may have come with it. */
void data_check(const struct data *d, const char *name, uint64_t got, uint64_t expected);

/* RETR that is read or dropped whole, STOR of so many bytes. */
void ftp_get(struct ftp *f, const char *name, uint64_t bytes);
void ftp_put(struct ftp *f, const char *name, uint64_t bytes);

#endif
