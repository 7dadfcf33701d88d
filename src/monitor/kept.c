/* monitor/kept.c - see kept.h */
#include "monitor/kept.h"

#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "monitor/bans.h"
#include "monitor/generation.h"
#include "monitor/guessers.h"
#include "monitor/monitor.h"
#include "wire/ledger.h"

#define AHEAD_S ((int64_t)8 * 24 * 3600)    /* no automatic ban ends later                  */
#define NEXT_AHEAD_S 60                     /* failure_delay_most                           */
#define TRIES_MOST 1000u
#define MAPPED UINT64_C(0xffff)             /* before an IPv4 address in a row of its ban   */
#define IPV4_MOST (UINT64_C(1) << 21)       /* of /24: an eighth of all addresses           */
#define IPV6_MOST (UINT64_C(1) << 32)       /* of /48: as many as a /16 has                 */

/* ---- times -------------------------------------------------------------------------- */

/* clock_ms, which begins anew with the machine, and seconds since the epoch. */
static int64_t
to_wall(int64_t ms)
{
    if (ms == 0 || ms == BAN_FOR_EVER)
        return ms;
    return clock_seconds() + (ms - clock_ms()) / 1000;
}

/* Neither long ago nor far ahead, whatever the row says. */
static int64_t
from_wall(int64_t wall, int64_t most)
{
    const int64_t now = clock_seconds(), past = KNOWN_MS / 1000;
    int64_t seconds = 0, ms = 0;

    if (wall == 0)
        return 0;
    seconds = wall > now + most ? most : wall < now - past ? -past : wall - now;
    ms = clock_ms() + seconds * 1000;
    return ms == 0 ? 1 : ms;
}

/* ---- rows for it -------------------------------------------------------------------- */

struct msg_row
kept_known(const struct known_entry *e)
{
    return (struct msg_row){ .table = LEDGER_KNOWN, .kind = (uint8_t)e->network.kind,
                             .a = e->account, .b = e->network.prefix,
                             .last = to_wall(e->last) };
}

struct msg_row
kept_network(const struct guesser *e)
{
    return (struct msg_row){ .table = LEDGER_NETWORK, .kind = (uint8_t)e->network.kind,
                             .a = e->network.prefix, .last = to_wall(e->last),
                             .until = to_wall(e->shut_until), .count = e->strikes };
}

struct msg_row
kept_name(const struct guesser *e, unsigned i)
{
    const struct guesser_name *n = &e->names[i];

    return (struct msg_row){ .table = LEDGER_NAME, .kind = (uint8_t)e->network.kind,
                             .a = e->network.prefix, .b = n->name,
                             .last = to_wall(n->last), .until = to_wall(n->next),
                             .count = n->tries };
}

struct msg_row
kept_ban(const struct ban *ban)
{
    const struct net_addr *base = &ban->network.base;
    bool inside = base->family == AF_INET6;

    return (struct msg_row){
        .table = LEDGER_BAN, .kind = (uint8_t)ban->network.bits,
        .a = inside ? bytes_get_big(base->bytes, 8) : 0,
        .b = inside ? bytes_get_big(base->bytes + 8, 8)
                    : MAPPED << 32 | bytes_get_big(base->bytes, 4),
        .until = to_wall(ban->until),
        .count = (inside ? 6u : 4u) << 8 | (unsigned)ban->reason };
}

/* ---- bans of it --------------------------------------------------------------------- */

/* As the administrator's tool reads it: there is one way to write a network. */
static bool
read_network(const struct msg_stored *in, struct net_network *out)
{
    unsigned char packed[NET_PACKED] = { (unsigned char)(in->count >> 8) };
    bool inside = in->count >> 8 == 6;

    if (!inside && (in->count >> 8 != 4 || in->a != 0 || in->b >> 32 != MAPPED))
        return false;
    bytes_put_big(packed + 8, inside ? in->a : in->b << 32, 8);
    bytes_put_big(packed + 16, inside ? in->b : 0, 8);
    *out = (struct net_network){ NET_ADDR_EMPTY, in->kind };
    return net_unpack(&out->base, slice_from(packed, sizeof packed)) == SP_OK
           && net_network_valid(out);
}

/* The automatic ones are of addresses as the server counts them. */
static bool
is_counted(const struct net_network *n, enum ban_reason reason)
{
    if (n->base.family == AF_INET)
        return n->bits == 32;
    return n->bits == 64 || (n->bits == 48 && reason == BAN_GUESSES);
}

static bool
anybody_known(const struct monitor *m, const struct net_network *n)
{
    struct network at = n->bits == 48 ? network_around(&n->base) : network_of(&n->base);

    return known_any(&m->guessers.known, &at, clock_ms());
}

/* There are as many as are left of what bans may cover. */
static bool
cover(struct kept *k, const struct net_network *n)
{
    const unsigned unit = n->base.family == AF_INET ? 24 : 48;
    const uint64_t most = n->base.family == AF_INET ? IPV4_MOST : IPV6_MOST;
    uint64_t *covered = &k->covered[n->base.family == AF_INET ? 0 : 1];
    uint64_t units = n->bits >= unit ? 1 : UINT64_C(1) << (unit - n->bits);

    if (units > most - *covered)
        return false;
    *covered += units;
    return true;
}

static void
take_ban(struct monitor *m, struct kept *k, const struct msg_stored *in)
{
    struct bans *bans = &m->admission.bans;
    struct ban ban = { .reason = (enum ban_reason)(in->count & 0xff) };
    int64_t now = clock_ms();
    char text[NET_TEXT_MAX];
    enum sp_err rc = SP_REFUSED;

    if (ban.reason >= BAN_REASON_COUNT || !read_network(in, &ban.network)
        || bans_exact(bans, &ban.network) != NULL)
        return;
    switch (ban.reason) {
    case BAN_BY_HAND:
        ban.until = in->until == BAN_FOR_EVER ? BAN_FOR_EVER : from_wall(in->until, UINT32_MAX);
        break;
    case BAN_VIOLATIONS: case BAN_GUESSES:
        if (!is_counted(&ban.network, ban.reason)
            || (ban.reason == BAN_GUESSES && anybody_known(m, &ban.network)))
            return;
        ban.until = from_wall(in->until, AHEAD_S);
        break;
    case BAN_STRANGERS: case BAN_DEATHS: case BAN_REASON_COUNT:  /* in no row */
        return;
    }
    if (ban.until <= now)
        return;
    if (bans->count + KEPT_SPARE < BANS_MOST
        && (ban.reason != BAN_BY_HAND || cover(k, &ban.network)))
        rc = bans_add(bans, &ban, now);
    if (rc != SP_OK && !k->told)
        log_event(EVENT_BAN_FORGOTTEN, "network=%s",
                  net_network_text(&ban.network, text));
    k->told = k->told || rc != SP_OK;
}

/* ---- all of it ---------------------------------------------------------------------- */

static void
take_network(struct monitor *m, const struct msg_stored *in, const struct network *at)
{
    guessers_restore(&m->guessers, &m->current->guessing,
                     &(struct guesser){ .network = *at,
                                        .strikes = in->count,
                                        .last = from_wall(in->last, 0),
                                        .shut_until = from_wall(in->until, AHEAD_S) },
                     clock_ms());
}

static void
take_name(struct monitor *m, const struct msg_stored *in, const struct network *at)
{
    guessers_restore_name(
        &m->guessers, at,
        &(struct guesser_name){ .name = in->b,
                                .tries = in->count < TRIES_MOST ? in->count : TRIES_MOST,
                                .last = from_wall(in->last, 0),
                                .next = from_wall(in->until, NEXT_AHEAD_S) });
}

enum sp_err
kept_take(struct monitor *m, struct kept *k, const struct msg_stored *in)
{
    const struct network of_known = { (enum network_kind)in->kind, in->b },
                         at = { (enum network_kind)in->kind, in->a };

    if (++k->rows > LEDGER_ROWS_MOST)
        return SP_INPUT;
    if (in->table == LEDGER_KEY && k->rows == 1)    /* the first of all, or never */
        guessers_rekey(&m->guessers, &(struct keyed){ in->a, in->b });
    else if (in->table == LEDGER_KNOWN && network_valid(&of_known))
        known_add(&m->guessers.known, in->a, &of_known, from_wall(in->last, 0));
    else if (in->table == LEDGER_NETWORK && network_valid(&at))
        take_network(m, in, &at);
    else if (in->table == LEDGER_NAME && network_valid(&at))
        take_name(m, in, &at);
    else if (in->table == LEDGER_BAN)
        take_ban(m, k, in);
    return SP_OK;
}
