/* monitor/session.c - see session.h */
#include "monitor/session.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/answer.h"
#include "monitor/expel.h"
#include "monitor/generation.h"
#include "monitor/logins.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/verdict.h"
#include "wire/fail.h"
#include "wire/pack.h"

#define SHUTDOWN_MS 4000        /* for the worker to tell its client and end        */
#define WORKER_END_MS 5000      /* for a worker that closed its channel             */
#define LOGIN_END_MS 10000      /* for PAM to close a session                       */
#define BROKER_END_MS 600000    /* for a broker to settle and sync what was uploaded */
#define BROKER_FIRST_MS 300     /* a broker whose end was seen before its worker's   */
#define LOGOUT_MS 2000          /* a client that waits for the answer to REIN       */
#define LOGOUT_BROKER_MS 60000

#define MESSAGES_BURST 10000    /* heard at once; a client that pipelines may cause more */
#define MESSAGES_RATE 5000      /* from there on: whoever sends more waits for its turn  */
/*
 * Lines of the log that a session may cause before it is slowed down. Before a login little is
 * worth a line; after it, two for each file, and more than one client gets done.
 */
#define EARLY_LINES_BURST 100
#define EARLY_LINES_RATE 20
#define LINES_BURST 10000
#define LINES_RATE 5000
/* Handshakes with nobody logged in: one is needed, and one more behind each REIN and CCC. */
#define SIGNATURES_BURST 4
#define SIGNATURES_RATE 1
#define TAKEOVERS_BURST 20      /* uploads that broke off together; each asks many brokers */
#define TAKEOVERS_RATE 2

/* ---- beginning --------------------------------------------------------------------- */

/*
 * The only text that the monitor itself writes to a client: there is no worker to do it.
 */
static void
turn_away(int client, bool implicit)
{
    static const char text[] = "421 Service not available; try again later.\r\n";

    if (!implicit && send(client, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        (void)shutdown(client, SHUT_WR);
}

static void
report_refused(struct monitor *m, const struct net_addr *peer, const char *reason)
{
    char text[NET_TEXT_MAX];

    if (!bucket_take(&m->refusal_lines, clock_us())) {
        m->refusals_unsaid++;
        return;
    }
    if (m->refusals_unsaid > 0)
        log_event(EVENT_LOG_SUPPRESSED, "event=session.refused lines=%u",
                  m->refusals_unsaid);
    m->refusals_unsaid = 0;
    log_event(EVENT_SESSION_REFUSED, "peer=%s reason=%s", net_text(peer, text), reason);
}

static enum sp_err
start_worker(struct session *s, int *client)
{
    unsigned char peer[NET_PACKED], local[NET_PACKED];
    struct message first;

    net_pack(&s->peer, peer);
    net_pack(&s->local, local);
    msg_session_pack(&first, &(struct msg_session){
        .id = slice_of(s->id), .peer = slice_from(peer, sizeof peer),
        .local = slice_from(local, sizeof local), .implicit_tls = s->implicit,
        .cleartext_allowed = s->cleartext_allowed, .resumption_exempt = s->exempt });
    return part_new(s, WORKER, ST_CLEAR, &first, client, &s->worker);
}

static bool
in_networks(const struct net_addr *a, const struct text_list *list)
{
    return net_in_list(a, (const char *const *)list->texts, list->count);
}

static void on_timer_event(evutil_socket_t fd, short what, void *context);

static struct session *
new_session(struct monitor *m, const struct net_addr *peer, const struct net_addr *local,
            bool implicit)
{
    const struct settings *set = &m->current->settings;
    struct session *s = NULL;
    int64_t now = clock_us();

    if ((s = calloc(1, sizeof *s)) == NULL)
        return NULL;
    if (event_assign(&s->timer, m->loop, -1, 0, on_timer_event, s) == -1
        || budget_init(&s->signatures, m->loop, SIGNATURES_BURST, SIGNATURES_RATE,
                       keyholder_go_on) != SP_OK) {
        free(s);
        return NULL;
    }
    s->monitor = m;
    s->peer = *peer;
    s->local = *local;
    s->implicit = implicit;
    s->began = now / 1000;
    s->cleartext_allowed =
        !set->tls_required || in_networks(peer, &set->cleartext_networks);
    s->exempt = in_networks(peer, &set->no_resumption_networks);
    session_in_clear(s);
    (void)net_text(peer, s->peer_text);
    s->gate = (struct gate)GATE_EMPTY;
    s->port = (struct port_hold)PORT_HOLD_EMPTY;
    LIST_INIT(&s->parts);
    bucket_init(&s->messages, MESSAGES_BURST, MESSAGES_RATE, now);
    session_share_log(s, false);
    bucket_init(&s->takeovers, TAKEOVERS_BURST, TAKEOVERS_RATE, now);
    return s;
}

/*
 * Its place is needed. It is told so as long as there are places in which it can go in
 * order.
 */
static void
make_room(struct monitor *m, struct crowd_member *gone)
{
    struct session *s = (struct session *)((char *)gone - offsetof(struct session, member));

    report_session(s, EVENT_SESSION_DROPPED, "seconds=%lld",
                   (long long)((clock_ms() - s->began) / 1000));
    if (m->admission.sessions < m->current->limits.sessions)
        session_shutdown(s, "crowded",
                         "Too many connections without a login; closing connection.");
    else
        session_end(s, "crowded");
}

void
session_open(struct monitor *m, int *client, const struct net_addr *peer,
             const struct net_addr *local, bool implicit)
{
    enum admission_verdict verdict = ADMISSION_NOMEM;
    struct crowd_member *gone = NULL;
    struct session *s = NULL;
    enum sp_err rc = SP_OK;

    if (m->stopping)
        return;
    if ((s = new_session(m, peer, local, implicit)) != NULL)
        verdict = admission_enter(&m->admission, &m->current->limits, peer, clock_ms(),
                                  &s->member, &gone);
    if (verdict != ADMISSION_YES) {
        turn_away(*client, implicit);
        report_refused(m, peer, admission_text(verdict));
        free(s);
        return;
    }
    if (gone != NULL)
        make_room(m, gone);
    (void)naming_id(m->boot, ++m->session_numbers, s->id);
    s->generation = generation_ref(m->current);
    TAILQ_INSERT_TAIL(&m->sessions, s, entry);
    if ((rc = start_worker(s, client)) != SP_OK) {
        report_session(s, EVENT_SESSION_FAILED, "fault=\"%s\"",
                       rc == SP_OS ? strerror(errno) : sp_err_text(rc));
        turn_away(*client, implicit);
        session_end(s, "failed");
        session_settle(s);
        return;
    }
    session_start_timer(s);
    report_session(s, EVENT_SESSION_OPENED, "port=%u tls=%s", (unsigned)s->local.port,
                   implicit ? "implicit" : "explicit");
}

/* ---- the state --------------------------------------------------------------------- */

void
session_share_log(struct session *s, bool logged_in)
{
    bucket_init(&s->lines, logged_in ? LINES_BURST : EARLY_LINES_BURST,
                logged_in ? LINES_RATE : EARLY_LINES_RATE, clock_us());
}

void
session_in_clear(struct session *s)
{
    s->secure = s->resumed = false;
    (void)text_copy(s->tls, sizeof s->tls, "no");
    (void)text_copy(s->cipher, sizeof s->cipher, "-");
}

unsigned
session_state(const struct session *s)
{
    return s->worker == NULL ? ST_END : s->worker->channel.state;
}

void
session_enter(struct session *s, unsigned state)
{
    if (s->worker != NULL)
        channel_enter(&s->worker->channel, state);
}

void
session_enter_base(struct session *s)
{
    session_enter(s, s->secure ? ST_SECURE : ST_CLEAR);
}

void
session_tell(struct session *s, struct message *m)
{
    unsigned type = m->type;
    enum sp_err rc = SP_CLOSED;

    if (s->ended || s->worker == NULL) {
        message_wipe(m);
        return;
    }
    rc = part_send(s->worker, m);
    if (rc == SP_OK || rc == SP_CLOSED)
        return;                     /* gone: its channel and its process will say so */
    report_session(s, EVENT_WORKER_UNREACHABLE, "message=%s fault=\"%s\"",
                   message_name(type),
                   rc == SP_AGAIN ? "it does not read" : sp_err_text(rc));
    session_end(s, "worker-unreachable");
}

void
session_start_timer(struct session *s)
{
    const struct timeval after = { s->generation->settings.login_timeout, 0 };

    if (event_add(&s->timer, &after) == -1)
        session_end(s, "memory");
}

/* Nobody waits for it any more. */
static void
forget_signature(struct session *s)
{
    if (s->signing != NULL)
        keyholder_forget(s->signing);
    s->signing = NULL;
}

void
session_join_kin(struct session *s)
{
    const struct settings *set = &s->generation->settings;
    const struct kin_figures figures = { (uint32_t)set->signatures_burst,
                                         (uint32_t)set->signatures_rate, keyholder_go_on };

    SP_ASSERT(s->kin == NULL && s->broker != NULL && s->broker->account != NULL);
    s->kin = kin_join(&s->monitor->kins, s->monitor->loop, s->broker->account, &s->peer,
                      &figures);
}

static void
leave_kin(struct session *s)
{
    kin_leave(&s->monitor->kins, s->kin);
    s->kin = NULL;
}

static void
finish_logout(struct session *s)
{
    struct message m;

    s->logout = NULL;
    session_enter_base(s);
    if (!s->leaving)
        crowd_unsettle(&s->monitor->admission.crowd, &s->member, clock_ms());
    session_start_timer(s);
    msg_logged_out_pack(&m, &(struct msg_logged_out){ 0 });
    session_tell(s, &m);
}

void
session_leave(struct session *s)
{
    const struct timeval after = { LOGOUT_MS / 1000, 0 };

    session_enter(s, ST_LEAVING);
    ports_release(&s->monitor->ports, s);
    s->bond.shared = false;
    forget_signature(s);        /* an honest worker asks for nothing in between */
    leave_kin(s);
    s->logout = s->broker;
    session_end_account(s, LOGOUT_BROKER_MS);
    free(s->user);
    s->user = NULL;
    if (s->logout == NULL)
        finish_logout(s);
    else if (event_add(&s->timer, &after) == -1)
        session_end(s, "memory");
}

static void
on_timer_event(evutil_socket_t fd, short what, void *context)
{
    struct session *s = context;

    (void)fd;
    (void)what;
    if (s->ended)
        return;
    if (session_state(s) == ST_LEAVING) {
        finish_logout(s);
    } else if (session_state(s) == ST_USER) {
        session_shutdown(s, "broker-vanished",
                         "The process that serves your files ended; closing connection.");
    } else {
        if (s->attempt != NULL && attempt_is_checked(s))
            report_session(s, EVENT_LOGIN_HUNG, "seconds=%lld "
                           "remedy=\"find out what PAM or the name services wait for\"",
                           (long long)s->generation->settings.login_timeout);
        session_shutdown(s, "login-timeout", "Timeout: login took too long; closing connection.");
    }
}

/* ---- the end ----------------------------------------------------------------------- */

/* PAM closes its session; one that has not decided yet sees the end of its channel. */
static void
end_login(struct part *login)
{
    struct message m;

    if (login->channel.state != ST_USER || login->finished) {
        /* a conversation that is cut ends with REFUSED: late, and no breach */
        if (login->channel.state == ST_QUESTION)
            channel_enter(&login->channel, ST_LOGIN);
        part_finish(login, LOGIN_END_MS);
        return;
    }
    msg_end_login_pack(&m, &(struct msg_end_login){ 0 });
    if (part_send(login, &m) == SP_OK)
        part_give(login, LOGIN_END_MS);
    else
        part_finish(login, LOGIN_END_MS);
}

/* The answer to LOGIN that its broker was not ready for: nobody gets it any more. */
static void
forget_answer(struct session *s)
{
    if (s->logged_in != NULL)
        message_clear(s->logged_in);
    free(s->logged_in);
    s->logged_in = NULL;
}

/* The login ends after the broker: PAM may take away what the broker still needs. */
void
session_end_account(struct session *s, int grace_ms)
{
    struct part *broker = s->broker, *login = s->login;

    forget_answer(s);
    s->broker = s->login = NULL;
    if (broker != NULL) {
        broker->login = login;
        part_finish(broker, grace_ms);
    } else if (login != NULL) {
        end_login(login);
    }
}

static void
forget_questions(struct session *s)
{
    attempt_clear(s);
    forget_signature(s);
    forget_answer(s);
    leave_kin(s);
    bond_drop(s);
}

void
session_end(struct session *s, const char *reason)
{
    if (s->ended)
        return;
    s->ended = true;
    crowd_settle(&s->monitor->admission.crowd, &s->member);
    if (s->reason == NULL && reason == NULL)
        bond_keep(s);
    if (s->reason == NULL)
        s->reason = reason;
    (void)event_del(&s->timer);
    forget_questions(s);
    s->logout = NULL;
    ports_release(&s->monitor->ports, s);
    if (s->worker != NULL)
        part_kill(s->worker);
    session_end_account(s, BROKER_END_MS);
}

void
session_shutdown(struct session *s, const char *reason, const char *text)
{
    struct message m;

    if (s->ended || s->leaving || s->worker == NULL)
        return;
    s->leaving = true;
    crowd_settle(&s->monitor->admission.crowd, &s->member);
    s->reason = reason;
    (void)event_del(&s->timer);
    part_give(s->worker, SHUTDOWN_MS);
    msg_shutdown_pack(&m, &(struct msg_shutdown){ .text = slice_of(text) });
    session_tell(s, &m);
    /* A worker that waits for a signature, or the verdict, is not to wait any longer. */
    if (!s->ended && s->signing != NULL && keyholder_holds_back(s->signing)) {
        forget_signature(s);
        answer_no_signature(s);
    }
    if (!s->ended && s->attempt != NULL && session_state(s) == ST_LOGIN) {
        session_end_account(s, SESSION_SETTLE_MS);
        attempt_deliver(s, true);
    }
}

void
session_violation(struct session *s)
{
    struct monitor *m = s->monitor;

    const struct net_network address = admission_network(&s->peer);

    if (!admission_violation(&m->admission, &m->current->limits, &s->peer, clock_ms()))
        return;
    log_event(EVENT_ADDRESS_BANNED, "peer=%s seconds=%lld violations=%u sessions=%u",
              s->peer_text, (long long)(m->current->limits.ban_ms / 1000),
              m->current->limits.violations, expel_network(m, &address, s));
}

void
session_settle(struct session *s)
{
    if (!s->ended || s->buried || !LIST_EMPTY(&s->parts))
        return;
    s->buried = true;
    TAILQ_REMOVE(&s->monitor->sessions, s, entry);
    TAILQ_INSERT_TAIL(&s->monitor->ended, s, entry);
    event_active(&s->monitor->burial, EV_TIMEOUT, 0);
}

void
session_free(struct session *s)
{
    struct monitor *m = s->monitor;

    (void)event_del(&s->timer);
    budget_clear(&s->signatures);
    TAILQ_REMOVE(s->buried ? &m->ended : &m->sessions, s, entry);
    admission_leave(&m->admission, &s->peer, &s->member, clock_ms());
    generation_unref(&s->generation);
    gate_clear(&s->gate);
    free(s->user);
    free(s);
}

void
session_abandon(struct session *s)
{
    struct part *part = NULL;

    s->ended = true;
    forget_questions(s);
    ports_release(&s->monitor->ports, s);
    while ((part = LIST_FIRST(&s->parts)) != NULL)
        part_abandon(part);
    session_free(s);
}

/* ---- what happens to its processes ------------------------------------------------- */

static enum sp_err
hear_sandbox(struct part *part, const struct message *m)
{
    struct session *s = part->session;
    bool reporting = settings_reporting(&s->generation->settings);
    enum sp_err rc = report_sandbox(part, m);

    if (rc != SP_OK || reporting)
        return rc;
    session_violation(s);
    part_suspect(part);
    (void)expel_siblings(part);
    part_kill(part);            /* one line: a captured one would say it again and again */
    session_end(s, "sandbox");
    return SP_OK;
}

enum sp_err
session_hear(struct part *part, struct message *m, const char **fault)
{
    struct session *s = part->session;

    if (m->type == MSG_LOG)
        return report_log(part, m);
    if (m->type == MSG_SANDBOX)
        return hear_sandbox(part, m);
    if (s->ended || (part != s->worker && part != s->broker && part != s->login))
        return SP_OK;                   /* too late to matter */
    return part->kind == WORKER ? answer_worker(s, m, fault) : verdict_hear(part, m);
}

void
session_broke(struct part *part, unsigned type, const char *fault)
{
    report_breach(part, type, fault);
    session_violation(part->session);
    part_kill(part);
    session_end(part->session, "breach");
}

void
session_closed(struct part *part)
{
    part_finish(part, part->kind == WORKER ? WORKER_END_MS
                : part->kind == LOGIN ? LOGIN_END_MS : BROKER_END_MS);
}

void
session_spawn_failed(struct part *part, int error)
{
    report_session(part->session, EVENT_SPAWN_FAILED, "kind=%s fault=\"%s\"",
                   peer_name(part->kind), strerror(error));
    if (part->kind == WORKER && part->request.fds[0] != -1)
        turn_away(part->request.fds[0], part->session->implicit);
}

static void
worker_gone(struct session *s, const struct process_end *how)
{
    s->worker = NULL;
    if (s->reason != NULL && how != NULL && how->status != 0 && !how->by_us)
        report_session(s, EVENT_WORKER_ENDED, "status=%d", how->status);
    if (s->reason == NULL && how == NULL)
        s->reason = "failed";
    if (s->reason == NULL && how->signal != 0)
        s->reason = "crashed";
    if (s->reason == NULL && how->status != 0)
        s->reason = "worker-error";
    report_session(s, s->tried ? EVENT_SESSION_CLOSED : EVENT_SESSION_UNTRIED,
                   "reason=%s user=%s seconds=%lld transfers=%llu bytes=%llu tls=%s",
                   s->reason == NULL ? "ended" : s->reason,
                   s->user == NULL ? "-" : s->user,
                   (long long)((clock_ms() - s->began) / 1000),
                   (unsigned long long)s->transfers, (unsigned long long)s->bytes,
                   s->tls);
    session_end(s, NULL);
}

static void
broker_gone(struct session *s, struct part *broker, const struct process_end *how)
{
    /* It ends by itself when its worker does, of whose end we may hear a moment later. */
    const struct timeval soon = { 0, BROKER_FIRST_MS * 1000L };
    struct part *login = broker->login;
    bool current = broker == s->broker;

    if (current)
        s->broker = NULL;
    if (how != NULL && how->status == EXIT_BREACH) {
        session_violation(s);           /* its own line says what the worker did */
        session_end(s, "breach");
    } else if (how != NULL && how->status != 0 && !how->by_us) {
        report_session(s, EVENT_BROKER_ENDED, "status=%d", how->status);
    }
    if (login != NULL)
        end_login(login);
    if (s->logout == broker)
        finish_logout(s);
    if (!current || s->ended)
        return;
    if (s->logged_in != NULL) {
        session_end_account(s, SESSION_SETTLE_MS);
        attempt_refuse(s, REFUSE_ERROR, "");
    } else if (event_add(&s->timer, &soon) == -1) {
        session_end(s, "broker-vanished");
    }
}

static void
login_gone(struct session *s, struct part *login, const struct process_end *how)
{
    struct part *other = NULL;
    bool current = login == s->login;
    bool decided = login->channel.state == ST_USER;

    LIST_FOREACH(other, &s->parts, entry)
        if (other->login == login)
            other->login = NULL;
    if (current)
        s->login = NULL;
    if (how != NULL && how->status != 0 && !how->by_us)
        report_session(s, EVENT_LOGIN_ENDED, "status=%d", how->status);
    if (!current || decided || s->ended || s->attempt == NULL)
        return;
    attempt_refuse(s, REFUSE_ERROR, "");
}

void
session_gone(struct part *part, const struct process_end *how)
{
    struct session *s = part->session;

    if (part->kind == BROKER)
        broker_gone(s, part, how);
    else if (part->kind == LOGIN)
        login_gone(s, part, how);
    else
        worker_gone(s, how);
}
