/*
 * tests/sandbox/confined.c - runs a program as a container or a hardened unit would
 *
 *     confined WALL... -- PROGRAM ARGUMENT...
 *
 * Walls:
 *   docker                 what Docker's default profile refuses a container without further
 *                          capabilities: EPERM, but ENOSYS for clone3 and what is newer
 *   docker-capabilities    no capability but the 14 that Docker gives
 *   namespaces             systemd's RestrictNamespaces=yes
 *   suid-sgid              systemd's RestrictSUIDSGID=yes
 *   write-execute          systemd's MemoryDenyWriteExecute=yes
 *   without=CALL:ERROR     this system call is refused: EPERM, ENOSYS, or "kill", as systemd's
 *                          SystemCallFilter= does without SystemCallErrorNumber=
 *   without-capability=N   the capability of that number is missing
 *   ambient=N              systemd's AmbientCapabilities=, the one of that number
 *   no-new-privileges      systemd's NoNewPrivileges=yes
 *   ids=UID:GID            not root, as OpenShift runs containers: any uid, group 0
 *   read-only=DIRECTORY    every file system is read-only, but for this directory
 *
 * Every list here is one of what is refused, all else is allowed: what a list misses makes a
 * test weaker, never red.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC \
                    | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define SET_IDS (S_ISUID | S_ISGID)
#define SHM_EXECUTABLE 0100000

static const uint64_t docker_capabilities =
    1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FSETID | 1ull << CAP_FOWNER
    | 1ull << CAP_MKNOD | 1ull << CAP_NET_RAW | 1ull << CAP_SETGID | 1ull << CAP_SETUID
    | 1ull << CAP_SETFCAP | 1ull << CAP_SETPCAP | 1ull << CAP_NET_BIND_SERVICE
    | 1ull << CAP_SYS_CHROOT | 1ull << CAP_KILL | 1ull << CAP_AUDIT_WRITE;

/* docs.docker.com: "Significant syscalls blocked by the default profile", and their kind */
static const char *const docker_refuses[] = {
    "acct", "add_key", "bpf", "clock_settime", "create_module", "delete_module",
    "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
    "get_kernel_syms", "get_mempolicy", "init_module", "io_uring_enter",
    "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
    "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount", "mount_setattr",
    "move_mount", "move_pages", "nfsservctl", "open_by_handle_at", "open_tree",
    "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "query_module",
    "quotactl", "quotactl_fd", "reboot", "request_key", "set_mempolicy", "setdomainname",
    "sethostname", "setns", "settimeofday", "swapoff", "swapon", "_sysctl", "sysfs",
    "syslog", "umount2", "unshare", "uselib", "userfaultfd", "ustat", "vhangup",
};

/* Newer than the profile: the runtime answers as a kernel without them. */
static const char *const docker_does_not_know[] = { "clone3", "fchmodat2" };

static uint64_t capabilities = UINT64_MAX;
static bool no_new_privileges = false;
static const char *ambient = NULL;
static const char *ids = NULL;

static void
fail(const char *what)
{
    (void)fprintf(stderr, "confined: %s: %s\n", what, strerror(errno));
    exit(125);
}

static void
refuse(scmp_filter_ctx f, int error, const char *name, unsigned count,
       const struct scmp_arg_cmp *args)
{
    int call = seccomp_syscall_resolve_name(name);
    uint32_t action = error == 0 ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO((unsigned)error);

    /* by number, where libseccomp is older than the call (the same on all machines of ours) */
    if (call == __NR_SCMP_ERROR && strcmp(name, "fchmodat2") == 0)
        call = 452;
    if (call < 0)
        return;                 /* this machine has no such call */
    if ((errno = -seccomp_rule_add_array(f, action, call, count, args)) != 0)
        fail(name);
}

static void
refuse_masked(scmp_filter_ctx f, int error, const char *name, unsigned argument,
              uint64_t mask, uint64_t value)
{
    struct scmp_arg_cmp test = { argument, SCMP_CMP_MASKED_EQ, mask, value };

    refuse(f, error, name, 1, &test);
}

static void
refuse_namespaces(scmp_filter_ctx f)
{
    static const uint64_t kinds[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS,
                                      CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
                                      CLONE_NEWNET };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        refuse_masked(f, EPERM, "unshare", 0, kinds[i], kinds[i]);
        refuse_masked(f, EPERM, "clone", 0, kinds[i], kinds[i]);
        refuse_masked(f, EPERM, "setns", 1, kinds[i], kinds[i]);
    }
    refuse_masked(f, EPERM, "setns", 1, NAMESPACES, 0);
    refuse(f, ENOSYS, "clone3", 0, NULL);
}

/* The two bits apart: a rule matches only where all bits of its mask are set. */
static void
refuse_set_ids(scmp_filter_ctx f)
{
    static const struct { const char *name; unsigned argument; } calls[] = {
        { "chmod", 1 }, { "fchmod", 1 }, { "fchmodat", 2 }, { "fchmodat2", 2 },
        { "mkdir", 1 }, { "mkdirat", 2 }, { "mknod", 1 }, { "mknodat", 2 }, { "creat", 1 },
        { "open", 2 }, { "openat", 3 },
    };

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        refuse_masked(f, EPERM, calls[i].name, calls[i].argument, S_ISUID, S_ISUID);
        refuse_masked(f, EPERM, calls[i].name, calls[i].argument, S_ISGID, S_ISGID);
    }
    /* no filter can see its mode, which lies in memory */
    refuse(f, ENOSYS, "openat2", 0, NULL);
}

static void
refuse_write_execute(scmp_filter_ctx f)
{
    refuse_masked(f, EPERM, "mmap", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC | PROT_WRITE);
    refuse_masked(f, EPERM, "mprotect", 2, PROT_EXEC, PROT_EXEC);
    refuse_masked(f, EPERM, "pkey_mprotect", 2, PROT_EXEC, PROT_EXEC);
    refuse_masked(f, EPERM, "shmat", 2, SHM_EXECUTABLE, SHM_EXECUTABLE);
}

static void
refuse_as_docker(scmp_filter_ctx f)
{
    static const uint64_t families[] = { 38, 40 };      /* AF_ALG, AF_VSOCK */

    for (size_t i = 0; i < sizeof docker_refuses / sizeof *docker_refuses; i++)
        refuse(f, EPERM, docker_refuses[i], 0, NULL);
    for (size_t i = 0; i < sizeof docker_does_not_know / sizeof *docker_does_not_know; i++)
        refuse(f, ENOSYS, docker_does_not_know[i], 0, NULL);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        refuse_masked(f, EPERM, "socket", 0, UINT64_MAX, families[i]);
    for (unsigned bit = 0; bit < 32; bit++)
        if ((NAMESPACES >> bit & 1) != 0)
            refuse_masked(f, EPERM, "clone", 0, 1ull << bit, 1ull << bit);
}

/* CALL:ERROR */
static void
refuse_one(scmp_filter_ctx f, const char *what)
{
    char name[64] = "";
    const char *colon = strchr(what, ':');

    if (colon == NULL || (size_t)(colon - what) >= sizeof name) {
        errno = EINVAL;
        fail(what);
    }
    memcpy(name, what, (size_t)(colon - what));
    refuse(f, strcmp(colon, ":kill") == 0 ? 0 : strcmp(colon, ":ENOSYS") == 0 ? ENOSYS : EPERM,
           name, 0, NULL);
}

/* In a mount namespace of our own: / and what is mounted below it, if that is a directory. */
static void
make_read_only(const char *writable)
{
    static const char *const mounts[] = { "/", "/tmp", "/var", "/run", "/work", "/home", "/etc" };

    if (unshare(CLONE_NEWNS) != 0
        || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
        || mount(writable, writable, NULL, MS_BIND, NULL) != 0)
        fail(writable);
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
        /* EINVAL: nothing is mounted there */
        if (mount(NULL, mounts[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0
            && errno != EINVAL && errno != ENOENT)
            fail(mounts[i]);
}

static void
take_ids(const char *text)
{
    char *colon = NULL;
    unsigned long uid = strtoul(text, &colon, 10);
    unsigned long gid = *colon == ':' ? strtoul(colon + 1, NULL, 10) : 0;

    if (setgroups(0, NULL) != 0 || setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) != 0
        || setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) != 0)
        fail(text);
}

/* False: no wall's name. */
static bool
add_wall(scmp_filter_ctx f, const char *wall)
{
    if (strcmp(wall, "docker") == 0)
        refuse_as_docker(f);
    else if (strcmp(wall, "docker-capabilities") == 0)
        capabilities &= docker_capabilities;
    else if (strcmp(wall, "namespaces") == 0)
        refuse_namespaces(f);
    else if (strcmp(wall, "suid-sgid") == 0)
        refuse_set_ids(f);
    else if (strcmp(wall, "write-execute") == 0)
        refuse_write_execute(f);
    else if (strncmp(wall, "without=", 8) == 0)
        refuse_one(f, wall + 8);
    else if (strncmp(wall, "without-capability=", 19) == 0)
        capabilities &= ~(1ull << strtoul(wall + 19, NULL, 10));
    else if (strncmp(wall, "ambient=", 8) == 0)
        ambient = wall + 8;
    else if (strcmp(wall, "no-new-privileges") == 0)
        no_new_privileges = true;
    else if (strncmp(wall, "ids=", 4) == 0)
        ids = wall + 4;
    else if (strncmp(wall, "read-only=", 10) == 0)
        make_read_only(wall + 10);
    else
        return false;
    return true;
}

static void
drop_capabilities(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct half[2] = { { 0, 0, 0 } };

    if (capabilities == UINT64_MAX)
        return;
    for (unsigned long cap = 0; cap < 64; cap++)
        if ((capabilities >> cap & 1) == 0 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1
            && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            fail("a capability");
    if (syscall(SYS_capget, &head, half) != 0)
        fail("capget");
    for (unsigned i = 0; i < 2; i++) {
        half[i].effective &= (uint32_t)(capabilities >> 32 * i);
        half[i].permitted &= (uint32_t)(capabilities >> 32 * i);
        half[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &head, half) != 0)
        fail("capset");
}

static void
give_ambient(const char *text)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct half[2] = { { 0, 0, 0 } };
    unsigned long number = strtoul(text, NULL, 10) & 63;

    if (syscall(SYS_capget, &head, half) != 0)
        fail("capget");
    half[number / 32].inheritable |= 1u << number % 32;
    if (syscall(SYS_capset, &head, half) != 0
        || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0)
        fail("an ambient capability");
}

int
main(int argc, char **argv)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int at = 1;

    if (f == NULL || seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0) != 0)
        fail("libseccomp");
    while (at < argc && strcmp(argv[at], "--") != 0)
        if (!add_wall(f, argv[at++])) {
            errno = EINVAL;
            fail(argv[at - 1]);
        }
    if (at + 1 >= argc) {
        (void)fprintf(stderr, "usage: confined WALL... -- PROGRAM ARGUMENT...\n");
        return 125;
    }
    if (ids != NULL)
        take_ids(ids);
    if ((no_new_privileges || geteuid() != 0)
        && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fail("no_new_privs");
    /* the filter first: it takes CAP_SYS_ADMIN, and leaves capset(2) and prctl(2) alone */
    if ((errno = -seccomp_load(f)) != 0)
        fail("the filter");
    seccomp_release(f);
    drop_capabilities();
    if (ambient != NULL)
        give_ambient(ambient);
    (void)execv(argv[at + 1], argv + at + 1);
    fail(argv[at + 1]);
}
