/* tests/sandbox/side_worker.c - see sides.h */
#include "sides.h"

#include "without_filter.h"
#include "worker/sandbox.c"

#ifdef KERNEL_TLS
const struct side the_side = { "worker-tls", rules, LENGTH(rules), false };
#else
#define KERNEL_TLS false
const struct side the_side = { "worker", rules, LENGTH(rules) - FOR_KERNEL_TLS, false };
#endif

static struct seccomp_filter filter = SECCOMP_FILTER_EMPTY;

enum sp_err
side_prepare(void)
{
    return sandbox_prepare(KERNEL_TLS, &filter);
}

enum sp_err
side_enter(int channel_fd)
{
    return sandbox_enter(&filter, channel_fd);
}

enum sp_err
side_landlock(const char *jail, bool writable)
{
    (void)jail;
    (void)writable;
    without_filter = true;
    return sandbox_enter(&filter, -1);
}
