/* monitor/logins.c - see logins.h */
#include "monitor/logins.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/claim.h"
#include "monitor/generation.h"
#include "monitor/guessers.h"
#include "monitor/logsink.h"
#include "monitor/monitor.h"
#include "monitor/places.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "wire/fail.h"
#include "wire/pack.h"

#define HUNG_MS 5000            /* a check that takes longer at the end of the session */

/* ---- what places.c has done -------------------------------------------------------- */

static void
check(struct claim *a)
{
    struct session *s = a->session;
    unsigned char peer[NET_PACKED];
    struct message m;
    enum sp_err rc = SP_OK;

    net_pack(&s->peer, peer);
    msg_attempt_pack(&m, &(struct msg_attempt){
        .session = slice_of(s->id), .user = slice_of(a->user),
        .password = slice_from(a->password.bytes, a->password.len),
        .peer = slice_from(peer, sizeof peer) });
    secret_clear(&a->password);
    a->checked = s->member.busy = true;
    a->asked = clock_ms();
    rc = session_start_part(s, LOGIN, ST_LOGIN, &m, NULL, &s->login);
    if (rc == SP_OK)
        return;
    report_session(s, EVENT_LOGIN_FAILED, "fault=\"%s\"", sp_err_text(rc));
    claim_refuse(s, REFUSE_ERROR, "");
}

static void
set_timer(struct claim *a, int64_t milliseconds)
{
    struct timeval after = { (time_t)(milliseconds / 1000),
                             (suseconds_t)(milliseconds % 1000 * 1000) };

    if (event_add(&a->timer, &after) == -1)
        claim_refuse(a->session, REFUSE_ERROR, "no timer");
}

/*
 * Among many of one address, who comes at the right moment has the turn: a queue could be
 * filled, and those behind it would never have theirs. Who had none in so long that its
 * client is about to give up is refused, as is who is shut out.
 */
static bool
take_turn(struct claim *a)
{
    struct session *s = a->session;
    struct monitor *m = s->monitor;
    const struct guessers_limits *limits = &m->current->guessing;
    int64_t now = clock_ms(), patience = a->began + 2 * limits->delay_most - now;
    int64_t wait = guessers_turn(&m->guessers, limits, &s->peer, slice_of(a->user),
                                 a->began, now);

    if (wait == 0)
        return true;
    if (wait == GUESSERS_SHUT || patience <= 0) {
        claim_refuse(s, REFUSE_FAILURES, wait == GUESSERS_SHUT
                           ? "not checked: this address is shut out for strangers"
                           : "not checked: too many attempts from this address");
        return false;
    }
    report_session(s, EVENT_LOGIN_SLOWED, "milliseconds=%lld", (long long)wait);
    a->slowed = true;
    set_timer(a, wait < patience ? wait : patience);
    return false;
}

static void
enter_pam(struct claim *a)
{
    struct session *s = a->session;
    struct message m;

    msg_place_pack(&m, &(struct msg_place){ 0 });
    if (s->login != NULL)
        SP_IGNORE(part_send(s->login, &m));     /* it has ended: its channel says so */
}

static void
unveil(struct claim *a)
{
    a->veiled = false;
    places_decided(a);
    if (session_state(a->session) == ST_LOGIN)
        claim_deliver(a->session, false);
}

static void
turn_away(struct claim *a, const char *text)
{
    if (a->veiled) {
        a->reason = REFUSE_BUSY;        /* what counts against it was counted */
        unveil(a);
        return;
    }
    session_end_account(a->session, SESSION_SETTLE_MS);
    claim_refuse(a->session, REFUSE_BUSY, text);
}

/* ---- what is counted ---------------------------------------------------------------- */

/*
 * The password was wrong, or nobody waited for the verdict: who gives up early knows as
 * well that it was wrong, since the right one is answered at once.
 */
static void
count_failure(struct claim *a)
{
    struct session *s = a->session;
    struct monitor *m = s->monitor;
    struct guessers_shut shut = { 0 };

    if (!a->checked || a->counted)
        return;
    a->counted = true;
    if (m->stopping || (s->dismissed && clock_ms() - a->asked >= HUNG_MS))
        return;                 /* no fault of the client: what checks it hangs, or we end */
    if (guessers_failed(&m->guessers, &m->current->guessing, &s->peer, slice_of(a->user),
                        clock_ms(), &shut))
        s->calls->guessed(s, &shut);
}

/* A fault of the server says nothing about the password. */
static void
count_refusal(struct claim *a)
{
    struct session *s = a->session;

    if (a->reason == REFUSE_CREDENTIALS || a->reason == REFUSE_DISABLED
        || a->reason == REFUSE_GIVEN_UP || a->reason == REFUSE_UNUSABLE)
        count_failure(a);
    else if (a->reason == REFUSE_PASSWORD_EXPIRED && !a->counted)
        guessers_succeeded(&s->monitor->guessers, &s->peer, slice_of(a->user), false,
                           clock_ms());
    a->counted = true;
}

void
claim_granted(struct session *s, bool remember)
{
    struct claim *a = s->claim;

    guessers_succeeded(&s->monitor->guessers, &s->peer, slice_of(a->user), remember,
                       clock_ms());
    a->counted = true;
    places_leave(a);
}

/* ---- the refusal and its time ------------------------------------------------------ */

/* A fault of ours is told: "wrong password" would make people change theirs. */
static unsigned
told_reason(unsigned reason)
{
    if (reason == REFUSE_ERROR || reason == REFUSE_DEATHS)
        return REFUSE_BUSY;
    return reason == REFUSE_PASSWORD_EXPIRED || reason == REFUSE_SESSIONS
        || reason == REFUSE_BUSY || reason == REFUSE_FAILURES ? reason : REFUSE_CREDENTIALS;
}

static void
send_refusal(struct claim *a)
{
    struct session *s = a->session;
    bool enough = s->refusals >= s->generation->settings.login_attempts;
    struct message m;

    /* not even the worker is told why: it may be captured, and ask for a stranger */
    msg_login_refused_pack(&m, &(struct msg_login_refused){
        .reason = (uint8_t)told_reason(a->reason) });
    claim_clear(s);
    session_enter_base(s);
    session_tell(s, &m);
    if (enough && !s->dismissed)
        session_shutdown(s, "login-attempts", "Too many failed logins; closing connection.");
}

/* The loop's own clock is coarse, and may wake us some milliseconds early. */
static void
wait_until_due(struct claim *a)
{
    int64_t left = a->due - clock_ms();
    struct timeval after = { (time_t)(left / 1000), (suseconds_t)(left % 1000 * 1000) };

    if (left <= 0 || event_add(&a->timer, &after) == -1)
        send_refusal(a);
}

static void
on_timer_event(evutil_socket_t fd, short what, void *context)
{
    struct claim *a = context;

    (void)fd;
    (void)what;
    if (a->due != 0)
        wait_until_due(a);
    else if (a->slowed)
        places_go_on(a);
    else
        places_late(a);
}

/* The next multiple of the delay: how long a check took cannot be told from outside. */
static int64_t
due_time(const struct claim *a)
{
    int64_t delay = a->session->generation->settings.login_failure_delay,
            now = clock_ms();

    return delay == 0 ? now : now + delay - (now - a->began) % delay;
}

static const char *
reason_name(unsigned reason)
{
    switch ((enum refuse_reason)reason) {
    case REFUSE_CREDENTIALS: return "credentials";
    case REFUSE_DISABLED: return "disabled";
    case REFUSE_ERROR: return "error";
    case REFUSE_PASSWORD_EXPIRED: return "password-expired";
    case REFUSE_SESSIONS: return "sessions";
    case REFUSE_BUSY: return "busy";
    case REFUSE_FAILURES: return "failures";
    case REFUSE_GIVEN_UP: return "given-up";
    case REFUSE_UNUSABLE: return "unusable";
    case REFUSE_DEATHS: return "deaths";
    case REFUSE_COUNT: break;
    }
    return "?";
}

static void
note_refusal(struct claim *a, unsigned reason, const char *text)
{
    struct session *s = a->session;
    struct log_escaped user;
    char why[LOGSINK_TEXT_MAX];

    a->refused = true;
    a->reason = reason;
    s->refusals++;
    count_refusal(a);
    report_session(s, EVENT_LOGIN_REFUSED,
                   "user=%s reason=%s tls=%s cipher=%s attempt=%u%s%.200s%s",
                   log_text(slice_of(a->user), &user), reason_name(reason), s->tls,
                   s->cipher, s->refusals, *text == '\0' ? "" : " why=\"",
                   logsink_line(slice_of(text), why), *text == '\0' ? "" : "\"");
}

/*
 * Refused before PAM was asked, which stands behind, as for a wrong password. Other names go
 * on to PAM: where it hangs they wait for a place there, or are turned away. Told at once,
 * this one would be known to be of another backend.
 */
static bool
has_to_wait(const struct claim *a)
{
    const struct session *s = a->session;

    return a->checked && !a->reached && !s->dismissed && session_state(s) == ST_LOGIN
           && told_reason(a->reason) == REFUSE_CREDENTIALS
           && text_list_has(&s->generation->settings.auth, slice_of("pam"));
}

void
claim_deliver(struct session *s, bool at_once)
{
    struct claim *a = s->claim;

    if (!a->refused)            /* given up: it counts all the same */
        note_refusal(a, REFUSE_GIVEN_UP, "");
    a->veiled = false;
    places_decided(a);
    if (a->due != 0 && !at_once)
        return;                 /* its time is set: whoever asks again hears it no sooner */
    a->due = at_once ? clock_ms() : due_time(a);
    wait_until_due(a);
}

void
claim_refuse(struct session *s, unsigned reason, const char *text)
{
    struct claim *a = s->claim;

    if (a->refused)
        return;
    note_refusal(a, reason, text);
    if (has_to_wait(a)) {
        a->veiled = true;
        places_want_pam(a);
        return;
    }
    places_decided(a);
    if (session_state(s) == ST_LOGIN)
        claim_deliver(s, false);
}

void
claim_distrust(struct session *s)
{
    s->claim->distrusted = s->claim->checked;
}

bool
claim_is_distrusted(const struct session *s)
{
    return s->claim->distrusted;
}

bool
claim_is_refused(const struct session *s)
{
    return s->claim->refused;
}

/* ---- questions, and PAM ------------------------------------------------------------- */

void
claim_pause(struct session *s)
{
    places_pause(s->claim);
}

void
claim_resume(struct session *s)
{
    places_resume(s->claim);
}

enum sp_err
claim_want_pam(struct session *s)
{
    struct claim *a = s->claim;

    if (a == NULL || a->reached)
        return SP_INPUT;
    if (!a->refused)
        places_want_pam(a);
    return SP_OK;
}

/* ---- its life ---------------------------------------------------------------------- */

void
logins_init(struct logins *l)
{
    static const struct places_calls calls = { take_turn, check, enter_pam, unveil, turn_away };

    places_init(l, &calls);
}

enum sp_err
claim_begin(struct session *s, struct slice user, struct slice password)
{
    struct claim *a = NULL;
    enum sp_err rc = SP_NOMEM;

    SP_ASSERT(s->claim == NULL);
    if ((a = calloc(1, sizeof *a)) == NULL)
        return SP_NOMEM;
    a->session = s;
    a->began = clock_ms();
    secret_init(&a->password);
    if (event_assign(&a->timer, s->monitor->loop, -1, 0, on_timer_event, a) == -1)
        goto out;
    if ((rc = slice_to_text(user, a->user, sizeof a->user)) != SP_OK
        || (rc = secret_set(&a->password, password)) != SP_OK)
        goto out;
    s->claim = a;
    s->tried = true;
    session_enter(s, ST_LOGIN);
    places_wait(a);
    a = NULL;
out:
    if (a != NULL)
        secret_clear(&a->password);
    free(a);
    return rc;
}

struct slice
claim_user(const struct session *s)
{
    return slice_of(s->claim->user);
}

void
claim_clear(struct session *s)
{
    struct claim *a = s->claim;

    s->claim = NULL;
    if (a == NULL)
        return;
    (void)event_del(&a->timer);
    count_failure(a);
    places_leave(a);
    secret_clear(&a->password);
    free(a);
}
