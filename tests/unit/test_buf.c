/* tests/unit/test_buf.c - src/base/buf.c */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "suites.h"

static void
slices_compare_by_their_bytes(void)
{
    CU_ASSERT(slice_equal(slice_of("abc"), slice_from("abcd", 3)));
    CU_ASSERT(slice_equal(slice_of(""), slice_from(NULL, 0)));
    CU_ASSERT_FALSE(slice_equal(slice_of("abc"), slice_of("abd")));
    CU_ASSERT_FALSE(slice_equal(slice_of("abc"), slice_of("ab")));
}

static void
case_is_ignored_for_ascii_letters_only(void)
{
    static const struct { const char *a, *b; bool same; } rows[] = {
        { "AUTH", "auth", true }, { "aUtH", "AuTh", true }, { "", "", true },
        { "AUTH", "AUT", false }, { "AUT", "AUTH", false }, { "[", "{", false },
        { "@", "`", false }, { "\xc4", "\xe4", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_EQUAL(slice_equal_nocase(slice_of(rows[i].a), rows[i].b), rows[i].same);
}

static void
a_name_with_a_newline_is_found_out(void)
{
    CU_ASSERT(slice_has_line_break(slice_of("a\nb")));
    CU_ASSERT(slice_has_line_break(slice_of("a\r")));
    CU_ASSERT(slice_has_line_break(slice_from("a\0b", 3)));
    CU_ASSERT_FALSE(slice_has_line_break(slice_of("a b\t\x7f")));
    CU_ASSERT_FALSE(slice_has_line_break(slice_from(NULL, 0)));
}

static void
a_text_is_copied_with_its_end_or_not_at_all(void)
{
    char out[4] = "zzz";

    CU_ASSERT_EQUAL(slice_to_text(slice_of("abcd"), out, sizeof out), SP_INPUT);
    CU_ASSERT_EQUAL(slice_to_text(slice_from("a\0b", 3), out, sizeof out), SP_INPUT);
    CU_ASSERT_STRING_EQUAL(out, "zzz");
    CU_ASSERT_EQUAL(slice_to_text(slice_of("abc"), out, sizeof out), SP_OK);
    CU_ASSERT_STRING_EQUAL(out, "abc");
    CU_ASSERT_EQUAL(slice_to_text(slice_from(NULL, 0), out, sizeof out), SP_OK);
    CU_ASSERT_STRING_EQUAL(out, "");
}

static void
a_buffer_grows_to_its_bound_and_no_further(void)
{
    struct buf b = BUF_EMPTY(100);
    char eighty[80];

    memset(eighty, 'x', sizeof eighty);
    CU_ASSERT_EQUAL(buf_add(&b, eighty, sizeof eighty), SP_OK);
    CU_ASSERT_EQUAL(buf_add(&b, eighty, 21), SP_NOMEM);
    CU_ASSERT_EQUAL(b.len, 80);
    CU_ASSERT_EQUAL(buf_add(&b, eighty, 20), SP_OK);
    CU_ASSERT_EQUAL(b.len, 100);
    CU_ASSERT_EQUAL(buf_reserve(&b, 1), SP_NOMEM);
    CU_ASSERT_EQUAL(buf_reserve(&b, SIZE_MAX), SP_NOMEM);
    CU_ASSERT_EQUAL(buf_add(&b, NULL, 0), SP_OK);
    buf_free(&b);
    CU_ASSERT_PTR_NULL(b.at);
    CU_ASSERT_EQUAL(b.max, 100);
    CU_ASSERT_EQUAL(buf_add_text(&b, "again"), SP_OK);
    buf_free(&b);
}

static void
printing_appends(void)
{
    struct buf b = BUF_EMPTY(64);

    CU_ASSERT_EQUAL(buf_printf(&b, "%d-%s", 1, "one"), SP_OK);
    CU_ASSERT_EQUAL(buf_printf(&b, ",%d", 2), SP_OK);
    CU_ASSERT(slice_equal(buf_slice(&b), slice_of("1-one,2")));
    CU_ASSERT_EQUAL(buf_printf(&b, "%100d", 2), SP_NOMEM);
    CU_ASSERT(slice_equal(buf_slice(&b), slice_of("1-one,2")));
    buf_free(&b);
}

static void
consuming_takes_from_the_front(void)
{
    struct buf b = BUF_EMPTY(64);

    CU_ASSERT_EQUAL(buf_add_text(&b, "0123456789"), SP_OK);
    buf_consume(&b, 4);
    CU_ASSERT(slice_equal(buf_slice(&b), slice_of("456789")));
    buf_consume(&b, 0);
    buf_consume(&b, 6);
    CU_ASSERT_EQUAL(b.len, 0);
    buf_free(&b);
}

/* A file of len bytes, read from its beginning. */
static int
file_of(size_t len)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    CU_ASSERT_FATAL(fd != -1);
    CU_ASSERT_EQUAL(ftruncate(fd, (off_t)len), 0);
    return fd;
}

static void
a_file_is_read_to_its_end_and_refused_past_the_bound(void)
{
    static const struct { size_t len, max; enum sp_err rc; } rows[] = {
        { 0, 10, SP_OK }, { 9, 10, SP_OK }, { 10, 10, SP_OK }, { 11, 10, SP_NOMEM },
        { 60, 10, SP_NOMEM }, { 64, 64, SP_OK }, { 65, 64, SP_NOMEM },
        { 70000, 100000, SP_OK }, { 100000, 100000, SP_OK }, { 100001, 100000, SP_NOMEM },
        { 5000, 4097, SP_NOMEM }, { 4097, 4097, SP_OK },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = BUF_EMPTY(rows[i].max);
        int fd = file_of(rows[i].len);
        enum sp_err rc = buf_read_all(&b, fd);

        if (rc != rows[i].rc)
            printf("%zu bytes into %zu: %s\n", rows[i].len, rows[i].max, sp_err_text(rc));
        CU_ASSERT_EQUAL(rc, rows[i].rc);
        CU_ASSERT(b.len <= b.max);
        CU_ASSERT(rc != SP_OK || b.len == rows[i].len);
        CU_ASSERT_EQUAL(close(fd), 0);
        buf_wipe(&b);
        CU_ASSERT_EQUAL(b.len, 0);
    }
}

static void
reading_what_cannot_be_read_fails(void)
{
    struct buf b = BUF_EMPTY(64);

    CU_ASSERT_EQUAL(buf_read_all(&b, -1), SP_OS);
    buf_free(&b);
}

static void
texts_say_whether_they_were_cut(void)
{
    char out[4];

    CU_ASSERT(text_copy(out, sizeof out, "abc"));
    CU_ASSERT_FALSE(text_copy(out, sizeof out, "abcd"));
    CU_ASSERT_STRING_EQUAL(out, "abc");
    CU_ASSERT(text_printf(out, sizeof out, "%d", 123));
    CU_ASSERT_FALSE(text_printf(out, sizeof out, "%d", 1234));
    CU_ASSERT_STRING_EQUAL(out, "123");
}

static int
copy_too_much(void)
{
    char out[4];

    text_copy_whole(out, sizeof out, "abcd");
    return 0;
}

static int
print_too_much(void)
{
    char out[4];

    text_printf_whole(out, sizeof out, "%d", 1234);
    return 0;
}

static void
a_cut_text_where_none_may_be_ends_the_process(void)
{
    char out[4];

    text_copy_whole(out, sizeof out, "abc");
    CU_ASSERT_STRING_EQUAL(out, "abc");
    text_printf_whole(out, sizeof out, "%d", 123);
    CU_ASSERT_STRING_EQUAL(out, "123");
    CU_ASSERT_EQUAL(run_in_child(copy_too_much), 256 + SIGABRT);
    CU_ASSERT_EQUAL(run_in_child(print_too_much), 256 + SIGABRT);
}

static const struct unit_test tests[] = {
    { "slices compare by their bytes", slices_compare_by_their_bytes },
    { "case is ignored for ASCII letters only", case_is_ignored_for_ascii_letters_only },
    { "a name with a newline is found out", a_name_with_a_newline_is_found_out },
    { "a text is copied with its end or not at all",
      a_text_is_copied_with_its_end_or_not_at_all },
    { "a buffer grows to its bound and no further",
      a_buffer_grows_to_its_bound_and_no_further },
    { "printing appends", printing_appends },
    { "consuming takes from the front", consuming_takes_from_the_front },
    { "a file is read to its end, and refused past the bound",
      a_file_is_read_to_its_end_and_refused_past_the_bound },
    { "reading what cannot be read fails", reading_what_cannot_be_read_fails },
    { "texts say whether they were cut", texts_say_whether_they_were_cut },
    { "a cut text where none may be ends the process",
      a_cut_text_where_none_may_be_ends_the_process },
    { NULL, NULL }
};
const struct unit_suite suite_buf = { "buf", tests };
