/* tests/unit/test_jaildir.c - auth/jaildir.c */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/jaildir.h"
#include "auth_fixture.h"
#include "unit.h"

static struct fixture f;
static char path[160];

static enum sp_err
ensure(const char *below, bool create)
{
    const char *why = NULL;
    enum sp_err rc = SP_OS;

    (void)text_printf(path, sizeof path, "%s/%s", f.directory, below);
    rc = jaildir_ensure(path, JAILDIR_HOW(create), 0750, fixture_uid(), fixture_gid(), &why);
    if (rc != SP_OK)
        CU_ASSERT_PTR_NOT_NULL(why);
    return rc;
}

static void
made(void)
{
    struct stat st = { 0 };
    mode_t before = umask(077);
    const char *why = NULL;

    fixture_begin(&f);
    CU_ASSERT_EQUAL(ensure("new", false), SP_REFUSED);
    CU_ASSERT_EQUAL(ensure("new", true), SP_OK);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_TRUE(S_ISDIR(st.st_mode));
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0750);
    CU_ASSERT_EQUAL(st.st_uid, fixture_uid());
    CU_ASSERT_EQUAL(st.st_gid, fixture_gid());
    CU_ASSERT_EQUAL(ensure("new", false), SP_OK);
    CU_ASSERT_EQUAL(ensure("no/such/parent", false), SP_REFUSED);
    (void)text_printf(path, sizeof path, "%s/no/such/parent", f.directory);
    CU_ASSERT_EQUAL(jaildir_ensure(path, JAILDIR_LOOK, 0750, 1, 1, &why), SP_OK);
    CU_ASSERT_EQUAL(ensure("no", false), SP_REFUSED);   /* it only looked */
    CU_ASSERT_EQUAL(ensure("no/such/parent", true), SP_OK);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0750);
    CU_ASSERT_EQUAL(st.st_uid, fixture_uid());
    for (unsigned up = 0; up < 2; up++) {       /* and the way is root's */
        *strrchr(path, '/') = '\0';
        CU_ASSERT_EQUAL(stat(path, &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0755);
        CU_ASSERT_EQUAL(st.st_uid, geteuid());
    }
    (void)umask(before);
    fixture_end(&f);
}

static void
existing(void)
{
    struct stat st = { 0 };

    fixture_begin(&f);
    CU_ASSERT_EQUAL(ensure("jail", true), SP_OK);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_uid, geteuid());      /* nobody has given it away */
    CU_ASSERT_EQUAL(ensure("argon2.slots", true), SP_REFUSED);  /* a file */
    fixture_end(&f);
}

static void
unsafe_parent(void)
{
    char parent[160] = "";
    const char *why = NULL;

    fixture_begin(&f);
    (void)text_printf(parent, sizeof parent, "%s/parent", f.directory);
    CU_ASSERT_EQUAL(mkdir(parent, 0755), 0);
    CU_ASSERT_EQUAL(chmod(parent, 0775), 0);
    CU_ASSERT_EQUAL(ensure("parent/a", true), SP_REFUSED);
    CU_ASSERT_EQUAL(ensure("parent/a/b", true), SP_REFUSED);
    (void)text_printf(path, sizeof path, "%s/parent/a/b", f.directory);
    CU_ASSERT_EQUAL(jaildir_ensure(path, JAILDIR_LOOK, 0750, 1, 1, &why), SP_REFUSED);
    CU_ASSERT_EQUAL(chmod(parent, 01777), 0);
    CU_ASSERT_EQUAL(ensure("parent/a/b", true), SP_REFUSED);
    CU_ASSERT_EQUAL(ensure("parent/a", true), SP_REFUSED);
    CU_ASSERT_EQUAL(chmod(parent, 0755), 0);
    if (geteuid() == 0) {
        CU_ASSERT_EQUAL(chown(parent, fixture_uid(), fixture_gid()), 0);
        CU_ASSERT_EQUAL(ensure("parent/a", true), SP_REFUSED);
        CU_ASSERT_EQUAL(chown(parent, 0, 0), 0);
    } else {
        printf("skipped aloud: another owner of the parent needs root\n");
    }
    CU_ASSERT_EQUAL(ensure("parent/a", true), SP_OK);
    fixture_end(&f);
}

static void
link_in_the_way(void)
{
    char from[160] = "", to[160] = "";
    struct stat st = { 0 };

    fixture_begin(&f);
    (void)text_printf(from, sizeof from, "%s/dangling", f.directory);
    (void)text_printf(to, sizeof to, "%s/elsewhere", f.directory);
    CU_ASSERT_EQUAL(symlink(to, from), 0);
    (void)ensure("dangling", true);
    CU_ASSERT_NOT_EQUAL(stat(to, &st), 0);      /* nothing was made behind the link */
    fixture_end(&f);
}

/* As with "%h/ftp/%u": the parent is root's, but the way to it is the user's. */
static void
way_of_another(void)
{
    char way[160] = "", there[160] = "", link[160] = "";

    fixture_begin(&f);
    (void)text_printf(way, sizeof way, "%s/home", f.directory);
    (void)text_printf(there, sizeof there, "%s/home/parent", f.directory);
    (void)text_printf(link, sizeof link, "%s/link", f.directory);
    CU_ASSERT_EQUAL(mkdir(way, 0755), 0);
    CU_ASSERT_EQUAL(mkdir(there, 0755), 0);
    CU_ASSERT_EQUAL(chmod(way, 0777), 0);
    CU_ASSERT_EQUAL(ensure("home/parent/a", true), SP_REFUSED);
    CU_ASSERT_EQUAL(chmod(way, 0755), 0);
    if (geteuid() == 0) {
        CU_ASSERT_EQUAL(chown(way, fixture_uid(), fixture_gid()), 0);
        CU_ASSERT_EQUAL(ensure("home/parent/a", true), SP_REFUSED);
        /* a link that root has made leads through it all the same */
        CU_ASSERT_EQUAL(symlink("home/parent", link), 0);
        CU_ASSERT_EQUAL(ensure("link/a", true), SP_REFUSED);
        CU_ASSERT_EQUAL(chown(way, 0, 0), 0);
        CU_ASSERT_EQUAL(lchown(link, fixture_uid(), fixture_gid()), 0);
        CU_ASSERT_EQUAL(ensure("link/a", true), SP_REFUSED);
        CU_ASSERT_EQUAL(unlink(link), 0);
    } else {
        printf("skipped aloud: another owner of the way needs root\n");
    }
    CU_ASSERT_EQUAL(symlink(there, link), 0);
    CU_ASSERT_EQUAL(ensure("link/a", true), SP_OK);
    CU_ASSERT_EQUAL(ensure("home/../home/parent/b", true), SP_OK);
    CU_ASSERT_EQUAL(unlink(link), 0);
    CU_ASSERT_EQUAL(symlink(link, link), 0);
    CU_ASSERT_NOT_EQUAL(ensure("link/c", true), SP_OK);
    fixture_end(&f);
}

static const struct unit_test tests[] = {
    { "a missing jail is made with owner and mode, if at all", made },
    { "a jail that exists is left alone", existing },
    { "nothing is made where others may write", unsafe_parent },
    { "nothing is made behind a link", link_in_the_way },
    { "nothing is made at the end of a way that others can bend", way_of_another },
    { NULL, NULL }
};
const struct unit_suite suite_jaildir = { "jaildir", tests };
