/* monitor/ledger.c - see ledger.h */
#include "monitor/ledger.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/generation.h"
#include "monitor/guessers.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/starter.h"
#include "wire/ledger.h"
#include "wire/pack.h"

#define TICK_SECONDS 5          /* between two batches: what a crash of the monitor forgets */
#define PIECE 256               /* rows before others get their turn               */
#define RETRY_LEAST_S 1
#define RETRY_MOST_S 600
#define STOP_MS 2000            /* for the ledger to write what it is told last    */
#define AGAIN_MS 100            /* for a ledger to read what it was told           */
#define WAITED_TICKS 12         /* without an answer it is told of                 */

/* ---- telling it -------------------------------------------------------------------- */

static enum sp_err
send_row(struct ledger *l, struct msg_row row)
{
    struct message m;

    msg_row_pack(&m, &row);
    return channel_send(&l->channel, &m);
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
    return channel_send(&l->channel, &m);
}

static enum sp_err
send_end(struct ledger *l)
{
    struct message m;

    msg_commit_rows_pack(&m, &(struct msg_commit_rows){ 0 });
    return channel_send(&l->channel, &m);
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
    channel_enter(&l->channel, ST_READY);
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
    l->waited = l->failures = 0;
    enter_step(l, LEDGER_IDLE);
    if (in.whole == 0)
        tell_all(l);
    log_event(EVENT_LEDGER_KEPT, "whole=%s news=%s", in.whole == 0 ? "no" : "yes",
              has_news(l) ? "yes" : "no");
    return SP_OK;
}

static enum sp_err
hear(struct ledger *l, const struct message *m)
{
    switch (m->type) {
    case MSG_STORED: return hear_stored(l, m);
    case MSG_READY: return hear_ready(l);
    case MSG_KEPT: return hear_kept(l, m);
    case MSG_LOG: return report_helper_log(LEDGER, "ledger", NULL, m);
    case MSG_SANDBOX:
        return report_helper_sandbox("ledger", NULL, &l->monitor->current->settings, m);
    default: return SP_INPUT;
    }
}

static bool
hear_one(struct ledger *l)
{
    struct message m;
    unsigned type = MSG_NONE;
    enum sp_err rc = SP_OK;

    if (l->channel.fd == -1 || l->process.killed)
        return false;
    rc = channel_receive(&l->channel, &m);
    type = m.type;
    if (rc == SP_OK && (rc = hear(l, &m)) == SP_INPUT)
        l->channel.fault = message_name(type);
    message_clear(&m);
    if (rc == SP_OK)
        return true;
    if (rc == SP_INPUT) {
        log_event(EVENT_BREACH, "side=ledger fault=%s", l->channel.fault);
        process_kill(&l->process);
    } else if (rc == SP_CLOSED) {
        (void)event_del(&l->readable);
    } else if (rc != SP_AGAIN) {
        log_event(EVENT_LEDGER_FAILED, "fault=\"%s\"", strerror(errno));
        process_kill(&l->process);
    }
    return false;
}

/* A few, then others get their turn: at the start it has many to say. */
static void
on_readable_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    for (unsigned i = 0; i < PIECE && hear_one(context); i++)
        continue;
}

/* ---- starting and ending ----------------------------------------------------------- */

static void
close_channel(struct ledger *l)
{
    if (l->channel.fd == -1)
        return;
    (void)event_del(&l->readable);
    channel_clear(&l->channel);
}

static void
retry_later(struct ledger *l)
{
    struct timeval after = { RETRY_LEAST_S, 0 };

    for (unsigned i = 0; i < l->failures && after.tv_sec < RETRY_MOST_S; i++)
        after.tv_sec *= 2;
    l->failures++;
    if (event_add(&l->retry, &after) == -1)
        log_event(EVENT_LEDGER_FAILED, "fault=\"no memory for a timer\"");
}

static void
on_process_end(void *owner, const struct process_end *how)
{
    struct ledger *l = owner;

    while (hear_one(l))
        continue;
    if (how->signal != 0 && !how->by_us)
        log_event(EVENT_LEDGER_CRASHED, "signal=%d", how->signal);
    else
        log_event(EVENT_LEDGER_ENDED, "status=%d", how->status);
    (void)event_del(&l->tick);
    close_channel(l);
    l->ready = false;
    l->waited = 0;
    enter_step(l, LEDGER_IDLE);
    retry_later(l);
}

static enum sp_err
start(struct ledger *l)
{
    struct monitor *m = l->monitor;
    const struct settings *s = &m->current->settings;
    int channel = -1, pidfd = -1;
    pid_t pid = 0;
    enum sp_err rc = SP_OK;

    l->taken.rows = 0;
    (void)rundir_restore(&m->rundir, s);
    rc = starter_execute(s->libexec_directory, LEDGER_PROGRAM, m->current->ledger_program,
                         m->current->ledger.uid, m->current->ledger.gid, NULL, &channel,
                         &pid, &pidfd);
    if (rc != SP_OK)
        goto out;
    channel_init(&l->channel, fd_move(&channel), MONITOR, LEDGER, ST_START);
    if ((rc = process_watch(&l->process, &m->children, pid, &pidfd, on_process_end, l))
            != SP_OK
        || (rc = starter_send_settings(&l->channel, s, LEDGER)) != SP_OK
        || (rc = starter_send_start(&l->channel)) != SP_OK)
        goto out;
    rc = SP_NOMEM;
    if (event_assign(&l->readable, m->loop, l->channel.fd, EV_READ | EV_PERSIST,
                     on_readable_event, l) == -1
        || event_add(&l->readable, NULL) == -1)
        goto out;
    rc = SP_OK;
out:
    if (rc != SP_OK) {
        log_event(EVENT_LEDGER_FAILED, "program=%s/%s fault=\"%s\"", s->libexec_directory,
                  LEDGER_PROGRAM, rc == SP_OS ? strerror(errno) : sp_err_text(rc));
        process_abandon(&l->process);
        channel_clear(&l->channel);
    }
    fd_close(&channel);
    fd_close(&pidfd);
    return rc;
}

void
ledger_start(struct ledger *l)
{
    if (l->monitor->current->ledger.uid == 0)
        return;
    if (start(l) != SP_OK)
        retry_later(l);
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
    *l = (struct ledger){ .monitor = m, .channel = CHANNEL_EMPTY };
    process_init(&l->process);
    if (event_assign(&l->tick, m->loop, -1, 0, on_tick_event, l) == -1
        || event_assign(&l->retry, m->loop, -1, 0, on_retry_event, l) == -1)
        return SP_NOMEM;
    return SP_OK;
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
    (void)event_del(&l->retry);
    if (l->ready && l->step == LEDGER_SENT && has_news(l))
        enter_step(l, LEDGER_IDLE);
    if (l->ready && (l->step != LEDGER_IDLE || has_news(l)))
        while ((rc = send_batch(l)) == SP_AGAIN
               && wait_for(l->channel.fd, POLLOUT, until))
            continue;
    if (rc == SP_AGAIN)
        log_event(EVENT_LEDGER_SLOW,
                  "fault=\"the newest failed logins were not stored at the end\"");
    close_channel(l);
    if (!l->ready || !wait_for(l->process.pidfd, POLLIN, until))
        process_abandon(&l->process);
    else
        process_clear(&l->process);
}
