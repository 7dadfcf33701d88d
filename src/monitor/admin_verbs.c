/* monitor/admin_verbs.c - see admin_verbs.h: one function for each request */
#include "monitor/admin_verbs.h"

#include "base/clock.h"
#include "base/log.h"
#include "monitor/admin.h"
#include "monitor/deaths.h"
#include "monitor/expel.h"
#include "monitor/generation.h"
#include "monitor/guessers.h"
#include "monitor/monitor.h"
#include "wire/pack.h"

/* ---- reload --------------------------------------------------------------------------- */

static enum sp_err
verb_reload(struct admin_client *c, const struct message *m)
{
    struct monitor *monitor = admin_monitor(c);
    struct msg_reload in = { 0 };

    if (msg_reload_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    if (monitor->stopping) {
        admin_refuse(c, ADMIN_REFUSAL_STOPPING);
        return SP_OK;
    }
    admin_await_reload(c);
    return SP_OK;
}

/* ---- bans ----------------------------------------------------------------------------- */

static enum sp_err
read_network(struct slice base, unsigned bits, struct net_network *out)
{
    struct net_network n = { NET_ADDR_EMPTY, bits };

    if (net_unpack(&n.base, base) != SP_OK || !net_network_valid(&n) || n.base.port != 0
        || n.base.scope != 0)
        return SP_INPUT;
    *out = n;
    return SP_OK;
}

/* Whole seconds, and never none for a ban that has an end. */
static uint64_t
seconds_left(int64_t until, int64_t now)
{
    if (until == BAN_FOR_EVER)
        return 0;
    return until - now < 1000 ? 1 : (uint64_t)((until - now) / 1000);
}

static void
send_ban(void *client, const struct ban *ban)
{
    unsigned char base[NET_PACKED];
    struct message m;

    net_pack(&ban->network.base, base);
    msg_ban_pack(&m, &(struct msg_ban){
        .base = slice_from(base, sizeof base), .bits = (uint8_t)ban->network.bits,
        .account = SLICE_EMPTY, .reason = (uint8_t)ban->reason,
        .seconds = seconds_left(ban->until, clock_ms()) });
    admin_row(client, &m);
}

static void
send_death(struct admin_client *c, const struct death *one, int64_t now)
{
    static const unsigned char none[NET_PACKED];
    struct message m;

    msg_ban_pack(&m, &(struct msg_ban){
        .base = slice_from(none, sizeof none), .account = slice_of(one->account),
        .reason = BAN_DEATHS, .seconds = seconds_left(one->until, now) });
    admin_row(c, &m);
}

/* The i-th network that is shut out for strangers alone, if it is: no ban says so. */
static bool
shut_for_strangers(struct monitor *m, size_t i, int64_t now, struct ban *out)
{
    const struct guesser *e = guessers_at(&m->guessers, i);

    if (e->network.kind == NETWORK_NONE || e->shut_until <= now)
        return false;
    *out = (struct ban){ network_whole(&e->network), BAN_STRANGERS, e->shut_until };
    return bans_over(&m->admission.bans, &out->network, now) == NULL;
}

static enum sp_err
verb_ban_list(struct admin_client *c, const struct message *m)
{
    struct monitor *monitor = admin_monitor(c);
    struct bans *bans = &monitor->admission.bans;
    struct msg_ban_list in = { 0 };
    struct ban ban = { .reason = BAN_STRANGERS };
    int64_t now = clock_ms();
    uint64_t others = 0;

    if (msg_ban_list_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    bans_each(bans, now, send_ban, c);
    for (size_t i = 0; guessers_at(&monitor->guessers, i) != NULL; i++)
        if (shut_for_strangers(monitor, i, now, &ban)) {
            send_ban(c, &ban);
            others++;
        }
    for (size_t i = 0; i < DEATHS_MOST; i++)
        if (deaths_at(&monitor->deaths, i, now) != NULL) {
            send_death(c, deaths_at(&monitor->deaths, i, now), now);
            others++;
        }
    admin_done(c, bans->count + others);
    return SP_OK;
}

static enum sp_err
verb_ban_add(struct admin_client *c, const struct message *m)
{
    struct monitor *monitor = admin_monitor(c);
    struct msg_ban_add in = { 0 };
    struct ban ban = { .reason = BAN_BY_HAND };
    char text[NET_TEXT_MAX];
    int64_t now = clock_ms();
    unsigned ended = 0;
    enum sp_err rc = SP_OK;

    if (msg_ban_add_unpack(m, &in) != SP_OK
        || read_network(in.base, in.bits, &ban.network) != SP_OK)
        return SP_INPUT;
    ban.until = in.seconds == 0 ? BAN_FOR_EVER : now + (int64_t)in.seconds * 1000;
    if ((rc = bans_add(&monitor->admission.bans, &ban, now)) != SP_OK) {
        admin_refuse(c, rc == SP_REFUSED ? ADMIN_REFUSAL_FULL : ADMIN_REFUSAL_MEMORY);
        return SP_OK;
    }
    ended = expel_network(monitor, &ban.network, NULL);
    log_event(EVENT_BAN_ADDED, "network=%s seconds=%lu uid=%lu sessions=%u",
              net_network_text(&ban.network, text), (unsigned long)in.seconds,
              (unsigned long)admin_uid(c), ended);
    admin_done(c, ended);
    return SP_OK;
}

/* Everything that shuts out what lies in the network. How many bans that were. */
static unsigned
lift(struct monitor *m, const struct net_network *n, int64_t now)
{
    struct ban ban = { .reason = BAN_STRANGERS };
    unsigned count = 0;

    for (size_t i = 0; guessers_at(&m->guessers, i) != NULL; i++)
        count += shut_for_strangers(m, i, now, &ban) && net_covers(n, &ban.network);
    guessers_forgive(&m->guessers, n);
    admission_forgive(&m->admission, n, now);
    return count + bans_remove(&m->admission.bans, n, now);
}

/* What shuts all of the network out. */
static bool
is_over(struct monitor *m, const struct net_network *n, int64_t now, struct ban *out)
{
    const struct ban *ban = bans_over(&m->admission.bans, n, now);

    if (ban != NULL)
        *out = *ban;
    for (size_t i = 0; ban == NULL && guessers_at(&m->guessers, i) != NULL; i++)
        if (shut_for_strangers(m, i, now, out) && net_covers(&out->network, n))
            return true;
    return ban != NULL;
}

/* A wider ban that shuts the network out all the same is told. */
static enum sp_err
verb_ban_remove(struct admin_client *c, const struct message *m)
{
    struct monitor *monitor = admin_monitor(c);
    struct msg_ban_remove in = { 0 };
    struct net_network n = { NET_ADDR_EMPTY, 0 };
    struct ban over = { .reason = BAN_BY_HAND };
    char text[NET_TEXT_MAX];
    int64_t now = clock_ms();
    unsigned count = 0;

    if (msg_ban_remove_unpack(m, &in) != SP_OK
        || read_network(in.base, in.bits, &n) != SP_OK)
        return SP_INPUT;
    count = lift(monitor, &n, now);
    if (count > 0)
        log_event(EVENT_BAN_REMOVED, "network=%s bans=%u uid=%lu",
                  net_network_text(&n, text), count, (unsigned long)admin_uid(c));
    if (is_over(monitor, &n, now, &over))
        send_ban(c, &over);
    admin_done(c, count);
    return SP_OK;
}

static enum sp_err
verb_ban_lift(struct admin_client *c, const struct message *m)
{
    struct msg_ban_lift in = { 0 };
    struct log_escaped text;
    char account[DEATHS_ACCOUNT + 1];
    bool lifted = false;

    if (msg_ban_lift_unpack(m, &in) != SP_OK
        || slice_to_text(in.account, account, sizeof account) != SP_OK)
        return SP_INPUT;
    lifted = deaths_forgive(&admin_monitor(c)->deaths, account, clock_ms());
    if (lifted)
        log_event(EVENT_BAN_REMOVED, "account=%s uid=%lu", log_text(in.account, &text),
                  (unsigned long)admin_uid(c));
    admin_done(c, lifted);
    return SP_OK;
}

/* ---- accounts ------------------------------------------------------------------------- */

static const char *
change_name(enum account_change change)
{
    switch (change) {
    case CHANGED_DISABLED: return "disabled";
    case CHANGED_EXPIRED: return "expired";
    case CHANGED_DELETED: return "deleted";
    case CHANGED_PASSWORD: return "password";
    case CHANGED_RIGHTS: return "rights";
    case CHANGED_ADDED: return "added";
    case CHANGED_NOTHING: case CHANGED_COUNT: break;
    }
    return "?";
}

static enum sp_err
verb_account_changed(struct admin_client *c, const struct message *m)
{
    struct msg_account_changed in = { 0 };
    struct log_escaped user;
    unsigned ended = 0;

    if (msg_account_changed_unpack(m, &in) != SP_OK || in.user.len == 0
        || in.change == CHANGED_NOTHING || in.change >= CHANGED_COUNT)
        return SP_INPUT;
    ended = expel_account(admin_monitor(c), in.user, (enum account_change)in.change);
    /* who may log in without TLS is read anew */
    if (in.change == CHANGED_RIGHTS || in.change == CHANGED_ADDED
        || in.change == CHANGED_DELETED)
        pool_refresh(&admin_monitor(c)->current->pools[POOL_LOGIN]);
    log_event(EVENT_ACCOUNT_CHANGED, "user=%s change=%s uid=%lu sessions=%u",
              log_text(in.user, &user), change_name((enum account_change)in.change),
              (unsigned long)admin_uid(c), ended);
    admin_done(c, ended);
    return SP_OK;
}

/* ---- the table ------------------------------------------------------------------------ */

static const struct row {
    unsigned type;
    enum sp_err (*verb)(struct admin_client *c, const struct message *m);
} rows[] = {
    { MSG_RELOAD, verb_reload },
    { MSG_BAN_LIST, verb_ban_list },
    { MSG_BAN_ADD, verb_ban_add },
    { MSG_BAN_REMOVE, verb_ban_remove },
    { MSG_BAN_LIFT, verb_ban_lift },
    { MSG_ACCOUNT_CHANGED, verb_account_changed },
};

enum sp_err
admin_verb(struct admin_client *c, const struct message *m)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == m->type)
            return rows[i].verb(c, m);
    return SP_INPUT;
}
