/* monitor/logins.c - see logins.h */
#include "monitor/logins.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "monitor/expel.h"
#include "monitor/generation.h"
#include "monitor/guessers.h"
#include "monitor/logsink.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "wire/fail.h"
#include "wire/pack.h"

#define USER_ROOM (NAME_BYTES + 1)
#define HUNG_MS 5000            /* a check that takes longer at the end of the session */

struct attempt {
    TAILQ_ENTRY(attempt) entry;
    struct session *session;
    bool queued, runs, holds;   /* waits; a login checks it; counts for its address */
    bool asks;                  /* its login waits for an answer of the client */
    bool refused;
    bool slowed;                /* waits for its turn, too (guessers.h) */
    bool checked, counted;      /* a login has the password; its outcome was counted */
    bool distrusted;            /* the account was changed since then */
    unsigned reason;
    int64_t began, asked, due;  /* clock_ms; asked: the check began */
    struct event timer;
    char user[USER_ROOM];
    struct secret password;
};

void
logins_init(struct logins *l)
{
    l->running = 0;
    l->starting = false;
    TAILQ_INIT(&l->waiting);
    TAILQ_INIT(&l->holding);
    l->questions = 0;
    TAILQ_INIT(&l->asking);
}

static struct logins *
logins_of(const struct session *s)
{
    return &s->monitor->logins;
}

/* ---- places ------------------------------------------------------------------------ */

static void
ask_login(struct attempt *a)
{
    struct session *s = a->session;
    unsigned char peer[NET_PACKED];
    struct message m;
    enum sp_err rc = SP_OK;

    net_pack(&s->peer, peer);
    msg_attempt_pack(&m, &(struct msg_attempt){
        .session = slice_of(s->id), .user = slice_of(a->user),
        .password = slice_from(a->password.bytes, a->password.len),
        .peer = slice_from(peer, sizeof peer), .secure = s->secure });
    secret_clear(&a->password);
    a->checked = s->member.busy = true;
    a->asked = clock_ms();
    rc = part_new(s, LOGIN, ST_LOGIN, &m, NULL, &s->login);
    if (rc == SP_OK)
        return;
    report_session(s, LOG_LEVEL_ERROR, "login.failed: %s", sp_err_text(rc));
    attempt_refuse(s, REFUSE_ERROR, "");
}

/* The same address, as admission counts them: of IPv6 the network of one customer. */
static bool
same_peer(const struct net_addr *a, const struct net_addr *b)
{
    return a->family == b->family
           && memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 8) == 0;
}

/*
 * The first that waits and may begin: one address has a quarter of the places at most, so
 * that whoever floods us with attempts from there lets everybody else pass.
 */
static struct attempt *
next_waiting(const struct logins *l, unsigned most)
{
    const unsigned share = most < 4 ? 1 : most / 4;
    const struct attempt *other = NULL;
    struct attempt *a = NULL;

    TAILQ_FOREACH(a, &l->waiting, entry) {
        unsigned held = 0;

        if (a->slowed)
            continue;
        TAILQ_FOREACH(other, &l->holding, entry)
            held += same_peer(&other->session->peer, &a->session->peer);
        if (held < share)
            return a;
    }
    return NULL;
}

static void
take_place(struct logins *l, struct attempt *a)
{
    a->runs = a->holds = true;
    l->running++;
    TAILQ_INSERT_TAIL(&l->holding, a, entry);
}

static void
set_timer(struct attempt *a, int64_t milliseconds)
{
    struct timeval after = { (time_t)(milliseconds / 1000),
                             (suseconds_t)(milliseconds % 1000 * 1000) };

    if (event_add(&a->timer, &after) == -1)
        attempt_refuse(a->session, REFUSE_ERROR, "no timer");
}

/*
 * True: its password may be checked now. Else it is slowed (the timer brings it back), or
 * refused: its address is shut out, or it had no turn in so long that its client is about
 * to give up. Among many of one address, who comes at the right moment has the turn: a
 * queue could be filled, and those behind it would never have theirs.
 */
static bool
take_turn(struct attempt *a)
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
        attempt_refuse(s, REFUSE_FAILURES, wait == GUESSERS_SHUT
                           ? "not checked: this address is shut out for strangers"
                           : "not checked: too many attempts from this address");
        return false;
    }
    report_session(s, LOG_LEVEL_DEBUG, "login.slowed milliseconds=%lld", (long long)wait);
    a->slowed = true;
    set_timer(a, wait < patience ? wait : patience);
    return false;
}

static void
start_waiting(struct logins *l, unsigned most)
{
    struct attempt *a = NULL;

    /* one that cannot be started leaves its place, and so comes back here: not deeper */
    if (l->starting)
        return;
    l->starting = true;
    while (l->running < most && (a = next_waiting(l, most)) != NULL) {
        if (!take_turn(a))
            continue;
        TAILQ_REMOVE(&l->waiting, a, entry);
        a->queued = false;
        take_place(l, a);
        ask_login(a);
    }
    l->starting = false;
}

static unsigned
places(const struct session *s)
{
    return (unsigned)s->generation->settings.logins_at_once;
}

/*
 * It is decided: others may be checked. It still counts for its own address, until its
 * client is told: else how soon the next attempt from there has its turn would tell how long
 * this one took to check.
 */
static void
stop_running(struct attempt *a)
{
    struct logins *l = logins_of(a->session);

    if (a->queued)
        TAILQ_REMOVE(&l->waiting, a, entry);
    a->queued = a->slowed = false;
    if (!a->runs)
        return;
    a->runs = a->session->member.busy = false;
    SP_ASSERT(l->running > 0);
    l->running--;
    start_waiting(l, places(a->session));
}

static void
leave_place(struct attempt *a)
{
    struct logins *l = logins_of(a->session);

    stop_running(a);
    if (!a->holds)
        return;
    a->holds = false;
    TAILQ_REMOVE(&l->holding, a, entry);
    start_waiting(l, places(a->session));
}

/* ---- questions ---------------------------------------------------------------------- */

static void
stop_asking(struct attempt *a)
{
    struct logins *l = logins_of(a->session);

    if (!a->asks)
        return;
    a->asks = false;
    SP_ASSERT(l->questions > 0);
    l->questions--;
    TAILQ_REMOVE(&l->asking, a, entry);
}

/* The one that has waited longest, of the address that has most of them. */
static struct attempt *
most_silent(const struct logins *l)
{
    struct attempt *a = NULL, *found = NULL;
    const struct attempt *other = NULL;
    unsigned most = 0;

    TAILQ_FOREACH(a, &l->asking, entry) {
        unsigned count = 0;

        TAILQ_FOREACH(other, &l->asking, entry)
            count += same_peer(&other->session->peer, &a->session->peer);
        if (count <= most)
            continue;
        most = count;
        found = a;
    }
    return found;
}

/*
 * Who thinks about an answer keeps nobody from being checked; but there is a process that
 * waits with it, and so there are no more of these than places. Their end is login_timeout.
 */
void
attempt_pause(struct session *s)
{
    struct attempt *a = s->attempt;
    struct logins *l = logins_of(s);

    a->asks = true;
    l->questions++;
    SP_ASSERT(a->holds);
    a->holds = false;
    TAILQ_REMOVE(&l->holding, a, entry);
    TAILQ_INSERT_TAIL(&l->asking, a, entry);
    stop_running(a);
    if (l->questions <= places(s))
        return;
    a = most_silent(l);         /* not this one: it came last */
    stop_asking(a);
    session_end_account(a->session, SESSION_SETTLE_MS);
    attempt_refuse(a->session, REFUSE_BUSY, "others ask, too, and this one waits longest");
}

void
attempt_resume(struct session *s)
{
    /* Past the bound if it must be: no more come than there are questions. */
    stop_asking(s->attempt);
    take_place(logins_of(s), s->attempt);
}

/* ---- what is counted ---------------------------------------------------------------- */

/*
 * The password was wrong, or nobody waited for the verdict: who gives up early knows as
 * well that it was wrong, since the right one is answered at once.
 */
static void
count_failure(struct attempt *a)
{
    struct session *s = a->session;
    struct monitor *m = s->monitor;
    struct guessers_shut shut = { 0 };

    if (!a->checked || a->counted)
        return;
    a->counted = true;
    if (m->stopping || (s->leaving && clock_ms() - a->asked >= HUNG_MS))
        return;                 /* no fault of the client: what checks it hangs, or we end */
    if (guessers_failed(&m->guessers, &m->current->guessing, &s->peer, slice_of(a->user),
                        clock_ms(), &shut))
        expel_guesser(s, &shut);
}

/* A fault of the server says nothing about the password. */
static void
count_refusal(struct attempt *a)
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
attempt_granted(struct session *s, bool remember)
{
    struct attempt *a = s->attempt;

    guessers_succeeded(&s->monitor->guessers, &s->peer, slice_of(a->user), remember,
                       clock_ms());
    a->counted = true;
    leave_place(a);
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
send_refusal(struct attempt *a)
{
    struct session *s = a->session;
    bool enough = s->refusals >= s->generation->settings.login_attempts;
    struct message m;

    /* not even the worker is told why: it may be captured, and ask for a stranger */
    msg_login_refused_pack(&m, &(struct msg_login_refused){
        .reason = (uint8_t)told_reason(a->reason), .text = SLICE_EMPTY });
    attempt_clear(s);
    session_enter_base(s);
    session_tell(s, &m);
    if (enough && !s->leaving)
        session_shutdown(s, "login-attempts", "Too many failed logins, closing.");
}

/* The loop's own clock is coarse, and may wake us some milliseconds early. */
static void
wait_until_due(struct attempt *a)
{
    int64_t left = a->due - clock_ms();
    struct timeval after = { (time_t)(left / 1000), (suseconds_t)(left % 1000 * 1000) };

    if (left <= 0 || event_add(&a->timer, &after) == -1)
        send_refusal(a);
}

static void
on_timer_event(evutil_socket_t fd, short what, void *context)
{
    struct attempt *a = context;

    (void)fd;
    (void)what;
    if (!a->slowed) {
        wait_until_due(a);
        return;
    }
    a->slowed = false;
    start_waiting(logins_of(a->session), places(a->session));
}

/* The next multiple of the delay: how long a check took cannot be told from outside. */
static int64_t
due_time(const struct attempt *a)
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
note_refusal(struct attempt *a, unsigned reason, const char *text)
{
    struct session *s = a->session;
    struct log_escaped user;
    char why[LOGSINK_TEXT_MAX];

    a->refused = true;
    a->reason = reason;
    s->refusals++;
    count_refusal(a);
    report_session(s, LOG_LEVEL_NOTICE,
                   "login.refused user=%s reason=%s tls=%s cipher=%s "
                   "attempt=%u%s%.200s%s",
                   log_text(slice_of(a->user), &user), reason_name(reason), s->tls,
                   s->cipher, s->refusals,
                   *text == '\0' ? "" : " why=\"", logsink_line(slice_of(text), why),
                   *text == '\0' ? "" : "\"");
    stop_asking(a);
    stop_running(a);
}

void
attempt_deliver(struct session *s, bool at_once)
{
    struct attempt *a = s->attempt;

    if (!a->refused)            /* given up: it counts all the same */
        note_refusal(a, REFUSE_GIVEN_UP, "");
    else if (a->due != 0 && !at_once)
        return;                 /* its time is set: whoever asks again hears it no sooner */
    a->due = at_once ? clock_ms() : due_time(a);
    wait_until_due(a);
}

void
attempt_refuse(struct session *s, unsigned reason, const char *text)
{
    if (s->attempt->refused)
        return;
    note_refusal(s->attempt, reason, text);
    if (session_state(s) == ST_LOGIN)
        attempt_deliver(s, false);
}

bool
attempt_is_checked(const struct session *s)
{
    return s->attempt->runs;
}

void
attempt_distrust(struct session *s)
{
    s->attempt->distrusted = s->attempt->checked;
}

bool
attempt_is_distrusted(const struct session *s)
{
    return s->attempt->distrusted;
}

bool
attempt_is_refused(const struct session *s)
{
    return s->attempt->refused;
}

/* ---- its life ---------------------------------------------------------------------- */

enum sp_err
attempt_begin(struct session *s, struct slice user, struct slice password)
{
    struct attempt *a = NULL;
    enum sp_err rc = SP_NOMEM;

    SP_ASSERT(s->attempt == NULL);
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
    s->attempt = a;
    s->tried = true;
    session_enter(s, ST_LOGIN);
    a->queued = true;
    TAILQ_INSERT_TAIL(&logins_of(s)->waiting, a, entry);
    a = NULL;
    start_waiting(logins_of(s), places(s));
out:
    if (a != NULL)
        secret_clear(&a->password);
    free(a);
    return rc;
}

struct slice
attempt_user(const struct session *s)
{
    return slice_of(s->attempt->user);
}

void
attempt_clear(struct session *s)
{
    struct attempt *a = s->attempt;

    s->attempt = NULL;
    if (a == NULL)
        return;
    (void)event_del(&a->timer);
    count_failure(a);
    stop_asking(a);
    leave_place(a);
    secret_clear(&a->password);
    free(a);
}
