/* monitor/retry.c - see retry.h */
#include "monitor/retry.h"

enum sp_err
retry_init(struct retry *r, struct event_base *loop, long least_ms, long most_ms,
           event_callback_fn call, void *context)
{
    *r = (struct retry){ .least_ms = least_ms, .most_ms = most_ms };
    return event_assign(&r->timer, loop, -1, 0, call, context) == 0 ? SP_OK : SP_NOMEM;
}

bool
retry_later(struct retry *r)
{
    long wait = r->least_ms;
    struct timeval after = { 0, 0 };

    for (unsigned i = 0; i < r->failures && wait < r->most_ms; i++)
        wait *= 2;
    if (wait > r->most_ms)
        wait = r->most_ms;
    after.tv_sec = wait / 1000;
    after.tv_usec = wait % 1000 * 1000;
    r->failures++;
    return event_add(&r->timer, &after) == 0;
}

bool
retry_waits(const struct retry *r)
{
    return event_pending(&r->timer, EV_TIMEOUT, NULL) != 0;
}

void
retry_clear(struct retry *r)
{
    (void)event_del(&r->timer);
}
