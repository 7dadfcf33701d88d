/* monitor/supervise.c - see supervise.h */
#include "monitor/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/answer.h"
#include "monitor/expel.h"
#include "monitor/generation.h"
#include "monitor/logins.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "monitor/takeover.h"
#include "monitor/grant.h"
#include "wire/fail.h"
#include "wire/pack.h"

#define WORKER_END_MS 5000      /* for a worker that closed its channel             */
#define LOGIN_END_MS 10000      /* for PAM to close a session                       */
#define BROKER_END_MS 600000    /* for a broker to settle and sync what was uploaded */

#define MESSAGES_BURST 10000    /* heard at once; a client that pipelines may cause more */
#define MESSAGES_RATE 5000      /* from there on: whoever sends more waits for its turn  */
#define PAUSE_MS 20             /* so long a session that says too much is not heard */
#define LINES_FEW 16            /* who has caused no more of late does not fill the log */
/* Handshakes with nobody logged in: one is needed, and one more behind each REIN and CCC. */
#define SIGNATURES_BURST 4
#define SIGNATURES_RATE 1
#define TAKEOVERS_BURST 20      /* uploads that broke off together; each asks many brokers */
#define TAKEOVERS_RATE 2

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

/* A crash or a broken rule counts against the peer's address. */
static void
count_violation(struct session *s)
{
    struct monitor *m = s->monitor;

    const struct net_network address = admission_network(&s->peer);

    if (!admission_violation(&m->admission, &m->current->limits, &s->peer, clock_ms()))
        return;
    log_event(EVENT_ADDRESS_BANNED, "peer=%s seconds=%lld violations=%u sessions=%u",
              s->peer_text, (long long)(m->current->limits.ban_ms / 1000),
              m->current->limits.violations, expel_network(m, &address, s));
}

/* ---- hearing ----------------------------------------------------------------------- */

/* Has it caused too many lines: for itself, or for a log that is behind? */
static bool
fills_the_log(struct session *s, int64_t now)
{
    uint32_t lines = bucket_used(&s->lines, now);

    return lines == s->lines.burst || (lines >= LINES_FEW && logsink_is_behind(&s->monitor->sink));
}

/*
 * A session that says more than its share, or causes more lines in the log, is not heard for a
 * moment: its processes wait for room in their channels, and the loop has time for others.
 * That is no breach: a client may pipeline as many commands as it likes, and each of them may
 * be worth a message. So no line has to be left out.
 */
static long
pause_of(void *owner)
{
    struct session *s = ((struct part *)owner)->session;
    int64_t now = clock_us();

    return !fills_the_log(s, now) && bucket_take(&s->messages, now) ? 0 : PAUSE_MS;
}

static enum sp_err
hear_sandbox(struct part *part, const struct message *m)
{
    struct session *s = part->session;
    bool reporting = settings_reporting(&s->generation->settings);
    enum sp_err rc = report_sandbox(part, m);

    if (rc != SP_OK || reporting)
        return rc;
    count_violation(s);
    part_suspect(part);
    (void)expel_siblings(part);
    part_kill(part);            /* one line: a captured one would say it again and again */
    session_end(s, "sandbox");
    return SP_OK;
}

static enum sp_err
hear(struct part *part, struct message *m, const char **fault)
{
    struct session *s = part->session;

    if (m->type == MSG_LOG)
        return report_log(part, m);
    if (m->type == MSG_SANDBOX)
        return hear_sandbox(part, m);
    if (s->ended || (part != s->worker && part != s->broker && part != s->login))
        return SP_OK;                   /* too late to matter */
    return part->kind == WORKER ? answer_worker(s, m, fault) : grant_hear(part, m);
}

static enum sp_err
on_message(void *owner, struct message *m, const char **fault)
{
    struct part *part = owner;
    bool line = m->type == MSG_LOG;
    enum sp_err rc = SP_OK;

    *fault = "malformed";
    rc = hear(part, m, fault);
    if (rc == SP_OK && line)            /* lines have their own measure */
        bucket_give_back(&part->session->messages);
    return rc;
}

static void
on_breach(void *owner, unsigned type, const char *fault)
{
    struct part *part = owner;

    report_breach(part, type, fault);
    count_violation(part->session);
    part_kill(part);
    session_end(part->session, "breach");
}

static void
on_closed(void *owner, enum sp_err why)
{
    struct part *part = owner;

    (void)why;
    part_finish(part, part->kind == WORKER ? WORKER_END_MS
                : part->kind == LOGIN ? LOGIN_END_MS : BROKER_END_MS);
}

static void
on_overdue(void *owner)
{
    struct part *part = owner;

    report_session(part->session, EVENT_PROCESS_KILLED, "kind=%s pid=%ld",
                   peer_name(part->kind), (long)part->child.process.pid);
    part_kill(part);
}

/* ---- the end of a process ------------------------------------------------------------ */

static void
report_unmade(struct part *part, int error)
{
    report_session(part->session, EVENT_SPAWN_FAILED, "kind=%s fault=\"%s\"",
                   peer_name(part->kind), strerror(error));
    if (part->kind == WORKER && part->request.fds[0] != -1)
        turn_away(part->request.fds[0], part->session->implicit);
}

/*
 * Could somebody who feeds the process have done it? A fault can be: it is raised by what the
 * process itself does. All other signals come from outside: memory that ran out, a limit, an
 * administrator.
 */
static bool
is_fault(int signal)
{
    switch (signal) {
    case SIGSEGV: case SIGBUS: case SIGILL: case SIGFPE: case SIGTRAP: case SIGABRT: case SIGSYS:
        return true;
    default:
        return false;
    }
}

/*
 * A broker can be sent any signal by every process of its account: that counts against the
 * account, and not against the address, where others are.
 */
static void
blame(const struct part *part)
{
    const struct session *s = part->session;
    struct monitor *m = s->monitor;
    const struct admission_limits *limits = &m->current->limits;
    struct log_escaped account;

    if (part->kind != BROKER)
        count_violation(part->session);
    else if (part->account != NULL
             && deaths_count(&m->deaths, limits, part->account, clock_ms()))
        log_event(EVENT_ACCOUNT_SHUT, "account=%s seconds=%lld deaths=%u",
                  log_text(slice_of(part->account), &account),
                  (long long)(limits->ban_ms / 1000), limits->violations);
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
    struct part *login = broker->login;
    bool current = broker == s->broker;

    if (current)
        s->broker = NULL;
    if (how != NULL && how->status == EXIT_BREACH) {
        count_violation(s);           /* its own line says what the worker did */
        session_end(s, "breach");
    } else if (how != NULL && how->status != 0 && !how->by_us) {
        report_session(s, EVENT_BROKER_ENDED, "status=%d", how->status);
    }
    if (login != NULL)
        session_end_login(login);
    if (s->logout == broker)
        session_finish_logout(s);
    if (!current || s->ended)
        return;
    if (s->logged_in != NULL) {
        session_end_account(s, SESSION_SETTLE_MS);
        claim_refuse(s, REFUSE_ERROR, "");
    } else {
        session_await_worker(s);
    }
}

static void
login_gone(struct session *s, struct part *login, const struct process_end *how)
{
    struct part *other = NULL;
    bool current = login == s->login;
    bool decided = login->child.channel.state == ST_USER;

    LIST_FOREACH(other, &s->parts, entry)
        if (other->login == login)
            other->login = NULL;
    if (current)
        s->login = NULL;
    if (how != NULL && how->status != 0 && !how->by_us)
        report_session(s, EVENT_LOGIN_ENDED, "status=%d", how->status);
    if (!current || decided || s->ended || s->claim == NULL)
        return;
    claim_refuse(s, REFUSE_ERROR, "");
}

/* how NULL: there never was a process. */
static void
bury(struct part *part, const struct process_end *how)
{
    struct session *s = part->session;

    if (part->kind == BROKER)
        broker_gone(s, part, how);
    else if (part->kind == LOGIN)
        login_gone(s, part, how);
    else
        worker_gone(s, how);
    takeover_gone(part);
    part_free(part);
    session_settle(s);
}

static void
on_ended(void *owner, const struct process_end *how)
{
    struct part *part = owner;

    if (how->signal != 0 && !how->by_us) {
        report_crash(part, how);
        part_suspect(part);
        if (is_fault(how->signal)) {
            blame(part);
            (void)expel_siblings(part);
        }
    }
    bury(part, how);
}

static void
on_unmade(struct part *part, int error)
{
    if (error != ECANCELED)
        report_unmade(part, error);
    bury(part, NULL);
}

/* ---- what a session tells -------------------------------------------------------------- */

static void
forget(struct session *s, bool in_order)
{
    if (in_order)
        bond_keep(s);
    claim_clear(s);
    bond_drop(s);
}

/* A worker that waits for a signature, or the verdict, is not to wait any longer. */
static void
hurry(struct session *s)
{
    if (s->signing != NULL && keyholder_holds_back(s->signing)) {
        session_forget_signature(s);
        answer_no_signature(s);
    }
    if (!s->ended && s->claim != NULL && session_state(s) == ST_LOGIN) {
        session_end_account(s, SESSION_SETTLE_MS);
        claim_deliver(s, true);
    }
}

static const struct session_calls told = {
    .forget = forget, .hurry = hurry, .guessed = expel_guesser, .lost = takeover_gone,
    .parts = { { pause_of, on_message, on_breach, on_closed, on_overdue, on_ended, 1 },
               on_unmade },
};

/* ---- beginning --------------------------------------------------------------------- */

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
    return session_start_part(s, WORKER, ST_CLEAR, &first, client, &s->worker);
}

static bool
in_networks(const struct net_addr *a, const struct text_list *list)
{
    return net_in_list(a, (const char *const *)list->texts, list->count);
}

static struct session *
new_session(struct monitor *m, const struct net_addr *peer, const struct net_addr *local,
            bool implicit)
{
    const struct settings *set = &m->current->settings;
    struct session *s = NULL;
    int64_t now = clock_us();

    if ((s = calloc(1, sizeof *s)) == NULL)
        return NULL;
    if (session_init(s, m, &told) != SP_OK
        || budget_init(&s->signatures, m->loop, SIGNATURES_BURST, SIGNATURES_RATE,
                       keyholder_go_on) != SP_OK) {
        free(s);
        return NULL;
    }
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
supervise_open(struct monitor *m, int *client, const struct net_addr *peer,
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
    session_await_login(s);
    report_session(s, EVENT_SESSION_OPENED, "port=%u tls=%s", (unsigned)s->local.port,
                   implicit ? "implicit" : "explicit");
}
