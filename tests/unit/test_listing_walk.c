/* tests/unit/test_listing_walk.c - src/broker/listing.c, reader.c, names.c and
 * glob_walk.c */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "broker/lines.h"
#include "broker/names.h"
#include "ftp/listing.h"
#include "jail_fixture.h"
#include "unit.h"
#include "wire/grant.h"

#define ROOM 262144

static char text[ROOM];

static void
plant(struct jail_fixture *f)
{
    fixture_open(f);
    fixture_file(f, "b.txt", "12");
    fixture_file(f, "a.txt", "1");
    fixture_file(f, ".hidden", "");
    fixture_file(f, ".sp-part.new", "123");
    fixture_file(f, ".sp-part.a.txt", "123");
    fixture_dir(f, "d");
    fixture_file(f, "d/c.txt", "");
    fixture_file(f, "d/e", "");
    fixture_link(f, "d", "to-d");
    fixture_link(f, "../outside/secret", "out");
}

static void
names_only(void)
{
    static const struct {
        const char *path, *shown;
        unsigned options;
        const char *expect;
    } rows[] = {
        { "/", "", 0, "a.txt\nb.txt\nd\nnew\nout\nto-d\n" },
        { "/", "", LISTING_ALMOST_ALL, ".hidden\na.txt\nb.txt\nd\nnew\nout\nto-d\n" },
        { "/", "", LISTING_ALL, ".\n..\n.hidden\na.txt\nb.txt\nd\nnew\nout\nto-d\n" },
        { "/", "", LISTING_REVERSE, "to-d\nout\nnew\nd\nb.txt\na.txt\n" },
        { "/", "", LISTING_CLASSIFY, "a.txt\nb.txt\nd/\nnew\nout@\nto-d@\n" },
        { "/", "", LISTING_DIRECTORY, ".\n" },
        { "/d", "d", 0, "d/c.txt\nd/e\n" },
        { "/d", "d/", 0, "d/c.txt\nd/e\n" },
        { "/d", "", 0, "c.txt\ne\n" },
        { "/to-d", "to-d", 0, "to-d/c.txt\nto-d/e\n" },
        { "/d", "d", LISTING_DIRECTORY, "d\n" },
        { "/a.txt", "a.txt", 0, "a.txt\n" },
        { "/new", "new", 0, "new\n" },
        { "/d/e", "d/e", 0, "d/e\n" },
        { "/out", "out", 0, "out\n" },
        { "/*.txt", "*.txt", 0, "a.txt\nb.txt\n" },
        { "/n*", "n*", 0, "new\n" },
        { "/*/c.txt", "*/c.txt", 0, "d/c.txt\nto-d/c.txt\n" },
        { "/d/*", "d/*", 0, "d/c.txt\nd/e\n" },
        { "/d/*", "./d/*", 0, "./d/c.txt\n./d/e\n" },
        { "/d/*", "", 0, "c.txt\ne\n" },
        { "/d", "", LISTING_RECURSIVE, "c.txt\ne\n" },
        { "/*.none", "*.none", 0, "" },
        { "/.sp*", ".sp*", 0, "" },
        { "/../outside/*", "../outside/*", 0, NULL },
        { "/none", "none", 0, NULL },
    };
    struct jail_fixture f;

    plant(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum sp_err rc = fixture_list(&f, rows[i].path, rows[i].shown, LISTING_NLST,
                                      rows[i].options, text, sizeof text);

        if (rows[i].expect == NULL) {
            CU_ASSERT(rc == SP_OS && errno == ENOENT);
            continue;
        }
        CU_ASSERT_EQUAL(rc, SP_OK);
        CU_ASSERT_STRING_EQUAL(text, rows[i].expect);
        if (strcmp(text, rows[i].expect) != 0)
            printf("\n[%s %s %x] got\n%s", rows[i].path, rows[i].shown, rows[i].options,
                   text);
    }
    fixture_close(&f);
}

static void
long_lines(void)
{
    struct jail_fixture f;

    plant(&f);
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_LIST, 0, text, sizeof text) == SP_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "-rw-r--r--"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " alice "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " to-d -> d\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " 3 ")); /* new, under its final name */
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " new\n"));
    CU_ASSERT_PTR_NULL(strstr(text, ".sp-part."));
    CU_ASSERT_PTR_NULL(strstr(text, ".hidden"));
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_LIST, LISTING_ONE, text, sizeof text)
              == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "a.txt\nb.txt\nd\nnew\nout\nto-d\n");
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_LIST, LISTING_RECURSIVE, text,
                           sizeof text) == SP_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\nd:\n-rw"));
    CU_ASSERT_PTR_NULL(strstr(text, "to-d:"));
    CU_ASSERT(fixture_list(&f, "/b.txt", "b.txt", LISTING_STAT, 0, text, sizeof text)
              == SP_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " b.txt\n"));
    f.b.permits = PERMIT_ALL & ~(unsigned)PERMIT_LIST;
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_LIST, 0, text, sizeof text)
              == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_PERMIT);
    fixture_close(&f);
}

static void
sorted(void)
{
    static const struct { const char *name; size_t size; time_t time; } files[] = {
        { "a", 5, 100 }, { "b", 7, 300 }, { "c", 1, 200 }, { "d", 7, 300 },
    };
    struct jail_fixture f;

    fixture_open(&f);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const struct timespec times[2] = { { files[i].time, 0 }, { files[i].time, 0 } };
        char content[8] = "1234567";

        content[files[i].size] = '\0';
        fixture_file(&f, files[i].name, content);
        CU_ASSERT(utimensat(f.jail, files[i].name, times, 0) == 0);
    }
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, LISTING_BY_TIME, text, ROOM)
              == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "b\nd\nc\na\n");
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, LISTING_BY_SIZE, text, ROOM)
              == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "b\nd\na\nc\n");
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, LISTING_BY_SIZE | LISTING_REVERSE,
                           text, ROOM)
              == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "c\na\nd\nb\n");
    fixture_close(&f);
}

static void
facts(void)
{
    struct jail_fixture f;

    plant(&f);
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_MLSD, LISTING_REVERSE, text, ROOM)
              == SP_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "type=file;size=1; a.txt\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "type=file;size=3; new\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " .hidden\n"));
    /* a link is what it leads to, but one to a directory, or to nowhere inside, is a link */
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "type=OS.unix=slink:d; to-d\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "type=OS.unix=symlink;size=0; out\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "type=file;size=6; out\n"));
    CU_ASSERT(fixture_list(&f, "/a.txt", "a.txt", LISTING_MLSD, 0, text, ROOM)
              == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_NOT_DIRECTORY);
    CU_ASSERT(fixture_list(&f, "/*", "*", LISTING_MLSD, 0, text, ROOM) == SP_OS);
    fixture_close(&f);
}

static void
literal_before_pattern(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "a[1]", "");
    fixture_file(&f, "a1", "");
    fixture_file(&f, "-al", "");
    CU_ASSERT(fixture_list(&f, "/a[1]", "a[1]", LISTING_NLST, 0, text, ROOM) == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "a[1]\n");
    CU_ASSERT(fixture_list(&f, "/a[12]", "a[12]", LISTING_NLST, 0, text, ROOM) == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "a1\n");
    CU_ASSERT(fixture_list(&f, "/-al", "-al", LISTING_NLST, 0, text, ROOM) == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "-al\n");
    fixture_close(&f);
}

/* Directories that lead back to themselves make every pattern of stars infinite. */
static void
glob_bounds(void)
{
    struct jail_fixture f;
    char path[PATH_MAX] = "";
    int64_t began = clock_ms();

    fixture_open(&f);
    for (int i = 0; i < 20; i++) {
        char name[8];

        CU_ASSERT(text_printf(name, sizeof name, "l%d", i));
        fixture_link(&f, ".", name);
    }
    for (size_t i = 0; i + 3 < 200; i += 2)
        memcpy(path + i, "/*", 3);
    f.b.settings.glob_entries = 10000;
    CU_ASSERT(fixture_list(&f, path, path + 1, LISTING_NLST, 0, text, ROOM)
              == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_TOO_MUCH);
    CU_ASSERT(clock_ms() - began < 10000);
    /* links are not gone down by -R */
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, LISTING_RECURSIVE, text, ROOM)
              == SP_OK);
    fixture_close(&f);
}

static void
deep(void)
{
    struct jail_fixture f;
    char path[PATH_MAX] = "";
    size_t len = 0;

    fixture_open(&f);
    for (unsigned i = 0; i < LINES_DEPTH; i++) {
        CU_ASSERT(text_printf(path + len, sizeof path - len, i == 0 ? "d" : "/d"));
        len = strlen(path);
        fixture_dir(&f, path);
    }
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, LISTING_RECURSIVE, text, ROOM)
              == SP_OK);
    CU_ASSERT(text_printf(path + len, sizeof path - len, "/d"));
    fixture_dir(&f, path);
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, LISTING_RECURSIVE, text,
                           ROOM) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_TOO_MUCH);
    fixture_close(&f);
}

/* Past sorted_entries the order is the file system's, but nothing is missing or twice. */
static void
unsorted(void)
{
    static bool seen[1000];
    struct jail_fixture f;
    size_t count = 0;

    fixture_open(&f);
    for (int i = 0; i < 1000; i++) {
        char name[8];

        CU_ASSERT(text_printf(name, sizeof name, "%03d", i));
        fixture_file(&f, name, "");
    }
    f.b.settings.sorted_entries = 100;
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, 0, text, ROOM) == SP_OK);
    memset(seen, 0, sizeof seen);
    for (const char *at = text; *at != '\0'; at += 4) {
        int n = (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0');

        CU_ASSERT_FATAL(n >= 0 && n < 1000 && !seen[n]);
        seen[n] = true;
        count++;
    }
    CU_ASSERT_EQUAL(count, 1000);
    fixture_close(&f);
}

/* Names alone come as the file system has them; an option about the order helps. */
static void
unsorted_where_none_was_asked(void)
{
    struct jail_fixture f;
    struct buf native = BUF_EMPTY(ROOM);
    DIR *d = NULL;
    const struct dirent *e = NULL;
    int fd = -1;

    fixture_open(&f);
    for (int i = 0; i < 1000; i++) {
        char name[8];

        CU_ASSERT(text_printf(name, sizeof name, "%03d", i * 7 % 1000));
        fixture_file(&f, name, "");
    }
    fd = openat(f.jail, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL((d = fdopendir(fd)) != NULL);
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            CU_ASSERT(buf_add_text(&native, e->d_name) == SP_OK
                      && buf_add_text(&native, "\n") == SP_OK);
    (void)closedir(d);
    CU_ASSERT(buf_add(&native, "", 1) == SP_OK);
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, 0, text, ROOM) == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, (char *)native.at);
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, LISTING_REVERSE, text, ROOM)
              == SP_OK);
    CU_ASSERT_NSTRING_EQUAL(text, "999\n998\n", 8);
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_LIST, LISTING_ONE, text, ROOM) == SP_OK);
    CU_ASSERT_NSTRING_EQUAL(text, "000\n001\n", 8);
    buf_free(&native);
    fixture_close(&f);
}

/* Of 1,500 files, some of which go again, so that their inodes are taken in any order. */
static void
facts_come_by_inode(void)
{
    enum { FILES = 1500, FIRST = 500 };
    struct jail_fixture f;
    struct stat st = { .st_mode = 0 };
    ino_t last = 0;
    size_t count = 0;

    fixture_open(&f);
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < FILES; i++) {
            char name[8];

            CU_ASSERT(text_printf(name, sizeof name, "%04d", i * 7 % FILES));
            if (turn == 0 || i % 3 == 0)
                fixture_file(&f, name, "");
            if (turn == 0 && i % 3 == 0)
                CU_ASSERT_EQUAL(unlinkat(f.jail, name, 0), 0);
        }
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_MLSD, 0, text, ROOM) == SP_OK);
    for (char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        char name[8] = "";

        CU_ASSERT_EQUAL_FATAL(sscanf(at, "%*[^ ] %4s", name), 1);
        CU_ASSERT_EQUAL_FATAL(fstatat(f.jail, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        if (count != 0 && count != FIRST)       /* the first batch is small */
            CU_ASSERT(st.st_ino > last);
        last = st.st_ino;
        count++;
    }
    CU_ASSERT_EQUAL(count, FILES);
    fixture_close(&f);
}

/* Where names are looked up, and few enough to be sorted: by name, not by inode. */
static void
few_are_sorted_by_name(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "b", "");
    fixture_file(&f, "a", "");
    fixture_file(&f, "-", "");
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, LISTING_ALL | LISTING_CLASSIFY, text,
                           ROOM) == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "./\n../\n-\na\nb\n");
    fixture_close(&f);
}

/* Whatever order they come in: rising, falling, neither. */
static void
names_are_put_in_order(void)
{
    static const unsigned steps[] = { 1, 99, 37 };

    for (size_t i = 0; i < 2 * sizeof steps / sizeof *steps; i++) {
        struct names n = NAMES_EMPTY(10000);
        bool reverse = i % 2 == 1;

        for (unsigned k = 0; k < 100; k++) {
            char name[8];

            CU_ASSERT(text_printf(name, sizeof name, "%02u", k * steps[i / 2] % 100));
            CU_ASSERT(names_add(&n, name, false, 0) == SP_OK);
        }
        names_sort(&n, reverse);
        for (unsigned k = 0; k < 100; k++) {
            char name[8];

            CU_ASSERT(text_printf(name, sizeof name, "%02u", reverse ? 99 - k : k));
            CU_ASSERT_STRING_EQUAL(names_text(&n, k), name);
        }
        names_free(&n);
    }
}

static void
odd_names(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "a\r\nb", "");
    CU_ASSERT(mkfifoat(f.jail, "fifo", 0666) == 0);
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_NLST, 0, text, ROOM) == SP_OK);
    CU_ASSERT_STRING_EQUAL(text, "a??b\nfifo\n");
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_LIST, 0, text, ROOM) == SP_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " a??b\n"));
    CU_ASSERT(mkdirat(f.jail, "d\033[2J", 0755) == 0);
    CU_ASSERT(fixture_list(&f, "/", "", LISTING_LIST, LISTING_RECURSIVE, text, ROOM)
              == SP_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\nd?[2J:\n"));
    CU_ASSERT_PTR_NULL(strchr(text, '\033'));
    CU_ASSERT(fixture_list(&f, "/fifo", "fifo", LISTING_NLST, 0, text, ROOM) == SP_OK);
    fixture_close(&f);
}

static const struct unit_test tests[] = {
    { "names are listed as ls would, and as the client asked for them", names_only },
    { "long lines have owner, link and unfinished uploads", long_lines },
    { "listings are sorted by time and size, and backwards", sorted },
    { "facts show a link as what it leads to inside the jail", facts },
    { "a name that is there is no pattern", literal_before_pattern },
    { "a pattern that would never end is given up", glob_bounds },
    { "-R is given up below 64 directories", deep },
    { "a very large directory is listed unsorted and whole", unsorted },
    { "names come in the file system's order",
      unsorted_where_none_was_asked },
    { "facts of many files come by inode", facts_come_by_inode },
    { "few names are sorted, whatever their inodes", few_are_sorted_by_name },
    { "names in any order are sorted", names_are_put_in_order },
    { "a name forges no line", odd_names },
    { NULL, NULL }
};
const struct unit_suite suite_listing_walk = { "listing", tests };
