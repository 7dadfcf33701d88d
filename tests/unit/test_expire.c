/* tests/unit/test_expire.c - src/broker/expire.c, and src/base/leftover.c
 *
 * No program can set the time of an inode back. Where everything is to be too old, the
 * setting is negative here: what was touched up to some seconds from now is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/leftover.h"
#include "broker/files.h"
#include "broker/partial.h"
#include "ftp/listing.h"
#include "jail_fixture.h"
#include "unit.h"
#include "wire/grant.h"
#include "wire/pack.h"

#define S(text) slice_of(text)
#define ALL_OLD (-1000)
#define ROOM 65536

enum { STOR, APPE };

static char text[ROOM];

static void
list(struct jail_fixture *f, unsigned kind)
{
    CU_ASSERT(fixture_list(f, "/", "", kind, 0, text, ROOM) == SP_OK);
}

/* As if nobody had written to it for a year; the inode is touched by that now. */
static void
set_back(struct jail_fixture *f, const char *name)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
                                       { .tv_sec = clock_seconds() - 365 * 86400 } };

    CU_ASSERT(utimensat(f->jail, name, times, 0) == 0);
}

static void
old_ones_go(void)
{
    static const unsigned kinds[] = { LISTING_MLSD, LISTING_NLST, LISTING_LIST };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char longest[NAME_MAX + 1] = "", partial[NAME_MAX + 1];
        struct jail_fixture f;

        fixture_open(&f);
        memset(longest, 'n', NAME_MAX);
        partial_name(longest, partial);
        fixture_file(&f, "a", "whole");
        fixture_file(&f, ".sp-part.a", "cut");          /* of an overwrite           */
        fixture_file(&f, ".sp-part.b", "cut");          /* of a new file             */
        fixture_file(&f, partial, "cut");               /* of one that is not listed */
        fixture_file(&f, ".sp-part.", "planted");
        fixture_file(&f, ".sp-part", "not the server's name");
        list(&f, kinds[i]);
        CU_ASSERT(fixture_exists(&f, ".sp-part.a") && fixture_exists(&f, ".sp-part.b"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "b\n"));
        f.b.settings.unfinished_keep = ALL_OLD;
        list(&f, kinds[i]);
        CU_ASSERT_PTR_NULL(strstr(text, "b\n"));
        CU_ASSERT(fixture_has(&f, "a", "whole") && fixture_exists(&f, ".sp-part"));
        CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.a"));
        CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.b"));
        CU_ASSERT_FALSE(fixture_exists(&f, partial));
        CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part."));
        fixture_close(&f);
    }
}

static void
others_stay(void)
{
    struct jail_fixture f;
    int fd = -1;

    fixture_open(&f);
    fixture_file(&f, ".sp-part.a", "cut");
    /* a client that sets the time of the content has touched the inode */
    set_back(&f, ".sp-part.a");
    list(&f, LISTING_MLSD);
    CU_ASSERT(fixture_exists(&f, ".sp-part.a"));
    f.b.settings.unfinished_keep = 0;
    list(&f, LISTING_MLSD);
    CU_ASSERT(fixture_exists(&f, ".sp-part.a"));
    f.b.settings.unfinished_keep = ALL_OLD;
    f.b.permits = PERMIT_READ_ONLY;
    list(&f, LISTING_MLSD);
    CU_ASSERT(fixture_exists(&f, ".sp-part.a"));
    /* somebody writes it, by whatever rights */
    f.b.permits = PERMIT_ALL;
    fd = openat(f.jail, ".sp-part.a", O_RDONLY | O_CLOEXEC);
    CU_ASSERT(flock(fd, LOCK_EX | LOCK_NB) == 0);
    list(&f, LISTING_MLSD);
    CU_ASSERT(fixture_exists(&f, ".sp-part.a"));
    fd_close(&fd);
    list(&f, LISTING_MLSD);
    CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.a"));
    fixture_close(&f);
}

/* Only the names of the server, and only regular files; links lead nowhere. */
static void
planted(void)
{
    static const char *const names[] = {
        ".sp-part.link", ".sp-part.dead", ".sp-part.dir", ".sp-part.fifo", ".sp-part.up"
    };
    struct jail_fixture f;

    fixture_open(&f);
    f.b.settings.unfinished_keep = ALL_OLD;
    fixture_file(&f, "kept", "whole");
    fixture_link(&f, "kept", names[0]);
    fixture_link(&f, "nothing", names[1]);
    fixture_dir(&f, names[2]);
    CU_ASSERT(mkfifoat(f.jail, names[3], 0666) == 0);
    fixture_link(&f, "../outside/secret", names[4]);
    CU_ASSERT(linkat(f.jail, "kept", f.jail, ".sp-part.second", 0) == 0);
    list(&f, LISTING_MLSD);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CU_ASSERT(fixture_exists(&f, names[i]));
    CU_ASSERT_PTR_NULL(strstr(text, "sp-part"));
    /* a second name of a file goes, the file stays */
    CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.second"));
    CU_ASSERT(fixture_has(&f, "kept", "whole") && fixture_has(&f, "../outside/secret", "secret"));
    fixture_close(&f);
}

/* In one reading of a directory only so many, so that a listing does not take for ever. */
static void
many(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    for (int i = 0; i < 150; i++) {
        char name[24];

        CU_ASSERT(text_printf(name, sizeof name, ".sp-part.%03d", i));
        fixture_file(&f, name, "cut");
    }
    f.b.settings.unfinished_keep = ALL_OLD;
    list(&f, LISTING_NLST);
    CU_ASSERT_EQUAL(strlen(text), 50 * 4);
    list(&f, LISTING_NLST);
    CU_ASSERT_EQUAL(strlen(text), 0);
    CU_ASSERT(files_rmdir(&f.b, S("/")) != SP_OK);
    fixture_close(&f);
}

/* Who leaves one behind removes those that others have left. */
static void
beside_a_new_one(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    f.b.settings.unfinished_keep = ALL_OLD;
    fixture_file(&f, ".sp-part.a", "cut");
    CU_ASSERT(fixture_upload(&f, "/whole", STOR, 0, "whole") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 5) == SP_OK);
    CU_ASSERT(fixture_exists(&f, ".sp-part.a"));
    CU_ASSERT(fixture_upload(&f, "/empty", STOR, 0, "") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT(fixture_exists(&f, ".sp-part.a"));
    CU_ASSERT(fixture_upload(&f, "/b", STOR, 0, "begun") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.a"));
    fixture_close(&f);
}

/* A client that has asked for the length is about to resume it. */
static void
asked_for(void)
{
    struct jail_fixture f;
    struct msg_status st;
    struct statx part;

    fixture_open(&f);
    fixture_file(&f, "a", "the old file");
    fixture_file(&f, ".sp-part.a", "new");
    fixture_file(&f, ".sp-part.b", "begun");
    f.b.settings.unfinished_keep = ALL_OLD;
    for (size_t i = 0; i < 2; i++) {
        const char *name = i == 0 ? ".sp-part.a" : ".sp-part.b";

        set_back(&f, name);
        CU_ASSERT(files_size(&f.b, S(i == 0 ? "/a" : "/b"), &st) == SP_OK);
        CU_ASSERT_EQUAL(st.size, i == 0 ? 3 : 5);
        CU_ASSERT(leftover_stat(f.jail, name, &part) == SP_OK);
        CU_ASSERT(part.stx_mtime.tv_sec > clock_seconds() - 86400);
    }
    CU_ASSERT(files_size(&f.b, S("/a"), &st) == SP_OK && st.size == 3);
    list(&f, LISTING_MLSD);
    CU_ASSERT(fixture_exists(&f, ".sp-part.a") && !fixture_exists(&f, ".sp-part.b"));
    /* removed by somebody else: what this session sends does not follow the old file */
    CU_ASSERT(unlinkat(f.jail, ".sp-part.a", 0) == 0);
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "x") == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_UNFINISHED);
    CU_ASSERT(fixture_has(&f, "a", "the old file"));
    CU_ASSERT(files_size(&f.b, S("/a"), &st) == SP_OK && st.size == 12);
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "x") == SP_OK);
    upload_settle(&f.b);
    /* and for REST, which could even be within it */
    fixture_file(&f, ".sp-part.a", "new");
    CU_ASSERT(files_size(&f.b, S("/a"), &st) == SP_OK && st.size == 3);
    CU_ASSERT(unlinkat(f.jail, ".sp-part.a", 0) == 0);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 3, "x") == SP_REFUSED);
    CU_ASSERT(fixture_has(&f, "a", "the old filex"));
    fixture_close(&f);
}

/* What an unfinished upload is, and for how long it is not old, where it is removed. */
static void
removal(void)
{
    struct jail_fixture f;
    struct statx st;
    int fd = -1, other = -1;

    fixture_open(&f);
    fixture_file(&f, ".sp-part.a", "cut");
    fixture_dir(&f, ".sp-part.d");
    fixture_link(&f, ".sp-part.a", ".sp-part.l");
    CU_ASSERT(leftover_is_name(".sp-part.") && !leftover_is_name(".sp-part"));
    CU_ASSERT(leftover_stat(f.jail, ".sp-part.a", &st) == SP_OK && st.stx_size == 3);
    CU_ASSERT(leftover_touched(&st) >= st.stx_mtime.tv_sec);
    set_back(&f, ".sp-part.a");
    CU_ASSERT(leftover_stat(f.jail, ".sp-part.a", &st) == SP_OK);
    CU_ASSERT(leftover_touched(&st) == st.stx_ctime.tv_sec);
    CU_ASSERT(leftover_stat(f.jail, ".sp-part.d", &st) == SP_OS && errno == ENOENT);
    CU_ASSERT(leftover_stat(f.jail, ".sp-part.l", &st) == SP_OS && errno == ENOENT);
    CU_ASSERT(leftover_hold(f.jail, ".sp-part.l", &fd) == SP_OS && errno == ENOENT);
    CU_ASSERT(leftover_hold(f.jail, ".sp-part.a", &fd) == SP_OK);
    CU_ASSERT(leftover_hold(f.jail, ".sp-part.a", &other) == SP_AGAIN);
    CU_ASSERT(partial_open(&f.b, f.jail, ".sp-part.a", &other) == SP_REFUSED);
    CU_ASSERT(leftover_remove(f.jail, ".sp-part.a", INT64_MAX) == SP_AGAIN);
    fd_close(&fd);
    CU_ASSERT(leftover_remove(f.jail, ".sp-part.a", clock_seconds() - 60) == SP_AGAIN);
    CU_ASSERT(fixture_exists(&f, ".sp-part.a"));
    CU_ASSERT(leftover_remove(f.jail, ".sp-part.a", INT64_MAX) == SP_OK);
    CU_ASSERT(leftover_remove(f.jail, ".sp-part.a", INT64_MAX) == SP_OS && errno == ENOENT);
    CU_ASSERT(fixture_exists(&f, ".sp-part.d") && fixture_exists(&f, ".sp-part.l"));
    fixture_close(&f);
}

static const struct unit_test tests[] = {
    { "unfinished uploads that are too old go with a listing", old_ones_go },
    { "those that are young, written or another's stay", others_stay },
    { "what is planted under such a name is no upload", planted },
    { "one listing removes only so many", many },
    { "an upload that breaks off removes older ones beside it", beside_a_new_one },
    { "who asks for the length of one can go on with it, or is refused", asked_for },
    { "what is removed is not in use, and was not touched since", removal },
    { NULL, NULL }
};
const struct unit_suite suite_expire = { "expire", tests };
