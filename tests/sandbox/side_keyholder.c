/* tests/sandbox/side_keyholder.c - see sides.h */
#include "sides.h"

#include "without_filter.h"
#include "tls/keyholder/sandbox.c"
#include "process/confine.c"

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
