/* tests/hostile/things.c - see things.h */
#include "things.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

/* ---- descriptors ------------------------------------------------------------------- */

static int
pair_of(int type, bool second)
{
    int pair[2] = { -1, -1 };

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == -1)
        return -1;
    fd_close(&pair[second ? 0 : 1]);    /* its other end is gone */
    return pair[second ? 1 : 0];
}

static int
pipe_end(int end)
{
    int pair[2] = { -1, -1 };

    if (pipe2(pair, O_CLOEXEC) == -1)
        return -1;
    fd_close(&pair[1 - end]);
    return pair[end];
}

/* The other end stays with us: whoever reads waits. */
static int
quiet_pipe(void)
{
    int pair[2] = { -1, -1 };

    return pipe2(pair, O_CLOEXEC) == -1 ? -1 : pair[0];
}

static int
unix_listening(void)
{
    struct sockaddr_un nameless = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* without a name the kernel chooses one, in the abstract space */
    if (fd != -1 && (bind(fd, (struct sockaddr *)&nameless, sizeof(sa_family_t)) == -1
                     || listen(fd, 1) == -1))
        fd_close(&fd);
    return fd;
}

static int
tcp_listening(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 && (bind(fd, (struct sockaddr *)&at, sizeof at) == -1
                     || listen(fd, 1) == -1))
        fd_close(&fd);
    return fd;
}

static int open_directory(void) { return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }
static int open_path(void) { return open("/", O_PATH | O_CLOEXEC); }
static int open_null(void) { return open("/dev/null", O_RDWR | O_CLOEXEC); }
static int open_zero(void) { return open("/dev/zero", O_RDWR | O_CLOEXEC); }
static int open_full(void) { return open("/dev/full", O_RDWR | O_CLOEXEC); }
static int open_memory(void) { return open("/proc/self/mem", O_RDWR | O_CLOEXEC); }
static int open_proc(void) { return open("/proc/self/status", O_RDONLY | O_CLOEXEC); }
static int pipe_reading(void) { return pipe_end(0); }
static int pipe_writing(void) { return pipe_end(1); }
static int unix_stream(void) { return pair_of(SOCK_STREAM, false); }
static int unix_packets(void) { return pair_of(SOCK_SEQPACKET, true); }
static int tcp(void) { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static int udp(void) { return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
static int memory_file(void) { return memfd_create("thing", MFD_CLOEXEC); }
static int event(void) { return eventfd(0, EFD_CLOEXEC); }
static int timer(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); }
static int poller(void) { return epoll_create1(EPOLL_CLOEXEC); }

static const struct thing { const char *name; int (*open)(void); } things[] = {
    { "directory", open_directory }, { "o-path", open_path }, { "null", open_null },
    { "zero", open_zero }, { "full", open_full }, { "mem", open_memory },
    { "proc", open_proc }, { "pipe-read", pipe_reading }, { "pipe-write", pipe_writing },
    { "pipe-quiet", quiet_pipe }, { "unix", unix_stream },
    { "unix-packets", unix_packets }, { "unix-listening", unix_listening },
    { "tcp", tcp }, { "tcp-listening", tcp_listening }, { "udp", udp },
    { "memfd", memory_file }, { "eventfd", event }, { "timerfd", timer },
    { "epoll", poller },
};

#define THINGS (sizeof things / sizeof *things)

const char *
thing_name(size_t index)
{
    return index < THINGS ? things[index].name : NULL;
}

int
thing_open(const char *name)
{
    for (size_t i = 0; i < THINGS; i++)
        if (strcmp(things[i].name, name) == 0)
            return things[i].open();
    if (name[0] == '/')
        return open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    errno = ENOENT;
    return -1;
}

/* ---- system calls ------------------------------------------------------------------ */

static unsigned char zeros[4096];

static unsigned char
nibble(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static char *
unhex(char *text)
{
    char *out = text;

    for (const char *in = text; in[0] != '\0' && in[1] != '\0'; in += 2)
        *out++ = (char)(nibble(in[0]) << 4 | nibble(in[1]));
    return text;
}

static long
value_of(char *text, int held)
{
    char *address = (char *)zeros;
    long value = 0;

    switch (text[0]) {
    case '@': address = text + 1; break;
    case '=': address = unhex(text + 1); break;
    case '%': return held;
    case '#': break;
    default: return (long)strtoull(text, NULL, 0);
    }
    memcpy(&value, &address, sizeof value);
    return value;
}

bool
call_make(const char *name, char *const argument[CALL_ARGUMENTS], int held, long *result)
{
    int number = seccomp_syscall_resolve_name(name);
    long value[CALL_ARGUMENTS];

    if (number < 0)
        return false;
    memset(zeros, 0, sizeof zeros);
    for (unsigned i = 0; i < CALL_ARGUMENTS; i++)
        value[i] = value_of(argument[i], held);
    *result = syscall(number, value[0], value[1], value[2], value[3], value[4], value[5]);
    return true;
}
