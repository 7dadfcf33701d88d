/* monitor/ledger.c - see ledger.h */
#include "monitor/ledger.h"

#include <poll.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/generation.h"
#include "monitor/guessers.h"
#include "monitor/monitor.h"
#include "wire/ledger.h"
#include "wire/pack.h"

#define TICK_SECONDS 5          /* between two batches: what a crash of the monitor forgets */
#define PIECE 256               /* rows before others get their turn               */
#define RETRY_LEAST_MS 1000
#define RETRY_MOST_MS 600000
#define STOP_MS 2000            /* for the ledger to write what it is told last    */
#define AGAIN_MS 100            /* for a ledger to read what it was told           */
#define WAITED_TICKS 12         /* without an answer it is told of                 */

/* ---- telling it -------------------------------------------------------------------- */

static enum sp_err
send_row(struct ledger *l, struct msg_row row)
{
    struct message m;

    msg_row_pack(&m, &row);
    return channel_send(&l->helper.child.channel, &m);
}

static enum sp_err
send_known(struct ledger *l, bool *through)
{
    struct known_entry *e = known_at(&l->monitor->guessers.known, l->place);
    enum sp_err rc = SP_OK;

    *through = e == NULL;
    if (e != NULL && e->network.kind != NETWORK_NONE && !e->kept) {
        rc = send_row(l, kept_known(e));
        e->kept = rc == SP_OK;
    }
    return rc;
}

/* The network, then its names. */
static enum sp_err
send_network(struct ledger *l, bool *through)
{
    const struct guesser *e = guessers_at(&l->monitor->guessers, l->place);
    enum sp_err rc = SP_OK;

    *through = e == NULL;
    if (e == NULL || e->network.kind == NETWORK_NONE)
        return SP_OK;
    if (l->name == 0)
        rc = send_row(l, kept_network(e));
    while (rc == SP_OK && l->name < e->count)
        if ((rc = send_row(l, kept_name(e, (unsigned)l->name))) == SP_OK)
            l->name++;
    if (rc == SP_OK)
        l->name = 0;
    return rc;
}

/* One bucket of the table. */
static enum sp_err
send_bans(struct ledger *l, bool *through)
{
    const struct ban *ban = NULL;
    enum sp_err rc = SP_OK;

    *through = l->place >= BANS_BUCKETS;
    while (rc == SP_OK && !*through
           && (ban = bans_at(&l->monitor->admission.bans, l->place, l->name)) != NULL)
        if ((rc = send_row(l, kept_ban(ban))) == SP_OK)
            l->name++;
    if (rc == SP_OK)
        l->name = 0;
    return rc;
}

static enum sp_err
send_begin(struct ledger *l)
{
    const struct keyed *key = &l->monitor->guessers.key;
    struct message m;
    enum sp_err rc = send_row(l, (struct msg_row){ .table = LEDGER_KEY, .a = key->k0,
                                                   .b = key->k1 });

    if (rc != SP_OK)
        return rc;
    msg_forget_rows_pack(&m, &(struct msg_forget_rows){ 0 });
    return channel_send(&l->helper.child.channel, &m);
}

static enum sp_err
send_end(struct ledger *l)
{
    struct message m;

    msg_commit_rows_pack(&m, &(struct msg_commit_rows){ 0 });
    return channel_send(&l->helper.child.channel, &m);
}

static void
enter_step(struct ledger *l, enum ledger_step step)
{
    l->step = step;
    l->place = l->name = 0;
}

/* One piece of the step that it is at. */
static enum sp_err
send_piece(struct ledger *l)
{
    enum sp_err rc = SP_OK;
    bool through = false;

    switch (l->step) {
    case LEDGER_IDLE:
        if ((rc = send_begin(l)) == SP_OK)
            enter_step(l, LEDGER_KNOWNS);
        return rc;
    case LEDGER_KNOWNS:
        if ((rc = send_known(l, &through)) == SP_OK && !through)
            l->place++;
        if (through)
            enter_step(l, LEDGER_NETWORKS);
        return rc;
    case LEDGER_NETWORKS:
        if ((rc = send_network(l, &through)) == SP_OK && !through)
            l->place++;
        if (through)
            enter_step(l, LEDGER_BANS);
        return rc;
    case LEDGER_BANS:
        if ((rc = send_bans(l, &through)) == SP_OK && !through)
            l->place++;
        if (through)
            enter_step(l, LEDGER_END);
        return rc;
    case LEDGER_END:
        if ((rc = send_end(l)) == SP_OK)
            enter_step(l, LEDGER_SENT);
        return rc;
    case LEDGER_SENT:
        break;
    }
    return SP_OK;
}

/* Up to the whole batch. SP_AGAIN: it has to read first. */
static enum sp_err
send_batch(struct ledger *l)
{
    enum sp_err rc = SP_OK;

    while (rc == SP_OK && l->step != LEDGER_SENT)
        rc = send_piece(l);
    return rc;
}

static bool
has_news(const struct ledger *l)
{
    return l->monitor->guessers.changed || l->monitor->admission.bans.changed;
}

static void
set_tick(struct ledger *l, long milliseconds)
{
    const struct timeval after = { milliseconds / 1000, milliseconds % 1000 * 1000 };

    if (event_add(&l->tick, &after) == -1)
        log_event(EVENT_LEDGER_FAILED, "fault=\"no memory for a timer\"");
}

static void
on_tick_event(evutil_socket_t fd, short what, void *context)
{
    struct ledger *l = context;
    enum sp_err rc = SP_OK;

    (void)fd;
    (void)what;
    if (!l->ready)
        return;
    if (l->step == LEDGER_SENT && ++l->waited == WAITED_TICKS)
        log_event(EVENT_LEDGER_SLOW, "seconds=%d", WAITED_TICKS * TICK_SECONDS);
    if (l->step == LEDGER_IDLE && has_news(l)) {
        l->monitor->guessers.changed = l->monitor->admission.bans.changed = false;
    } else if (l->step == LEDGER_IDLE) {
        set_tick(l, TICK_SECONDS * 1000L);
        return;
    }
    rc = send_batch(l);
    set_tick(l, rc == SP_AGAIN ? AGAIN_MS : TICK_SECONDS * 1000L);
}

/* ---- what it says ------------------------------------------------------------------ */

static enum sp_err
hear_stored(struct ledger *l, const struct message *m)
{
    struct msg_stored in = { 0 };

    if (msg_stored_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    if (l->heard || l->monitor->stopping)
        return SP_OK;
    return kept_take(l->monitor, &l->taken, &in);
}

/* All that it may not have: what an earlier one had not written is told once more. */
static void
tell_all(struct ledger *l)
{
    struct known *k = &l->monitor->guessers.known;

    for (size_t i = 0; known_at(k, i) != NULL; i++)
        if (known_at(k, i)->network.kind != NETWORK_NONE)
            known_at(k, i)->kept = false;
    l->monitor->guessers.changed = true;
    enter_step(l, LEDGER_IDLE);
}

static enum sp_err
hear_ready(struct ledger *l)
{
    l->ready = true;
    channel_enter(&l->helper.child.channel, ST_READY);
    if (!l->heard)
        log_bare(EVENT_LEDGER_READY);
    l->heard = true;
    tell_all(l);
    set_tick(l, AGAIN_MS);
    return SP_OK;
}

static enum sp_err
hear_kept(struct ledger *l, const struct message *m)
{
    struct msg_kept in = { 0 };

    if (msg_kept_unpack(m, &in) != SP_OK || l->step != LEDGER_SENT)
        return SP_INPUT;
    if (l->waited >= WAITED_TICKS)
        log_bare(EVENT_LEDGER_GOES_ON);
    l->waited = l->retry.failures = 0;
    enter_step(l, LEDGER_IDLE);
    if (in.whole == 0)
        tell_all(l);
    log_event(EVENT_LEDGER_KEPT, "whole=%s news=%s", in.whole == 0 ? "no" : "yes",
              has_news(l) ? "yes" : "no");
    return SP_OK;
}

static enum sp_err
hear(void *owner, struct message *m)
{
    switch (m->type) {
    case MSG_STORED: return hear_stored(owner, m);
    case MSG_READY: return hear_ready(owner);
    case MSG_KEPT: return hear_kept(owner, m);
    default: return SP_INPUT;
    }
}

/* ---- starting and ending ----------------------------------------------------------- */

static void
on_failed(const void *owner, const char *fault)
{
    const struct ledger *l = owner;

    log_event(EVENT_LEDGER_FAILED, "program=%s/%s fault=\"%s\"",
              l->monitor->current->settings.libexec_directory, LEDGER_PROGRAM, fault);
}

static void
try_later(struct ledger *l)
{
    if (!retry_later(&l->retry))
        on_failed(l, "no memory for a timer");
}

static void
on_ended(void *owner, const struct process_end *how)
{
    struct ledger *l = owner;

    if (how->signal != 0 && !how->by_us)
        log_event(EVENT_LEDGER_CRASHED, "signal=%d", how->signal);
    else
        log_event(EVENT_LEDGER_ENDED, "status=%d", how->status);
    (void)event_del(&l->tick);
    l->ready = false;
    l->waited = 0;
    enter_step(l, LEDGER_IDLE);
    try_later(l);
}

void
ledger_start(struct ledger *l)
{
    struct monitor *m = l->monitor;
    const struct generation *g = m->current;
    const struct starter_program program = {
        .directory = g->settings.libexec_directory, .name = LEDGER_PROGRAM,
        .fd = g->ledger_program, .uid = g->ledger.uid, .gid = g->ledger.gid,
    };

    if (g->ledger.uid == 0)
        return;
    l->taken.rows = 0;
    if (helper_start(&l->helper, &g->home, &program) != SP_OK)
        try_later(l);
}

static void
on_retry_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    ledger_start(context);
}

enum sp_err
ledger_init(struct ledger *l, struct monitor *m)
{
    /* a piece, then others get their turn: at the start it has many rows to say */
    static const struct helper_calls calls = {
        .side = "ledger", .peer = LEDGER, .sender = LEDGER, .at_once = PIECE, .hear = hear,
        .ended = on_ended, .failed = on_failed,
    };

    *l = (struct ledger){ .monitor = m };
    helper_init(&l->helper, &calls, l);
    if (event_assign(&l->tick, m->loop, -1, 0, on_tick_event, l) == -1)
        return SP_NOMEM;
    return retry_init(&l->retry, m->loop, RETRY_LEAST_MS, RETRY_MOST_MS, on_retry_event, l);
}

static bool
wait_for(int fd, short what, int64_t until)
{
    struct pollfd p = { .fd = fd, .events = what };
    int64_t left = until - clock_ms();

    return left > 0 && poll(&p, 1, (int)left) == 1 && (p.revents & what) != 0;
}

/*
 * It ends by itself when it has written what it was told. That is waited for, but not for
 * long: once we are gone, systemd ends what is left.
 */
void
ledger_stop(struct ledger *l)
{
    int64_t until = clock_ms() + STOP_MS;
    enum sp_err rc = SP_OK;

    (void)event_del(&l->tick);
    retry_clear(&l->retry);
    if (l->ready && l->step == LEDGER_SENT && has_news(l))
        enter_step(l, LEDGER_IDLE);
    if (l->ready && (l->step != LEDGER_IDLE || has_news(l)))
        while ((rc = send_batch(l)) == SP_AGAIN
               && wait_for(l->helper.child.channel.fd, POLLOUT, until))
            continue;
    if (rc == SP_AGAIN)
        log_event(EVENT_LEDGER_SLOW,
                  "fault=\"the newest failed logins were not stored at the end\"");
    child_close(&l->helper.child);
    if (l->ready)
        (void)wait_for(l->helper.child.process.pidfd, POLLIN, until);
    helper_abandon(&l->helper);
}
