/* src/base/landlock.c - see base/landlock.h */
#include "base/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/*
 * The kernel's own words, written out here: <linux/landlock.h> of the oldest system we
 * build on ends at ABI 2, the kernel it runs on need not.
 */
#define FS_EXECUTE      (1ull << 0)
#define FS_WRITE_FILE   (1ull << 1)
#define FS_READ_FILE    (1ull << 2)
#define FS_READ_DIR     (1ull << 3)
#define FS_REMOVE_DIR   (1ull << 4)
#define FS_REMOVE_FILE  (1ull << 5)
#define FS_MAKE_DIR     (1ull << 7)
#define FS_MAKE_REG     (1ull << 8)
#define FS_MAKE_SYM     (1ull << 12)
#define FS_REFER        (1ull << 13)    /* ABI 2: rename between directories */
#define FS_TRUNCATE     (1ull << 14)    /* ABI 3 */
#define FS_IOCTL_DEV    (1ull << 15)    /* ABI 5 */
#define FS_ALL_ABI_1    ((1ull << 13) - 1)

#define NET_BIND_TCP    (1ull << 0)     /* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)

#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0)  /* ABI 6 */
#define SCOPE_SIGNAL    (1ull << 1)

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

/* Grows with the ABI: a kernel refuses bytes it does not know, unless they are zero. */
struct ruleset { uint64_t fs, net, scoped; };

struct beneath { uint64_t allowed; int32_t parent; } __attribute__((packed));

int
landlock_abi(void)
{
    int saved = errno;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

    errno = saved;
    return abi > 0 ? (int)abi : 0;
}

static size_t
ruleset_for(int abi, struct ruleset *out)
{
    *out = (struct ruleset) { FS_ALL_ABI_1, 0, 0 };
    if (abi >= 2)
        out->fs |= FS_REFER;
    if (abi >= 3)
        out->fs |= FS_TRUNCATE;
    if (abi >= 5)
        out->fs |= FS_IOCTL_DEV;
    if (abi < 4)
        return offsetof(struct ruleset, net);
    out->net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi < 6)
        return offsetof(struct ruleset, scoped);
    out->scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return sizeof *out;
}

enum sp_err
landlock_enter(int beneath_fd, bool writable)
{
    struct ruleset handled = {0};
    struct beneath rule = { FS_READ_FILE | FS_READ_DIR, beneath_fd };
    int abi = landlock_abi();
    size_t size = 0;
    int ruleset = -1;
    enum sp_err rc = SP_OS;

    /* ABI 1 refuses every rename between directories: a writable account would break. */
    if (abi == 0 || (abi == 1 && beneath_fd != -1 && writable))
        return SP_REFUSED;
    size = ruleset_for(abi, &handled);
    if (writable)
        rule.allowed |= FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR
            | FS_MAKE_SYM | FS_REMOVE_FILE | FS_REMOVE_DIR | FS_REFER;
    rule.allowed &= handled.fs;

    if ((ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0)) == -1)
        goto out;
    if (beneath_fd != -1
        && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) != 0)
        goto out;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        goto out;
    rc = SP_OK;
out:
    fd_close(&ruleset);
    return rc;
}
