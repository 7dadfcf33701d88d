/* tests/unit/test_privilege.c - src/base/privilege.c; a child gives up its rights */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "base/buf.h"
#include "base/fd.h"
#include "base/privilege.h"
#include "suites.h"

#define SOME_UID 61234
#define SOME_GID 61235

/* The value of a field of /proc/self/status, as numbers or words, without the tab. */
static bool
status_is(int status, const char *field, const char *want)
{
    struct buf text = BUF_EMPTY(65536);
    char line[256];
    bool found = false;

    if (lseek(status, 0, SEEK_SET) != 0 || buf_read_all(&text, status) != SP_OK
        || buf_add(&text, "", 1) != SP_OK)
        return false;
    if (text_printf(line, sizeof line, "\n%s:\t%s\n", field, want))
        found = strstr((char *)text.at, line) != NULL;
    if (!found)
        printf("not so: %s %s\n", field, want);
    buf_free(&text);
    return found;
}

static bool
posture_is_bare(int status)
{
    static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };
    struct rlimit core = { 1, 1 };

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!status_is(status, sets[i], "0000000000000000"))
            return false;
    return status_is(status, "NoNewPrivs", "1") && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
        && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0;
}

static int
drop_everything(void)
{
    static const gid_t groups[] = { 5003, 5001, 5002 };
    int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    if (privilege_drop(SOME_UID, SOME_GID, groups, 3) != SP_OK)
        return 1;
    if (!status_is(status, "Uid", "61234\t61234\t61234\t61234")
        || !status_is(status, "Gid", "61235\t61235\t61235\t61235"))
        return 2;
    if (!status_is(status, "Groups", "5001 5002 5003 "))
        return 3;
    if (!posture_is_bare(status) || !status_is(status, "CapBnd", "0000000000000000"))
        return 4;
    if (setuid(0) == 0 || setgid(0) == 0 || chroot("/") == 0 || seteuid(0) == 0)
        return 5;
    return access("/etc/shadow", R_OK) == -1 ? 0 : 6;
}

static void
root_is_given_up_for_good(void)
{
    if (!privilege_is_root()) {
        skip("root is given up for good", "needs root");
        return;
    }
    CU_ASSERT_EQUAL(run_in_child(drop_everything), 0);
}

/* All ids go at once; what one of the capabilities is kept for can be done, and then no more. */
static int
become_and_drop(void)
{
    static const gid_t groups[] = { 5001 };
    int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    if (privilege_become(SOME_UID, SOME_GID, groups, 1, (uint64_t)1 << CAP_SYS_CHROOT) != SP_OK)
        return 1;
    if (!status_is(status, "Uid", "61234\t61234\t61234\t61234")
        || !status_is(status, "Gid", "61235\t61235\t61235\t61235")
        || !status_is(status, "Groups", "5001 "))
        return 2;
    if (!status_is(status, "CapPrm", "0000000000040000")
        || !status_is(status, "CapEff", "0000000000040000")
        || !status_is(status, "CapInh", "0000000000000000")
        || !status_is(status, "CapBnd", "0000000000000000"))
        return 3;
    if (access("/etc/shadow", R_OK) == 0 || setuid(0) == 0 || setgid(0) == 0 || chroot("/") != 0)
        return 4;
    if (privilege_drop(SOME_UID, SOME_GID, groups, 1) != SP_OK)
        return 5;
    return posture_is_bare(status) && chroot("/") == -1 ? 0 : 6;
}

static void
a_user_is_become_with_one_capability_left(void)
{
    if (!privilege_is_root()) {
        skip("a user is become with one capability left", "needs root");
        return;
    }
    CU_ASSERT_EQUAL(run_in_child(become_and_drop), 0);
}

static int
drop_without_groups(void)
{
    static const gid_t before[] = { 5001, 5002 };
    int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    if (setgroups(2, before) != 0)
        return 1;
    if (privilege_drop(SOME_UID, SOME_GID, NULL, 0) != SP_OK)
        return 2;
    return status_is(status, "Groups", " ") ? 0 : 3;
}

static void
no_group_is_kept_that_was_not_asked_for(void)
{
    if (!privilege_is_root()) {
        skip("no group is kept that was not asked for", "needs root");
        return;
    }
    CU_ASSERT_EQUAL(run_in_child(drop_without_groups), 0);
}

static int
ask_for_root(void)
{
    static const gid_t groups[] = { 5001, 0 };

    if (privilege_drop(0, SOME_GID, NULL, 0) != SP_REFUSED)
        return 1;
    if (privilege_drop(SOME_UID, 0, NULL, 0) != SP_REFUSED)
        return 2;
    if (privilege_become(0, SOME_GID, NULL, 0, 0) != SP_REFUSED)
        return 4;
    return privilege_drop(SOME_UID, SOME_GID, groups, 2) == SP_REFUSED ? 0 : 3;
}

static void
becoming_root_is_refused(void)
{
    if (!privilege_is_root()) {
        skip("becoming root is refused", "needs root");
        return;
    }
    CU_ASSERT_EQUAL(run_in_child(ask_for_root), 0);
}

#define BIT(capability) ((uint64_t)1 << (capability))

/* A set of this process, or UINT64_MAX. */
static uint64_t
capabilities_in(const char *field)
{
    struct buf text = BUF_EMPTY(65536);
    char name[16];
    const char *at = NULL;
    uint64_t set = UINT64_MAX;
    int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    if (buf_read_all(&text, status) == SP_OK && buf_add(&text, "", 1) == SP_OK
        && text_printf(name, sizeof name, "\n%s:\t", field)
        && (at = strstr((char *)text.at, name)) != NULL)
        set = strtoull(at + strlen(name), NULL, 16);
    buf_free(&text);
    fd_close(&status);
    return set;
}

static int
keep_some(void)
{
    const uint64_t own = BIT(CAP_KILL) | BIT(CAP_SYS_RESOURCE);
    const uint64_t programs = BIT(CAP_SETUID) | BIT(CAP_CHOWN);
    uint64_t had = capabilities_in("CapPrm"), bounds = capabilities_in("CapBnd"), kept = 0;

    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return 0;               /* this is another case */
    if (privilege_try(own) != SP_OK || capabilities_in("CapEff") != (own & had)
        || capabilities_in("CapPrm") != had || privilege_try(UINT64_MAX) != SP_OK
        || capabilities_in("CapEff") != had)
        return 1;
    if (privilege_keep(own, programs, &kept) != SP_OK || kept != (own & had))
        return 2;
    if (capabilities_in("CapPrm") != kept || capabilities_in("CapEff") != kept
        || capabilities_in("CapBnd") != ((own | programs) & bounds))
        return 3;
    if (setresuid(SOME_UID, SOME_UID, SOME_UID) == 0)
        return 4;
    return privilege_keep(UINT64_MAX, UINT64_MAX, &kept) == SP_OK && kept == (own & had) ? 0 : 5;
}

static void
of_roots_capabilities_some_are_kept(void)
{
    if (!privilege_is_root()) {
        skip("of root's capabilities some are kept", "needs root");
        return;
    }
    CU_ASSERT_EQUAL(run_in_child(keep_some), 0);
}

/* Ambient and inheritable ones would go to any program, whoever it runs as. */
static int
keep_none_that_is_inherited(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct sets[2];
    uint64_t kept = 0;

    if (syscall(SYS_capget, &head, sets) != 0)
        return 1;
    sets[0].inheritable |= 1u << CAP_KILL;
    if (privilege_ambient() != 0 || syscall(SYS_capset, &head, sets) != 0
        || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) != 0)
        return 2;
    if (privilege_ambient() != BIT(CAP_KILL))
        return 3;
    if (privilege_keep(BIT(CAP_KILL), 0, &kept) != SP_OK || kept != BIT(CAP_KILL))
        return 4;
    return capabilities_in("CapInh") == 0 && capabilities_in("CapAmb") == 0
        && privilege_ambient() == 0 ? 0 : 5;
}

static void
what_is_kept_is_not_inherited(void)
{
    if (!privilege_is_root()) {
        skip("what is kept is not inherited", "needs root");
        return;
    }
    CU_ASSERT_EQUAL(run_in_child(keep_none_that_is_inherited), 0);
}

static int
keep_without_new_privileges(void)
{
    const uint64_t own = BIT(CAP_KILL), programs = BIT(CAP_SETUID);
    uint64_t had = capabilities_in("CapPrm"), kept = 0;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 1;
    if (privilege_keep(own, programs, &kept) != SP_OK || kept != (own & had))
        return 2;
    return capabilities_in("CapPrm") == ((own | programs) & had)
        && capabilities_in("CapEff") == kept ? 0 : 3;
}

static void
under_no_new_privs_programs_have_what_we_may(void)
{
    if (!privilege_is_root()) {
        skip("under no_new_privs programs have what we may", "needs root");
        return;
    }
    CU_ASSERT_EQUAL(run_in_child(keep_without_new_privileges), 0);
}

/* As an ordinary user, whoever started the tests. */
static int
become_ordinary(void)
{
    if (!privilege_is_root())
        return 0;
    return setresgid(SOME_GID, SOME_GID, SOME_GID) != 0
        || setresuid(SOME_UID, SOME_UID, SOME_UID) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0;
}

static int
drop_rootless(void)
{
    int status = -1;

    if (become_ordinary() != 0)
        return 1;
    status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (privilege_drop(getuid(), getgid(), NULL, 0) != SP_OK)
        return 2;
    return posture_is_bare(status) ? 0 : 3;
}

static void
rootless_all_but_the_ids_goes(void)
{
    CU_ASSERT_EQUAL(run_in_child(drop_rootless), 0);
}

static int
drop_to_another_rootless(void)
{
    if (become_ordinary() != 0)
        return 1;
    return privilege_drop(getuid() + 1, getgid(), NULL, 0) == SP_OK ? 2 : 0;
}

static void
rootless_another_id_is_an_error(void)
{
    CU_ASSERT_EQUAL(run_in_child(drop_to_another_rootless), 0);
}

#define NO_USERNS 77

/* Made and removed by the parent: the child cannot reach it any more. */
static char empty_root[64];

static void
make_empty_root(void)
{
    (void)text_copy(empty_root, sizeof empty_root, "/tmp/sallyport-unit-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(empty_root));
    CU_ASSERT_EQUAL(chmod(empty_root, 0755), 0);
}

static int
rootless_with_a_namespace(void)
{
    uid_t uid = 0;
    gid_t gid = 0;
    int status = -1;

    if (become_ordinary() != 0)
        return 1;
    uid = getuid();
    gid = getgid();
    if (privilege_enter_userns() != SP_OK)
        return NO_USERNS;
    status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (getuid() != uid || getgid() != gid)
        return 3;
    if (privilege_chroot(empty_root) != SP_OK)
        return 4;
    if (access("/proc", F_OK) != -1 || access("/etc/passwd", F_OK) != -1)
        return 5;
    if (privilege_drop(uid, gid, NULL, 0) != SP_OK)
        return 6;
    if (!posture_is_bare(status) || !status_is(status, "CapBnd", "0000000000000000"))
        return 7;
    return chroot("/") == -1 && errno == EPERM ? 0 : 8;
}

static void
rootless_a_namespace_gives_a_root_directory_and_nothing_else(void)
{
    int code = 0;

    make_empty_root();
    code = run_in_child(rootless_with_a_namespace);
    if (code == NO_USERNS)
        skip("rootless, a namespace gives a root directory", "this kernel allows none");
    else
        CU_ASSERT_EQUAL(code, 0);
    CU_ASSERT_EQUAL(rmdir(empty_root), 0);
}

static int
enter_a_root(void)
{
    if (chdir("/usr") != 0)
        return 1;
    if (privilege_chroot("/nonexistent/directory") != SP_OS
        || privilege_chroot("/etc/passwd") != SP_OS)
        return 2;
    if (privilege_chroot(empty_root) != SP_OK)
        return 3;
    return access("etc", F_OK) == -1 && access("../etc", F_OK) == -1 ? 0 : 4;
}

static void
a_root_directory_is_entered_with_the_working_directory(void)
{
    if (!privilege_is_root()) {
        skip("a root directory is entered with the working directory", "needs root");
        return;
    }
    make_empty_root();
    CU_ASSERT_EQUAL(run_in_child(enter_a_root), 0);
    CU_ASSERT_EQUAL(rmdir(empty_root), 0);
}

static int
limit_files(void)
{
    struct rlimit limit = {0};

    if (privilege_limit_files(20) != SP_OK || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    if (limit.rlim_cur != 20 || limit.rlim_max != 20)
        return 2;
    for (int i = 0; i < 20; i++)
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) == -1)
            return errno == EMFILE ? 0 : 3;
    return 4;
}

static void
descriptors_can_be_bounded(void)
{
    CU_ASSERT_EQUAL(run_in_child(limit_files), 0);
}

static int
limit_processes(void)
{
    pid_t pid = -1;

    if (privilege_limit_processes() != SP_OK)
        return 1;
    if (geteuid() == 0 && setresuid(61234, 61234, 61234) != 0)
        return 2;
    if ((pid = fork()) == 0)
        _exit(0);
    return pid == -1 && errno == EAGAIN ? 0 : 3;
}

static void
no_process_can_be_started(void)
{
    CU_ASSERT_EQUAL(run_in_child(limit_processes), 0);
}

#ifndef SP_SANITIZERS
static int
limit_memory(void)
{
    const size_t most = (size_t)256 << 20;
    void *much = NULL;

    if (privilege_limit_memory(most) != SP_OK)
        return 1;
    /* shared memory is memory, too: no limit of the heap sees it */
    much = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (much != MAP_FAILED || errno != ENOMEM)
        return 2;
    much = mmap(NULL, most / 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return much != MAP_FAILED ? 0 : 3;
}
#endif

static void
memory_can_be_bounded(void)
{
#ifndef SP_SANITIZERS
    CU_ASSERT_EQUAL(run_in_child(limit_memory), 0);
#else
    printf("skipped aloud: AddressSanitizer maps more than any limit\n");
#endif
}

/* Each of them ends a process that leaves it as it is. */
static int
meet_a_limit(void)
{
    static const int numbers[] = { SIGPIPE, SIGXFSZ, SIGXCPU };
    const struct rlimit limit = { 4, 4 };
    int fd = memfd_create("limited", MFD_CLOEXEC);

    if (privilege_ignore_signals() != SP_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    if (write(fd, "123456", 6) != 4 || write(fd, "56", 2) != -1 || errno != EFBIG)
        return 2;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (raise(numbers[i]) != 0)
            return 3;
    return 0;
}

static void
limits_are_errors_of_calls(void)
{
    CU_ASSERT_EQUAL(run_in_child(meet_a_limit), 0);
}

static const struct unit_test tests[] = {
    { "root is given up for good", root_is_given_up_for_good },
    { "a user is become with one capability left", a_user_is_become_with_one_capability_left },
    { "no group is kept that was not asked for",
      no_group_is_kept_that_was_not_asked_for },
    { "becoming root is refused", becoming_root_is_refused },
    { "of root's capabilities some are kept", of_roots_capabilities_some_are_kept },
    { "what is kept is not inherited", what_is_kept_is_not_inherited },
    { "under no_new_privs programs have what we may",
      under_no_new_privs_programs_have_what_we_may },
    { "rootless, all but the ids goes", rootless_all_but_the_ids_goes },
    { "rootless, another id is an error", rootless_another_id_is_an_error },
    { "rootless, a namespace gives a root directory and nothing else",
      rootless_a_namespace_gives_a_root_directory_and_nothing_else },
    { "a root directory is entered with the working directory",
      a_root_directory_is_entered_with_the_working_directory },
    { "descriptors can be bounded", descriptors_can_be_bounded },
    { "no process can be started", no_process_can_be_started },
    { "memory can be bounded", memory_can_be_bounded },
    { "a limit of the machine is an error of a call, not a death",
      limits_are_errors_of_calls },
    { NULL, NULL }
};
const struct unit_suite suite_privilege = { "privilege", tests };
