/* monitor/expel.c - see expel.h */
#include "monitor/expel.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "monitor/guessers.h"
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

void
expel_guesser(const struct session *s, const struct guessers_shut *shut)
{
    struct monitor *m = s->monitor;
    const struct ban ban = { network_whole(&shut->network), BAN_GUESSES, shut->until };
    int64_t now = clock_ms();
    unsigned ended = 0;

    /* where the table is full, its passwords are refused all the same */
    if (shut->whole && bans_add(&m->admission.bans, &ban, now) == SP_OK)
        ended = expel_network(m, &ban.network, s);
    log_warning("address.shut peer=%s%s seconds=%lld names=%u for=%s sessions=%u",
                s->peer_text, shut->network.kind == NETWORK_48 ? "/48" : "",
                (long long)((shut->until - now + 999) / 1000), shut->names,
                shut->whole ? "all" : "strangers", ended);
}
