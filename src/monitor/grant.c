/* monitor/grant.c - see verdict.h */
#include "monitor/grant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/dots.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/generation.h"
#include "monitor/logins.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "monitor/takeover.h"
#include "wire/fail.h"
#include "wire/grant.h"
#include "wire/pack.h"

/* ---- login ------------------------------------------------------------------------- */

static enum sp_err
hear_question(struct part *login, const struct message *m)
{
    struct session *s = login->session;
    struct msg_question in = { 0 };
    struct message out;

    if (msg_question_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    channel_enter(&login->child.channel, ST_QUESTION);
    claim_pause(s);
    session_enter(s, ST_QUESTION);
    msg_login_question_pack(&out, &(struct msg_login_question){ .text = in.text });
    session_tell(s, &out);
    return SP_OK;
}

static enum sp_err
hear_place_wanted(struct part *login, const struct message *m)
{
    struct msg_place_wanted in = { 0 };

    return msg_place_wanted_unpack(m, &in) == SP_OK ? claim_want_pam(login->session)
                                                    : SP_INPUT;
}

static enum sp_err
hear_refused(struct part *login, const struct message *m)
{
    struct session *s = login->session;
    struct msg_refused in = { 0 };
    char text[LINE_BYTES + 1];

    if (msg_refused_unpack(m, &in) != SP_OK || in.reason == 0 || in.reason >= REFUSE_COUNT
        || slice_to_text(in.text, text, sizeof text) != SP_OK)
        return SP_INPUT;
    session_end_account(s, SESSION_SETTLE_MS);
    claim_refuse(s, in.reason, text);
    return SP_OK;
}

static bool
has_group_zero(struct slice groups)
{
    for (size_t i = 0; i + 4 <= groups.len; i += 4)
        if (bytes_get_little(groups.at + i, 4) == 0)
            return true;
    return false;
}

/*
 * What no configuration can want, whatever the chain says. NULL: nothing is wrong.
 */
static const char *
wrong_with(const struct session *s, const struct msg_granted *in)
{
    const struct generation *g = s->generation;

    if (in->groups.len % 4 != 0)
        return "groups";
    /* nothing that the chain makes does */
    if (dots_climb(in->jail) || dots_climb(in->start))
        return "its path contains \"..\"";
    if (in->user.len == 0 || in->backend.len == 0)
        return "no name";
    if (!s->monitor->root)
        return in->uid == geteuid() ? NULL
            : "its uid differs from the server's; switching users requires root";
    if (in->uid == 0 || in->gid == 0 || has_group_zero(in->groups))
        return "uid, gid or group 0";
    if (in->uid == (uid_t)-1 || in->gid == (gid_t)-1)
        return "uid or gid -1";
    if (in->uid == g->worker.uid || in->uid == g->keyholder_ids.uid
        || in->uid == g->ledger.uid)
        return "the uid of worker_user, keyholder_user or ledger_user";
    return NULL;
}

/* "backend:user": accounts of two backends are two accounts. NULL: no memory. */
static char *
account_of(const struct msg_granted *in)
{
    size_t len = in->backend.len + 1 + in->user.len;
    char *out = malloc(len + 1);

    if (out == NULL)
        return NULL;
    memcpy(out, in->backend.at, in->backend.len);
    out[in->backend.len] = ':';
    memcpy(out + in->backend.len + 1, in->user.at, in->user.len);
    out[len] = '\0';
    return out;
}

/* Brokers, not sessions: one that still settles an upload counts. */
static unsigned
count_account(const struct monitor *m, const char *account)
{
    const struct session *s = NULL;
    const struct part *part = NULL;
    unsigned count = 0;

    TAILQ_FOREACH(s, &m->sessions, entry)
        LIST_FOREACH(part, &s->parts, entry)
            if (part->account != NULL && strcmp(part->account, account) == 0)
                count++;
    return count;
}

static enum sp_err
prepare_answer(struct session *s, const struct msg_granted *in)
{
    if ((s->logged_in = malloc(sizeof *s->logged_in)) == NULL)
        return SP_NOMEM;
    msg_logged_in_pack(s->logged_in, &(struct msg_logged_in){ .user = in->user,
                                                              .backend = in->backend,
                                                              .start = in->start,
                                                              .permits = in->permits,
                                                              .flags = in->flags,
                                                              .umask = in->umask,
                                                              .file_bound = in->file_bound });
    return SP_OK;
}

static enum sp_err
start_broker(struct session *s, const struct msg_granted *in)
{
    struct message grant;
    int worker_end = -1, broker_end = -1;
    enum sp_err rc = SP_OK;

    if ((rc = channel_pair(&worker_end, &broker_end)) != SP_OK)
        goto out;
    msg_grant_pack(&grant, &(struct msg_grant){
        .session = slice_of(s->id), .user = in->user, .group = in->group, .uid = in->uid,
        .gid = in->gid, .groups = in->groups, .jail = in->jail,
        .permits = in->permits, .umask = in->umask, .file_bound = in->file_bound,
        .memory = in->memory, .cpu = in->cpu, .files = in->files, .nice = in->nice });
    if ((rc = session_start_part(s, BROKER, ST_START, &grant, &broker_end, &s->broker)) != SP_OK)
        goto out;
    s->broker->worker_end = fd_move(&worker_end);
out:
    fd_close(&worker_end);
    fd_close(&broker_end);
    return rc;
}

static enum sp_err
hear_granted(struct part *login, const struct message *m)
{
    struct session *s = login->session;
    struct msg_granted in = { 0 };
    struct log_escaped user;
    const char *wrong = NULL;
    char *account = NULL;
    unsigned reason = REFUSE_ERROR;
    enum sp_err rc = SP_NOMEM;

    if (msg_granted_unpack(m, &in) != SP_OK || slice_has_line_break(in.jail))
        return SP_INPUT;
    channel_enter(&login->child.channel, ST_USER);
    if (claim_is_distrusted(s) && slice_equal(in.backend, slice_of("users"))) {
        session_end_account(s, SESSION_SETTLE_MS);
        claim_refuse(s, REFUSE_CREDENTIALS, "the account was changed meanwhile");
        return SP_OK;
    }
    /* the name was exempt when it was asked for: is the account? */
    if (!s->secure && !s->cleartext_allowed && (in.flags & ACCOUNT_CLEAR_DATA) == 0
        && !text_list_has(&s->generation->settings.cleartext_users, claim_user(s))) {
        session_end_account(s, SESSION_SETTLE_MS);
        claim_refuse(s, REFUSE_CREDENTIALS, "the account may not log in without TLS");
        return SP_OK;
    }
    /* who may be anybody makes no address known */
    claim_granted(s, (in.flags & ACCOUNT_ANONYMOUS) == 0);
    if ((wrong = wrong_with(s, &in)) != NULL) {
        report_session(s, EVENT_ACCOUNT_UNUSABLE, "user=%s fault=\"%s\"",
                       log_text(in.user, &user), wrong);
        goto out;
    }
    if ((account = account_of(&in)) == NULL)
        goto out;
    if (deaths_find(&s->monitor->deaths, account, clock_ms()) != NULL) {
        reason = REFUSE_DEATHS;
        goto out;
    }
    if (in.session_limit > 0 && count_account(s->monitor, account) >= in.session_limit) {
        reason = REFUSE_SESSIONS;
        goto out;
    }
    if ((rc = prepare_answer(s, &in)) != SP_OK || (rc = start_broker(s, &in)) != SP_OK)
        goto out;
    s->broker->account = account;
    account = NULL;
out:
    free(account);      /* fanalyzer(malloc-leak): unless the broker has it */
    if (rc == SP_OK)
        return SP_OK;
    free(s->logged_in);
    s->logged_in = NULL;
    session_end_account(s, SESSION_SETTLE_MS);
    claim_refuse(s, reason, "");
    return SP_OK;
}

/* ---- broker ------------------------------------------------------------------------ */

/* The name stays escaped: it is only ever written to the log. */
static void
remember_user(struct session *s, struct slice user)
{
    struct log_escaped text;

    free(s->user);
    s->user = strdup(log_text(user, &text));
}       /* fanalyzer(malloc-leak): the session owns it */

/*
 * What PAM says of the size of files, as a limit of the kernel for the worker, which writes
 * them: it keeps to it anyway, but one that a client has taken over would not. Another uid's
 * limits are set with CAP_SYS_RESOURCE alone. The soft one: a worker has no call to raise it,
 * and the next login of its session may have another.
 */
static void
bound_files(struct session *s, uint64_t bound)
{
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

    if ((bound == 0 && !s->bounded) || getrlimit(RLIMIT_FSIZE, &limit) == -1)
        return;
    if (bound > 0 && bound - 1 < limit.rlim_cur)
        limit.rlim_cur = (rlim_t)bound - 1;
    if (prlimit(s->worker->child.process.pid, RLIMIT_FSIZE, &limit, NULL) == 0)
        s->bounded = bound > 0;
}

static enum sp_err
hear_serving(struct part *broker, const struct message *m)
{
    struct session *s = broker->session;
    struct msg_serving in = { 0 };
    struct msg_logged_in told = { 0 };
    struct message *answer = s->logged_in;
    struct log_escaped backend;
    enum sp_err rc = SP_OK;

    if (msg_serving_unpack(m, &in) != SP_OK || answer == NULL)
        return SP_INPUT;
    channel_enter(&broker->child.channel, ST_USER);
    rc = msg_logged_in_unpack(answer, &told);
    SP_ASSERT(rc == SP_OK);
    s->logged_in = NULL;
    bound_files(s, told.file_bound);
    (void)event_del(&s->deadline);
    crowd_settle(&s->monitor->admission.crowd, &s->member);
    remember_user(s, told.user);
    session_join_kin(s);
    session_share_log(s, true);
    bond_take_account(s, told.permits, told.flags);
    report_session(s, EVENT_LOGIN_GRANTED,
                   "user=%s backend=%s tls=%s cipher=%s resumed=%s",
                   s->user == NULL ? "?" : s->user, log_text(told.backend, &backend),
                   s->tls, s->cipher, s->resumed ? "yes" : "no");
    claim_clear(s);
    answer->fds[0] = fd_move(&broker->worker_end);
    answer->nfds = 1;
    session_enter(s, ST_USER);
    session_tell(s, answer);
    free(answer);
    return SP_OK;
}

enum sp_err
grant_hear(struct part *part, const struct message *m)
{
    switch (m->type) {
    case MSG_PLACE_WANTED: return hear_place_wanted(part, m);
    case MSG_QUESTION: return hear_question(part, m);
    case MSG_REFUSED: return hear_refused(part, m);
    case MSG_GRANTED: return hear_granted(part, m);
    case MSG_SERVING: return hear_serving(part, m);
    case MSG_TAKE_OVER: return takeover_hear_ask(part, m);
    case MSG_YIELDS: return takeover_hear_answer(part, m);
    default: return SP_INPUT;
    }
}
