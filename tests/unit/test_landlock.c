/* tests/unit/test_landlock.c - src/base/landlock.c; each test shuts a child in */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/landlock.h"
#include "suites.h"

static char top[64];
static int tree = -1;           /* top/tree, O_PATH */

static int
make(const char *name)
{
    int fd = openat(tree, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd == -1)
        return -1;
    return close(fd);
}

static void
set_up(void)
{
    (void)text_copy(top, sizeof top, "/tmp/sallyport-unit-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(top));
    CU_ASSERT_FATAL((tree = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC)) != -1);
    CU_ASSERT_EQUAL(mkdirat(tree, "tree", 0755), 0);
    CU_ASSERT_EQUAL(make("outside"), 0);
    fd_close(&tree);
    (void)text_copy(top + strlen(top), sizeof top - strlen(top), "/tree");
    CU_ASSERT_FATAL((tree = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC)) != -1);
    CU_ASSERT_EQUAL(mkdirat(tree, "a", 0755), 0);
    CU_ASSERT_EQUAL(mkdirat(tree, "b", 0755), 0);
    CU_ASSERT_EQUAL(make("a/file"), 0);
}

static void
tear_down(void)
{
    static const char *const left[] = { "a/file", "b/file", "new", "link",
                                        "a/../outside" };

    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        (void)unlinkat(tree, left[i], 0);
    (void)unlinkat(tree, "../outside", 0);
    (void)unlinkat(tree, "a", AT_REMOVEDIR);
    (void)unlinkat(tree, "b", AT_REMOVEDIR);
    fd_close(&tree);
    CU_ASSERT_EQUAL(rmdir(top), 0);
    top[strlen(top) - strlen("/tree")] = '\0';
    CU_ASSERT_EQUAL(rmdir(top), 0);
}

static bool
refused(int rc)
{
    return rc == -1 && (errno == EACCES || errno == EPERM || errno == EXDEV);
}

static int
open_in(const char *name, int flags)
{
    int fd = openat(tree, name, flags | O_CLOEXEC, 0644);

    return fd == -1 ? -1 : close(fd);
}

static int
enter(int beneath, bool writable)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 90;
    return landlock_enter(beneath, writable) == SP_OK ? 0 : 91;
}

static int
nothing_at_all(void)
{
    int rc = enter(-1, false);

    if (rc != 0)
        return rc;
    if (!refused(open_in("a/file", O_RDONLY))
        || !refused(open_in("../outside", O_RDONLY)))
        return 1;
    if (!refused(open("/etc/passwd", O_RDONLY | O_CLOEXEC))
        || !refused(mkdirat(tree, "new", 0755)))
        return 2;
    return refused(execl("/bin/true", "true", (char *)NULL)) ? 0 : 3;
}

static int
reading_only(void)
{
    int rc = enter(tree, false);

    if (rc != 0)
        return rc;
    if (open_in("a/file", O_RDONLY) != 0 || open_in("a", O_RDONLY | O_DIRECTORY) != 0)
        return 1;
    if (!refused(open_in("a/file", O_WRONLY))
        || !refused(open_in("new", O_WRONLY | O_CREAT)))
        return 2;
    if (!refused(mkdirat(tree, "new", 0755)) || !refused(unlinkat(tree, "a/file", 0)))
        return 3;
    if (!refused(renameat(tree, "a/file", tree, "a/new")))
        return 4;
    return refused(open_in("../outside", O_RDONLY)) ? 0 : 5;
}

static int
writing(void)
{
    int rc = enter(tree, true);

    if (rc != 0)
        return rc;
    if (open_in("a/file", O_WRONLY | O_TRUNC) != 0
        || open_in("new", O_WRONLY | O_CREAT) != 0)
        return 1;
    if (renameat(tree, "a/file", tree, "b/file") != 0
        || symlinkat("a", tree, "link") != 0)
        return 2;
    if (mkdirat(tree, "a/d", 0755) != 0 || unlinkat(tree, "a/d", AT_REMOVEDIR) != 0)
        return 3;
    if (unlinkat(tree, "b/file", 0) != 0)
        return 4;
    if (!refused(mkfifoat(tree, "fifo", 0644))
        || !refused(mknodat(tree, "null", S_IFCHR, 0x103)))
        return 5;
    if (!refused(renameat(tree, "new", tree, "../new"))
        || !refused(open_in("../new", O_WRONLY | O_CREAT)))
        return 6;
    if (!refused(unlinkat(tree, "../outside", 0))
        || !refused(open_in("../outside", O_RDONLY)))
        return 7;
    return refused(execl("/bin/true", "true", (char *)NULL)) ? 0 : 8;
}

static int
no_network(void)
{
    struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(9) };
    int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = enter(-1, false);

    if (rc != 0)
        return rc;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!refused(connect(one, (struct sockaddr *)&there, sizeof there)))
        return 1;
    there.sin_port = 0;
    return refused(bind(one, (struct sockaddr *)&there, sizeof there)) ? 0 : 2;
}

static int abstract = -1;
static struct sockaddr_un abstract_name = { .sun_family = AF_UNIX };

static int
no_abstract_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = enter(-1, false);

    if (rc != 0)
        return rc;
    if (!refused(connect(fd, (struct sockaddr *)&abstract_name,
                         sizeof(sa_family_t) + 1 + sizeof "sallyport-unit")))
        return 1;
    return refused(kill(getppid(), 0)) ? 0 : 2;
}

static int
unprepared(void)
{
    if (geteuid() == 0 && setresuid(61234, 61234, 61234) != 0)
        return 1;
    return landlock_enter(-1, false) == SP_OS ? 0 : 2;
}

static int
without_landlock(void)
{
    return landlock_enter(-1, false) == SP_REFUSED ? 0 : 1;
}

static bool
have(int abi, const char *test)
{
    if (landlock_abi() >= abi)
        return true;
    skip(test, "this kernel's Landlock is too old, or off");
    return false;
}

static void
a_kernel_without_it_is_named_as_such(void)
{
    if (landlock_abi() == 0)
        CU_ASSERT_EQUAL(run_in_child(without_landlock), 0);
}

static void
nothing_at_all_can_be_reached(void)
{
    if (!have(1, "nothing at all can be reached"))
        return;
    set_up();
    CU_ASSERT_EQUAL(run_in_child(nothing_at_all), 0);
    tear_down();
}

static void
a_tree_can_be_read_and_nothing_beside_it(void)
{
    if (!have(1, "a tree can be read and nothing beside it"))
        return;
    set_up();
    CU_ASSERT_EQUAL(run_in_child(reading_only), 0);
    tear_down();
}

static void
a_writable_tree_takes_files_directories_and_links_only(void)
{
    if (!have(2, "a writable tree takes files, directories and links only"))
        return;
    set_up();
    CU_ASSERT_EQUAL(run_in_child(writing), 0);
    tear_down();
}

static void
tcp_is_out_of_reach(void)
{
    if (have(4, "TCP is out of reach"))
        CU_ASSERT_EQUAL(run_in_child(no_network), 0);
}

static void
abstract_sockets_and_signals_to_outside_are_out_of_reach(void)
{
    if (!have(6, "abstract sockets and signals to outside are out of reach"))
        return;
    memcpy(abstract_name.sun_path + 1, "sallyport-unit", sizeof "sallyport-unit");
    CU_ASSERT_FATAL((abstract = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) != -1);
    CU_ASSERT_EQUAL(bind(abstract, (struct sockaddr *)&abstract_name,
                         sizeof(sa_family_t) + 1 + sizeof "sallyport-unit"), 0);
    CU_ASSERT_EQUAL(listen(abstract, 1), 0);
    CU_ASSERT_EQUAL(run_in_child(no_abstract_socket), 0);
    fd_close(&abstract);
}

static void
without_no_new_privs_nothing_is_entered(void)
{
    if (have(1, "without no_new_privs nothing is entered"))
        CU_ASSERT_EQUAL(run_in_child(unprepared), 0);
}

static const struct unit_test tests[] = {
    { "a kernel without it is named as such", a_kernel_without_it_is_named_as_such },
    { "nothing at all can be reached", nothing_at_all_can_be_reached },
    { "a tree can be read, and nothing beside it",
      a_tree_can_be_read_and_nothing_beside_it },
    { "a writable tree takes files, directories and links only",
      a_writable_tree_takes_files_directories_and_links_only },
    { "TCP is out of reach", tcp_is_out_of_reach },
    { "abstract sockets and signals to outside are out of reach",
      abstract_sockets_and_signals_to_outside_are_out_of_reach },
    { "without no_new_privs nothing is entered",
      without_no_new_privs_nothing_is_entered },
    { NULL, NULL }
};
const struct unit_suite suite_landlock = { "landlock", tests };
