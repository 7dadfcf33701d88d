/*
 * tests/bench/limits.c - what the machine itself costs: bare loops, to stand beside the servers
 *
 *     limits WHAT DIR [COUNT]
 *
 * Prints one figure, CPU seconds of this side alone (user and system; the other end of a
 * socket is a process of its own) unless it says otherwise:
 *
 *     sendfile, splice, receive, seal, open   for COUNT MiB: a file sent; a socket spliced
 *              into a file; recv and write of 512 KiB; AES-128-GCM of 16 KiB records alone;
 *              SSL_read alone
 *     seal-send, seal-read, open-write        AES-128-GCM of a mapped file, sent 1 MiB at a
 *              time; the same of 256 KiB that are read and sent at a time; SSL_read into
 *              256 KiB that are written to a file at a time
 *     get, put, get-tls, put-tls       COUNT files of 4 KiB, each over a connection of its
 *              own from a fresh listener, TLS sessions resumed
 *     get-walls, put-walls             the same in clear with commands and replies, by three
 *              processes that ask each other as sallyport's do; CPU of all three
 *     login, login-tls                 COUNT times crypt(3) of SHA-512 in a forked process;
 *              and a full TLS handshake (ECDSA P-256) in it
 *     list, list-sorted, names         readdir of DIR, and lstat of everything in it; the
 *              same in the order of inodes; without lstat
 *     sync-big, sync-small             seconds, not CPU: COUNT MiB written and synced; COUNT
 *              files of 4 KiB made, written, synced, with their directory
 *     disk-big, disk-small             the same without syncs, but made under one name and
 *              renamed to another
 *
 * DIR is where the files are: key.pem, cert.pem, and for sendfile and seal-send "big".
 */
#include "limits.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_LEAST 10000
#define PORTS 20000
#define READ_PIECE (256 << 10)      /* a multiple of RECORD */

const char *dir;
size_t count;
unsigned char *piece;

_Noreturn void
fail(const char *what)
{
    fprintf(stderr, "limits: %s: %s\n", what, strerror(errno));
    _exit(1);
}

double
cpu(void)
{
    struct rusage u;
    double sum = 0;
    const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};

    for (size_t i = 0; i < 2; i++) {
        getrusage(whose[i], &u);
        sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
            + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    }
    return sum;
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

const char *
in_dir(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

int
open_in_dir(const char *name, int flags)
{
    int fd = open(in_dir(name), flags | O_CLOEXEC, 0600);

    NEED(fd != -1);
    return fd;
}

void
unlink_numbered(size_t n)
{
    char name[32];

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "limit%zu", i);
        unlink(in_dir(name));
    }
}

/* ---- sockets ------------------------------------------------------------------------- */

/* Not at a port that the kernel picks: the works before may have left all in TIME_WAIT. */
int
listen_here(struct sockaddr_in *address)
{
    static unsigned next;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    NEED(fd != -1 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
    if (next == 0)
        next = (unsigned)getpid() * 7919;
    for (int tries = 0; tries < 1000; tries++) {
        *address = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
            .sin_port = htons((uint16_t)(PORT_LEAST + next++ % PORTS))};
        if (bind(fd, (struct sockaddr *)address, sizeof(*address)) == 0 && listen(fd, 1) == 0)
            return fd;
        NEED(errno == EADDRINUSE);
    }
    fail("no port to listen at");
}

int
dial(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    NEED(fd != -1 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0);
    return fd;
}

void
send_all(int fd, const unsigned char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        NEED(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

void
drop_all(int fd)
{
    while (recv(fd, NULL, MIB, MSG_TRUNC) > 0)
        ;
}

int
pair_with(void (*other)(int, void *), void *argument, pid_t *child)
{
    struct sockaddr_in address;
    int listener = listen_here(&address), fd;

    if ((*child = fork()) == 0) {
        other(dial(&address), argument);
        _exit(0);
    }
    fd = accept(listener, NULL, NULL);
    NEED(fd != -1);
    close(listener);
    return fd;
}

void
end_child(pid_t child)
{
    int how;

    NEED(waitpid(child, &how, 0) == child);
    if (how != 0)
        _exit(1);                   /* it said why */
}

static void
other_drops(int fd, void *unused)
{
    (void)unused;
    drop_all(fd);
}

static void
other_sends(int fd, void *unused)
{
    (void)unused;
    for (size_t i = 0; i < count; i++)
        send_all(fd, piece, MIB);
}

/* ---- bulk ---------------------------------------------------------------------------- */

static double
do_sendfile(unsigned none)
{
    pid_t child;
    int file = open_in_dir("big", O_RDONLY), fd = pair_with(other_drops, NULL, &child);
    double used = cpu();

    (void)none;
    for (size_t left = count * MIB; left > 0;) {
        ssize_t n = sendfile(fd, file, NULL, left);
        NEED(n > 0);
        left -= (size_t)n;
    }
    used = cpu() - used;
    close(fd);
    end_child(child);
    return used;
}

static double
do_receive(unsigned none)
{
    pid_t child;
    int file = open_in_dir("limit", O_RDWR | O_CREAT | O_TRUNC);
    int fd = pair_with(other_sends, NULL, &child);
    size_t total = 0;
    ssize_t n;
    double used = cpu();

    (void)none;
    while ((n = recv(fd, piece, MIB / 2, 0)) > 0) {
        NEED(write(file, piece, (size_t)n) == n);
        total += (size_t)n;
    }
    used = cpu() - used;
    NEED(total == count * MIB);
    end_child(child);
    unlink(in_dir("limit"));
    return used;
}

static double
do_splice(unsigned none)
{
    pid_t child;
    int file = open_in_dir("limit", O_RDWR | O_CREAT | O_TRUNC), ends[2];
    int fd = pair_with(other_sends, NULL, &child);
    size_t total = 0;
    ssize_t n, out;
    double used = cpu();

    (void)none;
    NEED(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, MIB) > 0);
    while ((n = splice(fd, NULL, ends[1], NULL, MIB, SPLICE_F_MOVE)) > 0) {
        for (ssize_t left = n; left > 0; left -= out)
            NEED((out = splice(ends[0], NULL, file, NULL, (size_t)left, SPLICE_F_MOVE)) > 0);
        total += (size_t)n;
    }
    used = cpu() - used;
    NEED(total == count * MIB);
    end_child(child);
    unlink(in_dir("limit"));
    return used;
}

/* ---- ciphers ------------------------------------------------------------------------- */

static size_t
seal(EVP_CIPHER_CTX *c, const unsigned char *from, unsigned char *to)
{
    static unsigned char nonce[12];
    int n;

    nonce[11]++;
    NEED(EVP_EncryptInit_ex(c, NULL, NULL, NULL, nonce));
    NEED(EVP_EncryptUpdate(c, NULL, &n, nonce, 5));
    NEED(EVP_EncryptUpdate(c, to + 5, &n, from, RECORD));
    NEED(EVP_EncryptFinal_ex(c, to + 5 + n, &n));
    NEED(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, to + 5 + RECORD));
    return RECORD + 5 + 16;
}

static EVP_CIPHER_CTX *
new_cipher(void)
{
    static const unsigned char key[16] = {1};
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

    NEED(c != NULL && EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, NULL));
    return c;
}

static double
do_seal(unsigned none)
{
    EVP_CIPHER_CTX *c = new_cipher();
    unsigned char out[RECORD + 64];
    double used = cpu();

    (void)none;
    for (size_t i = 0; i < count * (MIB / RECORD); i++)
        seal(c, piece + i % (MIB / RECORD) * RECORD, out);
    used = cpu() - used;
    EVP_CIPHER_CTX_free(c);
    return used;
}

static double
do_seal_send(unsigned none)
{
    EVP_CIPHER_CTX *c = new_cipher();
    pid_t child;
    int file = open_in_dir("big", O_RDONLY), fd = pair_with(other_drops, NULL, &child);
    double used = cpu();

    (void)none;
    for (size_t i = 0; i < count; i++) {
        unsigned char *map = mmap(NULL, MIB, PROT_READ, MAP_SHARED | MAP_POPULATE, file,
                                  (off_t)(i * MIB));
        size_t len = 0;
        NEED(map != MAP_FAILED);
        for (size_t k = 0; k < MIB / RECORD; k++)
            len += seal(c, map + k * RECORD, piece + len);
        send_all(fd, piece, len);
        munmap(map, MIB);
    }
    used = cpu() - used;
    close(fd);
    end_child(child);
    EVP_CIPHER_CTX_free(c);
    return used;
}

static double
do_seal_read(unsigned none)
{
    EVP_CIPHER_CTX *c = new_cipher();
    pid_t child;
    int file = open_in_dir("big", O_RDONLY), fd = pair_with(other_drops, NULL, &child);
    double used = cpu();

    (void)none;
    for (off_t at = 0; at < (off_t)(count * MIB); at += READ_PIECE) {
        size_t len = 0;
        NEED(pread(file, piece, READ_PIECE, at) == READ_PIECE);
        for (size_t k = 0; k < READ_PIECE / RECORD; k++)
            len += seal(c, piece + k * RECORD, piece + MIB + len);
        send_all(fd, piece + MIB, len);
    }
    used = cpu() - used;
    close(fd);
    end_child(child);
    EVP_CIPHER_CTX_free(c);
    return used;
}

/* ---- directories and disks ----------------------------------------------------------- */

static double
do_list(unsigned with)
{
    double used = cpu();
    DIR *d = opendir(dir);
    struct dirent *e;
    struct stat st;
    size_t entries = 0;

    NEED(d != NULL);
    while ((e = readdir(d)) != NULL) {
        if ((with & LOOK) != 0)
            NEED(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        entries++;
    }
    closedir(d);
    NEED(entries > 2);
    return cpu() - used;
}

struct found {
    ino_t inode;
    char name[256];
};

static int
by_inode(const void *a, const void *b)
{
    ino_t x = ((const struct found *)a)->inode, y = ((const struct found *)b)->inode;

    return x < y ? -1 : x > y;
}

static double
do_list_sorted(unsigned none)
{
    double used = cpu();
    DIR *d = opendir(dir);
    struct dirent *e;
    struct stat st;
    struct found *all = NULL, *more;
    size_t entries = 0, room = 0;

    (void)none;
    NEED(d != NULL);
    while ((e = readdir(d)) != NULL) {
        if (entries == room) {
            room = room * 2 + 1024;
            NEED((more = realloc(all, room * sizeof(*all))) != NULL);
            all = more;
        }
        all[entries].inode = e->d_ino;
        snprintf(all[entries++].name, sizeof(all->name), "%s", e->d_name);
    }
    NEED(entries > 2);
    qsort(all, entries, sizeof(*all), by_inode);
    for (size_t i = 0; i < entries; i++)
        NEED(fstatat(dirfd(d), all[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    free(all);
    closedir(d);
    return cpu() - used;
}

static double
do_disk_big(unsigned with)
{
    bool sync = (with & SYNC) != 0;
    double since = now();
    int file = open_in_dir("limit", O_WRONLY | O_CREAT | O_TRUNC);
    char from[4096];

    for (size_t i = 0; i < count; i++)
        NEED(write(file, piece, MIB) == MIB);
    snprintf(from, sizeof(from), "%s", in_dir("limit"));
    NEED(sync ? fsync(file) == 0 : rename(from, in_dir("limit0")) == 0);
    since = now() - since;
    close(file);
    unlink(in_dir(sync ? "limit" : "limit0"));
    return since;
}

static double
do_disk_small(unsigned with)
{
    bool sync = (with & SYNC) != 0;
    double since = now();
    int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[32];

    NEED(d != -1);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "limit%zu", i);
        int file = open_in_dir(sync ? name : "limit", O_WRONLY | O_CREAT | O_EXCL);
        NEED(write(file, piece, SMALL) == SMALL);
        NEED(sync ? fsync(file) == 0 && fsync(d) == 0 : renameat(d, "limit", d, name) == 0);
        close(file);
    }
    since = now() - since;
    unlink_numbered(count);
    close(d);
    return since;
}

static const struct limit {
    const char *name;
    double (*measure)(unsigned with);
    unsigned with;
} limits[] = {
    {"sendfile", do_sendfile, 0}, {"splice", do_splice, 0}, {"receive", do_receive, 0},
    {"seal", do_seal, 0}, {"seal-send", do_seal_send, 0}, {"seal-read", do_seal_read, 0},
    {"open", limit_open, 0}, {"open-write", limit_open, UPLOAD},
    {"get", limit_small, 0}, {"get-tls", limit_small, TLS},
    {"put", limit_small, UPLOAD}, {"put-tls", limit_small, UPLOAD | TLS},
    {"get-walls", limit_walls, 0}, {"put-walls", limit_walls, UPLOAD},
    {"login", limit_login, 0}, {"login-tls", limit_login, TLS},
    {"names", do_list, 0}, {"list", do_list, LOOK}, {"list-sorted", do_list_sorted, 0},
    {"disk-big", do_disk_big, 0}, {"sync-big", do_disk_big, SYNC},
    {"disk-small", do_disk_small, 0}, {"sync-small", do_disk_small, SYNC},
};

int
main(int argc, char **argv)
{
    if (argc < 3 || argc > 4)
        fail("usage: limits WHAT DIR [COUNT]");
    dir = argv[2];
    count = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    NEED(count > 0 && (piece = malloc(2 * MIB)) != NULL);
    memset(piece, 'x', 2 * MIB);
    signal(SIGPIPE, SIG_IGN);
    alarm(120);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (strcmp(argv[1], limits[i].name) == 0) {
            printf("%.6f\n", limits[i].measure(limits[i].with));
            return 0;
        }
    }
    fail("no such limit");
}
