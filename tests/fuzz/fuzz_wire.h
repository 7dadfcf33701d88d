/*
 * tests/fuzz/fuzz_wire.h - messages as a captured process sends them: not by channel.c,
 * which would refuse
 */
#ifndef SP_TESTS_FUZZ_WIRE_H
#define SP_TESTS_FUZZ_WIRE_H

#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "wire/message.h"

#define FUZZ_FDS_MOST 6

/*
 * A record with so many descriptors (standard input, again and again). false: the kernel
 * did not take it.
 */
static inline bool
fuzz_send(int fd, struct slice s, unsigned descriptors)
{
    union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * FUZZ_FDS_MOST)]; } c;
    int fds[FUZZ_FDS_MOST] = { STDIN_FILENO };
    struct iovec part = { fuzz_copy(s), s.len };
    struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1 };
    bool sent = false;

    memset(&c, 0, sizeof c);
    if (descriptors > 0) {
        h.msg_control = c.room;
        h.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors);
        CMSG_FIRSTHDR(&h)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&h)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&h)->cmsg_len = CMSG_LEN(sizeof(int) * descriptors);
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), fds, sizeof(int) * descriptors);
    }
    sent = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)s.len;
    free(part.iov_base);
    return sent;
}

/* A number is near its bounds or small: two bytes of the input are enough to say it. */
static inline uint64_t
fuzz_field_number(struct fuzz_input *in, const struct field *f)
{
    uint64_t v = fuzz_number(in, f->bound > UINT8_MAX ? 2 : 1);

    if (f->bound > UINT16_MAX && v >= 0xff00)
        return f->bound - (v & 0xff);
    return f->type == FIELD_I64 || v <= f->bound ? v : v % (f->bound + 1);
}

/*
 * A body of that row: numbers within their bounds, texts and paths up to LF. Its length.
 */
static inline size_t
fuzz_body(struct fuzz_input *in, const struct message_row *row, unsigned char *body)
{
    static const unsigned widths[] = { [FIELD_U8] = 1, [FIELD_U16] = 2, [FIELD_U32] = 4,
                                       [FIELD_U64] = 8, [FIELD_I64] = 8 };
    size_t len = 0;

    for (const struct field *f = row->fields; f->name != NULL; f++) {
        bool path = f->type == FIELD_PATH;
        struct slice s = SLICE_EMPTY;
        uint64_t v = 0;

        if (f->type > FIELD_I64) {
            s = fuzz_until(in, '\n');
            s.len = s.len > f->bound - path ? (size_t)f->bound - path : s.len;
            v = s.len + path;
        } else {
            v = fuzz_field_number(in, f);
        }
        for (unsigned i = 0; i < (f->type > FIELD_I64 ? 2 : widths[f->type]); i++)
            body[len++] = (unsigned char)(v >> (8 * i));
        if (path)
            body[len++] = '/';
        if (s.len > 0)
            memcpy(body + len, s.at, s.len);
        len += s.len;
    }
    return len;
}

#endif
