/* tests/unit/test_parse.c - src/ftp/parse.c */
#include <stdio.h>
#include <stdlib.h>

#include "ftp/parse.h"
#include "suites_ftp.h"

/* Feeds in pieces and writes what comes out: <line>, L too long, 0 with a NUL. */
static void
read_lines(struct slice in, size_t piece, struct buf *out)
{
    struct line_reader r;
    struct slice line = SLICE_EMPTY;
    enum line_kind kind = LINE_NONE;
    size_t at = 0;

    line_reader_init(&r);
    while (at < in.len) {
        size_t n = in.len - at < piece ? in.len - at : piece;
        size_t used = line_feed(&r, in.at + at, n);

        CU_ASSERT_FATAL(used == n);
        at += used;
        while ((kind = line_next(&r, &line)) != LINE_NONE) {
            if (kind == LINE_READY) {
                CU_ASSERT_EQUAL(buf_add(out, "<", 1), SP_OK);
                CU_ASSERT_EQUAL(buf_add(out, line.at, line.len), SP_OK);
                CU_ASSERT_EQUAL(buf_add(out, ">", 1), SP_OK);
            } else {
                CU_ASSERT_EQUAL(buf_add(out, kind == LINE_TOO_LONG ? "L" : "0", 1),
                                SP_OK);
            }
        }
    }
}

static void
lines_are_the_same_however_the_bytes_are_cut(void)
{
    static const struct { struct slice in, out; } rows[] = {
        { BYTES("USER a\r\nPASS b\nNOOP\r\n"), BYTES("<USER a><PASS b><NOOP>") },
        { BYTES("\r\n\n"), BYTES("<><>") },
        { BYTES("half"), BYTES("") },
        { BYTES("a\rb\r\r\nc\n"), BYTES("<a\rb\r><c>") },
        { BYTES("a\0b\r\nc\r\n"), BYTES("0<c>") },
        { BYTES("\0\n"), BYTES("0") },
        /* CR NUL is one CR, wherever it stands; a NUL alone is none */
        { BYTES("a\r\0b\r\0\r\0c\r\n"), BYTES("<a\rb\r\rc>") },
        { BYTES("a\r\0\r\nb\r\0\nc\n"), BYTES("<a\r><b\r><c>") },
        { BYTES("a\r\0\0\n\0\r\0\n\r\0b\n"), BYTES("00<\rb>") },
        /* NOP, IP and Synch, options, a subnegotiation with IAC IAC and LF in it */
        { BYTES("NO\377\361OP\r\n"), BYTES("<NOOP>") },
        { BYTES("\377\364\377\362ABOR\r\n"), BYTES("<ABOR>") },
        { BYTES("\377\375\001A\377\376\003B\377\373\030C\377\374\021D\r\n"),
          BYTES("<ABCD>") },
        { BYTES("x\377\372\030\001\377\377\n\377\360y\n"), BYTES("<xy>") },
        /* IAC IAC is one byte, and so is an IAC that nothing of Telnet follows */
        { BYTES("CWD \377\377\r\n"), BYTES("<CWD \377>") },
        { BYTES("CWD \377a\377\n"), BYTES("<CWD \377a\377>") },
        { BYTES("\377\377\377\377\377\361\n"), BYTES("<\377\377>") },
        /* the option byte of WILL may look like a line end */
        { BYTES("a\377\373\nb\n"), BYTES("<ab>") },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        for (size_t piece = 1; piece <= rows[i].in.len; piece++) {
            struct buf out = BUF_EMPTY(1024);

            read_lines(rows[i].in, piece, &out);
            CU_ASSERT(bytes_are(buf_slice(&out), rows[i].out));
            buf_free(&out);
        }
}

static struct slice
line_of(unsigned char *at, size_t len, const char *end)
{
    memset(at, 'x', len);
    memcpy(at + len, end, strlen(end));
    return slice_from(at, len + strlen(end));
}

static void
a_line_of_4096_bytes_is_taken_and_a_longer_one_is_skipped_whole(void)
{
    static const struct { size_t len; const char *end; enum line_kind kind; } rows[] = {
        { LINE_MOST, "\r\n", LINE_READY }, { LINE_MOST, "\n", LINE_READY },
        { LINE_MOST + 1, "\r\n", LINE_TOO_LONG }, { LINE_MOST + 1, "\n", LINE_TOO_LONG },
        { LINE_MOST + 2, "\n", LINE_TOO_LONG }, { 100000, "\r\n", LINE_TOO_LONG },
    };
    static unsigned char bytes[100010];

    for (size_t i = 0; i < ROWS(rows); i++)
        for (size_t piece = 1; piece <= LINE_ROOM - LINE_MOST - 2; piece += 1021) {
            struct slice in = line_of(bytes, rows[i].len,
                                      rows[i].end), line = SLICE_EMPTY;
            struct line_reader r;
            enum line_kind kind = LINE_NONE;
            size_t at = 0;

            line_reader_init(&r);
            while (at < in.len) {
                size_t n = in.len - at < piece ? in.len - at : piece;

                CU_ASSERT_EQUAL_FATAL(kind, LINE_NONE);
                CU_ASSERT_FATAL(line_room(&r) >= n);
                CU_ASSERT_EQUAL_FATAL(line_feed(&r, in.at + at, n), n);
                at += n;
                kind = line_next(&r, &line);
            }
            CU_ASSERT_EQUAL(kind, rows[i].kind);
            if (kind == LINE_READY)
                CU_ASSERT_EQUAL(line.len, rows[i].len);
            CU_ASSERT_EQUAL(line_unread(&r), 0);
            /* and the line behind it is whole again */
            CU_ASSERT_EQUAL(line_feed(&r, "NOOP\r\n", 6), 6);
            CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
            CU_ASSERT(bytes_are(line, SLICE("NOOP")));
        }
}

static void
lines_that_are_not_taken_hold_the_client_back(void)
{
    static unsigned char many[4 * LINE_ROOM];
    struct line_reader r;
    struct slice line = SLICE_EMPTY;
    size_t fed = 0, lines = 0;

    for (size_t i = 0; i < sizeof many; i += 8)
        memcpy(many + i, "NOOP 1\r\n", 8);
    line_reader_init(&r);
    fed = line_feed(&r, many, sizeof many);
    CU_ASSERT_EQUAL(fed, LINE_ROOM);
    CU_ASSERT_EQUAL(line_room(&r), 0);
    CU_ASSERT_EQUAL(line_feed(&r, many + fed, sizeof many - fed), 0);
    while (fed < sizeof many || line_unread(&r) > 0) {
        CU_ASSERT_EQUAL_FATAL(line_next(&r, &line), LINE_READY);
        CU_ASSERT(bytes_are(line, SLICE("NOOP 1")));
        lines++;
        fed += line_feed(&r, many + fed, sizeof many - fed);
    }
    CU_ASSERT_EQUAL(lines, sizeof many / 8);
}

static void
a_full_reader_keeps_its_place_in_a_telnet_sequence(void)
{
    static unsigned char full[LINE_ROOM];
    struct line_reader r;
    struct slice line = SLICE_EMPTY;

    memset(full, 'x', sizeof full);
    full[3000] = '\n';
    line_reader_init(&r);
    CU_ASSERT_EQUAL(line_feed(&r, full, sizeof full), sizeof full);
    /* the IAC may begin a sequence and is taken; as a byte it would not fit */
    CU_ASSERT_EQUAL(line_feed(&r, "\377\377", 2), 1);
    CU_ASSERT_EQUAL(line_feed(&r, "\377", 1), 0);
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
    CU_ASSERT_EQUAL(line_room(&r), 3000);
    CU_ASSERT_EQUAL(line_feed(&r, "\377\n", 2), 2);
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_TOO_LONG);
    CU_ASSERT_EQUAL(line_unread(&r), 0);
}

static void
an_interrupt_is_known_while_lines_before_it_wait(void)
{
    struct line_reader r;
    struct slice line = SLICE_EMPTY;

    line_reader_init(&r);
    CU_ASSERT_FALSE(line_interrupted(&r));
    CU_ASSERT_EQUAL(line_feed(&r, "RETR b\r\n\377", 9), 9);
    CU_ASSERT_FALSE(line_interrupted(&r));
    CU_ASSERT_EQUAL(line_feed(&r, "\364", 1), 1);
    CU_ASSERT_TRUE(line_interrupted(&r));
    CU_ASSERT_FALSE(line_interrupted(&r));
    CU_ASSERT_EQUAL(line_feed(&r, "\377\362", 2), 2);
    CU_ASSERT_TRUE(line_interrupted(&r));
    CU_ASSERT_FALSE(line_has_abort(&r));
    CU_ASSERT_EQUAL(line_feed(&r, "AB", 2), 2);
    CU_ASSERT_FALSE(line_has_abort(&r));
    CU_ASSERT_EQUAL(line_feed(&r, "OR\r\nNO", 6), 6);
    CU_ASSERT_TRUE(line_has_abort(&r));
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
    CU_ASSERT(bytes_are(line, SLICE("RETR b")));
    CU_ASSERT_TRUE(line_has_abort(&r));
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
    CU_ASSERT(bytes_are(line, SLICE("ABOR")));
    CU_ASSERT_FALSE(line_has_abort(&r));
}

static void
abor_within_a_line_is_no_abort(void)
{
    static const struct { struct slice in; bool abort; } rows[] = {
        { BYTES("abor\n"), true }, { BYTES(" ABOR \r\n"), true },
        { BYTES("\362ABOR\r\n"), true },                /* the IAC went out of band */
        { BYTES("\377\364\377\377ABOR\r\n"), true },
        { BYTES("STAT\r\nABOR \t\r\n"), true },
        { BYTES("ABOR x\r\n"), false }, { BYTES("ABOR\r\0\r\n"), false },
        { BYTES("STOR ABOR\r\n"), false }, { BYTES("ABORT\r\n"), false },
        { BYTES("XABOR\r\n"), false }, { BYTES("ABOR"), false }, { BYTES("\n\n"), false },
        { BYTES("ABOR\rABOR"), false },
    };
    struct line_reader r;

    for (size_t i = 0; i < ROWS(rows); i++) {
        line_reader_init(&r);
        CU_ASSERT_EQUAL(line_feed(&r, rows[i].in.at, rows[i].in.len), rows[i].in.len);
        CU_ASSERT_EQUAL(line_has_abort(&r), rows[i].abort);
    }
}

static void
the_end_of_a_skipped_line_is_no_abort(void)
{
    static unsigned char bytes[LINE_MOST + 2];
    struct line_reader r;
    struct slice line = SLICE_EMPTY;

    memset(bytes, 'x', sizeof bytes);
    line_reader_init(&r);
    CU_ASSERT_EQUAL(line_feed(&r, bytes, sizeof bytes), sizeof bytes);
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_NONE);
    CU_ASSERT_EQUAL(line_feed(&r, "ABOR\r\n", 6), 6);
    CU_ASSERT_FALSE(line_has_abort(&r));
    CU_ASSERT_EQUAL(line_feed(&r, "ABOR\r\n", 6), 6);
    CU_ASSERT_TRUE(line_has_abort(&r));
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_TOO_LONG);
    CU_ASSERT_TRUE(line_has_abort(&r));
}

static void
telnet_offers_are_refused_and_never_without_end(void)
{
    struct line_reader r;

    line_reader_init(&r);
    CU_ASSERT_EQUAL(line_answers(&r).len, 0);
    CU_ASSERT_EQUAL(line_feed(&r, "\377\373\001\377\375\003\377\374\005\377\376\006", 12),
                    12);
    CU_ASSERT(bytes_are(line_answers(&r), SLICE("\377\376\001\377\374\003")));
    CU_ASSERT_EQUAL(line_answers(&r).len, 0);
    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL_FATAL(line_feed(&r, "\377\375\030", 3), 3);
    CU_ASSERT_EQUAL(line_answers(&r).len, LINE_ANSWERS);
    CU_ASSERT_EQUAL(line_unread(&r), 0);
}

static void
what_came_behind_a_line_is_counted(void)
{
    struct line_reader r;
    struct slice line = SLICE_EMPTY;

    line_reader_init(&r);
    CU_ASSERT_EQUAL(line_feed(&r, "AUTH TLS\r\nUSER x", 16), 16);
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
    CU_ASSERT_EQUAL(line_unread(&r), 6);
    line_reader_init(&r);
    CU_ASSERT_EQUAL(line_feed(&r, "AUTH TLS\r\n\377", 11), 11);
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
    CU_ASSERT(line_unread(&r) > 0);
}

static bool
holds(const struct line_reader *r, const char *text)
{
    return memmem(r->bytes, sizeof r->bytes, text, strlen(text)) != NULL;
}

static void
a_forgotten_line_is_nowhere_in_the_reader(void)
{
    struct line_reader r;
    struct slice line = SLICE_EMPTY;

    line_reader_init(&r);
    CU_ASSERT_EQUAL(line_feed(&r, "USER somebody\r\nPASS geh", 23), 23);
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_NONE);
    CU_ASSERT_EQUAL(line_feed(&r, "eim\r\nNOOP\r\n", 11), 11);
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
    CU_ASSERT(bytes_are(line, SLICE("PASS geheim")));
    line_forget(&r);
    CU_ASSERT_FALSE(holds(&r, "geh"));
    CU_ASSERT_EQUAL(line_next(&r, &line), LINE_READY);
    CU_ASSERT(bytes_are(line, SLICE("NOOP")));
    line_forget(&r);
    line_forget(&r);
    CU_ASSERT_FALSE(holds(&r, "NOOP"));
}

static void
a_line_has_a_verb_and_a_parameter(void)
{
    static const struct {
        struct slice line;
        const char *verb;
        bool given;
        struct slice parameter, trimmed;
    } rows[] = {
        { BYTES("NOOP"), "NOOP", false, BYTES(""), BYTES("") },
        { BYTES("noop"), "NOOP", false, BYTES(""), BYTES("") },
        { BYTES("RETR a b"), "RETR", true, BYTES("a b"), BYTES("a b") },
        { BYTES("retr  a "), "RETR", true, BYTES(" a "), BYTES("a") },
        { BYTES("TYPE \t I\t "), "TYPE", true, BYTES("\t I\t "), BYTES("I") },
        { BYTES("CWD "), "CWD", true, BYTES(""), BYTES("") },
        { BYTES("CWD    "), "CWD", true, BYTES("   "), BYTES("") },
        { BYTES("  PWD"), "PWD", false, BYTES(""), BYTES("") },
        { BYTES("XSHA512 f"), "XSHA512", true, BYTES("f"), BYTES("f") },
        { BYTES("ABCDEFGH"), "ABCDEFGH", false, BYTES(""), BYTES("") },
        { BYTES("\377\362ABOR"), "ABOR", false, BYTES(""), BYTES("") },
        { BYTES("STOR \303\274"), "STOR", true, BYTES("\303\274"), BYTES("\303\274") },
        { BYTES("USER\tx"), "USER", true, BYTES("x"), BYTES("x") },
    };
    struct command c;

    for (size_t i = 0; i < ROWS(rows); i++) {
        CU_ASSERT_EQUAL_FATAL(parse_command(rows[i].line, &c), SP_OK);
        CU_ASSERT_STRING_EQUAL(c.verb, rows[i].verb);
        CU_ASSERT_EQUAL(c.given, rows[i].given);
        CU_ASSERT(bytes_are(c.parameter, rows[i].parameter));
        CU_ASSERT(bytes_are(c.trimmed, rows[i].trimmed));
    }
}

static void
what_has_no_verb_is_no_command(void)
{
    static const struct slice rows[] = {
        BYTES(""), BYTES("   "), BYTES("\377\362"), BYTES("ABCDEFGHI"), BYTES("-LIST"),
        BYTES("US\303\204R x"), BYTES("NOOP\r"), BYTES("USER:x"),
        BYTES("\026\003\001\002"),
        BYTES("US\0ER"), { NULL, 0 },
    };
    struct command c = { .verb = "KEPT" };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(parse_command(rows[i], &c), SP_INPUT);
    CU_ASSERT_STRING_EQUAL(c.verb, "KEPT");
}

static void
a_browser_is_told_from_an_ftp_client(void)
{
    static const struct { const char *line; bool http; } rows[] = {
        { "GET / HTTP/1.1", true }, { "POST /x HTTP/1.0", true },
        { "HEAD / HTTP/1.1", true }, { "get / HTTP/1.1", true }, { "Post /x", true },
        { "PUT /a HTTP/1.1", true }, { "OPTIONS * HTTP/1.1", true },
        { "PRI * HTTP/2.0", true }, { "CONNECT a:21 HTTP/1.1", true },
        { "Host: ftp.example.org", true }, { "user-agent: Mozilla", true },
        { "Content-Length:12", true }, { "Sec-Fetch-Mode: cors", true },
        { "", false }, { "GET", false }, { "HOST ftp.example.org", false },
        { "OPTS UTF8 ON", false }, { "DELE x", false }, { "STOR Host: x", false },
        { "USER a:b", false }, { ":", false }, { "POSTX / HTTP/1.1", false },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(parse_is_http(slice_of(rows[i].line)), rows[i].http);
}

static void
any_bytes_are_survived(void)
{
    static const unsigned char likely[] = "\377\364\362\372\360\373\r\n\0 AB";
    static unsigned char bytes[4096];
    struct line_reader r;
    struct slice line = SLICE_EMPTY;
    struct command c;
    enum line_kind kind = LINE_NONE;
    unsigned state = 1;

    line_reader_init(&r);
    for (unsigned round = 0; round < 2000; round++) {
        size_t len = 0, at = 0;

        state = state * 1103515245 + 12345;
        len = (state >> 8) % sizeof bytes;
        for (size_t i = 0; i < len; i++) {
            state = state * 1103515245 + 12345;
            bytes[i] = (state >> 28) < 4 ? likely[(state >> 16) % (sizeof likely - 1)]
                : (unsigned char)(state >> 16);
        }
        while (at < len) {
            at += line_feed(&r, bytes + at, len - at);
            (void)line_has_abort(&r);
            while ((kind = line_next(&r, &line)) != LINE_NONE)
                if (kind == LINE_READY) {
                    CU_ASSERT(line.len <= LINE_MOST);
                    CU_ASSERT(line.len == 0 || memchr(line.at, '\n', line.len) == NULL);
                    if (parse_command(line, &c) == SP_OK)
                        CU_ASSERT(c.parameter.len < line.len);
                    (void)parse_is_http(line);
                    line_forget(&r);
                }
        }
    }
}

static const struct unit_test tests[] = {
    { "lines are the same however the bytes are cut",
      lines_are_the_same_however_the_bytes_are_cut },
    { "a line of 4096 bytes is taken and a longer one is skipped whole",
      a_line_of_4096_bytes_is_taken_and_a_longer_one_is_skipped_whole },
    { "lines that are not taken hold the client back",
      lines_that_are_not_taken_hold_the_client_back },
    { "a full reader keeps its place in a Telnet sequence",
      a_full_reader_keeps_its_place_in_a_telnet_sequence },
    { "an interrupt is known while lines before it wait",
      an_interrupt_is_known_while_lines_before_it_wait },
    { "ABOR within a line is no abort", abor_within_a_line_is_no_abort },
    { "the end of a skipped line is no abort", the_end_of_a_skipped_line_is_no_abort },
    { "Telnet offers are refused and never without end",
      telnet_offers_are_refused_and_never_without_end },
    { "what came behind a line is counted", what_came_behind_a_line_is_counted },
    { "a forgotten line is nowhere in the reader",
      a_forgotten_line_is_nowhere_in_the_reader },
    { "a line has a verb and a parameter", a_line_has_a_verb_and_a_parameter },
    { "what has no verb is no command", what_has_no_verb_is_no_command },
    { "a browser is told from an FTP client", a_browser_is_told_from_an_ftp_client },
    { "any bytes are survived", any_bytes_are_survived },
    { NULL, NULL }
};

const struct unit_suite suite_parse = { "parse", tests };
