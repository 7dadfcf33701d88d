/* tests/unit/test_listing.c - src/ftp/listing.c */
#include <sys/stat.h>

#include "ftp/listing.h"
#include "suites_ftp.h"

#define NOW 1795246418          /* 2026-11-21 07:33:38 */

static struct entry
file(const char *name)
{
    return (struct entry){
        .name = slice_of(name), .kind = FILE_REGULAR, .mode = S_IFREG | 0644, .links = 1,
        .size = 1234, .uid = 1000, .gid = 100, .owner = "owner", .group = "group",
        .modified = NOW - 10,
    };
}

static void
line_is(const struct entry *e, unsigned options, struct slice wanted)
{
    struct buf out = BUF_EMPTY(8192);

    CU_ASSERT_EQUAL(listing_line(&out, e, NOW, options), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out), wanted));
    buf_free(&out);
}

static void
a_line_is_as_ls_writes_it(void)
{
    struct entry e = file("name");

    line_is(&e, 0,
            SLICE("-rw-r--r--   1 owner    group        1234 Nov 21 07:33 name\r\n"));
    e = file("a directory");
    e.kind = FILE_DIRECTORY;
    e.mode = S_IFDIR | 0755;
    e.links = 12;
    e.size = 4096;
    line_is(&e, 0,
            SLICE("drwxr-xr-x  12 owner    group        4096 Nov 21 07:33 "
                  "a directory\r\n"));
    e = file("link");
    e.kind = FILE_LINK;
    e.mode = S_IFLNK | 0777;
    line_is(&e, 0,
            SLICE("lrwxrwxrwx   1 owner    group        1234 Nov 21 07:33 link\r\n"));
    e.target = SLICE("../to\nit");
    line_is(&e, 0, SLICE("lrwxrwxrwx   1 owner    group        1234 Nov 21 07:33 "
                         "link -> ../to?it\r\n"));
}

static void
wide_columns_push_the_rest_on(void)
{
    struct entry e = file("n");

    e.links = UINT64_MAX;
    e.size = UINT64_MAX;
    e.owner = "a.very.long.name@example.org";
    e.group = NULL;
    e.gid = UINT32_MAX;
    line_is(&e, 0, SLICE("-rw-r--r-- 18446744073709551615 a.very.long.name@example.org "
                         "4294967295 18446744073709551615 Nov 21 07:33 n\r\n"));
}

static void
owners_never_have_a_blank(void)
{
    struct entry e = file("n");

    e.owner = "DOM\\domain users";
    e.group = "a;b=c\td\n";
    line_is(&e, 0,
            SLICE("-rw-r--r--   1 DOM\\domain_users a_b_c_d_     1234 "
                  "Nov 21 07:33 n\r\n"));
    e.owner = "";
    e.group = NULL;
    line_is(&e, 0, SLICE("-rw-r--r--   1 1000     100          1234 Nov 21 07:33 n\r\n"));
}

static void
a_name_forges_no_line(void)
{
    struct entry e = file("");

    e.name = SLICE("a\r\nb\0c\t\033[31m\177\303\274\374 ");
    line_is(&e, 0, SLICE("-rw-r--r--   1 owner    group        1234 Nov 21 07:33 "
                         "a??b?c??[31m?\303\274\374 \r\n"));
}

static void
dates_older_than_six_months_show_their_year(void)
{
    static const struct { int64_t modified; const char *date; } rows[] = {
        { NOW, "Nov 21 07:33" }, { NOW + 60, "Nov 21 07:34" },
        { NOW + 61, "Nov 21  2026" },
        { NOW - 15778475, "May 22 16:39" }, { NOW - 15778476, "May 22  2026" },
        { 0, "Jan  1  1970" }, { -1, "Dec 31  1969" }, { INT64_MAX, "Dec 31  9999" },
        { INT64_MIN, "Jan  1  0000" }, { 1793491200, "Nov  1 00:00" },
        { 951782400, "Feb 29  2000" },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct entry e = file("n");
        struct buf out = BUF_EMPTY(256);

        e.modified = rows[i].modified;
        CU_ASSERT_EQUAL(listing_line(&out, &e, NOW, 0), SP_OK);
        CU_ASSERT_FATAL(out.len == 61 - 4 + 1);
        CU_ASSERT(bytes_are(slice_from(out.at + 42, 12), slice_of(rows[i].date)));
        buf_free(&out);
    }
}

static void
modes_are_as_ls_writes_them(void)
{
    static const struct {
        enum file_kind kind;
        uint32_t mode;
        const char *text;
    } rows[] = {
        { FILE_REGULAR, S_IFREG, "----------" },
        { FILE_REGULAR, S_IFREG | 0777, "-rwxrwxrwx" },
        { FILE_REGULAR, S_IFREG | 04755, "-rwsr-xr-x" },
        { FILE_REGULAR, S_IFREG | 06666, "-rwSrwSrw-" },
        { FILE_DIRECTORY, S_IFDIR | 01777, "drwxrwxrwt" },
        { FILE_DIRECTORY, S_IFDIR | 03770, "drwxrws--T" },
        { FILE_OTHER, S_IFIFO | 0600, "prw-------" },
        { FILE_OTHER, S_IFSOCK, "s---------" },
        { FILE_OTHER, S_IFCHR, "c---------" }, { FILE_OTHER, S_IFBLK, "b---------" },
        { FILE_OTHER, 0, "----------" },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct entry e = file("n");
        struct buf out = BUF_EMPTY(256);

        e.kind = rows[i].kind;
        e.mode = rows[i].mode;
        CU_ASSERT_EQUAL(listing_line(&out, &e, NOW, 0), SP_OK);
        CU_ASSERT(bytes_are(slice_from(out.at, 10), slice_of(rows[i].text)));
        buf_free(&out);
    }
}

static void
a_class_stands_behind_names_when_asked(void)
{
    static const struct {
        enum file_kind kind;
        uint32_t mode;
        const char *text;
    } rows[] = {
        { FILE_REGULAR, S_IFREG | 0644, "n\r\n" },
        { FILE_REGULAR, S_IFREG | 0100, "n*\r\n" },
        { FILE_DIRECTORY, S_IFDIR | 0755, "n/\r\n" },
        { FILE_LINK, S_IFLNK | 0777, "n@\r\n" },
        { FILE_OTHER, S_IFIFO, "n|\r\n" }, { FILE_OTHER, S_IFSOCK, "n=\r\n" },
        { FILE_OTHER, S_IFBLK, "n\r\n" },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct entry e = file("n");
        struct buf name = BUF_EMPTY(256), line = BUF_EMPTY(256);
        struct slice wanted = slice_of(rows[i].text);

        e.kind = rows[i].kind;
        e.mode = rows[i].mode;
        CU_ASSERT_EQUAL(listing_name(&name, SLICE(""), &e, LISTING_CLASSIFY), SP_OK);
        CU_ASSERT(bytes_are(buf_slice(&name), wanted));
        CU_ASSERT_EQUAL(listing_line(&line, &e, NOW, LISTING_CLASSIFY), SP_OK);
        CU_ASSERT_FATAL(line.len > wanted.len);
        CU_ASSERT(bytes_are(slice_from(line.at + line.len - wanted.len, wanted.len),
                            wanted));
        buf_free(&name);
        buf_free(&line);
    }
}

static void
names_have_their_prefix_and_no_line_break(void)
{
    struct entry e = file("");
    struct buf out = BUF_EMPTY(256);

    e.name = SLICE("-a\r\nb\0\tc\n");
    CU_ASSERT_EQUAL(listing_name(&out, SLICE("dir\n/"), &e, 0), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out), SLICE("dir?/-a??b?\tc?\r\n")));
    buf_free(&out);
}

static void
what_does_not_fit_adds_nothing(void)
{
    struct entry e = file("name");
    struct buf out = BUF_EMPTY(6);

    CU_ASSERT_EQUAL(listing_line(&out, &e, NOW, 0), SP_NOMEM);
    CU_ASSERT_EQUAL(listing_name(&out, SLICE(""), &e, 0), SP_NOMEM);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_free(&out);
}

static void
a_long_line_stays_within_the_room_reserved_for_it(void)
{
    static char owner[4000], text[4096];
    struct entry e = file("");

    memset(owner, 'o', sizeof owner - 1);
    memset(text, 'n', sizeof text);
    e.owner = owner;
    e.group = owner;
    e.kind = FILE_LINK;
    e.name = slice_from(text, sizeof text);
    e.target = slice_from(text, sizeof text);
    e.links = e.size = UINT64_MAX;
    for (unsigned i = 0; i < 4; i++) {
        struct buf out = BUF_EMPTY(65536);

        CU_ASSERT_EQUAL(listing_line(&out, &e, NOW, LISTING_CLASSIFY), SP_OK);
        CU_ASSERT(out.len > 16000 && out.len < 16400);
        buf_free(&out);
    }
}

static const struct unit_test tests[] = {
    { "a line is as ls writes it", a_line_is_as_ls_writes_it },
    { "wide columns push the rest on", wide_columns_push_the_rest_on },
    { "owners never have a blank", owners_never_have_a_blank },
    { "a name forges no line", a_name_forges_no_line },
    { "dates older than six months show their year",
      dates_older_than_six_months_show_their_year },
    { "modes are as ls writes them", modes_are_as_ls_writes_them },
    { "a class stands behind names when asked", a_class_stands_behind_names_when_asked },
    { "names have their prefix and no line break",
      names_have_their_prefix_and_no_line_break },
    { "what does not fit adds nothing", what_does_not_fit_adds_nothing },
    { "a long line stays within the room reserved for it",
      a_long_line_stays_within_the_room_reserved_for_it },
    { NULL, NULL }
};

const struct unit_suite suite_listing = { "listing", tests };
