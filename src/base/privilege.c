/* src/base/privilege.c - see base/privilege.h */
#include "base/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef SP_SANITIZERS
#include <sanitizer/lsan_interface.h>

/*
 * LeakSanitizer needs /proc and a process it may trace; a process that has dropped has
 * neither, and would fail at its end for that reason alone.
 */
static int leaks_unseen = 0;

int
__lsan_is_turned_off(void)
{
    return leaks_unseen;
}
#define LEAKS_UNSEEN() (leaks_unseen = 1)
#else
#define LEAKS_UNSEEN() ((void)0)
#endif

#define CAPABILITY_MOST 63      /* what two words of 32 bits can name */

struct capabilities { struct __user_cap_data_struct half[2]; };

bool
privilege_is_root(void)
{
    return geteuid() == 0;
}

static enum sp_err
write_proc(const char *file, const char *text)
{
    enum sp_err rc = SP_OS;
    int fd = -1;

    if ((fd = open(file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)) == -1)
        goto out;
    rc = fd_write_all(fd, text, strlen(text));
out:
    fd_close(&fd);
    return rc;
}

enum sp_err
privilege_enter_userns(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    char text[48];
    enum sp_err rc = SP_OS;

    if (unshare(CLONE_NEWUSER) != 0)
        return SP_OS;
    /* An unprivileged gid_map is accepted only after setgroups(2) is given up. */
    if ((rc = write_proc("/proc/self/setgroups", "deny")) != SP_OK)
        return rc;
    (void)snprintf(text, sizeof text, "%lu %lu 1", (unsigned long)uid,
                   (unsigned long)uid);
    if ((rc = write_proc("/proc/self/uid_map", text)) != SP_OK)
        return rc;
    (void)snprintf(text, sizeof text, "%lu %lu 1", (unsigned long)gid,
                   (unsigned long)gid);
    return write_proc("/proc/self/gid_map", text);
}

enum sp_err
privilege_chroot_fd(int dir)
{
    if (fchdir(dir) != 0 || chroot(".") != 0 || chdir("/") != 0)
        return SP_OS;
    LEAKS_UNSEEN();
    return SP_OK;
}

enum sp_err
privilege_chroot(const char *path)
{
    enum sp_err rc = SP_OS;
    int dir = -1;

    if ((dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1)
        goto out;
    rc = privilege_chroot_fd(dir);
out:
    fd_close(&dir);
    return rc;
}

/* Raw: a library for three calls would be one more thing in every process. */
static enum sp_err
capabilities_get(struct capabilities *out)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };

    return syscall(SYS_capget, &head, out->half) == 0 ? SP_OK : SP_OS;
}

static enum sp_err
capabilities_set(const struct capabilities *caps)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };

    return syscall(SYS_capset, &head, caps->half) == 0 ? SP_OK : SP_OS;
}

/*
 * Needs CAP_SETPCAP, so it comes before the ids go. Asks before it drops: each drop makes
 * the kernel copy the credentials, and a template may have done all of them.
 */
static enum sp_err
bound(uint64_t keep)
{
    struct capabilities caps = {0};
    enum sp_err rc = SP_OS;

    if ((rc = capabilities_get(&caps)) != SP_OK)
        return rc;
    if ((caps.half[0].effective & 1u << CAP_SETPCAP) == 0)
        return SP_OK;           /* rootless: not ours to change; no_new_privs closes it */
    for (unsigned long cap = 0; cap <= CAPABILITY_MOST; cap++) {
        int in = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

        if (in == 0 || (keep >> cap & 1) != 0
            || (in == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0))
            continue;
        if (errno == EINVAL)
            break;              /* past the last capability that this kernel knows */
        return SP_OS;
    }
    return SP_OK;
}

enum sp_err
privilege_drop_bounding(void)
{
    return bound(0);
}

uint64_t
privilege_ambient(void)
{
    uint64_t set = 0;

    for (unsigned long cap = 0; cap <= CAPABILITY_MOST; cap++)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
            set |= (uint64_t)1 << cap;
    return set;
}

/* The halves of *caps that are not 0 afterwards: permitted and effective. */
static void
narrow(struct capabilities *caps, uint64_t permitted, uint64_t effective)
{
    for (unsigned i = 0; i < 2; i++) {
        caps->half[i].permitted &= (uint32_t)(permitted >> 32 * i);
        caps->half[i].effective &= (uint32_t)(effective >> 32 * i) & caps->half[i].permitted;
        caps->half[i].inheritable = 0;
    }
}

enum sp_err
privilege_keep(uint64_t own, uint64_t programs, uint64_t *kept)
{
    struct capabilities caps = {0}, now = {0};
    uint64_t permitted = own;
    enum sp_err rc = SP_OS;

    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        permitted |= programs;
    if ((rc = bound(permitted | programs)) != SP_OK || (rc = capabilities_get(&caps)) != SP_OK)
        return rc;
    narrow(&caps, permitted, own);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0
        || capabilities_set(&caps) != SP_OK || capabilities_get(&now) != SP_OK)
        return SP_OS;
    if (memcmp(&caps, &now, sizeof caps) != 0)
        return SP_REFUSED;
    *kept = now.half[0].effective | (uint64_t)now.half[1].effective << 32;
    return SP_OK;
}

enum sp_err
privilege_try(uint64_t own)
{
    struct capabilities caps = {0};
    enum sp_err rc = SP_OS;

    if ((rc = capabilities_get(&caps)) != SP_OK)
        return rc;
    for (unsigned i = 0; i < 2; i++)
        caps.half[i].effective = caps.half[i].permitted & (uint32_t)(own >> 32 * i);
    return capabilities_set(&caps);
}

static enum sp_err
drop_ids(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    if (setgroups(group_count, groups) != 0)
        return SP_OS;
    if (setresgid(gid, gid, gid) != 0)
        return SP_OS;
    if (setresuid(uid, uid, uid) != 0)
        return SP_OS;
    return SP_OK;
}

/* All of this is for good, and inherited by whatever this process would still start. */
static enum sp_err
drop_rest(void)
{
    static const struct capabilities none = {0};
    const struct rlimit no_core = { 0, 0 };

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return SP_OS;
    if (capabilities_set(&none) != SP_OK)
        return SP_OS;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return SP_OS;
    if (setrlimit(RLIMIT_CORE, &no_core) != 0)
        return SP_OS;
    /* After the ids, which the kernel takes as a reason to set it anew. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return SP_OS;
    return SP_OK;
}

static enum sp_err
verify_groups(const gid_t *groups, size_t count)
{
    gid_t *have = NULL;
    int got = getgroups(0, NULL);
    enum sp_err rc = SP_REFUSED;

    if (got < 0 || (size_t)got != count)
        goto out;
    if ((have = calloc(count + 1, sizeof *have)) == NULL) {
        rc = SP_NOMEM;
        goto out;
    }
    if (getgroups(got, have) != got)
        goto out;
    /* The kernel sorts them. */
    for (size_t i = 0; i < count; i++) {
        bool found = false;

        for (size_t j = 0; j < count && !found; j++)
            found = have[j] == groups[i];
        if (!found)
            goto out;
    }
    rc = SP_OK;
out:
    free(have);
    return rc;
}

/* What must be so now, asked of the kernel and not concluded from what was called. */
static enum sp_err
verify(uid_t uid, gid_t gid)
{
    struct capabilities caps = {0};
    uid_t ruid = 0, euid = 0, suid = 0;
    gid_t rgid = 0, egid = 0, sgid = 0;
    enum sp_err rc = SP_OS;

    if (getresuid(&ruid, &euid, &suid) != 0 || getresgid(&rgid, &egid, &sgid) != 0)
        return SP_OS;
    if (ruid != uid || euid != uid || suid != uid)
        return SP_REFUSED;
    if (rgid != gid || egid != gid || sgid != gid)
        return SP_REFUSED;
    if ((rc = capabilities_get(&caps)) != SP_OK)
        return rc;
    for (size_t i = 0; i < 2; i++)
        if ((caps.half[i].effective | caps.half[i].permitted
             | caps.half[i].inheritable) != 0)
            return SP_REFUSED;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1
        || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return SP_REFUSED;
    return SP_OK;
}

/* The way back must be shut. Changes nothing where it is. */
static enum sp_err
try_back(void)
{
    static const struct capabilities want = {
        { { 1u << CAP_SETUID, 1u << CAP_SETUID, 0 }, { 0, 0, 0 } }
    };

    if (capabilities_set(&want) == SP_OK)
        return SP_REFUSED;
    if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || setuid(0) == 0)
        return SP_REFUSED;
    /* rootless, group 0 may be where we are, and no way back to anything */
    if (getgid() != 0 && (setresgid((gid_t)-1, 0, (gid_t)-1) == 0 || setgid(0) == 0))
        return SP_REFUSED;
    if (setgroups(0, NULL) == 0)
        return SP_REFUSED;
    return SP_OK;
}

/* Root, as whom or in whose group nobody is to be served? */
static bool
is_roots(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    bool roots = uid == 0 || gid == 0;

    for (size_t i = 0; i < group_count; i++)
        roots = roots || groups[i] == 0;
    return roots;
}

enum sp_err
privilege_become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count, uint64_t keep)
{
    struct capabilities caps = {0};
    enum sp_err rc = SP_OS;

    if (is_roots(uid, gid, groups, group_count))
        return SP_REFUSED;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return SP_OS;
    /* what takes capabilities other than those of keep comes first */
    if ((rc = privilege_drop_bounding()) != SP_OK
        || (rc = drop_ids(uid, gid, groups, group_count)) != SP_OK
        || (rc = verify_groups(groups, group_count)) != SP_OK)
        return rc;
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0 || capabilities_get(&caps) != SP_OK)
        return SP_OS;
    for (unsigned i = 0; i < 2; i++) {
        caps.half[i].permitted &= (uint32_t)(keep >> 32 * i);
        caps.half[i].effective = caps.half[i].permitted;
        caps.half[i].inheritable = 0;
    }
    return capabilities_set(&caps);
}

enum sp_err
privilege_drop(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    bool root = privilege_is_root();
    enum sp_err rc = SP_OS;

    if (root && is_roots(uid, gid, groups, group_count))
        return SP_REFUSED;
    if ((rc = privilege_drop_bounding()) != SP_OK)
        return rc;
    if (root && (rc = drop_ids(uid, gid, groups, group_count)) != SP_OK)
        return rc;
    if ((rc = drop_rest()) != SP_OK)
        return rc;
    if ((rc = verify(uid, gid)) != SP_OK)
        return rc;
    /* Rootless they are what they were: setgroups(2) is root's. */
    if (root && (rc = verify_groups(groups, group_count)) != SP_OK)
        return rc;
    if ((rc = try_back()) != SP_OK)
        return rc;
    LEAKS_UNSEEN();
    return SP_OK;
}

enum sp_err
privilege_ignore_signals(void)
{
    static const int numbers[] = { SIGPIPE, SIGXFSZ, SIGXCPU };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], &ignore, NULL) == -1)
            return SP_OS;
    return SP_OK;
}

enum sp_err
privilege_limit_files(unsigned most)
{
    struct rlimit limit = { most, most }, now;

    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < most)
        limit.rlim_cur = limit.rlim_max = now.rlim_max;     /* it can only be lowered */
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? SP_OK : SP_OS;
}

enum sp_err
privilege_limit_processes(void)
{
    const struct rlimit none = { 0, 0 };

    return setrlimit(RLIMIT_NPROC, &none) == 0 ? SP_OK : SP_OS;
}

enum sp_err
privilege_limit_less(int which, uint64_t most)
{
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

#ifdef SP_SANITIZERS
    if (which == RLIMIT_AS)
        return SP_OK;
#endif
    if (getrlimit((__rlimit_resource_t)which, &limit) == -1)
        return SP_OS;
    if (limit.rlim_cur <= most)
        return SP_OK;
    limit.rlim_cur = (rlim_t)most;
    return setrlimit((__rlimit_resource_t)which, &limit) == 0 ? SP_OK : SP_OS;
}

enum sp_err
privilege_limit_memory(size_t most)
{
#ifdef SP_SANITIZERS
    (void)most;
    return SP_OK;
#else
    const struct rlimit limit = { most, most };

    return setrlimit(RLIMIT_AS, &limit) == 0 ? SP_OK : SP_OS;
#endif
}
