/*
 * tests/fuzz/fuzz.h - what the fuzzers share: taking an input apart, and saying what
 * broke
 *
 * Each target is one file with LLVMFuzzerTestOneInput, linked with libFuzzer
 * (configure --enable-fuzzers) or with standalone.c, which reads files.
 */
#ifndef SP_TESTS_FUZZ_H
#define SP_TESTS_FUZZ_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What every input has to keep: else the input is a finding. */
#define FUZZ_HOLDS(what) \
    do { if (!(what)) fuzz_broken(#what, __FILE__, __LINE__); } while (0)

static inline SP_NORETURN void
fuzz_broken(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* As every program of ours begins (start_adopt): who is gone is told by EPIPE. */
static inline void
fuzz_ignore_sigpipe(void)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };

    FUZZ_HOLDS(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

/* The input, taken from its front. An input that is used up gives zeros. */
struct fuzz_input { const uint8_t *at; size_t len; };

static inline uint8_t
fuzz_u8(struct fuzz_input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->at++;
}

static inline uint64_t
fuzz_number(struct fuzz_input *in, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)fuzz_u8(in) << (8 * i);
    return v;
}

static inline struct slice
fuzz_bytes(struct fuzz_input *in, size_t most)
{
    size_t n = most < in->len ? most : in->len;
    struct slice s = slice_from(in->at, n);

    in->at += n;
    in->len -= n;
    return s;
}

/*
 * Up to the next byte `end`, which is taken, too; all that is left where there is none.
 */
static inline struct slice
fuzz_until(struct fuzz_input *in, uint8_t end)
{
    const uint8_t *found = in->len == 0 ? NULL : memchr(in->at, end, in->len);
    struct slice s = fuzz_bytes(in, found == NULL ? in->len : (size_t)(found - in->at));

    if (found != NULL)
        (void)fuzz_u8(in);
    return s;
}

/* A copy that ends where its memory ends: AddressSanitizer sees a read behind it. */
static inline unsigned char *
fuzz_copy(struct slice s)
{
    unsigned char *copy = malloc(s.len > 0 ? s.len : 1);

    FUZZ_HOLDS(copy != NULL);
    if (s.len > 0)
        memcpy(copy, s.at, s.len);
    return copy;
}

/* A pair of Unix sockets of that type that never block. */
static inline bool
fuzz_pair(int type, int ends[2])
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0;
}

/* How many descriptors are open; a target has far less than 128. */
static inline unsigned
fuzz_open_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 128; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

/*
 * A sink that looks at each line: printable, bounded, one line. FUZZ_VERBOSE: shows it.
 */
static inline void
fuzz_log_line(void *context, enum log_event event, const char *line)
{
    size_t len = strnlen(line, LOG_LINE_MAX + 1);

    (void)context;
    if (getenv("FUZZ_VERBOSE") != NULL)
        (void)fprintf(stderr, "%s %s\n", log_level_text(log_event_level(event)), line);
    FUZZ_HOLDS(len <= LOG_LINE_MAX);
    for (size_t i = 0; i < len; i++)
        FUZZ_HOLDS((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
}

#endif
