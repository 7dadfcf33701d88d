/*
 * tests/fuzz/fuzz_wire.h - messages as a captured process sends them: not by channel.c,
 * which would refuse
 */
#ifndef SP_TESTS_FUZZ_WIRE_H
#define SP_TESTS_FUZZ_WIRE_H

#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "tests/peers/forge.h"

#define FUZZ_FDS_MOST 6

/*
 * A record with so many descriptors (standard input, again and again). false: the kernel
 * did not take it.
 */
static inline bool
fuzz_send(int fd, struct slice s, unsigned descriptors)
{
    static const int fds[FUZZ_FDS_MOST] = { STDIN_FILENO };

    return forge_record(fd, s, fds, descriptors, MSG_DONTWAIT);
}

/* A message from one kind of process to another, by its place among them in messages.def. */
static inline unsigned
fuzz_choose(unsigned sender, unsigned receiver, unsigned choice)
{
    unsigned possible[MSG_COUNT], count = 0;

    for (unsigned i = MSG_NONE + 1; i < MSG_COUNT; i++)
        if ((message_row(i)->sender & sender) != 0 && message_row(i)->receiver == receiver)
            possible[count++] = i;
    FUZZ_HOLDS(count > 0);
    return possible[choice % count];
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

/* A body of that row: numbers within their bounds, texts and paths up to LF. */
static inline void
fuzz_body(struct fuzz_input *in, const struct message_row *row, struct forged *out)
{
    out->len = 0;
    for (const struct field *f = row->fields; f->name != NULL; f++) {
        bool run = f->type > FIELD_I64;
        uint64_t most = f->bound - (f->type == FIELD_PATH);
        struct slice s = SLICE_EMPTY;

        if (run)
            s = fuzz_until(in, '\n');
        s.len = s.len > most ? (size_t)most : s.len;
        forge_field(out, f, run ? 0 : fuzz_field_number(in, f), s);
    }
}

#endif
