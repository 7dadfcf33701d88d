/* tests/unit/test_reply.c - src/ftp/reply.c */
#include "ftp/reply.h"
#include "suites_ftp.h"

static void
a_reply_is_one_line_whatever_it_is_given(void)
{
    static const struct { const char *text; struct slice out; } rows[] = {
        { "ok", BYTES("226 ok\r\n") }, { "", BYTES("226 \r\n") },
        { "a\r\n530 no\r\n", BYTES("226 a??530 no??\r\n") },
        { "\t\033[2J\177", BYTES("226 ??[2J?\r\n") },
        { "gr\303\274n gr\374n", BYTES("226 gr\303\274n gr\374n\r\n") },
        { "\377", BYTES("226 \377\377\r\n") },
        { "\377a\377\377", BYTES("226 \377\377a\377\377\377\377\r\n") },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out = BUF_EMPTY(256);

        CU_ASSERT_EQUAL(reply_line(&out, 226, "%s", rows[i].text), SP_OK);
        CU_ASSERT(bytes_are(buf_slice(&out), rows[i].out));
        buf_free(&out);
    }
}

static void
a_nul_by_percent_c_stays_in_its_line(void)
{
    struct buf out = BUF_EMPTY(64);

    CU_ASSERT_EQUAL(reply_line(&out, 500, "%c%c", '\0', '\n'), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out), SLICE("500 ??\r\n")));
    buf_free(&out);
}

static void
replies_are_added_behind_what_is_there(void)
{
    struct buf out = BUF_EMPTY(256);

    CU_ASSERT_EQUAL(buf_add(&out, "\001\377", 2), SP_OK);
    CU_ASSERT_EQUAL(reply_line(&out, 100, "a"), SP_OK);
    CU_ASSERT_EQUAL(reply_line(&out, 699, "%d", 7), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out), SLICE("\001\377100 a\r\n699 7\r\n")));
    buf_free(&out);
}

static void
inner_lines_are_never_the_last_one(void)
{
    static const struct slice wanted = BYTES(
        "211-Features:\r\n UTF8\r\n 211 end\r\n 99999\r\n21 a\r\n\r\n 211-x?y\r\n"
        "name\r\n 123\r\na\377\377\r\n211 End\r\n");
    struct buf out = BUF_EMPTY(256);

    CU_ASSERT_EQUAL(reply_open(&out, 211, "Features:"), SP_OK);
    CU_ASSERT_EQUAL(reply_inner(&out, " UTF8"), SP_OK);
    CU_ASSERT_EQUAL(reply_inner(&out, "%d end", 211), SP_OK);
    CU_ASSERT_EQUAL(reply_inner(&out, "99999"), SP_OK);
    CU_ASSERT_EQUAL(reply_inner(&out, "21 a"), SP_OK);
    CU_ASSERT_EQUAL(reply_inner(&out, "%s", ""), SP_OK);
    CU_ASSERT_EQUAL(reply_inner_slice(&out, SLICE("211-x\ny\r\n")), SP_OK);
    CU_ASSERT_EQUAL(reply_inner_slice(&out, SLICE("name\n")), SP_OK);
    CU_ASSERT_EQUAL(reply_inner_slice(&out, SLICE("123")), SP_OK);
    CU_ASSERT_EQUAL(reply_inner_slice(&out, SLICE("a\377")), SP_OK);
    CU_ASSERT_EQUAL(reply_close(&out, 211, "End"), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out), wanted));
    buf_free(&out);
}

static void
an_empty_slice_is_an_empty_line(void)
{
    struct buf out = BUF_EMPTY(64);

    CU_ASSERT_EQUAL(reply_inner_slice(&out, slice_from(NULL, 0)), SP_OK);
    CU_ASSERT_EQUAL(reply_inner_slice(&out, SLICE("\r\n")), SP_OK);
    CU_ASSERT_EQUAL(reply_inner_slice(&out, SLICE("\0\r")), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out), SLICE("\r\n\r\n?\r\n")));
    buf_free(&out);
}

static void
a_reply_that_does_not_fit_adds_nothing(void)
{
    for (size_t most = 0; most < 16; most++) {
        struct buf out = BUF_EMPTY(most);

        if (reply_line(&out, 200, "abc\377\377") == SP_OK) {
            CU_ASSERT(bytes_are(buf_slice(&out), SLICE("200 abc\377\377\377\377\r\n")));
        } else {
            CU_ASSERT_EQUAL(out.len, 0);
        }
        out.len = 0;
        if (reply_inner_slice(&out, SLICE("123\377")) == SP_OK) {
            CU_ASSERT(bytes_are(buf_slice(&out), SLICE(" 123\377\377\r\n")));
        } else {
            CU_ASSERT_EQUAL(out.len, 0);
        }
        buf_free(&out);
    }
}

static void
text_for_a_reply_has_no_control_characters(void)
{
    struct reply_escaped e;

    CU_ASSERT_STRING_EQUAL(reply_text(SLICE("a\0b\r\nc\t\177\303\274\377"), &e),
                           "a?b??c??\303\274\377");
    CU_ASSERT_STRING_EQUAL(reply_text(slice_from(NULL, 0), &e), "");
}

static void
long_text_is_cut_between_characters(void)
{
    static unsigned char bytes[REPLY_TEXT_MAX + 10];
    struct reply_escaped e;
    const char *text = NULL;
    size_t len = 0;

    memset(bytes, 'x', sizeof bytes);
    text = reply_text(slice_from(bytes, REPLY_TEXT_MAX - 1), &e);
    CU_ASSERT_EQUAL(strlen(text), REPLY_TEXT_MAX - 1);
    text = reply_text(slice_from(bytes, REPLY_TEXT_MAX), &e);
    CU_ASSERT_EQUAL(strlen(text), REPLY_TEXT_MAX - 1);
    CU_ASSERT_STRING_EQUAL(text + REPLY_TEXT_MAX - 5, "x...");
    /* a character of four bytes lies across the cut, one byte further each time */
    for (size_t back = 1; back < 4; back++) {
        memset(bytes, 'x', sizeof bytes);
        memcpy(bytes + REPLY_TEXT_MAX - 4 - back, "\360\237\230\200", 4);
        text = reply_text(slice_from(bytes, sizeof bytes), &e);
        len = strlen(text);
        CU_ASSERT_EQUAL(len, REPLY_TEXT_MAX - 1 - back);
        CU_ASSERT_STRING_EQUAL(text + len - 4, "x...");
    }
    /* bytes that are no UTF-8 cost at most three */
    memset(bytes, 0x80, sizeof bytes);
    CU_ASSERT_EQUAL(strlen(reply_text(slice_from(bytes, sizeof bytes), &e)),
                    REPLY_TEXT_MAX - 4);
}

static const struct unit_test tests[] = {
    { "a reply is one line whatever it is given",
      a_reply_is_one_line_whatever_it_is_given },
    { "a NUL by %c stays in its line", a_nul_by_percent_c_stays_in_its_line },
    { "replies are added behind what is there", replies_are_added_behind_what_is_there },
    { "inner lines are never the last one", inner_lines_are_never_the_last_one },
    { "an empty slice is an empty line", an_empty_slice_is_an_empty_line },
    { "a reply that does not fit adds nothing", a_reply_that_does_not_fit_adds_nothing },
    { "text for a reply has no control characters",
      text_for_a_reply_has_no_control_characters },
    { "long text is cut between characters", long_text_is_cut_between_characters },
    { NULL, NULL }
};

const struct unit_suite suite_reply = { "reply", tests };
