/* tests/unit/test_log.c - src/base/log.c */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "suites.h"

struct seen { unsigned count; enum log_event event; char line[LOG_LINE_MAX]; };

static void
remember(void *context, enum log_event event, const char *line)
{
    struct seen *seen = context;

    seen->count++;
    seen->event = event;
    (void)text_copy(seen->line, sizeof seen->line, line);
    errno = EXDEV;
}

static void
lines_go_to_the_sink_from_the_level_on(void)
{
    struct seen seen = {0};

    log_set_sink(remember, &seen);
    log_set_level(LOG_LEVEL_NOTICE);
    log_event(EVENT_CLIENT, "name=%s", "unseen");
    CU_ASSERT_EQUAL(seen.count, 0);
    log_event(EVENT_FILE_DELETED, "path=%s", "a");
    CU_ASSERT_EQUAL(seen.event, EVENT_FILE_DELETED);
    CU_ASSERT_STRING_EQUAL(seen.line, "file.deleted path=a");
    log_bare(EVENT_RELOAD_REFUSED);
    CU_ASSERT_EQUAL(seen.event, EVENT_RELOAD_REFUSED);
    CU_ASSERT_STRING_EQUAL(seen.line, "reload.refused");
    log_set_level(LOG_LEVEL_DEBUG);
    log_event(EVENT_CLIENT, "name=%s", "seen");
    log_event(EVENT_WALL_MISSING, "what=%s", "w");
    CU_ASSERT_EQUAL(seen.count, 4);
    log_set_level(LOG_LEVEL_NOTICE);
    log_set_sink(NULL, NULL);
}

static void
a_long_line_ends_in_dots_and_errno_stays(void)
{
    static char big[LOG_LINE_MAX * 2];
    struct seen seen = {0};

    memset(big, 'x', sizeof big - 1);
    log_set_sink(remember, &seen);
    errno = ENOENT;
    log_event(EVENT_FILE_DELETED, "name=%s", big);
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_EQUAL(strlen(seen.line), LOG_LINE_MAX - 1);
    CU_ASSERT_STRING_EQUAL(seen.line + LOG_LINE_MAX - 4, "...");
    log_set_sink(NULL, NULL);
}

static void
a_line_never_becomes_two(void)
{
    struct seen seen = {0};

    log_set_sink(remember, &seen);
    log_event(EVENT_FILE_DELETED, "path=a %s", "b\r\nnotice forged\033[2J\x7f");
    CU_ASSERT_STRING_EQUAL(seen.line, "file.deleted path=a b??notice forged?[2J?");
    log_set_sink(NULL, NULL);
}

static void
each_level_has_a_word(void)
{
    CU_ASSERT_STRING_EQUAL(log_level_text(LOG_LEVEL_ERROR), "error");
    CU_ASSERT_STRING_EQUAL(log_level_text(LOG_LEVEL_WARNING), "warning");
    CU_ASSERT_STRING_EQUAL(log_level_text(LOG_LEVEL_NOTICE), "notice");
    CU_ASSERT_STRING_EQUAL(log_level_text(LOG_LEVEL_DEBUG), "debug");
}

static void
text_from_outside_is_escaped(void)
{
    static const struct { const char *in, *out; } rows[] = {
        { "", "" },
        { "plain-._/~=;text", "plain-._/~=;text" },
        { "a b", "a\\x20b" },
        { "\"'\\", "\\x22\\x27\\x5c" },
        { "\r\n\t\x1b\x7f", "\\x0d\\x0a\\x09\\x1b\\x7f" },
        { "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
          "caf\xc3\xa9\\x20\xe2\x82\xac\\x20\xf0\x9f\x98\x80" },
        { "\xe9t\xe9", "\\xe9t\\xe9" },                         /* Latin-1          */
        { "\xc3", "\\xc3" }, { "\xe2\x82", "\\xe2\\x82" },      /* cut              */
        { "\x80", "\\x80" }, { "\xff\xfe", "\\xff\\xfe" },
        { "\xc0\xaf", "\\xc0\\xaf" },                           /* overlong "/"     */
        { "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
        { "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf" },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" },                  /* a surrogate      */
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },         /* past U+10FFFF    */
        { "\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80" },
        { "\xc2\x85", "\\xc2\\x85" },                           /* a C1 line break  */
        { "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },                  /* line separator   */
        { "\xe2\x80\xae" "gpj", "\\xe2\\x80\\xaegpj" },         /* right-to-left    */
        { "\xe2\x80\x8b", "\\xe2\\x80\\x8b" },                  /* zero width space */
    };
    struct log_escaped out;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_STRING_EQUAL(log_text(slice_of(rows[i].in), &out), rows[i].out);
    CU_ASSERT_STRING_EQUAL(log_text(slice_from("a\0b", 3), &out), "a\\x00b");
    CU_ASSERT_STRING_EQUAL(log_text(slice_from(NULL, 0), &out), "");
}

static void
long_text_is_cut_with_dots_between_characters(void)
{
    static const char *const units[] = { "x", "\xc3\xa9", "\xe2\x82\xac", "\n" };
    char big[LOG_TEXT_MAX * 4];
    struct log_escaped out;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t unit = strlen(units[i]), len = 0;
        size_t shown = units[i][0] == '\n' ? 4 : unit;

        for (; len + unit <= sizeof big; len += unit)
            memcpy(big + len, units[i], unit);
        (void)log_text(slice_from(big, len), &out);
        len = strlen(out.text);
        CU_ASSERT(len < LOG_TEXT_MAX && len > LOG_TEXT_MAX - 9);
        CU_ASSERT_STRING_EQUAL(out.text + len - 3, "...");
        CU_ASSERT_EQUAL((len - 3) % shown, 0);
    }
}

static void
text_that_just_fits_is_not_cut(void)
{
    char big[LOG_TEXT_MAX];
    struct log_escaped out;

    memset(big, 'x', sizeof big);
    CU_ASSERT_EQUAL(strlen(log_text(slice_from(big, LOG_TEXT_MAX - 1), &out)),
                    LOG_TEXT_MAX - 1);
    CU_ASSERT_EQUAL(out.text[LOG_TEXT_MAX - 2], 'x');
    CU_ASSERT_EQUAL(strlen(log_text(slice_from(big, LOG_TEXT_MAX), &out)),
                    LOG_TEXT_MAX - 1);
    CU_ASSERT_EQUAL(out.text[LOG_TEXT_MAX - 2], '.');
}

static const struct unit_test tests[] = {
    { "lines go to the sink, from the level on", lines_go_to_the_sink_from_the_level_on },
    { "a long line ends in dots, and errno stays",
      a_long_line_ends_in_dots_and_errno_stays },
    { "a line never becomes two", a_line_never_becomes_two },
    { "each level has a word", each_level_has_a_word },
    { "text from outside is escaped", text_from_outside_is_escaped },
    { "long text is cut with dots, between characters",
      long_text_is_cut_with_dots_between_characters },
    { "text that just fits is not cut", text_that_just_fits_is_not_cut },
    { NULL, NULL }
};
const struct unit_suite suite_log = { "log", tests };
