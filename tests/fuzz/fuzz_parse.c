/*
 * tests/fuzz/fuzz_parse.c - the bytes of a control connection: Telnet, lines, verbs
 * (ftp/parse.h)
 *
 * Holds: cut anywhere, the bytes make the same lines; those lines are what a plain
 * reading of RFC 854 makes of them; a parsed command written again parses to itself.
 */
#include "ftp/parse.h"

#include "fuzz.h"

/* Telnet undone, byte by byte; out has room for len bytes. */
static size_t
undo_telnet(struct slice in, unsigned char *out)
{
    enum { DATA, IAC, OPTION, SUB, SUB_IAC } state = DATA;
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = in.at[i];

        if (state == IAC && c < 240) {
            out[len++] = 255;
            state = DATA;
        }
        if (state == DATA && c == 255)
            state = IAC;
        else if (state == DATA)
            out[len++] = c;
        else if (state == IAC && c == 255) {
            out[len++] = c;
            state = DATA;
        } else if (state == IAC)
            state = c == 250 ? SUB : c > 250 ? OPTION : DATA;
        else if (state == OPTION)
            state = DATA;
        else if (state == SUB)
            state = c == 255 ? SUB_IAC : SUB;
        else
            state = c == 240 ? DATA : SUB;
    }
    return len;
}

static bool
is_within(struct slice inner, struct slice outer)
{
    return inner.len == 0
        || (inner.at >= outer.at && inner.at + inner.len <= outer.at + outer.len);
}

static void
check_command(struct slice line)
{
    struct command c, again;
    unsigned char text[VERB_MOST + 1 + LINE_MOST];
    size_t len = 0;

    (void)parse_is_http(line);
    if (parse_command(line, &c) != SP_OK)
        return;
    len = strlen(c.verb);
    FUZZ_HOLDS(len > 0 && len <= VERB_MOST);
    FUZZ_HOLDS(strspn(c.verb, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len);
    FUZZ_HOLDS(is_within(c.parameter, line) && is_within(c.trimmed, c.parameter));
    FUZZ_HOLDS(c.given || (c.parameter.len == 0 && c.trimmed.len == 0));
    if (c.trimmed.len > 0)
        FUZZ_HOLDS(strchr(" \t", *c.trimmed.at) == NULL
                   && strchr(" \t", c.trimmed.at[c.trimmed.len - 1]) == NULL);
    if (c.parameter.len > 0)
        FUZZ_HOLDS(memchr(c.parameter.at, '\0', c.parameter.len) == NULL
                   && memchr(c.parameter.at, '\n', c.parameter.len) == NULL);
    memcpy(text, c.verb, len);
    if (c.given)
        text[len++] = ' ';
    if (c.parameter.len > 0)
        memcpy(text + len, c.parameter.at, c.parameter.len);
    FUZZ_HOLDS(parse_command(slice_from(text, len + c.parameter.len), &again) == SP_OK);
    FUZZ_HOLDS(strcmp(c.verb, again.verb) == 0 && c.given == again.given
               && slice_equal(c.parameter, again.parameter)
               && slice_equal(c.trimmed, again.trimmed));
}

/* What is still to come, undone, and from where on lines have not been seen. */
struct expected { const unsigned char *at; size_t len, from; };

/* CR NUL is a CR. False: another NUL is left. */
static bool
undo(const unsigned char *at, size_t len, unsigned char out[LINE_MOST], size_t *kept)
{
    *kept = 0;
    for (size_t i = 0; i < len; i++) {
        out[(*kept)++] = at[i];
        if (at[i] == '\r' && i + 1 < len && at[i + 1] == '\0')
            i++;
        else if (at[i] == '\0')
            return false;
    }
    return true;
}

static void
check_line(struct expected *e, enum line_kind kind, struct slice line)
{
    const unsigned char *at = e->at + e->from;
    const unsigned char *end =
        e->from < e->len ? memchr(at, '\n', e->len - e->from) : NULL;
    unsigned char plain[LINE_MOST];
    size_t len = 0, kept = 0;

    FUZZ_HOLDS(end != NULL);
    len = (size_t)(end - at);
    e->from += len + 1;
    len -= len > 0 && at[len - 1] == '\r';
    if (len > LINE_MOST)
        FUZZ_HOLDS(kind == LINE_TOO_LONG);
    else if (!undo(at, len, plain, &kept))
        FUZZ_HOLDS(kind == LINE_HAS_NUL);
    else
        FUZZ_HOLDS(kind == LINE_READY && slice_equal(line, slice_from(plain, kept)));
}

static void
take_lines(struct line_reader *r, struct expected *e)
{
    struct slice line = SLICE_EMPTY;
    enum line_kind kind = LINE_NONE;
    bool abort_waits = line_has_abort(r), abort_seen = false;
    struct command c;

    while ((kind = line_next(r, &line)) != LINE_NONE) {
        check_line(e, kind, line);
        /* one with a NUL in its parameter has ABOR for a verb, and is none */
        abort_seen = abort_seen || kind == LINE_HAS_NUL;
        if (kind == LINE_READY) {
            check_command(line);
            abort_seen = abort_seen
                || (parse_command(line, &c) == SP_OK && strcmp(c.verb, "ABOR") == 0);
        } else {
            abort_seen = abort_seen || kind == LINE_TOO_LONG;
        }
        line_forget(r);
        for (size_t i = 0; kind == LINE_READY && i < line.len; i++)
            FUZZ_HOLDS(line.at[i] == 0);
    }
    FUZZ_HOLDS(!abort_waits || abort_seen);
    FUZZ_HOLDS(line_room(r) >= LINE_ROOM - LINE_MOST - 2);
}

/* step 0: pieces of changing length. */
static void
run(struct slice in, size_t step, unsigned char *undone)
{
    struct line_reader r;
    struct expected e = { .at = undone };
    uint32_t mixed = 1;
    bool interrupted = false;

    e.len = undo_telnet(in, undone);
    line_reader_init(&r);
    for (size_t i = 0, n = 0; i < in.len; i += n) {
        size_t room = line_room(&r);

        mixed = mixed * 1664525 + 1013904223;
        n = step > 0 ? step : 1 + (mixed >> 16) % 700;
        n = n > in.len - i ? in.len - i : n;
        n = n > room ? room : n;
        FUZZ_HOLDS(n > 0 && line_feed(&r, in.at + i, n) == n);
        interrupted = line_interrupted(&r) || interrupted;
        FUZZ_HOLDS(line_answers(&r).len <= LINE_ANSWERS && line_answers(&r).len == 0);
        take_lines(&r, &e);
    }
    FUZZ_HOLDS(e.from == e.len || memchr(e.at + e.from, '\n', e.len - e.from) == NULL);
    FUZZ_HOLDS(!interrupted || memchr(in.at, 255, in.len) != NULL);
    FUZZ_HOLDS(line_unread(&r) > 0 || e.from == e.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *undone = malloc(size + 1);

    FUZZ_HOLDS(undone != NULL);
    run(slice_from(data, size), 1, undone);
    run(slice_from(data, size), LINE_ROOM - LINE_MOST - 3, undone);
    run(slice_from(data, size), 0, undone);
    free(undone);
    return 0;
}
