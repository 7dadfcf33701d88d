/* monitor/bond.c - see bond.h */
#include "monitor/bond.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "monitor/generation.h"
#include "monitor/monitor.h"
#include "monitor/part.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "wire/grant.h"
#include "wire/pack.h"

/* A client that opens several sessions at once: one of them logs in a moment later. */
#define LOGIN_SOON_MS 10000

enum sp_err
bonds_init(struct bonds *b)
{
    for (size_t i = 0; i < BOND_CHAINS; i++)
        LIST_INIT(&b->table[i]);
    return keyed_init(&b->key);
}

static struct bond_chain *
chain_of(struct bonds *b, const unsigned char *name)
{
    return &b->table[keyed_hash(&b->key, slice_from(name, BOND_NAME)) % BOND_CHAINS];
}

void
bond_take_account(struct session *s, uint32_t permits, uint32_t flags)
{
    s->bond.shared = s->generation->settings.resumption_shared
        && (flags & ACCOUNT_ANONYMOUS) == 0 && (permits & PERMIT_DOWNLOAD) != 0
        && ((permits & PERMIT_UPLOAD) == 0 || (permits & PERMIT_OVERWRITE) != 0);
}

void
bond_keep(struct session *s)
{
    if (s->bond.known && s->bond.shared && s->kin != NULL)
        kin_remember(s->kin, &s->peer, s->bond.name, s->bond.keys);
}

void
bond_drop(struct session *s)
{
    if (s->bond.known)
        LIST_REMOVE(&s->bond, chain);
    wipe(&s->bond, sizeof s->bond);
}

enum sp_err
bond_hear(struct session *s, const struct message *m)
{
    struct msg_tickets in = { 0 };

    if (msg_tickets_unpack(m, &in) != SP_OK || in.name.len != BOND_NAME
        || in.keys.len != BOND_KEYS)
        return SP_INPUT;
    bond_drop(s);
    memcpy(s->bond.name, in.name.at, BOND_NAME);
    memcpy(s->bond.keys, in.keys.at, BOND_KEYS);
    s->bond.known = true;
    LIST_INSERT_HEAD(chain_of(&s->monitor->bonds, s->bond.name), &s->bond, chain);
    return SP_OK;
}

/* NULL: no session that lives has that name, or not at this address. */
static struct session *
find(struct session *s, const unsigned char *name)
{
    struct bond *one = NULL;

    LIST_FOREACH(one, chain_of(&s->monitor->bonds, name), chain) {
        struct session *other = (struct session *)((char *)one - offsetof(struct session, bond));

        if (other != s && memcmp(one->name, name, BOND_NAME) == 0
            && net_same(&other->peer, &s->peer))
            return other;
    }
    return NULL;
}

static bool
is_logged_in(const struct session *s)
{
    return session_state(s) == ST_USER && s->broker != NULL && s->broker->account != NULL;
}

/* SP_AGAIN: it may still come to be; SP_REFUSED. */
static enum sp_err
judge(const struct session *s, const struct session *other)
{
    if (!is_logged_in(s) || !s->bond.shared)
        return SP_REFUSED;
    if (!is_logged_in(other))
        return clock_ms() < other->began + LOGIN_SOON_MS ? SP_AGAIN : SP_REFUSED;
    return other->bond.shared && strcmp(s->broker->account, other->broker->account) == 0
        ? SP_OK : SP_REFUSED;
}

enum sp_err
bond_ask(struct session *s, const struct message *m)
{
    struct msg_tickets_of in = { 0 };
    const struct session *other = NULL;
    const unsigned char *keys = NULL;
    struct message out;
    enum sp_err rc = SP_REFUSED;

    if (msg_tickets_of_unpack(m, &in) != SP_OK || in.name.len != BOND_NAME)
        return SP_INPUT;
    if ((other = find(s, in.name.at)) != NULL) {
        rc = judge(s, other);
        keys = other->bond.keys;
    } else if (s->bond.shared && s->kin != NULL
               && (keys = kin_recall(s->kin, &s->peer, in.name.at)) != NULL) {
        rc = SP_OK;
    }
    report_session(s, EVENT_TLS_TICKET, "of=%s answer=%s",
                   other != NULL ? other->id : keys != NULL ? "ended" : "unknown",
                   rc == SP_OK ? "yes" : rc == SP_AGAIN ? "later" : "no");
    if (rc == SP_OK)
        msg_ticket_keys_pack(&out, &(struct msg_ticket_keys){
            .keys = slice_from(keys, BOND_KEYS) });
    else
        msg_no_tickets_pack(&out, &(struct msg_no_tickets){ .later = rc == SP_AGAIN });
    session_tell(s, &out);
    return SP_OK;
}
