/* tests/unit/test_stage.c - src/transfer: stages and chains */
#include <stdlib.h>

#include "ftp/ascii.h"
#include "suites_ftp.h"
#include "transfer/stage.h"

/* Everything that a test pushes goes through one of these. */
struct pipe { struct stage *stage; struct stage_chain *chain; };

static enum sp_err
push(const struct pipe *p, struct slice in, size_t *used, unsigned char *out, size_t room,
     size_t *made, bool last)
{
    if (p->stage != NULL)
        return stage_push(p->stage, in.at, in.len, used, out, room, made, last);
    return stage_chain_push(p->chain, in.at, in.len, used, out, room, made, last);
}

/* Pushes in through p in pieces, into outputs of that room; returns what came out. */
static struct buf
run(const struct pipe *p, struct slice in, size_t piece, size_t room)
{
    struct buf out = BUF_EMPTY(1u << 24);
    unsigned char *part = malloc(room);
    size_t at = 0, used = 0, made = 0;
    enum sp_err rc = SP_AGAIN;

    CU_ASSERT_PTR_NOT_NULL_FATAL(part);
    do {
        size_t n = in.len - at < piece ? in.len - at : piece;
        bool last = at + n == in.len;
        struct slice now = slice_from(in.at == NULL ? NULL : in.at + at, n);

        do {
            rc = push(p, now, &used, part, room, &made, last);
            CU_ASSERT_FATAL(rc == SP_OK || rc == SP_AGAIN);
            CU_ASSERT_FATAL(used <= now.len && made <= room);
            CU_ASSERT_FATAL(rc == SP_OK || room < 2 || used > 0 || made > 0);
            CU_ASSERT_EQUAL_FATAL(buf_add(&out, part, made), SP_OK);
            if (used > 0)
                now = slice_from(now.at + used, now.len - used);
        } while (rc == SP_AGAIN);
        CU_ASSERT_EQUAL_FATAL(now.len, 0);
        at += n;
    } while (at < in.len);
    free(part);
    return out;
}

typedef void make_stage(struct stage *s);

/* The same result for every way to cut input and output. */
static void
always_becomes(make_stage *make, struct slice in, struct slice wanted)
{
    for (size_t piece = 1; piece <= in.len + 1; piece++)
        for (size_t room = 2; room <= wanted.len + 2; room++) {
            struct stage s = STAGE_EMPTY;
            struct pipe p = { &s, NULL };
            struct buf out = BUF_EMPTY(0);

            make(&s);
            out = run(&p, in, piece, room);
            CU_ASSERT(bytes_are(buf_slice(&out), wanted));
            buf_free(&out);
            stage_clear(&s);
        }
}

static void
a_line_end_gets_a_cr_where_it_has_none(void)
{
    static const struct { struct slice in, out; } rows[] = {
        { BYTES(""), BYTES("") }, { BYTES("abc"), BYTES("abc") },
        { BYTES("a\nbc\n"), BYTES("a\r\nbc\r\n") },
        { BYTES("\n\n\n"), BYTES("\r\n\r\n\r\n") },
        { BYTES("a\r\nb\r\n"), BYTES("a\r\nb\r\n") }, { BYTES("a\rb"), BYTES("a\rb") },
        { BYTES("a\r"), BYTES("a\r") }, { BYTES("\r\r\n\n"), BYTES("\r\r\n\r\n") },
        { BYTES("\0\377\n\0"), BYTES("\0\377\r\n\0") },
        { BYTES("\n\r"), BYTES("\r\n\r") },
        { { NULL, 0 }, BYTES("") },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        always_becomes(stage_ascii_to_net, rows[i].in, rows[i].out);
}

static void
crlf_becomes_a_line_end_and_a_bare_cr_stays(void)
{
    static const struct { struct slice in, out; } rows[] = {
        { BYTES(""), BYTES("") }, { BYTES("abc"), BYTES("abc") },
        { BYTES("a\r\nbc\r\n"), BYTES("a\nbc\n") }, { BYTES("a\nb"), BYTES("a\nb") },
        { BYTES("a\rb\r"), BYTES("a\rb\r") }, { BYTES("\r\r\n"), BYTES("\r\n") },
        { BYTES("\r\r\r"), BYTES("\r\r\r") }, { BYTES("\r\n\n\r"), BYTES("\n\n\r") },
        { BYTES("\r\0\n"), BYTES("\r\0\n") }, { BYTES("\r\n\r\n"), BYTES("\n\n") },
        { { NULL, 0 }, BYTES("") },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        always_becomes(stage_net_to_ascii, rows[i].in, rows[i].out);
}

static void
skip_three(struct stage *s)
{
    stage_skip(s, 3);
}

static void
skip_none(struct stage *s)
{
    stage_skip(s, 0);
}

static void
the_first_bytes_are_skipped(void)
{
    static const struct { struct slice in, out; } rows[] = {
        { BYTES(""), BYTES("") }, { BYTES("ab"), BYTES("") }, { BYTES("abc"), BYTES("") },
        { BYTES("abcd"), BYTES("d") }, { BYTES("abcdefghi"), BYTES("defghi") },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        always_becomes(skip_three, rows[i].in, rows[i].out);
        always_becomes(skip_none, rows[i].in, rows[i].in);
    }
}

/* Lines of all lengths, some of them ended by CRLF already. */
static struct buf
text_of(size_t len)
{
    struct buf text = BUF_EMPTY(len);
    unsigned state = 11;

    CU_ASSERT_EQUAL_FATAL(buf_reserve(&text, len), SP_OK);
    for (; text.len < len; text.len++) {
        state = state * 1103515245 + 12345;
        text.at[text.len] = (state >> 16) % 40 == 0 ? '\n'
            : (state >> 16) % 97 == 0 ? '\r' : (unsigned char)('a' + (state >> 16) % 26);
    }
    return text;
}

static void
a_count_agrees_with_what_is_sent(void)
{
    static const size_t pieces[] = { 1, 7, 4096, 65536, 1u << 20 };
    struct buf text = text_of(300000);
    struct ascii_count c = ASCII_EMPTY;

    ascii_count(&c, buf_slice(&text));
    for (size_t i = 0; i < ROWS(pieces); i++) {
        struct stage s = STAGE_EMPTY;
        struct pipe p = { &s, NULL };
        struct buf out = BUF_EMPTY(0);

        stage_ascii_to_net(&s);
        out = run(&p, buf_slice(&text), pieces[i], 65536);
        CU_ASSERT_EQUAL(out.len, c.net);
        buf_free(&out);
    }
    buf_free(&text);
}

static void
an_empty_chain_passes_bytes_as_they_are(void)
{
    struct stage_chain c;
    struct pipe p = { NULL, &c };
    struct buf text = text_of(1000), out = BUF_EMPTY(0);

    stage_chain_init(&c);
    out = run(&p, buf_slice(&text), 300, 64);
    CU_ASSERT_TRUE(slice_equal(buf_slice(&out), buf_slice(&text)));
    buf_free(&out);
    buf_free(&text);
    stage_chain_clear(&c);
}

/* Adds a stage and makes it. */
static void
add(struct stage_chain *c, make_stage *make)
{
    struct stage *s = NULL;

    CU_ASSERT_EQUAL_FATAL(stage_chain_add(c, &s), SP_OK);
    make(s);
}

static void
a_chain_does_what_its_stages_do_one_by_one(void)
{
    static const size_t pieces[] = { 1, 100, 65536, 200000 };
    static const size_t rooms[] = { 64, 1000, 65536 };
    struct buf text = text_of(200000), once = BUF_EMPTY(0), wanted = BUF_EMPTY(0);
    struct stage s = STAGE_EMPTY;
    struct pipe one = { &s, NULL };

    /* to the net, without its first three octets, to a file, to the net again */
    stage_ascii_to_net(&s);
    once = run(&one, buf_slice(&text), 65536, 65536);
    stage_net_to_ascii(&s);
    wanted = run(&one, slice_from(once.at + 3, once.len - 3), 65536, 65536);
    buf_free(&once);
    stage_ascii_to_net(&s);
    once = run(&one, buf_slice(&wanted), 65536, 65536);
    for (size_t i = 0; i < ROWS(pieces); i++)
        for (size_t k = 0; k < ROWS(rooms); k++) {
            struct stage_chain c;
            struct pipe p = { NULL, &c };
            struct buf out = BUF_EMPTY(0);

            stage_chain_init(&c);
            add(&c, stage_ascii_to_net);
            add(&c, skip_three);
            add(&c, stage_net_to_ascii);
            add(&c, stage_ascii_to_net);
            out = run(&p, buf_slice(&text), pieces[i], rooms[k]);
            CU_ASSERT_TRUE(slice_equal(buf_slice(&out), buf_slice(&once)));
            buf_free(&out);
            stage_chain_clear(&c);
        }
    buf_free(&text);
    buf_free(&once);
    buf_free(&wanted);
}

static void
a_chain_has_its_bound(void)
{
    struct stage_chain c;
    struct stage *s = NULL;

    stage_chain_init(&c);
    for (unsigned i = 0; i < STAGES_MOST; i++)
        add(&c, stage_net_to_ascii);
    CU_ASSERT_EQUAL(stage_chain_add(&c, &s), SP_REFUSED);
    stage_chain_clear(&c);
    CU_ASSERT_EQUAL(c.count, 0);
    stage_chain_clear(&c);
}

/* At the end it makes a trailer of 100 bytes that it has from nowhere in its input. */
static enum sp_err
push_trailer(struct stage *s, const unsigned char *in, size_t inlen, size_t *used,
             unsigned char *out, size_t outroom, size_t *made, bool last)
{
    (void)in;
    *used = inlen;
    if (last)
        for (; *made < outroom && s->count < 100; s->count++)
            out[(*made)++] = s->count % 10 == 9 ? '\n' : 't';
    return last && s->count < 100 ? SP_AGAIN : SP_OK;
}

static void
trailer(struct stage *s)
{
    *s = (struct stage){ .push = push_trailer };
}

static void
what_a_stage_makes_at_the_end_comes_through(void)
{
    for (size_t room = STAGE_LEAST; room < 120; room += 9) {
        struct stage_chain c;
        struct pipe p = { NULL, &c };
        struct buf out = BUF_EMPTY(0);

        stage_chain_init(&c);
        add(&c, skip_none);
        add(&c, trailer);
        add(&c, stage_ascii_to_net);
        out = run(&p, SLICE("input that is dropped"), 5, room);
        CU_ASSERT_EQUAL(out.len, 110);
        CU_ASSERT(bytes_are(slice_from(out.at + 105, 5), SLICE("ttt\r\n")));
        buf_free(&out);
        stage_chain_clear(&c);
    }
}

static enum sp_err
push_broken(struct stage *s, const unsigned char *in, size_t inlen, size_t *used,
            unsigned char *out, size_t outroom, size_t *made, bool last)
{
    (void)in;
    (void)out;
    (void)outroom;
    (void)last;
    (void)made;
    *used = inlen;
    return s->count == 0 ? SP_INPUT : SP_NOMEM;
}

static void
count_clear(struct stage *s)
{
    ++*(unsigned *)s->heap;
}

static void
a_fault_ends_the_chain_and_is_cleared_up(void)
{
    unsigned cleared = 0;
    unsigned char out[64];
    size_t used = 0, made = 0;

    for (unsigned i = 0; i < 2; i++) {
        struct stage_chain c;
        struct stage *s = NULL;

        stage_chain_init(&c);
        add(&c, stage_net_to_ascii);
        CU_ASSERT_EQUAL_FATAL(stage_chain_add(&c, &s), SP_OK);
        *s = (struct stage){ .push = push_broken, .clear = count_clear, .heap = &cleared,
                             .count = i };
        CU_ASSERT_EQUAL(stage_chain_push(&c, (const unsigned char *)"abc", 3, &used, out,
                                         sizeof out, &made, false),
                        i == 0 ? SP_INPUT : SP_NOMEM);
        stage_chain_clear(&c);
    }
    CU_ASSERT_EQUAL(cleared, 2);
}

static const struct unit_test tests[] = {
    { "a line end gets a CR where it has none", a_line_end_gets_a_cr_where_it_has_none },
    { "CRLF becomes a line end and a bare CR stays",
      crlf_becomes_a_line_end_and_a_bare_cr_stays },
    { "the first bytes are skipped", the_first_bytes_are_skipped },
    { "a count agrees with what is sent", a_count_agrees_with_what_is_sent },
    { "an empty chain passes bytes as they are",
      an_empty_chain_passes_bytes_as_they_are },
    { "a chain does what its stages do one by one",
      a_chain_does_what_its_stages_do_one_by_one },
    { "a chain has its bound", a_chain_has_its_bound },
    { "what a stage makes at the end comes through",
      what_a_stage_makes_at_the_end_comes_through },
    { "a fault ends the chain and is cleared up",
      a_fault_ends_the_chain_and_is_cleared_up },
    { NULL, NULL }
};

const struct unit_suite suite_stage = { "stage", tests };
