/* tests/unit/test_partial.c - src/broker/partial.c and permit.c */
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/partial.h"
#include "broker/permit.h"
#include "jail_fixture.h"
#include "unit.h"
#include "wire/grant.h"

static void
name_and_back(void)
{
    static const char *const names[] = {
        "a", "report.pdf", "-x", "...", ".sp-part", "~"
    };
    char partial[NAME_MAX + 1];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        partial_name(names[i], partial);
        CU_ASSERT(partial_is(slice_of(partial)));
        CU_ASSERT_PTR_NOT_NULL_FATAL(partial_final(partial));
        CU_ASSERT_STRING_EQUAL(partial_final(partial), names[i]);
    }
}

static void
long_names(void)
{
    char name[NAME_MAX + 1] = "", other[NAME_MAX + 1] = "";
    char partial[NAME_MAX + 1], again[NAME_MAX + 1];

    memset(name, 'n', NAME_MAX);
    memset(other, 'n', NAME_MAX);
    other[NAME_MAX - 1] = 'o';
    partial_name(name, partial);
    partial_name(other, again);
    CU_ASSERT_EQUAL(strlen(partial), 9 + 180 + 1 + 16);
    CU_ASSERT_STRING_NOT_EQUAL(partial, again);
    CU_ASSERT_PTR_NULL(partial_final(partial));
    /* one that a file system of 143 bytes may have has a partial there, too */
    for (size_t len = 130; len <= NAME_MAX; len++) {
        char of[NAME_MAX + 1] = "";

        memset(of, 'x', len);
        partial_name(of, again);
        CU_ASSERT(strlen(again) <= (len <= 143 ? 143 : NAME_MAX));
        if (partial_final(again) != NULL)
            CU_ASSERT_STRING_EQUAL(partial_final(again), of);
        CU_ASSERT_EQUAL(partial_final(again) == NULL,
                        (len > 134 && len <= 143) || len > 246);
        CU_ASSERT_FALSE(len == 134 && strcmp(partial_final(again), of) != 0);
        memset(of + len - 1, 'y', 1);
        partial_name(of, other);
        CU_ASSERT_STRING_NOT_EQUAL(other, again);
    }
    memset(name, 'n', NAME_MAX);
    partial_name(name, partial);
    /* a name in the form of a shortened one has a partial of its own */
    memcpy(other, partial + 9, sizeof other - 9);
    partial_name(other, again);
    CU_ASSERT_STRING_NOT_EQUAL(partial, again);
    /* the longest that is kept, and one more */
    name[246] = '\0';
    partial_name(name, partial);
    CU_ASSERT_EQUAL(strlen(partial), NAME_MAX);
    CU_ASSERT_STRING_EQUAL(partial_final(partial), name);
}

static void
strange_partials(void)
{
    static const char *const names[] = {
        ".sp-part.", ".sp-part..", ".sp-part...", ".sp-part..sp-part.x", "x", ".sp-part"
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CU_ASSERT_PTR_NULL(partial_final(names[i]));
}

static void
locked_partial(void)
{
    struct jail_fixture f;
    int one = -1, other = -1;

    fixture_open(&f);
    CU_ASSERT(partial_create(&f.b, f.jail, ".sp-part.a", &one) == SP_OK);
    CU_ASSERT(partial_create(&f.b, f.jail, ".sp-part.a", &other) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_BUSY);
    CU_ASSERT(partial_open(&f.b, f.jail, ".sp-part.a", &other) == SP_REFUSED);
    CU_ASSERT(partial_remove(&f.b, f.jail, ".sp-part.a") == SP_REFUSED);
    CU_ASSERT(partial_is_at(one, f.jail, ".sp-part.a"));
    fd_close(&one);
    CU_ASSERT(partial_create(&f.b, f.jail, ".sp-part.a", &one) == SP_OK);
    fd_close(&one);
    CU_ASSERT(partial_remove(&f.b, f.jail, ".sp-part.a") == SP_OK);
    CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.a"));
    fixture_close(&f);
}

static void
planted_partial(void)
{
    struct jail_fixture f;
    int fd = -1;

    fixture_open(&f);
    fixture_link(&f, "../outside/secret", ".sp-part.a");
    CU_ASSERT(partial_create(&f.b, f.jail, ".sp-part.a", &fd) != SP_OK);
    fixture_dir(&f, ".sp-part.b");
    CU_ASSERT(partial_create(&f.b, f.jail, ".sp-part.b", &fd) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_NOT_FILE);
    CU_ASSERT(fixture_has(&f, "../outside/secret", "secret"));
    fixture_close(&f);
}

static void
permit_table(void)
{
    static const struct { unsigned permits; enum permit_act act; bool may; } rows[] = {
        { PERMIT_LIST, ACT_LIST, true },
        { PERMIT_ALL & ~(unsigned)PERMIT_LIST, ACT_LIST, false },
        { PERMIT_READ_ONLY, ACT_READ, true },
        { PERMIT_READ_ONLY, ACT_CREATE, false },
        { PERMIT_UPLOAD, ACT_CREATE, true },
        { PERMIT_UPLOAD, ACT_REPLACE, false },
        { PERMIT_UPLOAD | PERMIT_OVERWRITE, ACT_REPLACE, true },
        { PERMIT_UPLOAD | PERMIT_OVERWRITE, ACT_APPEND, false },
        { PERMIT_APPEND, ACT_APPEND, true },
        { PERMIT_APPEND, ACT_REWRITE, false },
        { PERMIT_APPEND | PERMIT_OVERWRITE, ACT_REWRITE, true },
        { PERMIT_RENAME, ACT_RENAME, true },
        { PERMIT_RENAME, ACT_RENAME_OVER, false },
        { PERMIT_DELETE, ACT_DELETE, true },
        { PERMIT_DELETE, ACT_RMDIR, false },
        { PERMIT_ALL & ~(unsigned)PERMIT_MKDIR, ACT_MKDIR, false },
        { PERMIT_ALL & ~(unsigned)PERMIT_CHMOD, ACT_CHMOD, false },
        { PERMIT_ALL & ~(unsigned)PERMIT_UTIME, ACT_UTIME, false },
        { 0, ACT_SPACE, true },
    };
    struct jail_fixture f;

    fixture_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        f.b.permits = rows[i].permits;
        CU_ASSERT_EQUAL(permit_has(&f.b, rows[i].act), rows[i].may);
        CU_ASSERT_EQUAL(permit_check(&f.b, rows[i].act),
                        rows[i].may ? SP_OK : SP_REFUSED);
    }
    CU_ASSERT_FALSE(permit_writes(PERMIT_READ_ONLY));
    CU_ASSERT(permit_writes(PERMIT_UTIME));
    fixture_close(&f);
}

static const struct unit_test tests[] = {
    { "a partial's name leads back to the final one", name_and_back },
    { "a long name is shortened, and no two names share a partial", long_names },
    { "what no upload could have made is shown under no name", strange_partials },
    { "a partial with a writer is left alone, a stale one is replaced", locked_partial },
    { "a link or directory in a partial's place leads nowhere", planted_partial },
    { "the permit table says who may what", permit_table },
    { NULL, NULL }
};
const struct unit_suite suite_partial = { "partial", tests };
