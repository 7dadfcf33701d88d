/* tests/unit/test_resolve.c - src/broker/resolve.c */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "broker/resolve.h"
#include "jail_fixture.h"
#include "unit.h"

static void
texts(void)
{
    static const struct { const char *path; bool good; } rows[] = {
        { "/", true }, { "/a/b", true }, { "/a//b", true }, { "/..", true },
        { "/.sp-part.a", false }, { "/.sp-part./x", false }, { "/a/.sp-part.b/c", false },
        { "/.sp-part", true }, { "a", false }, { "", false }, { "/x.sp-part.y", true },
    };
    char out[PATH_MAX], longest[PATH_MAX + 8];
    struct jail_fixture f;

    fixture_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_EQUAL(resolve_text(&f.b, slice_of(rows[i].path), out),
                        rows[i].good ? SP_OK : SP_REFUSED);
    memset(longest, 'a', sizeof longest);
    for (size_t i = 0; i < sizeof longest; i += 100)
        longest[i] = '/';
    CU_ASSERT(resolve_text(&f.b, slice_from(longest, PATH_MAX - 1), out) == SP_OK);
    CU_ASSERT(resolve_text(&f.b, slice_from(longest, PATH_MAX), out) == SP_REFUSED);
    CU_ASSERT_EQUAL(f.b.why, FAIL_NAME);
    longest[100] = 'a';
    longest[200] = 'a';
    CU_ASSERT(resolve_text(&f.b, slice_from(longest, 300), out) == SP_REFUSED);
    CU_ASSERT(resolve_text(&f.b, slice_from("/a\0b", 4), out) == SP_REFUSED);
    fixture_close(&f);
}

/* Every way out that is known: each must end inside, or nowhere. */
static void
ways_out(void)
{
    static const char *const links[][2] = {
        { "../outside", "relative" }, { "/outside", "absolute" },
        { "../../../../../../../../etc", "far" }, { "/proc/self/root", "proc" },
        { "/proc/self/cwd/..", "cwd" }, { "../outside/secret", "file" },
        { "loop", "loop" }, { "sub/../../outside", "mixed" },
    };
    static const char *const paths[] = {
        "/../outside/secret",
        "/sub/../../outside/secret",
        "/relative/secret",
        "/absolute/secret",
        "/far/passwd",
        "/proc/etc/passwd",
        "/cwd/secret",
        "/file",
        "/loop",
        "/mixed/secret",
        "/sub/up/../outside/secret",
    };
    struct jail_fixture f;
    int fd = -1;

    fixture_open(&f);
    fixture_dir(&f, "sub");
    fixture_link(&f, "..", "sub/up");
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        fixture_link(&f, links[i][0], links[i][1]);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        CU_ASSERT(resolve_open(&f.b, paths[i], O_RDONLY, &fd) == SP_OS);
        fd_close(&fd);
    }
    /* up and up again is still the jail */
    CU_ASSERT(resolve_open(&f.b, "/sub/up/../../../sub", O_PATH | O_DIRECTORY, &fd)
              == SP_OK);
    fd_close(&fd);
    fixture_close(&f);
}

/* Another process of the same user, who would like to lead us out. */
static void
swap_for_ever(int dir)
{
    for (;;)
        (void)renameat2(dir, "honest", dir, "link", RENAME_EXCHANGE);
}

static void
swapped(void)
{
    struct jail_fixture f;
    pid_t pid = -1;
    int64_t end = 0;
    unsigned inside = 0;

    fixture_open(&f);
    fixture_dir(&f, "honest");
    fixture_dir(&f, "honest/deep");
    fixture_file(&f, "honest/deep/secret", "harmless");
    fixture_link(&f, "../../outside/..", "link");
    CU_ASSERT_FATAL((pid = fork()) != -1);
    if (pid == 0)
        swap_for_ever(f.jail);
    end = clock_ms() + 300;
    while (clock_ms() < end) {
        static const char *const paths[] = {
            "/honest/deep/secret", "/honest/outside/secret", "/honest/../outside/secret",
            "/honest/deep/../outside/secret"
        };

        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            char got[8] = "";
            int fd = -1;

            if (resolve_open(&f.b, paths[i], O_RDONLY, &fd) != SP_OK)
                continue;
            CU_ASSERT(read(fd, got, sizeof got) == 8 && memcmp(got, "harmless", 8) == 0);
            inside++;
            fd_close(&fd);
        }
    }
    CU_ASSERT(inside > 0);
    CU_ASSERT(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    fixture_close(&f);
}

static void
last_names(void)
{
    static const char *const bad[] = { "/", "/a/", "/.", "/..", "/a/..", "/a/." };
    struct jail_fixture f;
    struct place at = PLACE_EMPTY;

    fixture_open(&f);
    fixture_dir(&f, "a");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT(resolve_place(&f.b, bad[i], &at) == SP_REFUSED);
        CU_ASSERT_EQUAL(f.b.why, FAIL_NAME);
    }
    CU_ASSERT(resolve_place(&f.b, "/a/b", &at) == SP_OK);
    CU_ASSERT_STRING_EQUAL(at.name, "b");
    place_clear(&at);
    CU_ASSERT(resolve_place(&f.b, "/no/b", &at) == SP_OS && errno == ENOENT);
    fixture_close(&f);
}

static void
targets(void)
{
    static const struct { const char *path; enum sp_err rc; const char *name; } rows[] = {
        { "/d/direct", SP_OK, "plain" }, { "/d/absolute", SP_OK, "plain" },
        { "/d/out", SP_OK, "secret" }, { "/d/loop", SP_OS, NULL },
        { "/d/up", SP_REFUSED, NULL }, { "/d/own", SP_REFUSED, NULL },
        { "/d/chain", SP_OK, "plain" }, { "/d/plain", SP_OK, "plain" },
        { "/l/direct", SP_OK, "plain" },
    };
    struct jail_fixture f;

    fixture_open(&f);
    fixture_dir(&f, "d");
    fixture_dir(&f, "outside");
    fixture_file(&f, "d/plain", "x");
    fixture_link(&f, "d", "l");
    fixture_link(&f, "plain", "d/direct");
    fixture_link(&f, "/d/plain", "d/absolute");
    fixture_link(&f, "../../outside/secret", "d/out");
    fixture_link(&f, "loop", "d/loop");
    fixture_link(&f, "..", "d/up");
    fixture_link(&f, ".sp-part.x", "d/own");
    fixture_link(&f, "direct", "d/chain");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct place at = PLACE_EMPTY;

        CU_ASSERT_EQUAL(resolve_target(&f.b, rows[i].path, &at), rows[i].rc);
        if (rows[i].name != NULL)
            CU_ASSERT_STRING_EQUAL(at.name, rows[i].name);
        place_clear(&at);
    }
    fixture_close(&f);
}

static void
unfinished_seen(void)
{
    struct jail_fixture f;
    struct seen seen = SEEN_EMPTY;

    fixture_open(&f);
    fixture_file(&f, ".sp-part.new", "12345");
    fixture_file(&f, ".sp-part.old", "12345");
    fixture_file(&f, "old", "1");
    CU_ASSERT(resolve_seen(&f.b, "/new", &seen) == SP_OK);
    CU_ASSERT(seen.unfinished && seen.st.stx_size == 5);
    seen_clear(&seen);
    CU_ASSERT(resolve_seen(&f.b, "/old", &seen) == SP_OK);
    CU_ASSERT(!seen.unfinished && seen.st.stx_size == 1);
    seen_clear(&seen);
    CU_ASSERT(resolve_seen(&f.b, "/none", &seen) == SP_OS && errno == ENOENT);
    fixture_close(&f);
}

static const struct unit_test tests[] = {
    { "the server's own names and overlong paths are refused", texts },
    { "no link and no dots lead out of the jail", ways_out },
    { "a link that is swapped in at any moment does not lead out", swapped },
    { "what changes a name needs a name to change", last_names },
    { "a link is followed to the place it means, inside the jail", targets },
    { "an unfinished upload is seen under its final name while that is free",
      unfinished_seen },
    { NULL, NULL }
};
const struct unit_suite suite_resolve = { "resolve", tests };
