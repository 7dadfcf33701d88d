/*
 * tests/fuzz/fuzz_ascii.c - TYPE A, both ways (transfer/stage.h, ftp/ascii.h)
 *
 * Input: two bytes for the lengths of pieces in and out, one for REST, then the file.
 * Holds: whatever the pieces, a stage makes what a loop over the bytes makes; what is
 * counted is what is sent; a text file comes back as it was.
 */
#include "transfer/stage.h"

#include "ftp/ascii.h"
#include "fuzz.h"

/* A LF without a CR before it gets one. out has room for 2 * len. */
static size_t
to_net(struct slice in, unsigned char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        if (in.at[i] == '\n' && (i == 0 || in.at[i - 1] != '\r'))
            out[len++] = '\r';
        out[len++] = in.at[i];
    }
    return len;
}

static size_t
to_file(struct slice in, unsigned char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++)
        if (in.at[i] != '\r' || i + 1 == in.len || in.at[i + 1] != '\n')
            out[len++] = in.at[i];
    return len;
}

/* Pushes all of in through the chain, in pieces. out has room for most bytes. */
static size_t
push_all(struct stage_chain *c, struct slice in, size_t piece, size_t room,
         unsigned char *out, size_t most)
{
    unsigned char *small = malloc(room);
    size_t at = 0, len = 0, used = 0, made = 0;
    enum sp_err rc = SP_AGAIN;

    FUZZ_HOLDS(small != NULL);
    while (at < in.len || rc == SP_AGAIN) {
        size_t n = in.len - at < piece ? in.len - at : piece;
        bool last = at + n == in.len;

        rc = stage_chain_push(c, in.len == 0 ? NULL : in.at + at, n, &used, small, room,
                              &made, last);
        FUZZ_HOLDS(rc == SP_OK || rc == SP_AGAIN);
        FUZZ_HOLDS(used <= n && made <= room && made <= most - len);
        FUZZ_HOLDS(rc == SP_OK ? used == n : used + made > 0);
        memcpy(out + len, small, made);
        len += made;
        at += used;
        if (last && rc == SP_OK)
            break;
    }
    free(small);
    return len;
}

typedef void make_stage(struct stage *s);

static void
check_stage(make_stage *make, struct slice in, struct slice expected, size_t skip,
            size_t piece, size_t room)
{
    struct stage_chain c;
    struct stage *s = NULL;
    unsigned char *out = malloc(expected.len + 1);
    size_t len = 0;

    FUZZ_HOLDS(out != NULL);
    stage_chain_init(&c);
    FUZZ_HOLDS(stage_chain_add(&c, &s) == SP_OK);
    make(s);
    if (skip > 0) {
        FUZZ_HOLDS(stage_chain_add(&c, &s) == SP_OK);
        stage_skip(s, skip);
        skip = skip < expected.len ? skip : expected.len;
    }
    len = push_all(&c, in, piece, room, out, expected.len);
    FUZZ_HOLDS(slice_equal(slice_from(out, len),
                           slice_from(expected.at + skip, expected.len - skip)));
    stage_chain_clear(&c);
    free(out);
}

static void
check_count(struct slice in, size_t octets, size_t piece, uint64_t target)
{
    struct ascii_count c = ASCII_EMPTY, to = ASCII_EMPTY, rest = ASCII_EMPTY;
    size_t at = 0;

    for (size_t i = 0; i < in.len; i += piece)
        ascii_count(&c, slice_from(in.at + i, in.len - i < piece ? in.len - i : piece));
    FUZZ_HOLDS(c.net == octets);
    at = ascii_locate(&to, in, target);
    FUZZ_HOLDS(at <= in.len);
    if (target <= octets)
        FUZZ_HOLDS(to.net == target || (to.net == target + 1 && in.at[at - 1] == '\n'));
    else
        FUZZ_HOLDS(at == in.len && to.net == octets);
    rest = to;
    ascii_count(&rest, slice_from(in.at + at, in.len - at));
    FUZZ_HOLDS(rest.net == octets);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    size_t piece = 1 + fuzz_u8(&in), room = STAGE_LEAST + fuzz_u8(&in) % 64;
    size_t skip = fuzz_u8(&in);
    struct slice text = fuzz_bytes(&in, in.len);
    unsigned char *file = fuzz_copy(text), *net = malloc(2 * text.len + 1);
    unsigned char *back = malloc(text.len * 2 + 1);
    size_t net_len = 0, back_len = 0;

    FUZZ_HOLDS(net != NULL && back != NULL);
    text.at = file;
    net_len = to_net(text, net);
    check_stage(stage_ascii_to_net, text, slice_from(net, net_len), skip, piece, room);
    check_stage(stage_ascii_to_net, text, slice_from(net, net_len), 0, 1, STAGE_LEAST);
    check_count(text, net_len, piece, skip);
    back_len = to_file(text, back);
    check_stage(stage_net_to_ascii, text, slice_from(back, back_len), 0, piece, room);
    check_stage(stage_net_to_ascii, text, slice_from(back, back_len), 0, 1, STAGE_LEAST);
    /* a text file as Unix has it comes back as it was sent */
    if (text.len == 0 || memchr(text.at, '\r', text.len) == NULL) {
        back_len = to_file(slice_from(net, net_len), back);
        FUZZ_HOLDS(slice_equal(slice_from(back, back_len), text));
        check_stage(stage_net_to_ascii, slice_from(net, net_len), text, 0, piece, room);
    }
    free(file);
    free(net);
    free(back);
    return 0;
}
