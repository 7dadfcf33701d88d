/* monitor/expel.c - see expel.h */
#include "monitor/expel.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "monitor/guessers.h"
#include "monitor/logins.h"
#include "monitor/monitor.h"
#include "monitor/part.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "wire/fail.h"

#define USERS "users:"          /* how grant.c names an account of the users database */

/* False: it ends already. */
static bool
expel(struct session *s, const char *reason, const char *text)
{
    if (s->ended || s->dismissed)
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
            count += expel(s, "banned", "Your address is banned; closing connection.");
    return count;
}

/* The one that serves now: another one only settles, and nobody reaches it any more. */
static const struct part *
serving(const struct session *s, unsigned kind)
{
    return kind == WORKER ? s->worker : kind == BROKER ? s->broker : s->login;
}

/* Does s have a process of the same template, in reach of the same people? */
static bool
is_sibling(const struct session *s, const struct part *dead)
{
    const struct part *part = serving(s, dead->kind);
    const struct net_network address = admission_network(&dead->session->peer);

    if (s == dead->session || part == NULL || s->generation != dead->session->generation
        || part->request.template_serial != dead->request.template_serial)
        return false;
    if (dead->kind == BROKER)
        return dead->account != NULL && part->account != NULL
               && strcmp(dead->account, part->account) == 0;
    /* a login that has decided hears nothing of its client any more */
    return net_contains(&address, &s->peer)
           && (dead->kind != LOGIN || part->child.channel.state != ST_USER);
}

unsigned
expel_siblings(const struct part *dead)
{
    struct session *s = NULL;
    unsigned count = 0;

    TAILQ_FOREACH(s, &dead->session->monitor->sessions, entry)
        if (is_sibling(s, dead))
            count += expel(s, "sibling",
                           "A failure in another session ended this one; connect again.");
    if (count > 0)
        report_session(dead->session, EVENT_SIBLINGS_ENDED, "kind=%s sessions=%u",
                       peer_name(dead->kind), count);
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
    log_event(EVENT_ADDRESS_SHUT, "peer=%s%s seconds=%lld names=%u for=%s sessions=%u",
              s->peer_text, shut->network.kind == NETWORK_48 ? "/48" : "",
              (long long)((shut->until - now + 999) / 1000), shut->names,
              shut->whole ? "all" : "strangers", ended);
}

/* For the log, and for the client. */
static const struct notice { const char *reason, *text; } notices[CHANGED_COUNT] = {
    [CHANGED_DISABLED] = { "account-disabled", "This account was disabled; closing connection." },
    [CHANGED_EXPIRED] = { "account-expired", "This account has expired; closing connection." },
    [CHANGED_DELETED] = { "account-deleted", "This account was deleted; closing connection." },
    [CHANGED_PASSWORD] = { "password-changed",
                           "The password of this account was changed; closing connection." },
    [CHANGED_RIGHTS] = { "account-changed",
                         "This account was changed; log in again." },
    /* of a name that was deleted before, and the server was not told */
    [CHANGED_ADDED] = { "account-deleted", "This account was deleted; closing connection." },
};

static bool
is_of_account(const struct session *s, struct slice user)
{
    const char *account = s->broker == NULL ? NULL : s->broker->account;

    return account != NULL && strncmp(account, USERS, strlen(USERS)) == 0
           && slice_equal(slice_of(account + strlen(USERS)), user);
}

unsigned
expel_account(struct monitor *m, struct slice user, enum account_change change)
{
    const struct notice *notice = &notices[change];
    struct session *s = NULL;
    unsigned count = 0;

    SP_ASSERT(change > CHANGED_NOTHING && change < CHANGED_COUNT);
    TAILQ_FOREACH(s, &m->sessions, entry) {
        if (s->ended)
            continue;
        if (s->claim != NULL && slice_equal(claim_user(s), user))
            claim_distrust(s);
        if (!is_of_account(s, user))
            continue;
        if (s->logged_in != NULL) {     /* its broker gets ready */
            session_end_account(s, SESSION_SETTLE_MS);
            claim_refuse(s, REFUSE_CREDENTIALS, "the account was changed meanwhile");
        } else {
            count += expel(s, notice->reason, notice->text);
        }
    }
    return count;
}
