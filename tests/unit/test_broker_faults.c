/*
 * tests/unit/test_broker_faults.c - each call that each request of the broker makes fails
 * once, with each error: the request says so or has done the whole, the file that was there
 * before is there or its successor is, and nothing stays open
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "broker/files.h"
#include "broker/upload.h"
#include "failing_calls.h"
#include "ftp/listing.h"
#include "jail_fixture.h"
#include "unit.h"
#include "wire/pack.h"

#define S(text) slice_of(text)
#define CALLS_MOST 400          /* a request that makes more of them is a fault, too */
#define OLD "what was there before"
#define NEW "what is there now"
#define HALF "what is "

static char whole[65536], text[65536];      /* listings */
static const char *list_path;
static bool can_note;
static unsigned list_kind, list_options;

/* ---- requests ---------------------------------------------------------------------- */

/* Whenever it was planted: else a listing changes with the minute. */
static void
date(const struct jail_fixture *f)
{
    static const char *const names[] = {
        "a", "b", ".sp-part.b", ".sp-part.half", "d/c.txt", "d/e/d.txt", "d/e", "d", "empty",
        "linked", "noted", "."
    };
    static const struct timespec long_ago[2] = { { 1000000000, 0 }, { 1000000000, 0 } };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CU_ASSERT(utimensat(f->jail, names[i], long_ago, 0) == 0);
}

static void
plant(struct jail_fixture *f)
{
    int noted = -1;

    fixture_open(f);
    f->b.settings.durable = true;
    fixture_file(f, "a", OLD);
    fixture_file(f, "b", OLD);
    fixture_file(f, ".sp-part.b", HALF);
    fixture_file(f, ".sp-part.half", HALF);
    fixture_dir(f, "d");
    fixture_dir(f, "d/e");
    fixture_file(f, "d/c.txt", NEW);
    fixture_file(f, "d/e/d.txt", NEW);
    fixture_dir(f, "empty");
    fixture_file(f, "linked", OLD);
    CU_ASSERT(linkat(f->jail, "linked", f->jail, "second", 0) == 0);
    fixture_file(f, "noted", OLD);
    noted = openat(f->jail, "noted", O_RDONLY | O_CLOEXEC);
    can_note = fsetxattr(noted, "user.note", "kept", 4, 0) == 0;
    fd_close(&noted);
    CU_ASSERT(fchmodat(f->jail, "a", 0640, 0) == 0);
    date(f);
}

static enum sp_err
upload_announced(struct jail_fixture *f, const char *path, unsigned how, uint64_t offset,
                 const char *more, uint64_t size)
{
    const struct msg_open_write ask = { .path = S(path), .how = (uint8_t)how,
                                        .offset = offset, .size = size };
    char final[PATH_MAX];
    enum sp_err rc = upload_begin(&f->b, &ask, final);

    failing_pause(true);
    if (rc == SP_OK)
        CU_ASSERT_EQUAL(fd_write_all(f->b.upload.fd, more, strlen(more)), SP_OK);
    failing_pause(false);
    return rc == SP_OK ? upload_commit(&f->b, strlen(more)) : rc;
}

static enum sp_err
upload(struct jail_fixture *f, const char *path, unsigned how, uint64_t offset,
       const char *more)
{
    return upload_announced(f, path, how, offset, more, 0);
}

static enum sp_err
overwrite(struct jail_fixture *f)
{
    return upload(f, "/a", UPLOAD_STOR, 0, NEW);
}

/* The file has a second name: its bytes are copied into it. */
static enum sp_err
overwrite_linked(struct jail_fixture *f)
{
    return upload(f, "/linked", UPLOAD_STOR, 0, NEW);
}

/* It has an attribute, where the file system lets it. */
static enum sp_err
overwrite_with_attribute(struct jail_fixture *f)
{
    return upload(f, "/noted", UPLOAD_STOR, 0, NEW);
}

static enum sp_err
create(struct jail_fixture *f)
{
    return upload(f, "/new", UPLOAD_STOR, 0, NEW);
}

/* And announced more than came: it is trimmed. */
static enum sp_err
create_allocated(struct jail_fixture *f)
{
    return upload_announced(f, "/new", UPLOAD_STOR, 0, NEW, 4 << 20);
}

static enum sp_err
resume_allocated(struct jail_fixture *f)
{
    return upload_announced(f, "/half", UPLOAD_STOR, sizeof HALF - 1,
                            &NEW[sizeof HALF - 1], 4 << 20);
}

static enum sp_err
resume(struct jail_fixture *f)
{
    return upload(f, "/half", UPLOAD_STOR, sizeof HALF - 1, &NEW[sizeof HALF - 1]);
}

static enum sp_err
resume_over(struct jail_fixture *f)
{
    return upload(f, "/b", UPLOAD_STOR, sizeof HALF - 1, &NEW[sizeof HALF - 1]);
}

static enum sp_err
append(struct jail_fixture *f)
{
    return upload(f, "/a", UPLOAD_APPE, 0, NEW);
}

static enum sp_err
over_a_rest(struct jail_fixture *f)
{
    return upload(f, "/half", UPLOAD_STOR, 0, NEW);
}

static enum sp_err
rename_over(struct jail_fixture *f)
{
    return files_rename(&f->b, S("/d/c.txt"), S("/b"));
}

/* To another file system: it is copied. */
static const struct refusal across[] = { { "rename across", EXDEV }, { NULL, 0 } };

static enum sp_err
move_over(struct jail_fixture *f)
{
    return files_rename(&f->b, S("/d/c.txt"), S("/b"));
}

static enum sp_err
rename_unfinished(struct jail_fixture *f)
{
    return files_rename(&f->b, S("/half"), S("/whole"));
}

static enum sp_err
delete(struct jail_fixture *f)
{
    return files_delete(&f->b, S("/a"));
}

static enum sp_err
delete_both(struct jail_fixture *f)
{
    return files_delete(&f->b, S("/b"));
}

static enum sp_err
delete_unfinished(struct jail_fixture *f)
{
    return files_delete(&f->b, S("/half"));
}

static enum sp_err
make_directory(struct jail_fixture *f)
{
    return files_mkdir(&f->b, S("/made"));
}

static enum sp_err
remove_directory(struct jail_fixture *f)
{
    return files_rmdir(&f->b, S("/empty"));
}

/* It has an upload that no listing shows. */
static enum sp_err
remove_unseen(struct jail_fixture *f)
{
    failing_pause(true);
    fixture_file(f, "empty/.sp-part.", "x");
    failing_pause(false);
    return files_rmdir(&f->b, S("/empty"));
}

static enum sp_err
mode(struct jail_fixture *f)
{
    return files_chmod(&f->b, S("/a"), 0600);
}

static enum sp_err
modified(struct jail_fixture *f)
{
    return files_utime(&f->b, S("/a"), 981173106, 0);
}

static enum sp_err
read_file(struct jail_fixture *f)
{
    struct statx st;
    int fd = -1;
    enum sp_err rc = files_open_read(&f->b, S("/a"), &fd, &st);

    CU_ASSERT((rc == SP_OK) == (fd != -1));
    fd_close(&fd);
    return rc;
}

static enum sp_err
read_resumed(struct jail_fixture *f)
{
    struct statx st;
    int fd = -1;
    enum sp_err rc = files_open_resumed(&f->b, S("/b"), &fd, &st);

    CU_ASSERT((rc == SP_OK) == (fd != -1));
    fd_close(&fd);
    return rc;
}

static enum sp_err
change_directory(struct jail_fixture *f)
{
    return files_chdir(&f->b, S("/d/e"));
}

static enum sp_err
space(struct jail_fixture *f)
{
    uint64_t bytes = 0;

    return files_space(&f->b, S("/d"), &bytes);
}

static enum sp_err
facts(struct jail_fixture *f)
{
    struct buf line = BUF_EMPTY(4096);
    enum sp_err rc = files_facts(&f->b, S("/a"), FACT_TYPE | FACT_SIZE, &line);

    buf_free(&line);
    return rc;
}

static enum sp_err
status(struct jail_fixture *f)
{
    struct msg_status out;

    return files_status(&f->b, S("/half"), &out);
}

/* And RETR behind it, which then has to look at the partial, too. */
static enum sp_err
size_over(struct jail_fixture *f)
{
    struct msg_status out;
    struct statx st;
    int fd = -1;
    enum sp_err rc = files_size(&f->b, S("/b"), &out);

    if (rc != SP_OK)
        return rc;
    rc = files_open_read(&f->b, S("/b"), &fd, &st);
    /* where the partial could not be opened, the old file is what is there for us */
    CU_ASSERT((rc == SP_OK) == (fd != -1));
    CU_ASSERT(out.size == (fd == -1 ? sizeof HALF - 1 : sizeof OLD - 1)
              || rc != SP_REFUSED);
    fd_close(&fd);
    return rc == SP_REFUSED && f->b.why == FAIL_UNFINISHED ? SP_OK : rc;
}

static enum sp_err
list(struct jail_fixture *f)
{
    return fixture_list(f, list_path, "", list_kind, list_options, text, sizeof text);
}

/* ---- what must hold ---------------------------------------------------------------- */

static bool
old_or_new(const struct jail_fixture *f, const char *name, enum sp_err rc)
{
    return fixture_has(f, name, NEW) || (rc != SP_OK && fixture_has(f, name, OLD));
}

/* Not open to more than before, but where the file system has no modes. */
static bool
overwritten(struct jail_fixture *f, enum sp_err rc)
{
    bool modeless = strcmp(failing_name(), "fchmod") == 0 && failing_error() == ENOSYS;

    return old_or_new(f, "a", rc) && (modeless || (fixture_mode(f, "a") & 07) == 0);
}

/* Broken in the middle, what is new is whole beside it, to be sent or resumed again. */
static bool
overwritten_linked(struct jail_fixture *f, enum sp_err rc)
{
    if (rc == SP_OK)
        return fixture_has(f, "linked", NEW) && fixture_has(f, "second", NEW);
    return fixture_has(f, ".sp-part.linked", NEW) || fixture_has(f, "linked", NEW)
        || (fixture_has(f, "linked", OLD) && fixture_has(f, "second", OLD));
}

static bool
overwritten_noted(struct jail_fixture *f, enum sp_err rc)
{
    char got[4] = "";
    int fd = openat(f->jail, "noted", O_RDONLY | O_CLOEXEC);
    bool kept = !can_note || fgetxattr(fd, "user.note", got, sizeof got) == 4;

    fd_close(&fd);
    /* into the old file, where the new one could not have it; that can break, too */
    return kept && (old_or_new(f, "noted", rc)
                    || (rc != SP_OK && fixture_has(f, ".sp-part.noted", NEW)));
}

static bool
created(struct jail_fixture *f, enum sp_err rc)
{
    return fixture_has(f, "new", NEW) || (rc != SP_OK && !fixture_exists(f, "new"));
}

/* What had arrived before may be continued again; it is never called whole. */
static bool
resumed(struct jail_fixture *f, enum sp_err rc)
{
    return fixture_has(f, "half", NEW)
        || (rc != SP_OK && !fixture_exists(f, "half"));
}

/* The old file stays, and what had arrived beside it, until it is whole. */
static bool
resumed_over(struct jail_fixture *f, enum sp_err rc)
{
    if (fixture_has(f, "b", NEW))
        return !fixture_exists(f, ".sp-part.b");
    /* what could not be synced may have lost some of its bytes: it is not gone on with */
    return rc != SP_OK && fixture_has(f, "b", OLD)
        && (fixture_exists(f, ".sp-part.b") || strcmp(failing_name(), "fsync") == 0
            || strcmp(failing_name(), "fcntl") == 0);
}

static bool
appended(struct jail_fixture *f, enum sp_err rc)
{
    return fixture_has(f, "a", OLD NEW) || (rc != SP_OK && fixture_has(f, "a", OLD));
}

/* One of the two names has it, and the other has what it had or nothing of its own. */
static bool
renamed(struct jail_fixture *f, enum sp_err rc)
{
    bool moved = fixture_has(f, "b", NEW) && !fixture_exists(f, "d/c.txt");
    bool stayed = fixture_has(f, "b", OLD) && fixture_has(f, "d/c.txt", NEW)
        && fixture_has(f, ".sp-part.b", HALF);

    return rc == SP_OK ? moved : moved || stayed;
}

/*
 * As renamed; or both, where the old name could not be removed at the end. Nothing half, and
 * nothing hidden, but where that could not be removed either.
 */
static bool
moved(struct jail_fixture *f, enum sp_err rc)
{
    bool both = fixture_has(f, "b", NEW) && fixture_has(f, "d/c.txt", NEW);

    return renamed(f, rc) || (rc != SP_OK && both);
}

static bool
renamed_unfinished(struct jail_fixture *f, enum sp_err rc)
{
    bool stayed = fixture_has(f, ".sp-part.half", HALF);
    bool moved = fixture_has(f, ".sp-part.whole", HALF) || fixture_has(f, "whole", HALF);

    return rc == SP_OK ? moved && !stayed : moved || stayed;
}

static bool
deleted(struct jail_fixture *f, enum sp_err rc)
{
    return fixture_exists(f, "a") ? rc != SP_OK && fixture_has(f, "a", OLD) : rc == SP_OK;
}

/* Never the file without its unfinished upload, which would have its name then. */
static bool
deleted_both(struct jail_fixture *f, enum sp_err rc)
{
    if (fixture_exists(f, "b"))
        return rc != SP_OK && fixture_has(f, ".sp-part.b", HALF);
    return (rc == SP_OK) == !fixture_exists(f, ".sp-part.b");
}

static bool
deleted_unfinished(struct jail_fixture *f, enum sp_err rc)
{
    return fixture_exists(f, ".sp-part.half") != (rc == SP_OK);
}

static bool
made(struct jail_fixture *f, enum sp_err rc)
{
    return rc != SP_OK || fixture_exists(f, "made");
}

static bool
removed(struct jail_fixture *f, enum sp_err rc)
{
    return fixture_exists(f, "empty") == (rc != SP_OK);
}

static bool
mode_set(struct jail_fixture *f, enum sp_err rc)
{
    return fixture_mode(f, "a") == 0600 || (rc != SP_OK && fixture_mode(f, "a") == 0640);
}

static bool
modified_set(struct jail_fixture *f, enum sp_err rc)
{
    struct stat st = { .st_mtime = 0 };

    return fstatat(f->jail, "a", &st, 0) == 0
        && (st.st_mtime == 981173106) >= (rc == SP_OK);
}

/* Nothing that was there is different. */
static bool
untouched(struct jail_fixture *f, enum sp_err rc)
{
    (void)rc;
    return fixture_has(f, "a", OLD) && fixture_has(f, ".sp-part.half", HALF)
        && fixture_has(f, "b", OLD) && fixture_has(f, ".sp-part.b", HALF)
        && fixture_has(f, "d/c.txt", NEW);
}

/*
 * A listing that lacks something is not called complete. But what this user may not look at
 * has no line.
 */
static bool
listed(struct jail_fixture *f, enum sp_err rc)
{
    return untouched(f, rc)
        && (rc != SP_OK || strcmp(text, whole) == 0 || failing_error() == EACCES);
}

/* ---- the walk ---------------------------------------------------------------------- */

struct request {
    const char *name;
    enum sp_err (*run)(struct jail_fixture *f);
    bool (*holds)(struct jail_fixture *f, enum sp_err rc);
    const struct refusal *refused;      /* what fails each time */
};

/* The nth call fails, if there are so many; whether there were. */
static bool
one(const struct request *r, unsigned nth, int error)
{
    struct jail_fixture f;
    enum sp_err rc = SP_OK;
    bool failed = false;

    plant(&f);
    failing_refuse(r->refused);
    failing_begin(nth, error);
    rc = r->run(&f);
    failed = failing_end();
    upload_settle(&f.b);
    if (!r->holds(&f, rc)) {
        printf("%s: %s, the %uth call, fails with %s: %s\n", r->name, failing_name(), nth,
               strerrorname_np(error), sp_err_text(rc));
        CU_FAIL("what must hold does not");
    }
    if (!failed)
        CU_ASSERT_EQUAL(rc, SP_OK);
    fixture_close(&f);
    return failed;
}

static void
walk(const struct request *r)
{
    unsigned tried = 0;

    for (const int *error = failing_errors; *error != 0; error++) {
        unsigned nth = 1;

        while (nth < CALLS_MOST && one(r, nth, *error))
            nth++;
        CU_ASSERT(nth > 1 && nth < CALLS_MOST);
        tried += nth - 1;
    }
    printf("tried: %u faults in %s\n", tried, r->name);
}

static void
uploads(void)
{
    static const struct request rows[] = {
        { "STOR over a file", overwrite, overwritten, NULL },
        { "STOR over a file with two names", overwrite_linked, overwritten_linked, NULL },
        { "STOR over a file with attributes", overwrite_with_attribute,
          overwritten_noted, NULL },
        { "STOR of a new file", create, created, NULL },
        { "STOR of a new file after ALLO", create_allocated, created, NULL },
        { "STOR after REST", resume, resumed, NULL },
        { "STOR after ALLO and REST", resume_allocated, resumed, NULL },
        { "STOR over an unfinished file", over_a_rest, resumed, NULL },
        { "STOR after REST over a file", resume_over, resumed_over, NULL },
        { "APPE", append, appended, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        walk(&rows[i]);
}

static void
changes(void)
{
    static const struct request rows[] = {
        { "RNTO over a file", rename_over, renamed, NULL },
        { "RNTO over a file, to another file system", move_over, moved, across },
        { "RNTO of an unfinished file", rename_unfinished, renamed_unfinished, NULL },
        { "DELE", delete, deleted, NULL },
        { "DELE of a file and its unfinished upload", delete_both, deleted_both, NULL },
        { "DELE of an unfinished file", delete_unfinished, deleted_unfinished, NULL },
        { "MKD", make_directory, made, NULL },
        { "RMD", remove_directory, removed, NULL },
        { "RMD of what a client sees nothing in", remove_unseen, removed, NULL },
        { "SITE CHMOD", mode, mode_set, NULL },
        { "MFMT", modified, modified_set, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        walk(&rows[i]);
}

static void
questions(void)
{
    static const struct request rows[] = {
        { "RETR", read_file, untouched, NULL },
        { "CWD", change_directory, untouched, NULL },
        { "AVBL", space, untouched, NULL },
        { "MLST", facts, untouched, NULL },
        { "MDTM", status, untouched, NULL },
        { "SIZE of an unfinished upload over a file, RETR", size_over, untouched, NULL },
        { "REST in ASCII", read_resumed, untouched, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        walk(&rows[i]);
}

static void
listings(void)
{
    static const struct { const char *name, *path; unsigned kind, options; } rows[] = {
        { "NLST", "/", LISTING_NLST, 0 },
        { "NLST -R", "/", LISTING_NLST, LISTING_RECURSIVE },
        { "LIST -aR", "/", LISTING_LIST, LISTING_ALL | LISTING_RECURSIVE },
        { "MLSD", "/", LISTING_MLSD, 0 },
    };
    static const struct request r = { "a listing", list, listed, NULL };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        list_path = rows[i].path;
        list_kind = rows[i].kind;
        list_options = rows[i].options;
        printf("%s: ", rows[i].name);
        /* the first one without a fault says how it is to look */
        (void)memset(whole, 0, sizeof whole);
        struct jail_fixture f;

        plant(&f);
        CU_ASSERT_EQUAL(list(&f), SP_OK);
        CU_ASSERT(text[0] != '\0' && text_copy(whole, sizeof whole, text));
        fixture_close(&f);
        walk(&r);
    }
}

static const struct unit_test tests[] = {
    { "an upload with a fault leaves the old file or the whole new one", uploads },
    { "a change with a fault is made or is not", changes },
    { "a question with a fault changes nothing", questions },
    { "a listing with a fault is complete or not called so", listings },
    { NULL, NULL }
};

static const struct unit_suite suite_broker_faults = { "broker with faults", tests };
extern const struct unit_suite suite_file_systems;

int
main(void)
{
    static const struct unit_suite *const suites[] = { &suite_broker_faults,
                                                       &suite_file_systems, NULL };

    return unit_main(suites);
}
