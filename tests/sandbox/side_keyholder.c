/* tests/sandbox/side_keyholder.c - see sides.h */
#include "sides.h"

/* side_landlock takes the filter away; everything else is as it is. */
static bool without_filter = false;

static enum sp_err
enter_filter(const struct seccomp_filter *f, int channel_fd)
{
    return without_filter ? SP_OK : (seccomp_enter)(f, channel_fd);
}

#define seccomp_enter(f, channel_fd) enter_filter(f, channel_fd)
#include "tls/keyholder/sandbox.c"

const struct side the_side = {
    "keyholder", allowed, sizeof allowed / sizeof *allowed, false
};

enum sp_err
side_prepare(void)
{
    return SP_OK;
}

enum sp_err
side_enter(int channel_fd)
{
    return sandbox_enter(channel_fd, false);
}

enum sp_err
side_landlock(const char *jail, bool writable)
{
    (void)jail;
    (void)writable;
    without_filter = true;
    return sandbox_enter(-1, false);
}
