/*
 * tests/bench/limits.h - what the bare loops share
 */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MIB (1u << 20)
#define RECORD 16384
#define SMALL 4096
#define NEED(condition) do { if (!(condition)) fail(#condition); } while (0)

extern const char *dir;
extern size_t count;
extern unsigned char *piece;        /* 2 MiB, touched */

_Noreturn void fail(const char *what);
double cpu(void);                   /* of this process and of children that were waited for */
const char *in_dir(const char *name);
int open_in_dir(const char *name, int flags);
void unlink_numbered(size_t n);     /* limit0, limit1, ... in dir */

int listen_here(struct sockaddr_in *address);
int dial(const struct sockaddr_in *address);
void send_all(int fd, const unsigned char *at, size_t len);
void drop_all(int fd);
/* A connection whose other end is other(fd, argument), in a child. */
int pair_with(void (*other)(int, void *), void *argument, pid_t *child);
/* The child's CPU must not be counted: call this behind the last look at cpu(). */
void end_child(pid_t child);

/* What a loop is measured with; those that have no choice are given 0. */
enum with { TLS = 1, UPLOAD = 2, SYNC = 4, LOOK = 8 };

double limit_open(unsigned with);       /* UPLOAD */
double limit_small(unsigned with);      /* TLS, UPLOAD */
double limit_walls(unsigned with);      /* UPLOAD */
double limit_login(unsigned with);      /* TLS */

#endif
