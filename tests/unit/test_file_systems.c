/*
 * tests/unit/test_file_systems.c - the broker where the file system lacks calls, as those of
 * the network, of FUSE and of other systems do: what it does instead, and what it refuses
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "broker/files.h"
#include "broker/upload.h"
#include "failing_calls.h"
#include "jail_fixture.h"
#include "unit.h"
#include "wire/grant.h"
#include "wire/pack.h"

#define S(text) slice_of(text)
#define LACKS(error) \
    { "fallocate", error }, { "flock", error }, { "sync of a directory", error }, \
    { "fchmod", error }, { "flistxattr", error }, { "copy_file_range", error }

/* As it was seen, with Linux 6.1 to 6.18; all of them refuse "noreplace" and "linkat". */
static const struct file_system { const char *name; struct refusal refuses[12]; } all[] = {
    { "NFS", { { "noreplace", EINVAL }, { "flock", ENOLCK }, { "fallocate", EOPNOTSUPP } } },
    { "SMB", { { "noreplace", EINVAL }, { "linkat", EOPNOTSUPP }, { "flock", EOPNOTSUPP },
               { "sync of a directory", EINVAL }, { "fchmod", EPERM },
               { "fallocate", EOPNOTSUPP } } },
    { "eCryptfs", { { "noreplace", EINVAL }, { "fallocate", EOPNOTSUPP } } },
    { "FUSE", { { "noreplace", EINVAL }, { "linkat", EPERM }, LACKS(ENOSYS) } },
    { "FUSE, older", { { "noreplace", ENOSYS }, { "linkat", ENOSYS }, LACKS(ENOSYS) } },
    { "cloud", { { "noreplace", EOPNOTSUPP }, { "linkat", EOPNOTSUPP }, LACKS(EOPNOTSUPP),
                 { "fsync", EOPNOTSUPP } } },
    { "the kernel's own", { { "noreplace", 524 }, { "linkat", 524 }, LACKS(524) } },
};

typedef void on_one(struct jail_fixture *f);

static void
on_all(on_one *run)
{
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct jail_fixture f;

        fixture_open(&f);
        f.b.settings.durable = true;
        fixture_dir(&f, "d");
        fixture_dir(&f, "other");
        fixture_file(&f, "a", "first");
        fixture_file(&f, "b", "second");
        failing_refuse(all[i].refuses);
        run(&f);
        (void)failing_end();
        fixture_close(&f);
    }
}

static void
rename_all(struct jail_fixture *f)
{
    f->b.permits &= ~(unsigned)PERMIT_OVERWRITE;
    CU_ASSERT_EQUAL(files_rename(&f->b, S("/d"), S("/moved")), SP_OK);
    CU_ASSERT(fixture_exists(f, "moved") && !fixture_exists(f, "d"));
    CU_ASSERT_EQUAL(files_rename(&f->b, S("/a"), S("/moved/a")), SP_OK);
    CU_ASSERT(fixture_has(f, "moved/a", "first") && !fixture_exists(f, "a"));
    CU_ASSERT_EQUAL(files_rename(&f->b, S("/moved/a"), S("/b")), SP_REFUSED);
    CU_ASSERT_EQUAL(f->b.why, FAIL_EXISTS);
    CU_ASSERT_EQUAL(files_rename(&f->b, S("/moved"), S("/other")), SP_REFUSED);
    CU_ASSERT_EQUAL(f->b.why, FAIL_EXISTS);
    CU_ASSERT(fixture_has(f, "moved/a", "first") && fixture_has(f, "b", "second"));
    f->b.permits |= PERMIT_OVERWRITE;
    CU_ASSERT_EQUAL(files_rename(&f->b, S("/moved"), S("/other")), SP_REFUSED);
    CU_ASSERT_EQUAL(files_rename(&f->b, S("/moved/a"), S("/b")), SP_OK);
    CU_ASSERT(fixture_has(f, "b", "first"));
}

static void
names_are_given_and_none_is_taken(void)
{
    on_all(rename_all);
}

static void
upload_all(struct jail_fixture *f)
{
    CU_ASSERT_EQUAL(fixture_announced(f, "/d/new", UPLOAD_STOR, 0, 2 << 20, "new"), SP_OK);
    CU_ASSERT_EQUAL(upload_commit(&f->b, 3), SP_OK);
    CU_ASSERT_EQUAL(fixture_upload(f, "/d/new", UPLOAD_STOR, 0, "newer"), SP_OK);
    CU_ASSERT_EQUAL(upload_commit(&f->b, 5), SP_OK);
    CU_ASSERT_EQUAL(fixture_upload(f, "/d/new", UPLOAD_APPE, 0, "!"), SP_OK);
    CU_ASSERT_EQUAL(upload_commit(&f->b, 1), SP_OK);
    CU_ASSERT(fixture_has(f, "d/new", "newer!"));
    CU_ASSERT_EQUAL(fixture_upload(f, "/d/new", UPLOAD_STOR, 3, "t"), SP_OK);
    CU_ASSERT_EQUAL(upload_commit(&f->b, 1), SP_OK);
    CU_ASSERT(fixture_has(f, "d/new", "newt"));
    for (unsigned n = 0; n < 2; n++) {
        CU_ASSERT_EQUAL(fixture_upload(f, "/d/new", UPLOAD_STOU, 0, "unique"), SP_OK);
        CU_ASSERT_EQUAL(upload_commit(&f->b, 6), SP_OK);
    }
    CU_ASSERT(fixture_has(f, "d/new.1", "unique") && fixture_has(f, "d/new.2", "unique"));
    CU_ASSERT(fixture_has(f, "d/new", "newt"));
    CU_ASSERT_EQUAL(files_delete(&f->b, S("/d/new")), SP_OK);
    CU_ASSERT_EQUAL(files_delete(&f->b, S("/d/new.1")), SP_OK);
    CU_ASSERT_EQUAL(files_delete(&f->b, S("/d/new.2")), SP_OK);
    /* by the kernel's rmdir: nothing hidden was left behind */
    CU_ASSERT_EQUAL(unlinkat(f->jail, "d", AT_REMOVEDIR), 0);
}

static void
uploads_are_stored_and_leave_nothing_behind(void)
{
    on_all(upload_all);
}

/* A lock cannot be had, so nobody is kept away by it; the bytes that came are gone on with. */
static void
resume_all(struct jail_fixture *f)
{
    CU_ASSERT_EQUAL(fixture_upload(f, "/d/half", UPLOAD_STOR, 0, "ha"), SP_OK);
    upload_settle(&f->b);
    CU_ASSERT_EQUAL(fixture_upload(f, "/d/half", UPLOAD_STOR, 2, "lf"), SP_OK);
    CU_ASSERT_EQUAL(upload_commit(&f->b, 2), SP_OK);
    CU_ASSERT(fixture_has(f, "d/half", "half"));
}

static void
uploads_are_resumed(void)
{
    on_all(resume_all);
}

/* What would be done another way is final: not the next time either. */
static void
what_there_is_no_way_for_is_final(void)
{
    static const struct { const char *name; int error; } rows[] = {
        { "utimensat", ENOSYS }, { "utimensat", EOPNOTSUPP }, { "utimensat", 524 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct refusal refuses[] = { { rows[i].name, rows[i].error }, { NULL, 0 } };
        struct jail_fixture f;
        enum fail_code code = FAIL_OS;
        int error = 0;
        enum sp_err rc = SP_OK;

        fixture_open(&f);
        fixture_file(&f, "a", "first");
        failing_refuse(refuses);
        rc = files_utime(&f.b, S("/a"), 981173106, 0);
        broker_failure(&f.b, rc, &code, &error);
        (void)failing_end();
        CU_ASSERT(rc == SP_OS && code == FAIL_OS && error == EOPNOTSUPP);
        fixture_close(&f);
    }
}

/*
 * What was synced to nowhere is not stored, nor what a close says cannot be: a file system
 * that fails is none that lacks. What is left of it is not gone on with.
 */
static void
what_could_not_be_kept_is_not_stored(void)
{
    static const struct refusal rows[][2] = {
        { { "fsync", EDQUOT }, { NULL, 0 } }, { { "close", EDQUOT }, { NULL, 0 } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jail_fixture f;
        struct statx st;
        enum sp_err rc = SP_OK;

        fixture_open(&f);
        f.b.settings.durable = true;
        fixture_file(&f, "old", "old");
        CU_ASSERT_EQUAL(fixture_upload(&f, "/old", UPLOAD_STOR, 0, "new"), SP_OK);
        CU_ASSERT_EQUAL(statx(f.b.upload.fd, "", AT_EMPTY_PATH, STATX_SIZE, &st), 0);
        failing_refuse(rows[i]);
        rc = upload_commit(&f.b, 3);
        CU_ASSERT(rc == SP_OK || errno == EDQUOT);
        (void)failing_end();
        /* a disk of this machine has nothing more to say at a close */
        CU_ASSERT_EQUAL(rc, i == 1 && st.stx_dev_major != 0 ? SP_OK : SP_OS);
        CU_ASSERT(fixture_has(&f, "old", rc == SP_OK ? "new" : "old"));
        CU_ASSERT(!fixture_exists(&f, ".sp-part.old"));
        fixture_close(&f);
    }
}

/* By a second name, for a moment: whichever call fails, one of the two is there, whole. */
static void
a_name_is_not_left_behind(void)
{
    static const struct refusal refuses[] = { { "noreplace", EINVAL }, { NULL, 0 } };
    bool failed = true;

    for (unsigned nth = 1; failed && nth < 100; nth++) {
        struct jail_fixture f;

        fixture_open(&f);
        fixture_file(&f, "a", "first");
        f.b.permits &= ~(unsigned)PERMIT_OVERWRITE;
        failing_refuse(refuses);
        failing_begin(nth, EACCES);
        CU_ASSERT_EQUAL(files_rename(&f.b, S("/a"), S("/b")) == SP_OK, fixture_exists(&f, "b"));
        failed = failing_end();
        CU_ASSERT(fixture_has(&f, fixture_exists(&f, "b") ? "b" : "a", "first"));
        CU_ASSERT(!fixture_exists(&f, "a") || !fixture_exists(&f, "b"));
        fixture_close(&f);
    }
    CU_ASSERT(!failed);
}

/* ---- to another file system --------------------------------------------------------- */

static const struct refusal across[] = { { "rename across", EXDEV }, { NULL, 0 } };

static void
open_across(struct jail_fixture *f)
{
    static const struct timespec long_ago[2] = { { 1000000000, 0 }, { 1000000001, 0 } };

    fixture_open(f);
    fixture_dir(f, "d");
    fixture_dir(f, "d/below");
    fixture_dir(f, "other");
    fixture_file(f, "d/a", "first");
    fixture_file(f, "other/b", "second");
    CU_ASSERT(fchmodat(f->jail, "d/a", 0750, 0) == 0
              && utimensat(f->jail, "d/a", long_ago, 0) == 0);
    failing_refuse(across);
}

static void
close_across(struct jail_fixture *f)
{
    (void)failing_end();
    /* by the kernel's rmdir, once what is known is gone: nothing hidden was left */
    CU_ASSERT(unlinkat(f->jail, "other/b", 0) == 0 || errno == ENOENT);
    CU_ASSERT(unlinkat(f->jail, "other/a", 0) == 0 || errno == ENOENT);
    CU_ASSERT(unlinkat(f->jail, "other", AT_REMOVEDIR) == 0);
    fixture_close(f);
}

static void
a_file_is_copied_to_another_file_system(void)
{
    struct jail_fixture f;
    struct stat st;

    open_across(&f);
    CU_ASSERT_EQUAL(files_rename(&f.b, S("/d/a"), S("/other/a")), SP_OK);
    CU_ASSERT(fixture_has(&f, "other/a", "first") && !fixture_exists(&f, "d/a"));
    CU_ASSERT(fstatat(f.jail, "other/a", &st, 0) == 0 && (st.st_mode & 07777) == 0750
              && st.st_mtime == 1000000001);
    CU_ASSERT_EQUAL(files_rename(&f.b, S("/other/a"), S("/d/below/a")), SP_OK);
    close_across(&f);

    open_across(&f);
    CU_ASSERT_EQUAL(files_rename(&f.b, S("/d/a"), S("/other/b")), SP_OK);
    CU_ASSERT(fixture_has(&f, "other/b", "first") && !fixture_exists(&f, "d/a"));
    close_across(&f);
}

static void
what_is_no_file_is_not_copied(void)
{
    struct jail_fixture f;

    open_across(&f);
    fixture_link(&f, "a", "d/link");
    CU_ASSERT(files_rename(&f.b, S("/d/below"), S("/other/below")) == SP_OS && errno == EXDEV);
    CU_ASSERT(files_rename(&f.b, S("/d/link"), S("/other/link")) == SP_OS && errno == EXDEV);
    CU_ASSERT(fixture_exists(&f, "d/below") && fixture_exists(&f, "d/link"));
    close_across(&f);
}

static void
a_file_is_not_copied_over_what_may_not_go(void)
{
    struct jail_fixture f;

    open_across(&f);
    fixture_dir(&f, "other/a");
    CU_ASSERT(files_rename(&f.b, S("/d/a"), S("/other/a")) == SP_REFUSED
              && f.b.why == FAIL_EXISTS);
    CU_ASSERT(unlinkat(f.jail, "other/a", AT_REMOVEDIR) == 0);
    f.b.permits &= ~(unsigned)PERMIT_OVERWRITE;
    CU_ASSERT(files_rename(&f.b, S("/d/a"), S("/other/b")) == SP_REFUSED
              && f.b.why == FAIL_EXISTS);
    CU_ASSERT(fixture_has(&f, "other/b", "second") && fixture_has(&f, "d/a", "first"));
    close_across(&f);
}

/* Known before it is copied: the room for it is not even asked for. */
static void
what_may_not_be_removed_is_not_copied(void)
{
    static const struct refusal refuses[] = {
        { "rename across", EXDEV }, { "unlinkat", EACCES }, { "fallocate", ENOSPC }, { NULL, 0 }
    };
    struct jail_fixture f;

    open_across(&f);
    failing_refuse(refuses);
    CU_ASSERT(files_rename(&f.b, S("/d/a"), S("/other/a")) == SP_OS && errno == EACCES);
    CU_ASSERT(fixture_has(&f, "d/a", "first") && !fixture_exists(&f, "other/a"));
    close_across(&f);
}

/* No room, or a limit: the code for it, and nothing of the copy stays. */
static void
a_copy_without_room_is_given_up(void)
{
    static const struct refusal rows[][5] = {
        { { "rename across", EXDEV }, { "fallocate", ENOSPC }, { NULL, 0 } },
        { { "rename across", EXDEV }, { "copy_file_range", EDQUOT }, { NULL, 0 } },
        { { "rename across", EXDEV }, { "copy_file_range", EXDEV }, { "write", EFBIG } },
        { { "rename across", EXDEV }, { "fsync", EDQUOT }, { NULL, 0 } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jail_fixture f;

        open_across(&f);
        failing_refuse(rows[i]);
        CU_ASSERT_EQUAL(files_rename(&f.b, S("/d/a"), S("/other/a")), SP_OS);
        CU_ASSERT(errno == ENOSPC || errno == EDQUOT || errno == EFBIG);
        CU_ASSERT(fixture_has(&f, "d/a", "first") && !fixture_exists(&f, "other/a"));
        close_across(&f);
    }
}

/* What the worker says meanwhile is that the client does not want it any more. */
static void
a_copy_that_is_not_wanted_is_given_up(void)
{
    static const struct refusal refuses[] = {
        { "rename across", EXDEV }, { "copy_file_range", EXDEV }, { NULL, 0 }
    };
    struct jail_fixture f;
    struct statx st;
    char large[200000];
    int ends[2] = { -1, -1 };

    (void)memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    open_across(&f);
    failing_refuse(refuses);
    fixture_file(&f, "d/large", large);
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    f.b.worker.fd = ends[0];
    CU_ASSERT(send(ends[1], "x", 1, 0) == 1);
    CU_ASSERT(files_rename(&f.b, S("/d/large"), S("/other/a")) == SP_REFUSED
              && f.b.why == FAIL_UNWANTED);
    CU_ASSERT(fixture_has(&f, "d/large", large) && !fixture_exists(&f, "other/a"));
    /* and one that was given up with its session */
    CU_ASSERT(recv(ends[0], large, 1, 0) == 1);
    fd_close(&ends[1]);
    CU_ASSERT_EQUAL(files_rename(&f.b, S("/d/large"), S("/other/a")), SP_CLOSED);
    CU_ASSERT(statx(f.jail, "d/large", 0, STATX_SIZE, &st) == 0 && st.stx_size == sizeof large - 1);
    close_across(&f);
}

/* A network file system's attributes may be old: it is asked, as stat(2) does. */
static void
look_at_all(struct jail_fixture *f)
{
    struct msg_status status;
    struct buf line = BUF_EMPTY(4096);
    char text[4096];
    struct statx st;
    int fd = -1;

    CU_ASSERT(files_size(&f->b, S("/a"), &status) == SP_OK && status.size == 5);
    CU_ASSERT_EQUAL(files_status(&f->b, S("/a"), &status), SP_OK);
    CU_ASSERT_EQUAL(files_facts(&f->b, S("/a"), 1, &line), SP_OK);
    CU_ASSERT_EQUAL(files_open_read(&f->b, S("/a"), &fd, &st), SP_OK);
    CU_ASSERT_EQUAL(fixture_list(f, "/", "", 0, 0, text, sizeof text), SP_OK);
    CU_ASSERT(strstr(text, " a\n") != NULL);
    buf_free(&line);
    fd_close(&fd);
}

static void
every_look_asks_the_file_system(void)
{
    static const struct refusal refuses[] = { { "stale look", EIO }, { NULL, 0 } };
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "a", "first");
    fixture_file(&f, ".sp-part.old", "x");
    f.b.settings.unfinished_keep = 1;
    failing_refuse(refuses);
    look_at_all(&f);
    (void)failing_end();
    fixture_close(&f);
}

static const struct unit_test tests[] = {
    { "names are given, and none that is there is taken", names_are_given_and_none_is_taken },
    { "uploads are stored and leave nothing behind",
      uploads_are_stored_and_leave_nothing_behind },
    { "uploads are resumed", uploads_are_resumed },
    { "what there is no way for is final", what_there_is_no_way_for_is_final },
    { "what could not be kept is not stored", what_could_not_be_kept_is_not_stored },
    { "a name is not left behind", a_name_is_not_left_behind },
    { "a copy that is not wanted is given up", a_copy_that_is_not_wanted_is_given_up },
    { "every look asks the file system", every_look_asks_the_file_system },
    { "a file is copied to another file system", a_file_is_copied_to_another_file_system },
    { "what is no file is not copied", what_is_no_file_is_not_copied },
    { "a file is not copied over what may not go", a_file_is_not_copied_over_what_may_not_go },
    { "what may not be removed is not copied", what_may_not_be_removed_is_not_copied },
    { "a copy without room is given up", a_copy_without_room_is_given_up },
    { NULL, NULL }
};

const struct unit_suite suite_file_systems = { "broker on other file systems", tests };
