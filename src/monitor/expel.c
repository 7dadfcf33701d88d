/* monitor/expel.c - see expel.h */
#include "monitor/expel.h"

#include "base/net.h"
#include "monitor/monitor.h"
#include "monitor/session.h"

/* False: it ends already. */
static bool
expel(struct session *s, const char *reason, const char *text)
{
    if (s->ended || s->leaving)
        return false;
    session_shutdown(s, reason, text);
    return true;
}

unsigned
expel_network(struct monitor *m, const struct net_network *n, const struct session *but)
{
    struct session *s = NULL;
    unsigned count = 0;

    TAILQ_FOREACH(s, &m->sessions, entry)
        if (s != but && net_contains(n, &s->peer))
            count += expel(s, "banned", "Your address is shut out, closing.");
    return count;
}
