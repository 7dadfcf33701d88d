/* tests/unit/test_bequest.c - auth/bequest.c, each case in a process of its own */
#include <grp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/account.h"
#include "auth/bequest.h"
#include "unit.h"

/* What a case returns, 0 if all is well. */
static int
in_child(int (*run)(void))
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(run());
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)
        ? WEXITSTATUS(status) : -1;
}

static bool
limit(__rlimit_resource_t which, rlim_t most)
{
    struct rlimit now;

    if (getrlimit(which, &now) != 0)
        return false;
    now.rlim_cur = most;
    return setrlimit(which, &now) == 0;
}

static struct account
some_account(void)
{
    struct account a = { .uid = geteuid() == 0 ? 1000 : geteuid(),
                         .gid = geteuid() == 0 ? 1000 : getegid() };

    return a;
}

static int
nothing_set(void)
{
    struct account a = some_account();
    const char *why = "";

    (void)bequest_begin(&a);
    if (bequest_take(&a, false, &why) != SP_OK || a.umask != 0 || a.limits.file_bound != 0
        || a.limits.memory != 0 || a.limits.cpu != 0)
        return 1;
    return umask(0) == 077 ? 0 : 2;
}

static int
all_set(void)
{
    struct account a = some_account();
    const char *why = "";

    (void)bequest_begin(&a);
    (void)umask(077);           /* as the process had it before: it is PAM's all the same */
    if (!limit(RLIMIT_FSIZE, 4096) || !limit(RLIMIT_CPU, 60) || !limit(RLIMIT_NOFILE, 64)
        || !limit(RLIMIT_AS, (rlim_t)1 << 40) || nice(2) == -1)
        return 1;
    if (bequest_take(&a, false, &why) != SP_OK)
        return 2;
    return a.umask == 077 && a.limits.file_bound == 4097 && a.limits.cpu == 60
        && a.limits.files == 64 && a.limits.memory == (uint64_t)1 << 40
        && a.limits.nice >= 2 && a.limits.nice <= 19 ? 0 : 3;
}

static int
no_byte(void)
{
    struct account a = some_account();
    const char *why = "";

    if (!limit(RLIMIT_FSIZE, 0) || bequest_take(&a, false, &why) != SP_OK)
        return 1;
    return a.limits.file_bound == 1 ? 0 : 2;
}

static int
groups_added(void)
{
    struct account a = some_account();
    gid_t more[3] = { 1000, 2000, 0 };
    const char *why = "";

    a.groups[a.group_count++] = 1000;
    if (geteuid() != 0)
        return bequest_begin(&a) ? 1 : 0;
    if (!bequest_begin(&a) || setgroups(2, more) != 0
        || bequest_take(&a, true, &why) != SP_OK || a.group_count != 2
        || a.groups[0] != 1000 || a.groups[1] != 2000)
        return 2;
    return setgroups(3, more) == 0 && bequest_take(&a, true, &why) == SP_REFUSED ? 0 : 3;
}

static void
what_nobody_set_is_nothing(void)
{
    CU_ASSERT_EQUAL(in_child(nothing_set), 0);
}

static void
what_modules_set_is_read(void)
{
    CU_ASSERT_EQUAL(in_child(all_set), 0);
    CU_ASSERT_EQUAL(in_child(no_byte), 0);
}

static void
groups_are_added_but_never_that_of_root(void)
{
    CU_ASSERT_EQUAL(in_child(groups_added), 0);
}

static const struct unit_test tests[] = {
    { "what nobody set is nothing", what_nobody_set_is_nothing },
    { "what modules set is read", what_modules_set_is_read },
    { "groups are added, but never that of root", groups_are_added_but_never_that_of_root },
    { NULL, NULL }
};
const struct unit_suite suite_bequest = { "auth: bequest", tests };
