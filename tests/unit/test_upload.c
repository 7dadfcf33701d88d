/* tests/unit/test_upload.c - src/broker/upload.c, publish.c and copy.c */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/files.h"
#include "broker/upload.h"
#include "jail_fixture.h"
#include "unit.h"
#include "wire/channel.h"
#include "wire/grant.h"
#include "wire/pack.h"

#define STOR UPLOAD_STOR
#define APPE UPLOAD_APPE

static void
published_whole(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    f.b.settings.durable = true;
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "new") == SP_OK);
    CU_ASSERT_FALSE(fixture_exists(&f, "a"));
    CU_ASSERT(fixture_has(&f, ".sp-part.a", "new"));
    CU_ASSERT(upload_commit(&f.b, 3) == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "new"));
    CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.a"));
    CU_ASSERT_EQUAL(fixture_mode(&f, "a"), 0644);
    fixture_close(&f);
}

/* Before a byte is sent: a client that is told later tries again. */
static void
larger_than_allowed(void)
{
    struct jail_fixture f;
    uint64_t space = 0;

    fixture_open(&f);
    fixture_file(&f, "full", "1234");
    f.b.file_bound = 5;                         /* four bytes are allowed */
    CU_ASSERT(files_space(&f.b, slice_of("/"), &space) == SP_OK && space == 4);
    CU_ASSERT(fixture_upload(&f, "/full", APPE, 0, "") == SP_OS && errno == EFBIG);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "1234") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 4) == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "1234"));
    f.b.file_bound = 1;
    CU_ASSERT(fixture_upload(&f, "/b", STOR, 0, "") == SP_OS && errno == EFBIG);
    CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.b"));
    fixture_close(&f);
}

static void
failed_overwrite(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "a", "old");
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "new") == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "old"));
    upload_settle(&f.b);
    CU_ASSERT(fixture_has(&f, "a", "old"));
    CU_ASSERT(fixture_has(&f, ".sp-part.a", "new"));
    fixture_close(&f);
}

/* What goes on is the upload that broke off; the old file is never a part of it. */
static void
resumed_overwrite(void)
{
    struct jail_fixture f;
    struct msg_status st;

    fixture_open(&f);
    fixture_file(&f, "a", "old content");
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "new ") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 11, "x") == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_OFFSET);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 2, "") == SP_OK);
    CU_ASSERT_EQUAL(f.b.upload.offset, 2);
    upload_settle(&f.b);
    CU_ASSERT(fixture_has(&f, "a", "old content") && fixture_has(&f, ".sp-part.a", "ne"));
    /* APPE does not say what it follows: only after SIZE, and only if that still holds */
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "x") == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_UNFINISHED);
    CU_ASSERT(files_size(&f.b, slice_of("/a"), &st) == SP_OK && st.size == 2);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 1, "ewe") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "x") == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_UNFINISHED);
    CU_ASSERT(files_size(&f.b, slice_of("/a"), &st) == SP_OK && st.size == 4);
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "r") == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "old content"));
    CU_ASSERT(upload_commit(&f.b, 1) == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "newer") && !fixture_exists(&f, ".sp-part.a"));
    /* not a byte came: still it is not the old file that goes on */
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 5, "x") == SP_REFUSED);
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "x") == SP_REFUSED);
    /* who only may append could not have begun it, and appends */
    f.b.permits = PERMIT_APPEND;
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "!") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 1) == SP_OK && fixture_has(&f, "a", "newer!"));
    /* anew: nothing of what broke off stays */
    f.b.permits = PERMIT_ALL;
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "last") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 4) == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "last") && !fixture_exists(&f, ".sp-part.a"));
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "!") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 1) == SP_OK && fixture_has(&f, "a", "last!"));
    fixture_close(&f);
}

static void
overwrite_keeps_mode(void)
{
    static const struct { mode_t old, new; } rows[] = {
        { 0600, 0600 }, { 0664, 0664 }, { 04755, 0755 }, { 02711, 0711 }, { 0444, 0444 },
    };
    struct jail_fixture f;

    fixture_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_file(&f, "a", "old");
        CU_ASSERT(fchmodat(f.jail, "a", rows[i].old, 0) == 0);
        if (fixture_upload(&f, "/a", STOR, 0, "new") == SP_OK) {
            CU_ASSERT(upload_commit(&f.b, 3) == SP_OK);
            CU_ASSERT(fixture_has(&f, "a", "new"));
            CU_ASSERT_EQUAL(fixture_mode(&f, "a"), rows[i].new);
        } else {
            CU_ASSERT((rows[i].old & 0200) == 0 && geteuid() != 0 && errno == EACCES);
        }
        CU_ASSERT(unlinkat(f.jail, "a", 0) == 0);
    }
    fixture_close(&f);
}

static void
broken_off(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    CU_ASSERT(fixture_upload(&f, "/empty", STOR, 0, "") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.empty"));
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "begun") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT(fixture_has(&f, ".sp-part.a", "begun"));
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 6, "!") == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_OFFSET);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 3, "in again") == SP_OK);
    CU_ASSERT_EQUAL(f.b.upload.offset, 3);
    upload_settle(&f.b);
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "!") == SP_OK);
    CU_ASSERT_EQUAL(f.b.upload.offset, 11);
    CU_ASSERT(upload_commit(&f.b, 1) == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "begin again!"));
    /* from the beginning, what was there is thrown away */
    CU_ASSERT(fixture_upload(&f, "/c", STOR, 0, "wrong") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT(fixture_upload(&f, "/c", STOR, 0, "ok") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 2) == SP_OK);
    CU_ASSERT(fixture_has(&f, "c", "ok"));
    CU_ASSERT(fixture_upload(&f, "/none", STOR, 1, "x") == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_OFFSET);
    fixture_close(&f);
}

static void
continued(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "a", "12345");
    /* at its end: in place, and what arrived stays */
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 5, "67") == SP_OK);
    CU_ASSERT(f.b.upload.in_place && fixture_has(&f, "a", "1234567"));
    upload_settle(&f.b);
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "8") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 1) == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "12345678"));
    /* within it: a copy, and nothing changes until it is complete */
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 2, "x") == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "12345678"));
    CU_ASSERT(upload_commit(&f.b, 1) == SP_OK);
    CU_ASSERT(fixture_has(&f, "a", "12x"));
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 4, "x") == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_OFFSET);
    fixture_close(&f);
}

/* Two names of one file stay that. */
static void
linked(void)
{
    static const struct { unsigned how; uint64_t offset; const char *sent, *whole; } rows[] = {
        { STOR, 0, "a new one", "a new one" }, { STOR, 0, "", "" },
        { STOR, 2, "x", "olx" }, { STOR, 3, "er", "older" }, { APPE, 0, "+", "old+" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct jail_fixture f;

        fixture_open(&f);
        f.b.settings.durable = true;
        fixture_file(&f, "a", "old");
        CU_ASSERT(linkat(f.jail, "a", f.jail, "b", 0) == 0);
        CU_ASSERT(fixture_upload(&f, "/a", rows[i].how, rows[i].offset, rows[i].sent)
                  == SP_OK);
        if (!f.b.upload.in_place)
            CU_ASSERT(fixture_has(&f, "a", "old") && fixture_has(&f, "b", "old"));
        CU_ASSERT(upload_commit(&f.b, strlen(rows[i].sent)) == SP_OK);
        CU_ASSERT(fixture_has(&f, "a", rows[i].whole));
        CU_ASSERT(fixture_has(&f, "b", rows[i].whole));
        CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.a"));
        fixture_close(&f);
    }
}

/* An attribute of a file in the jail; NULL removes it. Whether that worked. */
static bool
set_attribute(struct jail_fixture *f, const char *file, const char *name,
              const void *value, size_t len)
{
    int fd = openat(f->jail, file, O_RDONLY | O_CLOEXEC);
    bool done = fsetxattr(fd, name, value, len, 0) == 0;

    fd_close(&fd);
    return done;
}

static bool
has_attribute(struct jail_fixture *f, const char *file, const char *name,
              const void *value, size_t len)
{
    unsigned char got[256];
    int fd = openat(f->jail, file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fgetxattr(fd, name, got, sizeof got);

    fd_close(&fd);
    return n == (ssize_t)len && memcmp(got, value, len) == 0;
}

static ino_t
inode(struct jail_fixture *f, const char *name)
{
    struct stat st = { .st_ino = 0 };

    CU_ASSERT(fstatat(f->jail, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    return st.st_ino;
}

#define ACCESS_LIST "system.posix_acl_access"
#define DEFAULT_LIST "system.posix_acl_default"

/*
 * Version 2; then tag, rights and id of each: owner rw-, user 12345 r--, group r--, mask
 * rw-, others none. Its mask is what chmod calls the group's rights.
 */
static const unsigned char list[] = {
    2, 0, 0, 0,
    0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,  0x02, 0, 4, 0, 0x39, 0x30, 0, 0,
    0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,  0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
    0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
};

/* A list set while the upload runs counts as well: late. */
static void
inherited(void)
{
    for (unsigned late = 0; late < 2; late++) {
        struct jail_fixture f;
        ino_t old = 0;

        fixture_open(&f);
        fixture_file(&f, "a", "old");
        old = inode(&f, "a");
        if (late == 1)
            CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "new") == SP_OK);
        if (!set_attribute(&f, "a", "user.note", "kept", 4)
            || !set_attribute(&f, "a", ACCESS_LIST, list, sizeof list)) {
            puts("skipped aloud: this file system has no access lists");
            upload_settle(&f.b);
            fixture_close(&f);
            return;
        }
        if (late == 0)
            CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "new") == SP_OK);
        CU_ASSERT(upload_commit(&f.b, 3) == SP_OK);
        CU_ASSERT(fixture_has(&f, "a", "new") && inode(&f, "a") != old);
        CU_ASSERT(has_attribute(&f, "a", "user.note", "kept", 4));
        CU_ASSERT(has_attribute(&f, "a", ACCESS_LIST, list, sizeof list));
        CU_ASSERT_EQUAL(fixture_mode(&f, "a"), 0660);
        fixture_close(&f);
    }
}

/* A list that the directory gives new files does not open one that had none. */
static void
not_opened_by_its_directory(void)
{
    struct jail_fixture f;
    ino_t old = 0;

    fixture_open(&f);
    fixture_file(&f, "a", "old");
    CU_ASSERT(fchmodat(f.jail, "a", 0640, 0) == 0);
    old = inode(&f, "a");
    if (set_attribute(&f, ".", DEFAULT_LIST, list, sizeof list)) {
        CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "new") == SP_OK);
        CU_ASSERT(upload_commit(&f.b, 3) == SP_OK);
        CU_ASSERT(fixture_has(&f, "a", "new") && inode(&f, "a") == old);
        CU_ASSERT_FALSE(has_attribute(&f, "a", ACCESS_LIST, list, sizeof list));
        CU_ASSERT_EQUAL(fixture_mode(&f, "a"), 0640);
    } else {
        puts("skipped aloud: this file system has no access lists");
    }
    fixture_close(&f);
}

/* For those whom modes bind. */
static void
closed_directory(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_dir(&f, "d");
    fixture_file(&f, "d/a", "old content");
    CU_ASSERT(fchmodat(f.jail, "d", 0555, 0) == 0);
    if (geteuid() == 0) {
        puts("skipped aloud: no directory is closed to root");
    } else {
        CU_ASSERT(fixture_upload(&f, "/d/a", STOR, 0, "new") == SP_REFUSED);
        CU_ASSERT_EQUAL(f.b.why, FAIL_CLOSED);
        CU_ASSERT(fixture_has(&f, "d/a", "old content"));
        f.b.settings.overwrite_in_place = true;
        CU_ASSERT(fixture_upload(&f, "/d/a", STOR, 0, "new") == SP_OK);
        CU_ASSERT(upload_commit(&f.b, 3) == SP_OK && fixture_has(&f, "d/a", "new"));
        CU_ASSERT(fixture_upload(&f, "/d/b", STOR, 0, "") == SP_OS && errno == EACCES);
    }
    CU_ASSERT(fchmodat(f.jail, "d", 0755, 0) == 0);
    fixture_close(&f);
}

static void
permitted(void)
{
    static const struct {
        unsigned permits, how;
        uint64_t offset;
        const char *path;
        enum fail_code why;     /* 0: it may */
    } rows[] = {
        { PERMIT_READ_ONLY, STOR, 0, "/new", FAIL_PERMIT },
        { PERMIT_UPLOAD, STOR, 0, "/new", 0 },
        { PERMIT_UPLOAD, STOR, 0, "/old", FAIL_EXISTS },
        { PERMIT_OVERWRITE, STOR, 0, "/old", FAIL_PERMIT },
        { PERMIT_UPLOAD | PERMIT_OVERWRITE, STOR, 0, "/old", 0 },
        { PERMIT_UPLOAD | PERMIT_OVERWRITE, APPE, 0, "/old", FAIL_PERMIT },
        { PERMIT_APPEND, APPE, 0, "/old", 0 },
        { PERMIT_APPEND, APPE, 0, "/new", FAIL_PERMIT },
        { PERMIT_UPLOAD, APPE, 0, "/new", 0 },
        { PERMIT_APPEND, STOR, 3, "/old", 0 },
        { PERMIT_APPEND, STOR, 1, "/old", FAIL_PERMIT },
        { PERMIT_APPEND | PERMIT_OVERWRITE, STOR, 1, "/old", 0 },
        { PERMIT_UPLOAD, STOR, 1, "/begun", 0 },
        { PERMIT_APPEND, STOR, 1, "/begun", FAIL_PERMIT },
        { PERMIT_UPLOAD, UPLOAD_STOU, 0, "/old", 0 },
        { PERMIT_READ_ONLY, UPLOAD_STOU, 0, "/", FAIL_PERMIT },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct jail_fixture f;
        enum sp_err rc;

        fixture_open(&f);
        fixture_file(&f, "old", "old");
        fixture_file(&f, ".sp-part.begun", "begun");
        f.b.permits = rows[i].permits;
        rc = fixture_upload(&f, rows[i].path, rows[i].how, rows[i].offset, "");
        CU_ASSERT_EQUAL(rc, rows[i].why == 0 ? SP_OK : SP_REFUSED);
        if (rc == SP_REFUSED)
            CU_ASSERT_EQUAL(f.b.why, rows[i].why);
        fixture_close(&f);
    }
}

static void
no_overwrite_races(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    f.b.permits = PERMIT_UPLOAD;
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "mine") == SP_OK);
    fixture_file(&f, "a", "theirs");
    CU_ASSERT(upload_commit(&f.b, 4) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_EXISTS);
    CU_ASSERT(fixture_has(&f, "a", "theirs") && !fixture_exists(&f, ".sp-part.a"));
    f.b.permits = PERMIT_ALL;
    CU_ASSERT(fixture_upload(&f, "/d", STOR, 0, "x") == SP_OK);
    fixture_dir(&f, "d");
    CU_ASSERT(upload_commit(&f.b, 1) == SP_REFUSED);
    CU_ASSERT(!f.b.upload.open && !fixture_exists(&f, ".sp-part.d"));
    /* somebody removed the partial on disk: nothing is published, nothing else harmed */
    CU_ASSERT(fixture_upload(&f, "/e", STOR, 0, "x") == SP_OK);
    CU_ASSERT(unlinkat(f.jail, ".sp-part.e", 0) == 0);
    fixture_file(&f, ".sp-part.e", "other");
    CU_ASSERT(upload_commit(&f.b, 1) == SP_REFUSED);
    CU_ASSERT(fixture_has(&f, ".sp-part.e", "other") && !fixture_exists(&f, "e"));
    fixture_close(&f);
}

static void
not_files(void)
{
    static const char *const paths[] = { "/dir", "/fifo", "/to-dir" };
    struct jail_fixture f;

    fixture_open(&f);
    fixture_dir(&f, "dir");
    fixture_link(&f, "dir", "to-dir");
    CU_ASSERT(mkfifoat(f.jail, "fifo", 0666) == 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (unsigned how = STOR; how <= APPE; how++) {
            CU_ASSERT(fixture_upload(&f, paths[i], how, 0, "") == SP_REFUSED);
            CU_ASSERT_EQUAL(f.b.why, FAIL_NOT_FILE);
        }
    CU_ASSERT(fixture_upload(&f, "/", STOR, 0, "") == SP_REFUSED);
    CU_ASSERT(fixture_upload(&f, "/.sp-part.x", STOR, 0, "") == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_NAME);
    fixture_close(&f);
}

static void
through_links(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_dir(&f, "data");
    fixture_file(&f, "data/real", "old");
    fixture_link(&f, "data/real", "link");
    fixture_link(&f, "../outside/secret", "out");
    fixture_link(&f, "../../outside", "data/dir-out");
    CU_ASSERT(fixture_upload(&f, "/link", STOR, 0, "new") == SP_OK);
    CU_ASSERT(fixture_exists(&f, "data/.sp-part.real"));
    CU_ASSERT(upload_commit(&f.b, 3) == SP_OK);
    CU_ASSERT(fixture_has(&f, "data/real", "new"));
    CU_ASSERT_EQUAL(readlinkat(f.jail, "link", (char[8]){ 0 }, 8), 8);
    CU_ASSERT(fixture_upload(&f, "/out", STOR, 0, "new") == SP_OS && errno == ENOENT);
    CU_ASSERT(fixture_upload(&f, "/data/dir-out/secret", STOR, 0, "n") == SP_OS);
    CU_ASSERT(fixture_has(&f, "../outside/secret", "secret"));
    fixture_close(&f);
}

/* The place of an open upload is held: what happens to the names above it does not
 * matter. */
static void
moved_meanwhile(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_dir(&f, "d");
    CU_ASSERT(fixture_upload(&f, "/d/a", STOR, 0, "new") == SP_OK);
    CU_ASSERT(renameat(f.jail, "d", f.jail, "moved") == 0);
    fixture_link(&f, "../outside", "d");
    CU_ASSERT(upload_commit(&f.b, 3) == SP_OK);
    CU_ASSERT(fixture_has(&f, "moved/a", "new"));
    CU_ASSERT_FALSE(fixture_exists(&f, "../outside/a"));
    fixture_close(&f);
}

static void
busy(void)
{
    struct jail_fixture f;
    int fd = -1;

    fixture_open(&f);
    fixture_file(&f, ".sp-part.a", "x");
    fixture_file(&f, "b", "x");
    fd = openat(f.jail, ".sp-part.a", O_WRONLY | O_CLOEXEC);
    CU_ASSERT(flock(fd, LOCK_EX) == 0);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "") == SP_REFUSED
              && f.b.why == FAIL_BUSY);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 1, "") == SP_REFUSED
              && f.b.why == FAIL_BUSY);
    CU_ASSERT(fixture_upload(&f, "/a", APPE, 0, "") == SP_REFUSED
              && f.b.why == FAIL_BUSY);
    fd_close(&fd);
    fd = openat(f.jail, "b", O_WRONLY | O_CLOEXEC);
    CU_ASSERT(flock(fd, LOCK_EX) == 0);
    CU_ASSERT(fixture_upload(&f, "/b", APPE, 0, "") == SP_REFUSED
              && f.b.why == FAIL_BUSY);
    fd_close(&fd);
    CU_ASSERT(fixture_has(&f, "b", "x"));
    fixture_close(&f);
}

/*
 * Another session and the monitor in one process: it has the lock of a partial, and lets it
 * go when it is asked for it, but does something to it before.
 */
struct holder { pid_t pid; int lock; const char *more; bool removes; };

static void
play_holder(struct channel *broker, const struct jail_fixture *f, const struct holder *h)
{
    struct msg_yields answer = { 0 };
    struct message m;
    bool good = channel_wait(broker, &m, UNIT_HANGS_MS) == SP_OK && m.type == MSG_TAKE_OVER;

    /* who asks is asked itself, meanwhile */
    msg_yield_pack(&m, &(struct msg_yield){ .number = 7 });
    good = good && channel_send_wait(broker, &m) == SP_OK
        && channel_wait(broker, &m, UNIT_HANGS_MS) == SP_OK
        && msg_yields_unpack(&m, &answer) == SP_OK && answer.number == 7
        && answer.yes == 0;
    if (h->more != NULL)
        good = good && fd_write_all(h->lock, h->more, strlen(h->more)) == SP_OK;
    if (h->removes)
        good = good && unlinkat(f->jail, ".sp-part.a", 0) == 0;
    (void)flock(h->lock, LOCK_UN);
    msg_taken_over_pack(&m, &(struct msg_taken_over){ 0 });
    _exit(good && channel_send_wait(broker, &m) == SP_OK ? 0 : 1);
}

static void
holder_start(struct jail_fixture *f, struct holder *h)
{
    struct channel broker = CHANNEL_EMPTY;
    int ours = -1, theirs = -1;

    f->b.settings.takeover_silence = 0;         /* else the test would have to wait */
    h->lock = openat(f->jail, ".sp-part.a", O_WRONLY | O_APPEND | O_CLOEXEC);
    CU_ASSERT_FATAL(flock(h->lock, LOCK_EX) == 0);
    CU_ASSERT_FATAL(channel_pair(&ours, &theirs) == SP_OK);
    channel_init(&f->b.monitor, ours, BROKER, MONITOR, ST_USER);
    channel_init(&broker, theirs, MONITOR, BROKER, ST_USER);
    CU_ASSERT_FATAL((h->pid = fork()) != -1);
    if (h->pid == 0)
        play_holder(&broker, f, h);
    channel_clear(&broker);
    fd_close(&h->lock);
}

static void
holder_end(struct jail_fixture *f, const struct holder *h)
{
    int status = -1;

    CU_ASSERT(waitpid(h->pid, &status, 0) == h->pid);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    channel_clear(&f->b.monitor);
}

static void
taken_over(void)
{
    static const struct {
        bool final, told, removes;
        unsigned how;
        uint64_t offset;
        const char *more;
        enum sp_err rc;
        const char *part;
    } rows[] = {
        { .how = STOR, .part = "new" },
        { .how = STOR, .offset = 2, .part = "xynew" },
        { .how = APPE, .part = "xyznew" },
        { .how = APPE, .more = "!", .part = "xyz!new" },
        { .how = APPE, .removes = true, .part = "new" },
        { .how = STOR, .offset = 2, .removes = true, .rc = SP_REFUSED },
        { .final = true, .told = true, .how = APPE, .part = "xyznew" },
        { .final = true, .told = true, .how = APPE, .more = "!", .rc = SP_REFUSED,
          .part = "xyz!" },
        { .final = true, .how = STOR, .offset = 3, .part = "xyznew" },
        { .final = true, .how = STOR, .part = "new" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct holder h = { .more = rows[i].more, .removes = rows[i].removes };
        struct msg_status size = { 0 };
        struct jail_fixture f;

        fixture_open(&f);
        fixture_file(&f, ".sp-part.a", "xyz");
        if (rows[i].final)
            fixture_file(&f, "a", "old");
        holder_start(&f, &h);
        if (rows[i].told) {
            CU_ASSERT(files_size(&f.b, slice_of("/a"), &size) == SP_OK);
            CU_ASSERT_EQUAL(size.size, 3);
        }
        CU_ASSERT_EQUAL(fixture_upload(&f, "/a", rows[i].how, rows[i].offset, "new"),
                        rows[i].rc);
        holder_end(&f, &h);
        CU_ASSERT(rows[i].part == NULL ? !fixture_exists(&f, ".sp-part.a")
                                       : fixture_has(&f, ".sp-part.a", rows[i].part));
        CU_ASSERT(!rows[i].final || fixture_has(&f, "a", "old"));
        fixture_close(&f);
    }
}

static void
unique(void)
{
    struct jail_fixture f;
    const struct msg_open_write given = { .path = slice_of("/a"), .how = UPLOAD_STOU };
    const struct msg_open_write dir = { .path = slice_of("/d"), .how = UPLOAD_STOU };
    char path[PATH_MAX];

    fixture_open(&f);
    fixture_dir(&f, "d");
    fixture_file(&f, ".sp-part.a.1", "x");
    CU_ASSERT(upload_begin(&f.b, &given, path) == SP_OK);
    CU_ASSERT_STRING_EQUAL(path, "/a");
    CU_ASSERT(upload_commit(&f.b, 0) == SP_OK);
    CU_ASSERT(upload_begin(&f.b, &given, path) == SP_OK);
    CU_ASSERT_STRING_EQUAL(path, "/a.2");
    fixture_file(&f, "a.2", "theirs");
    CU_ASSERT(upload_commit(&f.b, 0) == SP_REFUSED && fixture_has(&f, "a.2", "theirs"));
    CU_ASSERT(upload_begin(&f.b, &dir, path) == SP_OK);
    CU_ASSERT(strncmp(path, "/d/upload-20", 12) == 0 && strlen(path) == 25);
    CU_ASSERT(upload_commit(&f.b, 0) == SP_OK && fixture_exists(&f, path + 1));
    fixture_close(&f);
}

static void
long_names(void)
{
    struct jail_fixture f;
    char path[NAME_MAX + 2] = "/";

    fixture_open(&f);
    memset(path + 1, 'n', NAME_MAX);
    CU_ASSERT(fixture_upload(&f, path, STOR, 0, "long") == SP_OK);
    upload_settle(&f.b);
    CU_ASSERT(fixture_upload(&f, path, STOR, 4, "er") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 2) == SP_OK);
    CU_ASSERT(fixture_has(&f, path + 1, "longer"));
    fixture_close(&f);
}

static uint64_t
bytes_on_disk(const struct jail_fixture *f, const char *name)
{
    struct stat st = { .st_size = 0 };

    CU_ASSERT(fstatat(f->jail, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    return (uint64_t)st.st_blocks * 512;
}

static bool
can_allocate(const struct jail_fixture *f)
{
    int fd = openat(f->jail, "tried", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool can = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20) == 0;

    fd_close(&fd);
    CU_ASSERT(unlinkat(f->jail, "tried", 0) == 0);
    if (!can)
        puts("skipped aloud: this file system allocates nothing ahead");
    return can;
}

static void
allocated(void)
{
    const uint64_t mib = 1 << 20;
    struct jail_fixture f;

    fixture_open(&f);
    if (!can_allocate(&f))
        goto out;
    f.b.settings.allocate_most = 8;
    /* as announced, and no more than that much */
    CU_ASSERT(fixture_announced(&f, "/a", STOR, 0, 4 * mib, "short") == SP_OK);
    CU_ASSERT(bytes_on_disk(&f, ".sp-part.a") >= 4 * mib);
    CU_ASSERT(fixture_has(&f, ".sp-part.a", "short"));
    CU_ASSERT(upload_commit(&f.b, 5) == SP_OK && fixture_has(&f, "a", "short"));
    CU_ASSERT(bytes_on_disk(&f, "a") < mib);
    CU_ASSERT(fixture_announced(&f, "/b", STOR, 0, 64 * mib, "short") == SP_OK);
    CU_ASSERT(bytes_on_disk(&f, ".sp-part.b") >= 8 * mib);
    CU_ASSERT(bytes_on_disk(&f, ".sp-part.b") < 10 * mib);
    /* broken off: what stays is what came */
    upload_settle(&f.b);
    CU_ASSERT(fixture_has(&f, ".sp-part.b", "short"));
    CU_ASSERT(bytes_on_disk(&f, ".sp-part.b") < mib);
    /* gone on with: the rest of it */
    CU_ASSERT(fixture_announced(&f, "/b", STOR, 5, 2 * mib, "er") == SP_OK);
    CU_ASSERT(bytes_on_disk(&f, ".sp-part.b") >= 2 * mib);
    CU_ASSERT(upload_commit(&f.b, 2) == SP_OK && fixture_has(&f, "b", "shorter"));
    CU_ASSERT(bytes_on_disk(&f, "b") < mib);
    /* one that is there grows without: another's bytes could be at its end */
    CU_ASSERT(fixture_announced(&f, "/b", STOR, 7, 4 * mib, "!") == SP_OK);
    CU_ASSERT(f.b.upload.in_place && bytes_on_disk(&f, "b") < mib);
    CU_ASSERT(upload_commit(&f.b, 1) == SP_OK && fixture_has(&f, "b", "shorter!"));
    /* switched off, and too small to be worth it */
    CU_ASSERT(fixture_announced(&f, "/c", STOR, 0, mib - 1, "") == SP_OK);
    CU_ASSERT_EQUAL(bytes_on_disk(&f, ".sp-part.c"), 0);
    upload_settle(&f.b);
    f.b.settings.allocate_most = 0;
    CU_ASSERT(fixture_announced(&f, "/c", STOR, 0, 4 * mib, "") == SP_OK);
    CU_ASSERT_EQUAL(bytes_on_disk(&f, ".sp-part.c"), 0);
out:
    fixture_close(&f);
}

/* An earlier broker was killed before it could give back what it had been given. */
static void
leftover_is_given_back(void)
{
    struct jail_fixture f;
    int fd = -1;

    fixture_open(&f);
    if (!can_allocate(&f))
        goto out;
    fixture_file(&f, ".sp-part.a", "begun");
    fd = openat(f.jail, ".sp-part.a", O_WRONLY | O_CLOEXEC);
    CU_ASSERT(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 << 20) == 0);
    fd_close(&fd);
    CU_ASSERT(bytes_on_disk(&f, ".sp-part.a") >= 4 << 20);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 5, "!") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 1) == SP_OK && fixture_has(&f, "a", "begun!"));
    CU_ASSERT(bytes_on_disk(&f, "a") < 1 << 20);
out:
    fixture_close(&f);
}

static void
too_large(void)
{
    const struct msg_open_write ask = { .path = slice_of("/a"), .size = INT64_MAX };
    struct jail_fixture f;
    char path[PATH_MAX];

    fixture_open(&f);
    CU_ASSERT(upload_begin(&f.b, &ask, path) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_SPACE);
    CU_ASSERT_FALSE(fixture_exists(&f, ".sp-part.a"));
    fixture_close(&f);
}

/* A worker whose client has left behind COMMIT closes its end for writing. */
static void
withdrawn(void)
{
    struct jail_fixture f;
    int ends[2] = { -1, -1 };

    fixture_open(&f);
    f.b.settings.durable = true;
    fixture_file(&f, "a", "old");
    CU_ASSERT_FATAL(channel_pair(&ends[0], &ends[1]) == SP_OK);
    channel_init(&f.b.worker, fd_move(&ends[0]), BROKER, WORKER, ST_USER);
    CU_ASSERT(fixture_upload(&f, "/b", STOR, 0, "whole") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 5) == SP_OK && fixture_has(&f, "b", "whole"));
    CU_ASSERT(shutdown(ends[1], SHUT_WR) == 0);
    CU_ASSERT(fixture_upload(&f, "/a", STOR, 0, "cut") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 3) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_UNWANTED);
    CU_ASSERT(!f.b.upload.open && fixture_has(&f, "a", "old"));
    CU_ASSERT(fixture_upload(&f, "/c", STOR, 0, "cut") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 3) == SP_REFUSED);
    CU_ASSERT(!fixture_exists(&f, "c") && fixture_has(&f, ".sp-part.c", "cut"));
    CU_ASSERT(fixture_upload(&f, "/b", APPE, 0, "x") == SP_OK);
    CU_ASSERT(upload_commit(&f.b, 1) == SP_REFUSED);
    fd_close(&ends[1]);
    fixture_close(&f);
}

static const struct unit_test tests[] = {
    { "what the worker does not want any more is not published", withdrawn },
    { "an upload has its name only when it is complete", published_whole },
    { "a failed overwrite leaves the old file", failed_overwrite },
    { "a failed overwrite is gone on with, and not the old file", resumed_overwrite },
    { "an overwrite keeps the mode, but no set-id bits", overwrite_keeps_mode },
    { "what broke off is kept and can be gone on with", broken_off },
    { "a file that is there is gone on with in place or by a copy", continued },
    { "a file with two names keeps both of them", linked },
    { "a new file has the access list and the attributes of the old", inherited },
    { "an access list of the directory does not open a file that had none",
      not_opened_by_its_directory },
    { "a file in a closed directory is replaced only where that is wanted",
      closed_directory },
    { "each kind of upload has its permit", permitted },
    { "nothing that came in between is overwritten without the permit",
      no_overwrite_races },
    { "directories and FIFOs are not uploaded to", not_files },
    { "an upload follows a link inside the jail and no further", through_links },
    { "a renamed directory takes its open upload along", moved_meanwhile },
    { "two writers of one file are kept apart", busy },
    { "a silent writer gives way, and what is there then is gone on with", taken_over },
    { "STOU finds a name that nobody has", unique },
    { "a name of 255 bytes can be uploaded and resumed", long_names },
    { "what was announced is allocated, and given back", allocated },
    { "what a killed upload was given goes back with the next", leftover_is_given_back },
    { "an upload that cannot fit is refused before it begins", too_large },
    { "and so is one that PAM does not let become as large", larger_than_allowed },
    { NULL, NULL }
};
const struct unit_suite suite_upload = { "upload", tests };
