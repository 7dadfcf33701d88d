/* monitor/session.c - see session.h */
#include "monitor/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/claim.h"
#include "monitor/generation.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "wire/pack.h"

#define SHUTDOWN_MS 4000        /* for the worker to tell its client and end        */
#define LOGIN_END_MS 10000      /* for PAM to close a session                       */
#define BROKER_END_MS 600000    /* for a broker to settle and sync what was uploaded */
#define BROKER_FIRST_MS 300     /* a broker whose end was seen before its worker's   */
#define LOGOUT_MS 2000          /* a client that waits for the answer to REIN       */
#define LOGOUT_BROKER_MS 60000

/*
 * Lines of the log that a session may cause before it is slowed down. Before a login little is
 * worth a line; after it, two for each file, and more than one client gets done.
 */
#define EARLY_LINES_BURST 100
#define EARLY_LINES_RATE 20
#define LINES_BURST 10000
#define LINES_RATE 5000

/* ---- beginning --------------------------------------------------------------------- */

static void on_login_overdue(evutil_socket_t fd, short what, void *context);

enum sp_err
session_init(struct session *s, struct monitor *m, const struct session_calls *calls)
{
    s->monitor = m;
    s->calls = calls;
    LIST_INIT(&s->parts);
    return event_assign(&s->deadline, m->loop, -1, 0, on_login_overdue, s) == 0 ? SP_OK
                                                                            : SP_NOMEM;
}

enum sp_err
session_start_part(struct session *s, unsigned kind, unsigned state, struct message *first,
                   int *extra, struct part **out)
{
    const struct part_birth birth = {
        .calls = &s->calls->parts, .session = s, .all = &s->parts, .kind = kind, .state = state,
        .pool = &s->generation->pools[kind == WORKER ? POOL_WORKER
                                      : kind == BROKER ? POOL_BROKER : POOL_LOGIN],
    };

    return part_new(&birth, first, extra, out);
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
    return s->worker == NULL ? ST_END : s->worker->child.channel.state;
}

void
session_enter(struct session *s, unsigned state)
{
    if (s->worker != NULL)
        channel_enter(&s->worker->child.channel, state);
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

/* It waits for one thing at a time; overdue is called if that does not come. */
static void
set_deadline(struct session *s, event_callback_fn overdue, int64_t milliseconds)
{
    const struct timeval after = { (time_t)(milliseconds / 1000), milliseconds % 1000 * 1000 };

    (void)event_del(&s->deadline);
    if (event_assign(&s->deadline, s->monitor->loop, -1, 0, overdue, s) == -1
        || event_add(&s->deadline, &after) == -1)
        session_end(s, "memory");
}

static void
on_login_overdue(evutil_socket_t fd, short what, void *context)
{
    struct session *s = context;

    (void)fd;
    (void)what;
    if (s->claim != NULL && claim_is_checked(s->claim))
        report_session(s, EVENT_LOGIN_HUNG, "seconds=%lld "
                       "remedy=\"find out what PAM or the name services wait for\"",
                       (long long)s->generation->settings.login_timeout);
    session_shutdown(s, "login-timeout", "Timeout: login took too long; closing connection.");
}

void
session_await_login(struct session *s)
{
    set_deadline(s, on_login_overdue, s->generation->settings.login_timeout * 1000);
}

/* Nobody waits for it any more. */
void
session_forget_signature(struct session *s)
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

void
session_finish_logout(struct session *s)
{
    struct message m;

    s->logout = NULL;
    session_enter_base(s);
    if (!s->dismissed)
        crowd_unsettle(&s->monitor->admission.crowd, &s->member, clock_ms());
    session_await_login(s);
    msg_logged_out_pack(&m, &(struct msg_logged_out){ 0 });
    session_tell(s, &m);
}

static void
on_logout_overdue(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    session_finish_logout(context);
}

void
session_log_out(struct session *s)
{
    session_enter(s, ST_LOGOUT);
    ports_release(&s->monitor->ports, s);
    s->bond.shared = false;
    session_forget_signature(s);        /* an honest worker asks for nothing in between */
    leave_kin(s);
    s->logout = s->broker;
    session_end_account(s, LOGOUT_BROKER_MS);
    free(s->user);
    s->user = NULL;
    if (s->logout == NULL)
        session_finish_logout(s);
    else
        set_deadline(s, on_logout_overdue, LOGOUT_MS);
}

static void
on_broker_vanished(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    session_shutdown(context, "broker-vanished",
                     "The process that serves your files ended; closing connection.");
}

/* It ends by itself when its worker does, of whose end we may hear a moment later. */
void
session_await_worker(struct session *s)
{
    set_deadline(s, on_broker_vanished, BROKER_FIRST_MS);
}

/* ---- the end ----------------------------------------------------------------------- */

/* PAM closes its session; one that has not decided yet sees the end of its channel. */
void
session_end_login(struct part *login)
{
    struct message m;

    if (login->child.channel.state != ST_USER || login->finished) {
        /* a conversation that is cut ends with REFUSED: late, and no breach */
        if (login->child.channel.state == ST_QUESTION)
            channel_enter(&login->child.channel, ST_LOGIN);
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
        session_end_login(login);
    }
}

static void
forget_questions(struct session *s, bool in_order)
{
    s->calls->forget(s, in_order);
    session_forget_signature(s);
    forget_answer(s);
    leave_kin(s);
}

void
session_end(struct session *s, const char *reason)
{
    if (s->ended)
        return;
    s->ended = true;
    crowd_settle(&s->monitor->admission.crowd, &s->member);
    if (s->reason == NULL)
        s->reason = reason;
    (void)event_del(&s->deadline);
    forget_questions(s, s->reason == NULL);
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

    if (s->ended || s->dismissed || s->worker == NULL)
        return;
    s->dismissed = true;
    crowd_settle(&s->monitor->admission.crowd, &s->member);
    s->reason = reason;
    (void)event_del(&s->deadline);
    part_give(s->worker, SHUTDOWN_MS);
    msg_shutdown_pack(&m, &(struct msg_shutdown){ .text = slice_of(text) });
    session_tell(s, &m);
    if (!s->ended)
        s->calls->hurry(s);
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

    (void)event_del(&s->deadline);
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
    forget_questions(s, false);
    ports_release(&s->monitor->ports, s);
    while ((part = LIST_FIRST(&s->parts)) != NULL) {
        s->calls->lost(part);
        part_abandon(part);
    }
    session_free(s);
}

