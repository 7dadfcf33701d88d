/* tests/sandbox/side_broker.c - see sides.h; and broker/jail.c without its chroot(2) */
#include "sides.h"

#include "base/privilege.h"
#include "wire/grant.h"

/* The wall that is taken away: the root directory stays what it was. */
static enum sp_err
keep_root(int dir)
{
    (void)dir;
    return SP_OK;
}

#define privilege_chroot_fd(dir) keep_root(dir)
#include "broker/jail.c"
#include "broker/sandbox.c"

#define ID 61234                /* nobody's */

#ifdef MAY_ONLY_READ
#define WRITES false
const struct side the_side = {
    "broker-read", rules, sizeof rules / sizeof *rules - FOR_WRITING, true
};
#else
#define WRITES true
const struct side the_side = { "broker", rules, sizeof rules / sizeof *rules, true };
#endif

static struct seccomp_filter filter = SECCOMP_FILTER_EMPTY;

enum sp_err
side_prepare(void)
{
    return sandbox_compile(WRITES, &filter);
}

enum sp_err
side_enter(int channel_fd)
{
    return seccomp_enter(&filter, channel_fd);
}

enum sp_err
side_landlock(const char *jail, bool writable)
{
    static struct broker b;
    bool root = privilege_is_root();
    struct msg_grant grant = {
        .session = slice_of("test"), .user = slice_of("test"), .group = slice_of("test"),
        .uid = root ? ID : getuid(), .gid = root ? ID : getgid(), .jail = slice_of(jail),
        .umask = 022,
        .permits = writable ? PERMIT_ALL : PERMIT_READ_ONLY
    };

    return jail_enter(&b, &grant);
}
