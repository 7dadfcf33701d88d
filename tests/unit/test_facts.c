/* tests/unit/test_facts.c - src/ftp/facts.c */
#include <sys/stat.h>

#include "ftp/listing.h"
#include "suites_ftp.h"
#include "wire/grant.h"

static struct entry
file(void)
{
    return (struct entry){
        .name = SLICE("name"), .kind = FILE_REGULAR, .mode = S_IFREG | 0644, .links = 1,
        .size = 1234, .uid = 1000, .gid = 100, .owner = "owner", .group = "group",
        .modified = 1795246418, .device = 0x803, .inode = 0x1f2e3d, .permits = PERMIT_ALL,
        .parent_writable = true, .readable = true, .writable = true, .searchable = true,
    };
}

static void
facts_are(const struct entry *e, unsigned facts, struct slice wanted)
{
    struct buf out = BUF_EMPTY(32768);

    CU_ASSERT_EQUAL(listing_facts(&out, e, facts), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out), wanted));
    buf_free(&out);
}

static void
a_line_has_the_facts_that_are_on(void)
{
    struct entry e = file();

    facts_are(&e, FACT_ALL,
              SLICE("type=file;size=1234;modify=20261121073338;perm=adfrw;"
                    "unique=803g1f2e3d;UNIX.mode=0644;"
                    "UNIX.owner=owner;UNIX.group=group;UNIX.uid=1000;"
                    "UNIX.gid=100; name"));
    facts_are(&e, FACT_TYPE | FACT_SIZE, SLICE("type=file;size=1234; name"));
    facts_are(&e, FACT_UNIX_GID, SLICE("UNIX.gid=100; name"));
    facts_are(&e, 0, SLICE(" name"));
    facts_are(&e, ~(unsigned)FACT_ALL, SLICE(" name"));
}

static void
times_are_whole_seconds(void)
{
    struct entry e = file();

    facts_are(&e, FACT_MODIFY, SLICE("modify=20261121073338; name"));
    e.created = -1;
    facts_are(&e, FACT_CREATE, SLICE("create=19691231235959; name"));
    e.created = 0;
    facts_are(&e, FACT_CREATE, SLICE(" name"));
}

static void
each_kind_has_its_type(void)
{
    static const struct {
        enum file_kind kind;
        uint32_t mode;
        const char *name;
        struct slice target, wanted;
    } rows[] = {
        { FILE_DIRECTORY, S_IFDIR, "d", BYTES(""), BYTES("type=dir; d") },
        { FILE_DIRECTORY, S_IFDIR, ".", BYTES(""), BYTES("type=cdir; .") },
        { FILE_DIRECTORY, S_IFDIR, "..", BYTES(""), BYTES("type=pdir; ..") },
        { FILE_DIRECTORY, S_IFDIR, "...", BYTES(""), BYTES("type=dir; ...") },
        { FILE_REGULAR, S_IFREG, ".", BYTES(""), BYTES("type=file; .") },
        { FILE_LINK, S_IFLNK, "l", BYTES(""), BYTES("type=OS.unix=symlink; l") },
        { FILE_LINK, S_IFLNK, "l", BYTES("/a/b"), BYTES("type=OS.unix=slink:/a/b; l") },
        { FILE_LINK, S_IFLNK, "l", BYTES("a b"), BYTES("type=OS.unix=symlink; l") },
        { FILE_LINK, S_IFLNK, "l", BYTES("a;b"), BYTES("type=OS.unix=symlink; l") },
        { FILE_LINK, S_IFLNK, "l", BYTES("a\r\nb"), BYTES("type=OS.unix=symlink; l") },
        { FILE_OTHER, S_IFCHR, "o", BYTES(""), BYTES("type=OS.unix=chr; o") },
        { FILE_OTHER, S_IFBLK, "o", BYTES(""), BYTES("type=OS.unix=blk; o") },
        { FILE_OTHER, S_IFIFO, "o", BYTES(""), BYTES("type=OS.unix=pipe; o") },
        { FILE_OTHER, S_IFSOCK, "o", BYTES(""), BYTES("type=OS.unix=socket; o") },
        { FILE_OTHER, 0, "o", BYTES(""), BYTES("type=OS.unix=other; o") },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct entry e = file();

        e.kind = rows[i].kind;
        e.mode = rows[i].mode;
        e.name = slice_of(rows[i].name);
        e.target = rows[i].target;
        facts_are(&e, FACT_TYPE, rows[i].wanted);
    }
}

/* Its type and its removal are the link's; what can be done inside is the directory's. */
static void
a_link_to_a_directory_is_a_link_that_can_be_entered(void)
{
    struct entry e = file();

    e.kind = FILE_DIRECTORY;
    e.mode = S_IFDIR | 0755;
    e.link = true;
    e.searchable = true;
    e.target = SLICE("../d");
    facts_are(&e, FACT_TYPE | FACT_SIZE | FACT_PERM,
              SLICE("type=OS.unix=slink:../d;perm=cdeflmp; name"));
    e.permits &= ~(unsigned)PERMIT_DELETE;
    facts_are(&e, FACT_PERM, SLICE("perm=ceflmp; name"));
    e.target = SLICE("a b");
    facts_are(&e, FACT_TYPE, SLICE("type=OS.unix=symlink; name"));
}

static void
a_directory_has_no_size(void)
{
    struct entry e = file();

    e.kind = FILE_DIRECTORY;
    facts_are(&e, FACT_SIZE, SLICE(" name"));
    e.kind = FILE_LINK;
    facts_are(&e, FACT_SIZE, SLICE("size=1234; name"));
}

static void
perm_says_what_would_be_done(void)
{
    enum { PARENT = 1, READ = 2, WRITE = 4, SEARCH = 8, EVERY = 15 };
    static const struct {
        enum file_kind kind;
        unsigned permits, may;
        const char *perm;
    } rows[] = {
        { FILE_REGULAR, PERMIT_ALL, EVERY, "adfrw" }, { FILE_REGULAR, 0, EVERY, "" },
        { FILE_REGULAR, PERMIT_ALL, 0, "" },
        { FILE_REGULAR, PERMIT_READ_ONLY, EVERY, "r" },
        { FILE_REGULAR, PERMIT_ALL, READ, "r" },
        { FILE_REGULAR, PERMIT_ALL, WRITE, "aw" },
        { FILE_REGULAR, PERMIT_ALL, PARENT, "df" },
        { FILE_REGULAR, PERMIT_RMDIR, EVERY, "" },
        { FILE_REGULAR, PERMIT_DELETE, EVERY, "d" },
        { FILE_REGULAR, PERMIT_UPLOAD, EVERY, "" },
        { FILE_REGULAR, PERMIT_UPLOAD | PERMIT_OVERWRITE, EVERY, "w" },
        { FILE_DIRECTORY, PERMIT_ALL, EVERY, "cdeflmp" },
        { FILE_DIRECTORY, 0, EVERY, "e" },
        { FILE_DIRECTORY, PERMIT_ALL, 0, "" },
        { FILE_DIRECTORY, PERMIT_READ_ONLY, EVERY, "el" },
        { FILE_DIRECTORY, PERMIT_ALL, READ | SEARCH, "el" },
        { FILE_DIRECTORY, PERMIT_ALL, WRITE, "" },
        { FILE_DIRECTORY, PERMIT_ALL, WRITE | SEARCH, "cemp" },
        { FILE_DIRECTORY, PERMIT_DELETE, EVERY, "ep" },
        { FILE_DIRECTORY, PERMIT_RMDIR, EVERY, "dep" },
        { FILE_LINK, PERMIT_ALL, EVERY, "df" }, { FILE_OTHER, PERMIT_ALL, EVERY, "df" },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct entry e = file();
        struct buf wanted = BUF_EMPTY(64);

        e.kind = rows[i].kind;
        e.permits = rows[i].permits;
        e.parent_writable = (rows[i].may & PARENT) != 0;
        e.readable = (rows[i].may & READ) != 0;
        e.writable = (rows[i].may & WRITE) != 0;
        e.searchable = (rows[i].may & SEARCH) != 0;
        CU_ASSERT_EQUAL(buf_printf(&wanted, "perm=%s; name", rows[i].perm), SP_OK);
        facts_are(&e, FACT_PERM, buf_slice(&wanted));
        buf_free(&wanted);
    }
}

static void
the_directory_itself_is_not_removed_by_its_dot(void)
{
    struct entry e = file();

    e.kind = FILE_DIRECTORY;
    e.name = SLICE(".");
    facts_are(&e, FACT_PERM, SLICE("perm=celmp; ."));
    e.name = SLICE("..");
    facts_are(&e, FACT_PERM, SLICE("perm=celmp; .."));
}

static void
no_value_has_a_blank_or_a_semicolon(void)
{
    struct entry e = file();

    e.owner = "CORP\\domain users";
    e.group = "a;type=dir;\r\nb\303\274";
    facts_are(&e, FACT_UNIX_OWNER | FACT_UNIX_GROUP,
              SLICE("UNIX.owner=CORP\\domain_users;"
                    "UNIX.group=a_type_dir___b\303\274; name"));
    e.owner = NULL;
    e.group = "";
    facts_are(&e, FACT_UNIX_OWNER | FACT_UNIX_GROUP,
              SLICE("UNIX.owner=1000;UNIX.group=100; name"));
}

static void
a_name_is_shown_but_for_its_line_breaks(void)
{
    struct entry e = file();

    e.name = SLICE(" a;b=c \r\n\0\t\377");
    facts_are(&e, FACT_TYPE, SLICE("type=file;  a;b=c ???\t\377"));
}

static void
the_widest_values_fit(void)
{
    struct entry e = file();

    e.kind = FILE_LINK;
    e.size = e.device = e.inode = UINT64_MAX;
    e.uid = e.gid = UINT32_MAX;
    e.mode = UINT32_MAX;
    e.modified = INT64_MIN;
    e.created = INT64_MAX;
    e.owner = NULL;
    e.group = NULL;
    facts_are(&e, FACT_ALL,
              SLICE("type=OS.unix=symlink;size=18446744073709551615;modify=00000101000000;"
                    "create=99991231235959;perm=df;"
                    "unique=ffffffffffffffffgffffffffffffffff;"
                    "UNIX.mode=7777;UNIX.owner=4294967295;UNIX.group=4294967295;"
                    "UNIX.uid=4294967295;UNIX.gid=4294967295; name"));
}

static void
the_feature_line_stars_what_is_on(void)
{
    struct buf out = BUF_EMPTY(512);

    CU_ASSERT_EQUAL(listing_feature(&out, FACT_PRESET), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out),
                        SLICE("type*;size*;modify*;create*;perm*;unique*;UNIX.mode*;"
                              "UNIX.owner*;UNIX.group*;UNIX.uid*;UNIX.gid*;")));
    out.len = 0;
    CU_ASSERT_EQUAL(listing_feature(&out, FACT_SIZE), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out),
                        SLICE("type;size*;modify;create;perm;unique;UNIX.mode;UNIX.owner;"
                              "UNIX.group;UNIX.uid;UNIX.gid;")));
    out.len = 0;
    CU_ASSERT_EQUAL(listing_chosen(&out, FACT_SIZE | FACT_TYPE), SP_OK);
    CU_ASSERT(bytes_are(buf_slice(&out), SLICE("type;size;")));
    out.len = 0;
    CU_ASSERT_EQUAL(listing_chosen(&out, 0), SP_OK);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_free(&out);
    out = (struct buf)BUF_EMPTY(70);
    CU_ASSERT_EQUAL(listing_feature(&out, FACT_PRESET), SP_NOMEM);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_free(&out);
}

static void
facts_are_chosen_by_name(void)
{
    static const struct { struct slice text; unsigned facts; } rows[] = {
        { { NULL, 0 }, 0 }, { BYTES(""), 0 }, { BYTES(";;;"), 0 },
        { BYTES("type;"), FACT_TYPE },
        { BYTES("type"), FACT_TYPE }, { BYTES("TYPE;Size"), FACT_TYPE | FACT_SIZE },
        { BYTES("unix.MODE;UNIX.gid;"), FACT_UNIX_MODE | FACT_UNIX_GID },
        { BYTES("lang;media-type;size;"), FACT_SIZE }, { BYTES("types"), 0 },
        { BYTES(" size"), 0 }, { BYTES("size\0"), 0 },
        { BYTES("modify;modify;"), FACT_MODIFY },
        { BYTES("type;size;modify;create;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;"
                "UNIX.uid;UNIX.gid;"), FACT_ALL },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(listing_parse_facts(rows[i].text), rows[i].facts);
}

static void
what_does_not_fit_adds_nothing(void)
{
    struct entry e = file();
    struct buf out = BUF_EMPTY(100);

    CU_ASSERT_EQUAL(listing_facts(&out, &e, FACT_ALL), SP_NOMEM);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_free(&out);
}

static const struct unit_test tests[] = {
    { "a line has the facts that are on", a_line_has_the_facts_that_are_on },
    { "times are whole seconds", times_are_whole_seconds },
    { "each kind has its type", each_kind_has_its_type },
    { "a directory has no size", a_directory_has_no_size },
    { "a link to a directory is a link that can be entered",
      a_link_to_a_directory_is_a_link_that_can_be_entered },
    { "perm says what would be done", perm_says_what_would_be_done },
    { "the directory itself is not removed by its dot",
      the_directory_itself_is_not_removed_by_its_dot },
    { "no value has a blank or a semicolon", no_value_has_a_blank_or_a_semicolon },
    { "a name is shown but for its line breaks",
      a_name_is_shown_but_for_its_line_breaks },
    { "the widest values fit", the_widest_values_fit },
    { "the feature line stars what is on", the_feature_line_stars_what_is_on },
    { "facts are chosen by name", facts_are_chosen_by_name },
    { "what does not fit adds nothing", what_does_not_fit_adds_nothing },
    { NULL, NULL }
};

const struct unit_suite suite_facts = { "facts", tests };
