/* tests/unit/test_path.c - src/ftp/path.c */
#include <stdlib.h>

#include "ftp/path.h"
#include "suites_ftp.h"

static void
a_path_is_absolute_and_normal(void)
{
    static const struct { struct slice cwd, parameter, out; } rows[] = {
        { BYTES("/"), BYTES(""), BYTES("/") }, { BYTES("/a"), BYTES(""), BYTES("/a") },
        { BYTES("/"), BYTES("a"), BYTES("/a") },
        { BYTES("/a"), BYTES("b"), BYTES("/a/b") },
        { BYTES("/a"), BYTES("/b"), BYTES("/b") },
        { BYTES("/a"), BYTES("/"), BYTES("/") },
        { BYTES("/a/b"), BYTES(".."), BYTES("/a") },
        { BYTES("/a/b"), BYTES("../.."), BYTES("/") },
        { BYTES("/a/b"), BYTES("../../../../etc/passwd"), BYTES("/etc/passwd") },
        { BYTES("/"), BYTES("/../../x"), BYTES("/x") },
        { BYTES("/a"), BYTES("./././b/."), BYTES("/a/b") },
        { BYTES("/"), BYTES("//a////b//"), BYTES("/a/b") },
        { BYTES("//a//"), BYTES("b/"), BYTES("/a/b") },
        { BYTES("/a"), BYTES("b/../c"), BYTES("/a/c") },
        { BYTES("/a"), BYTES("..."), BYTES("/a/...") },
        { BYTES("/a"), BYTES("..b"), BYTES("/a/..b") },
        { BYTES("/a"), BYTES(".b"), BYTES("/a/.b") },
        { BYTES("/a"), BYTES("b.."), BYTES("/a/b..") },
        { BYTES("/"), BYTES(" a "), BYTES("/ a ") },
        { BYTES("/"), BYTES("~"), BYTES("/~") },
        { BYTES("/"), BYTES("-x"), BYTES("/-x") },
        { BYTES("/"), BYTES("a\\..\\b"), BYTES("/a\\..\\b") },
        { BYTES("/"), BYTES("a\rb\nc"), BYTES("/a\rb\nc") },
        { BYTES("/"), BYTES("\303\274/\377"), BYTES("/\303\274/\377") },
        { BYTES("/"), { NULL, 0 }, BYTES("/") },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct path p;

        CU_ASSERT_EQUAL_FATAL(path_join(&p, rows[i].cwd, rows[i].parameter), SP_OK);
        CU_ASSERT(bytes_are(path_slice(&p), rows[i].out));
        CU_ASSERT_EQUAL(p.text[p.len], '\0');
    }
}

static void
a_path_with_a_nul_or_without_a_directory_is_refused(void)
{
    static const struct { struct slice cwd, parameter; } rows[] = {
        { BYTES("/"), BYTES("a\0b") }, { BYTES("/"), BYTES("\0") },
        { BYTES("/a\0"), BYTES("b") }, { BYTES(""), BYTES("b") },
        { BYTES("a"), BYTES("b") },
        { { NULL, 0 }, BYTES("/b") },
    };
    struct path p;

    path_root(&p);
    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(path_join(&p, rows[i].cwd, rows[i].parameter), SP_INPUT);
    CU_ASSERT(bytes_are(path_slice(&p), SLICE("/")));
}

static void
a_path_is_at_most_4096_bytes_long(void)
{
    static unsigned char bytes[PATH_BYTES * 3];
    struct path p;

    memset(bytes, 'x', sizeof bytes);
    CU_ASSERT_EQUAL(path_join(&p, SLICE("/"), slice_from(bytes, PATH_BYTES - 1)), SP_OK);
    CU_ASSERT_EQUAL(p.len, PATH_BYTES);
    CU_ASSERT_EQUAL(path_join(&p, SLICE("/"), slice_from(bytes, PATH_BYTES)), SP_INPUT);
    bytes[0] = '/';
    CU_ASSERT_EQUAL(path_join(&p, slice_from(bytes, PATH_BYTES + 1), SLICE("")),
                    SP_INPUT);
    bytes[0] = 'x';
    CU_ASSERT_EQUAL(path_join(&p, SLICE("/a"), slice_from(bytes, PATH_BYTES - 2)),
                    SP_INPUT);
    CU_ASSERT_EQUAL(path_join(&p, SLICE("/a"), slice_from(bytes, PATH_BYTES - 3)), SP_OK);
    CU_ASSERT_EQUAL(p.len, PATH_BYTES);
    /* what it comes to counts, not what it was written as */
    for (size_t i = 0; i + 3 <= sizeof bytes; i += 3)
        memcpy(bytes + i, "/..", 3);
    CU_ASSERT_EQUAL(path_join(&p, path_slice(&p), slice_from(bytes, sizeof bytes)),
                    SP_OK);
    CU_ASSERT(bytes_are(path_slice(&p), SLICE("/")));
    for (size_t i = 0; i + 2 <= sizeof bytes; i += 2)
        memcpy(bytes + i, "/a", 2);
    CU_ASSERT_EQUAL(path_join(&p, SLICE("/"), slice_from(bytes, PATH_BYTES)), SP_OK);
    CU_ASSERT_EQUAL(path_join(&p, SLICE("/"), slice_from(bytes, PATH_BYTES + 2)),
                    SP_INPUT);
}

static void
a_path_may_be_joined_onto_itself(void)
{
    struct path p;

    path_root(&p);
    CU_ASSERT_EQUAL(path_join(&p, path_slice(&p), SLICE("a/b")), SP_OK);
    CU_ASSERT_EQUAL(path_join(&p, path_slice(&p), SLICE("../c")), SP_OK);
    CU_ASSERT(bytes_are(path_slice(&p), SLICE("/a/c")));
    CU_ASSERT_EQUAL(path_join(&p, path_slice(&p), slice_from(p.text + 1, 1)), SP_OK);
    CU_ASSERT(bytes_are(path_slice(&p), SLICE("/a/c/a")));
}

static void
a_path_is_a_parent_and_a_name(void)
{
    static const struct { struct slice path, parent, name; } rows[] = {
        { BYTES("/"), BYTES("/"), BYTES("") }, { BYTES("/a"), BYTES("/"), BYTES("a") },
        { BYTES("/a/b"), BYTES("/a"), BYTES("b") },
        { BYTES("/a/b/c d"), BYTES("/a/b"), BYTES("c d") },
        { BYTES("a"), BYTES(""), BYTES("a") }, { BYTES(""), BYTES(""), BYTES("") },
        { { NULL, 0 }, BYTES(""), BYTES("") },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice parent = path_parent(rows[i].path);

        /* a text without a slash is no path; it is only not to be read out of bounds */
        if (rows[i].path.len > 0 && rows[i].path.at[0] == '/')
            CU_ASSERT(bytes_are(parent, rows[i].parent));
        CU_ASSERT(parent.len <= rows[i].path.len);
        CU_ASSERT(bytes_are(path_name(rows[i].path), rows[i].name));
    }
}

static void
a_quoted_path_forges_no_reply(void)
{
    static const struct { struct slice in, out; } rows[] = {
        { BYTES("/"), BYTES("\"/\"") }, { BYTES("/a b"), BYTES("\"/a b\"") },
        { BYTES("/\"x\"\""), BYTES("\"/\"\"x\"\"\"\"\"") },
        { BYTES("/a\r\n226 ok\r\n"), BYTES("\"/a??226 ok??\"") },
        { BYTES("/\0\t\033\177"), BYTES("\"/????\"") },
        { BYTES("/\303\274\377"), BYTES("\"/\303\274\377\"") },
        { BYTES(""), BYTES("\"\"") },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out = BUF_EMPTY(64);

        CU_ASSERT_EQUAL(path_quote(&out, rows[i].in), SP_OK);
        CU_ASSERT(bytes_are(buf_slice(&out), rows[i].out));
        buf_free(&out);
    }
}

static void
a_quoted_path_that_does_not_fit_adds_nothing(void)
{
    struct buf out = BUF_EMPTY(5);

    CU_ASSERT_EQUAL(path_quote(&out, SLICE("/\"a")), SP_NOMEM);
    CU_ASSERT_EQUAL(out.len, 0);
    CU_ASSERT_EQUAL(path_quote(&out, SLICE("/ab")), SP_OK);
    buf_free(&out);
}

static const struct unit_test tests[] = {
    { "a path is absolute and normal", a_path_is_absolute_and_normal },
    { "a path with a NUL or without a directory is refused",
      a_path_with_a_nul_or_without_a_directory_is_refused },
    { "a path is at most 4096 bytes long", a_path_is_at_most_4096_bytes_long },
    { "a path may be joined onto itself", a_path_may_be_joined_onto_itself },
    { "a path is a parent and a name", a_path_is_a_parent_and_a_name },
    { "a quoted path forges no reply", a_quoted_path_forges_no_reply },
    { "a quoted path that does not fit adds nothing",
      a_quoted_path_that_does_not_fit_adds_nothing },
    { NULL, NULL }
};

const struct unit_suite suite_path = { "path", tests };
