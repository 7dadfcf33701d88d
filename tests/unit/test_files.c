/* tests/unit/test_files.c - src/broker/files.c */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "broker/files.h"
#include "broker/partial.h"
#include "ftp/listing.h"
#include "jail_fixture.h"
#include "unit.h"
#include "wire/grant.h"
#include "wire/pack.h"

#define S(text) slice_of(text)

static void
reading(void)
{
    static const struct {
        const char *path;
        enum sp_err rc;
        enum fail_code why;
    } rows[] = {
        { "/file", SP_OK, 0 },
        { "/link", SP_OK, 0 },
        { "/unfinished", SP_REFUSED, FAIL_UNFINISHED },
        { "/dir", SP_REFUSED, FAIL_NOT_FILE },
        { "/fifo", SP_REFUSED, FAIL_NOT_FILE },
        { "/", SP_REFUSED, FAIL_NOT_FILE },
        { "/none", SP_OS, 0 },
        { "/out", SP_OS, 0 },
        { "/.sp-part.unfinished", SP_REFUSED, FAIL_NAME },
    };
    struct jail_fixture f;
    struct statx st;

    fixture_open(&f);
    fixture_file(&f, "file", "1");
    fixture_file(&f, ".sp-part.unfinished", "2");
    fixture_dir(&f, "dir");
    fixture_link(&f, "file", "link");
    fixture_link(&f, "../outside/secret", "out");
    CU_ASSERT(mkfifoat(f.jail, "fifo", 0666) == 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = -1;

        CU_ASSERT_EQUAL(files_open_read(&f.b, S(rows[i].path), &fd, &st), rows[i].rc);
        if (rows[i].rc == SP_REFUSED)
            CU_ASSERT_EQUAL(f.b.why, rows[i].why);
        if (rows[i].rc == SP_OK) {
            CU_ASSERT_EQUAL(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
            CU_ASSERT_EQUAL(st.stx_size, 1);
        }
        fd_close(&fd);
    }
    fixture_close(&f);
}

/* For who resumes: where both are there, the upload that broke off and not the file. */
static void
looking_at_unfinished(void)
{
    struct jail_fixture f;
    struct msg_status st;
    struct statx stx;
    int fd = -1;

    fixture_open(&f);
    fixture_file(&f, "a", "long old content");
    fixture_file(&f, ".sp-part.a", "new");
    fixture_link(&f, "a", "link");
    fixture_file(&f, ".sp-part.b", "begun");
    CU_ASSERT(files_size(&f.b, S("/b"), &st) == SP_OK && st.size == 5);
    CU_ASSERT(files_status(&f.b, S("/a"), &st) == SP_OK && st.size == 16);
    CU_ASSERT(files_open_read(&f.b, S("/a"), &fd, &stx) == SP_OK && stx.stx_size == 16);
    fd_close(&fd);
    CU_ASSERT(files_size(&f.b, S("/link"), &st) == SP_OK && st.size == 3);
    CU_ASSERT(files_size(&f.b, S("/a"), &st) == SP_OK && st.size == 3);
    /* told of a length, no session gets a file of another one */
    CU_ASSERT(files_open_read(&f.b, S("/a"), &fd, &stx) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_UNFINISHED);
    CU_ASSERT(files_open_resumed(&f.b, S("/a"), &fd, &stx) == SP_OK && stx.stx_size == 3);
    fd_close(&fd);
    CU_ASSERT(files_open_resumed(&f.b, S("/b"), &fd, &stx) == SP_OK && stx.stx_size == 5);
    fd_close(&fd);
    /* while it is being written it has no length to tell */
    CU_ASSERT(partial_open(&f.b, f.jail, ".sp-part.a", &fd) == SP_OK);
    CU_ASSERT(files_size(&f.b, S("/a"), &st) == SP_REFUSED && f.b.why == FAIL_BUSY);
    fd_close(&fd);
    /* who may not replace the file has nothing to resume */
    f.b.permits = PERMIT_READ_ONLY;
    CU_ASSERT(files_size(&f.b, S("/a"), &st) == SP_OK && st.size == 16);
    CU_ASSERT(files_open_resumed(&f.b, S("/a"), &fd, &stx) == SP_OK && stx.stx_size == 16);
    fd_close(&fd);
    /* it is gone: the file is what it was */
    f.b.permits = PERMIT_ALL;
    CU_ASSERT(files_size(&f.b, S("/a"), &st) == SP_OK && st.size == 3);
    CU_ASSERT(unlinkat(f.jail, ".sp-part.a", 0) == 0);
    CU_ASSERT(files_open_read(&f.b, S("/a"), &fd, &stx) == SP_OK && stx.stx_size == 16);
    fd_close(&fd);
    fixture_close(&f);
}

/* Nothing is read for who may not go on with it anyway. */
static void
restart_permits(void)
{
    static const struct {
        const char *path;
        unsigned without;       /* this permit */
        enum fail_code why;     /* 0: opened   */
        uint64_t size;
    } rows[] = {
        { "/a", 0, 0, 5 },
        { "/a", PERMIT_UPLOAD, 0, 3 },          /* the file itself: at its end, perhaps */
        { "/a", PERMIT_OVERWRITE, 0, 3 },
        { "/a", PERMIT_APPEND, 0, 5 },
        { "/a", PERMIT_DOWNLOAD, FAIL_PERMIT, 0 },
        { "/c", PERMIT_APPEND, FAIL_PERMIT, 0 },
        { "/c", PERMIT_UPLOAD, 0, 3 },
        { "/b", PERMIT_UPLOAD, FAIL_PERMIT, 0 },
        { "/b", PERMIT_APPEND, 0, 5 },
        { "/none", 0, FAIL_OFFSET, 0 },
        { "/d", 0, FAIL_NOT_FILE, 0 },
    };
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "a", "old");
    fixture_file(&f, ".sp-part.a", "begun");
    fixture_file(&f, ".sp-part.b", "begun");
    fixture_file(&f, "c", "old");
    fixture_dir(&f, "d");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct statx st = { .stx_size = 0 };
        int fd = -1;
        enum sp_err rc;

        f.b.permits = PERMIT_ALL & ~rows[i].without;
        rc = files_open_restart(&f.b, S(rows[i].path), &fd, &st);
        CU_ASSERT_EQUAL(rc, rows[i].why == 0 ? SP_OK : SP_REFUSED);
        CU_ASSERT_EQUAL(rc == SP_OK ? 0 : f.b.why, rows[i].why);
        CU_ASSERT_EQUAL(st.stx_size, rows[i].size);
        fd_close(&fd);
    }
    fixture_close(&f);
}

/* A directory in which a client sees nothing can be removed. */
static void
removing_unseen(void)
{
    struct jail_fixture f;
    char name[NAME_MAX + 1] = "", partial[NAME_MAX + 1], path[PATH_MAX];
    int dir = -1, fd = -1;

    memset(name, 'x', 140);
    partial_name(name, partial);
    fixture_open(&f);
    fixture_dir(&f, "d");
    CU_ASSERT(text_printf(path, sizeof path, "d/%s", partial));
    fixture_file(&f, path, "begun");
    f.b.permits = PERMIT_ALL & ~(unsigned)PERMIT_DELETE;
    CU_ASSERT(files_rmdir(&f.b, S("/d")) == SP_OS && errno == ENOTEMPTY);
    f.b.permits = PERMIT_ALL;
    /* not while somebody writes, and not where a client sees something */
    dir = openat(f.jail, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT(partial_open(&f.b, dir, partial, &fd) == SP_OK);
    CU_ASSERT(files_rmdir(&f.b, S("/d")) == SP_OS && errno == ENOTEMPTY);
    fd_close(&fd);
    fd_close(&dir);
    fixture_file(&f, "d/.sp-part.seen", "begun");
    CU_ASSERT(files_rmdir(&f.b, S("/d")) == SP_OS && errno == ENOTEMPTY);
    CU_ASSERT(fixture_exists(&f, path));
    CU_ASSERT(files_delete(&f.b, S("/d/seen")) == SP_OK);
    CU_ASSERT(files_rmdir(&f.b, S("/d")) == SP_OK && !fixture_exists(&f, "d"));
    fixture_close(&f);
}

static void
deleting_unfinished(void)
{
    struct jail_fixture f;
    int fd = -1;

    fixture_open(&f);
    fixture_file(&f, "a", "old");
    fixture_file(&f, ".sp-part.a", "new");
    CU_ASSERT(partial_open(&f.b, f.jail, ".sp-part.a", &fd) == SP_OK);
    CU_ASSERT(files_delete(&f.b, S("/a")) == SP_REFUSED && f.b.why == FAIL_BUSY);
    CU_ASSERT(fixture_has(&f, "a", "old"));
    fd_close(&fd);
    CU_ASSERT(files_delete(&f.b, S("/a")) == SP_OK);
    CU_ASSERT_FALSE(fixture_exists(&f, "a") || fixture_exists(&f, ".sp-part.a"));
    /* of a file that may not be deleted the upload stays, too */
    fixture_dir(&f, "d");
    fixture_file(&f, ".sp-part.d", "new");
    CU_ASSERT(files_delete(&f.b, S("/d")) == SP_OS);
    CU_ASSERT(fixture_has(&f, ".sp-part.d", "new"));
    fixture_close(&f);
}

static void
deleting(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "a", "");
    fixture_file(&f, ".sp-part.b", "x");
    fixture_dir(&f, "d");
    fixture_link(&f, "/d", "l");
    CU_ASSERT(files_delete(&f.b, S("/a")) == SP_OK && !fixture_exists(&f, "a"));
    CU_ASSERT(files_delete(&f.b, S("/b")) == SP_OK && !fixture_exists(&f, ".sp-part.b"));
    CU_ASSERT(files_delete(&f.b, S("/d")) == SP_OS && errno == EISDIR);
    CU_ASSERT(files_delete(&f.b, S("/l")) == SP_OK && fixture_exists(&f, "d"));
    CU_ASSERT(files_delete(&f.b, S("/none")) == SP_OS && errno == ENOENT);
    CU_ASSERT(files_delete(&f.b, S("/../outside/secret")) == SP_OS);
    CU_ASSERT(files_rmdir(&f.b, S("/d")) == SP_OK && !fixture_exists(&f, "d"));
    CU_ASSERT(files_rmdir(&f.b, S("/")) == SP_REFUSED);
    fixture_close(&f);
}

static void
renaming(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, "a", "a");
    fixture_file(&f, "b", "b");
    fixture_dir(&f, "d");
    fixture_dir(&f, "e");
    f.b.permits = PERMIT_RENAME;
    CU_ASSERT(files_rename(&f.b, S("/a"), S("/b")) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_EXISTS);
    CU_ASSERT(files_rename(&f.b, S("/a"), S("/d/a")) == SP_OK
              && fixture_has(&f, "d/a", "a"));
    f.b.permits = PERMIT_RENAME | PERMIT_OVERWRITE;
    CU_ASSERT(files_rename(&f.b, S("/d/a"), S("/b")) == SP_OK
              && fixture_has(&f, "b", "a"));
    CU_ASSERT(files_rename(&f.b, S("/d"), S("/e")) == SP_REFUSED
              && f.b.why == FAIL_EXISTS);
    CU_ASSERT(files_rename(&f.b, S("/b"), S("/e")) == SP_REFUSED
              && f.b.why == FAIL_EXISTS);
    CU_ASSERT(files_rename(&f.b, S("/d"), S("/g")) == SP_OK && fixture_exists(&f, "g"));
    CU_ASSERT(files_rename(&f.b, S("/none"), S("/x")) == SP_OS && errno == ENOENT);
    CU_ASSERT(files_rename(&f.b, S("/b"), S("/../outside/b")) == SP_OS);
    CU_ASSERT(files_rename(&f.b, S("/b"), S("/.sp-part.b")) == SP_REFUSED);
    f.b.permits = PERMIT_ALL & ~(unsigned)PERMIT_RENAME;
    CU_ASSERT(files_rename(&f.b, S("/b"), S("/x")) == SP_REFUSED
              && f.b.why == FAIL_PERMIT);
    fixture_close(&f);
}

static void
renaming_unfinished(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, ".sp-part.a", "a");
    fixture_file(&f, "taken", "t");
    fixture_file(&f, ".sp-part.begun", "p");
    CU_ASSERT(files_rename(&f.b, S("/a"), S("/taken")) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_EXISTS);
    CU_ASSERT(files_rename(&f.b, S("/a"), S("/begun")) == SP_REFUSED);
    CU_ASSERT(files_rename(&f.b, S("/a"), S("/b")) == SP_OK);
    CU_ASSERT(fixture_has(&f, ".sp-part.b", "a") && !fixture_exists(&f, "b"));
    /* what is finished takes the place of what is only begun */
    CU_ASSERT(files_rename(&f.b, S("/taken"), S("/begun")) == SP_OK);
    CU_ASSERT(fixture_has(&f, "begun", "t") && !fixture_exists(&f, ".sp-part.begun"));
    /* but not before it has it */
    fixture_dir(&f, "dir");
    fixture_dir(&f, "dir/x");
    fixture_file(&f, "dir/x/.sp-part.dir", "p");
    CU_ASSERT(files_rename(&f.b, S("/dir"), S("/dir/x/dir")) == SP_OS);
    CU_ASSERT(fixture_has(&f, "dir/x/.sp-part.dir", "p"));
    fixture_close(&f);
}

static void
directories(void)
{
    struct jail_fixture f;

    fixture_open(&f);
    fixture_file(&f, ".sp-part.p", "x");
    fixture_file(&f, "file", "");
    CU_ASSERT(files_umask(&f.b, 027) == SP_OK);
    CU_ASSERT(files_mkdir(&f.b, S("/d")) == SP_OK && fixture_mode(&f, "d") == 0750);
    (void)umask(022);
    CU_ASSERT(files_mkdir(&f.b, S("/d")) == SP_OS && errno == EEXIST);
    CU_ASSERT(files_mkdir(&f.b, S("/p")) == SP_OS && errno == EEXIST);
    CU_ASSERT(files_chdir(&f.b, S("/d")) == SP_OK);
    CU_ASSERT(files_chdir(&f.b, S("/")) == SP_OK);
    CU_ASSERT(files_chdir(&f.b, S("/file")) == SP_OS && errno == ENOTDIR);
    CU_ASSERT(files_rmdir(&f.b, S("/file")) == SP_OS && errno == ENOTDIR);
    f.b.permits = PERMIT_READ_ONLY;
    CU_ASSERT(files_mkdir(&f.b, S("/x")) == SP_REFUSED && f.b.why == FAIL_PERMIT);
    CU_ASSERT(files_rmdir(&f.b, S("/d")) == SP_REFUSED && f.b.why == FAIL_PERMIT);
    fixture_close(&f);
}

static void
attributes(void)
{
    struct jail_fixture f;
    struct msg_status st = { 0 };

    fixture_open(&f);
    fixture_file(&f, "a", "12");
    fixture_dir(&f, "d");
    fixture_link(&f, "a", "l");
    fixture_link(&f, "../outside/secret", "out");
    CU_ASSERT(mkfifoat(f.jail, "fifo", 0666) == 0);
    CU_ASSERT(fchmodat(f.jail, "d", 02755, 0) == 0);
    CU_ASSERT(files_chmod(&f.b, S("/l"), 0600) == SP_OK && fixture_mode(&f, "a") == 0600);
    CU_ASSERT(files_chmod(&f.b, S("/d"), 0700) == SP_OK
              && fixture_mode(&f, "d") == 02700);
    CU_ASSERT(files_chmod(&f.b, S("/fifo"), 0600) == SP_REFUSED
              && f.b.why == FAIL_NOT_FILE);
    CU_ASSERT(files_chmod(&f.b, S("/out"), 0777) == SP_OS);
    CU_ASSERT(files_utime(&f.b, S("/l"), 981173106, 5) == SP_OK);
    CU_ASSERT(files_status(&f.b, S("/a"), &st) == SP_OK);
    CU_ASSERT(st.kind == FILE_REGULAR && st.size == 2 && st.mtime == 981173106
              && st.nanos == 5 && st.mode == 0600);
    CU_ASSERT(files_utime(&f.b, S("/fifo"), 981173106, 0) == SP_OK);
    CU_ASSERT(files_status(&f.b, S("/d"), &st) == SP_OK && st.kind == FILE_DIRECTORY);
    CU_ASSERT(files_status(&f.b, S("/fifo"), &st) == SP_OK && st.kind == FILE_OTHER);
    f.b.permits = PERMIT_READ_ONLY;
    CU_ASSERT(files_chmod(&f.b, S("/a"), 0777) == SP_REFUSED && f.b.why == FAIL_PERMIT);
    CU_ASSERT(files_utime(&f.b, S("/a"), 0, 0) == SP_REFUSED && f.b.why == FAIL_PERMIT);
    fixture_close(&f);
}

static void
facts(void)
{
    struct buf line = BUF_EMPTY(8192);
    struct jail_fixture f;

    fixture_open(&f);
    fixture_dir(&f, "d");
    fixture_file(&f, "d/.sp-part.a b", "123");
    CU_ASSERT(files_facts(&f.b, S("/d/a b"), FACT_TYPE | FACT_SIZE, &line) == SP_OK);
    CU_ASSERT(slice_equal(buf_slice(&line), S("type=file;size=3; /d/a b")));
    buf_consume(&line, line.len);
    CU_ASSERT(files_facts(&f.b, S("/"), FACT_TYPE, &line) == SP_OK);
    CU_ASSERT(slice_equal(buf_slice(&line), S("type=dir; /")));
    f.b.permits = 0;
    CU_ASSERT(files_facts(&f.b, S("/"), FACT_TYPE, &line) == SP_REFUSED);
    buf_free(&line);
    fixture_close(&f);
}

/* Another process of the same user, who would like us to open the wrong one. */
static void
swap_for_ever(int dir)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);     /* not beyond a test that is killed */
    for (;;)
        (void)renameat2(dir, "file", dir, "fifo", RENAME_EXCHANGE);
}

static void
swapped(void)
{
    struct jail_fixture f;
    struct statx st;
    pid_t pid = -1;
    int64_t end = 0;
    unsigned opened = 0, refused = 0;

    fixture_open(&f);
    fixture_file(&f, "file", "content");
    CU_ASSERT(mkfifoat(f.jail, "fifo", 0666) == 0);
    CU_ASSERT_FATAL((pid = fork()) != -1);
    if (pid == 0)
        swap_for_ever(f.jail);
    (void)alarm(UNIT_HANGS);    /* whoever waits for a FIFO's other end waits for ever */
    end = clock_ms() + (getenv("SALLYPORT_LONG") != NULL ? 10000 : 700);
    while (clock_ms() < end) {
        int fd = -1;

        if (files_open_read(&f.b, S("/file"), &fd, &st) != SP_OK) {
            refused++;
            continue;
        }
        CU_ASSERT(S_ISREG(st.stx_mode));
        opened++;
        fd_close(&fd);
    }
    (void)alarm(0);
    CU_ASSERT(opened > 0 && refused > 0);
    CU_ASSERT(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    fixture_close(&f);
}

static void
space(void)
{
    struct jail_fixture f;
    uint64_t bytes = 0;

    fixture_open(&f);
    CU_ASSERT(files_space(&f.b, S("/"), &bytes) == SP_OK && bytes > 0);
    CU_ASSERT(files_space(&f.b, S("/none"), &bytes) == SP_OS);
    fixture_close(&f);
}

static const struct unit_test tests[] = {
    { "only regular files inside the jail are opened for reading", reading },
    { "who resumes is told of the unfinished upload, not of the file",
      looking_at_unfinished },
    { "REST in TYPE A opens nothing for who may not upload it", restart_permits },
    { "a file and its unfinished upload are deleted together", deleting_unfinished },
    { "a directory with nothing to be seen is removed", removing_unseen },
    { "files are deleted, directories removed, and not the other way round", deleting },
    { "a rename replaces only what it may, and never a directory", renaming },
    { "an unfinished upload is renamed as one", renaming_unfinished },
    { "directories are made with the umask of the session", directories },
    { "modes and times follow a link inside the jail, and a FIFO holds nobody up",
      attributes },
    { "the fact line has the name that was asked for", facts },
    { "a FIFO that is swapped in is neither waited for nor handed out", swapped },
    { "free space is told", space },
    { NULL, NULL }
};
const struct unit_suite suite_files = { "files", tests };
