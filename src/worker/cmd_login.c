/* worker/cmd_login.c - USER PASS ACCT REIN QUIT (RFC 959 section 4.1.1, RFC 4217 section 11) */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "ftp/listing.h"
#include "ftp/reply.h"
#include "wire/fail.h"
#include "worker/ask_broker.h"
#include "worker/ask_monitor.h"
#include "worker/commands.h"
#include "worker/worker.h"

void
worker_forget_account(struct worker *w)
{
    w->account = (struct logged_in){ 0 };
    w->pending = (struct pending){ 0 };
    data_reset(&w->data);
    path_root(&w->cwd);
    path_root(&w->start);
    w->ascii = true;
    w->extended_only = false;
    w->facts = FACT_PRESET;
    w->idle_seconds = w->settings.idle_timeout;
    /* the protection of RFC 4217 section 11: TLS stays, PBSZ and PROT are asked anew */
    w->pbsz_given = w->session.implicit_tls;
    w->prot_given = false;
    w->protection = w->session.implicit_tls ? PROTECTION_PRIVATE : PROTECTION_CLEAR;
}

static bool
is_exempt(const struct worker *w, struct slice user)
{
    return w->control.tls != NULL || !w->settings.tls_required || w->session.cleartext_allowed
        || text_list_has(&w->settings.cleartext_users, user);
}

/* Only a name that could be one is asked for: it fits into the message then. */
static enum sp_err
may_be_clear(struct worker *w, struct slice user, bool *may)
{
    *may = is_exempt(w, user);
    if (*may || user.len == 0 || user.len >= sizeof w->pending.user || slice_has_line_break(user)
        || memchr(user.at, '\0', user.len) != NULL)
        return SP_OK;
    return ask_may_clear(w, user, may);
}

enum sp_err
cmd_user(struct worker *w, const struct command *c, struct buf *out)
{
    struct slice name = c->trimmed;
    bool may = false;
    enum sp_err rc = SP_OK;

    if (w->account.active)
        return reply_line(out, 503, "Already logged in; send REIN to change the user.");
    if (w->pending.question) {
        if (ask_login_cancel(w) != SP_OK)
            return SP_CLOSED;
        w->pending.question = false;
    }
    w->pending.user_given = false;
    if ((rc = may_be_clear(w, name, &may)) != SP_OK)
        return rc;
    if (!may)
        return reply_line(out, 533, "TLS is required; send AUTH TLS first.");
    if (name.len == 0 || slice_to_text(name, w->pending.user, sizeof w->pending.user) != SP_OK
        || slice_has_line_break(name))
        return reply_line(out, 501, "Invalid user name: it is empty, too long, or contains a "
                          "control character.");
    w->pending.user_given = true;
    return reply_line(out, 331, "Password required.");
}

/* Not 530, which means the password: clients ask people for another one, and do not retry. */
static enum sp_err
reply_unchecked(struct worker *w, struct buf *out)
{
    w->quitting = true;
    return reply_line(out, 421, "Login is temporarily unavailable; try again later.");
}

/* What was decided, told. */
static enum sp_err
reply_outcome(struct worker *w, const struct login_result *result, struct buf *out)
{
    struct fail fail = { 0 };
    struct log_escaped shown;
    enum sp_err rc = SP_OK;

    switch (result->outcome) {
    case LOGIN_ASKED:
        w->pending.question = true;
        return reply_line(out, 332, "%s (answer with ACCT)", result->text);
    case LOGIN_NO:
        if (w->shutdown)
            return SP_OK;               /* nothing was decided: its 421 says what happened */
        w->pending.user_given = false;
        if (result->reason == REFUSE_PASSWORD_EXPIRED)
            return reply_line(out, 530, "Password expired; change it before you log in.");
        if (result->reason == REFUSE_SESSIONS)
            return reply_line(out, 530, "Too many sessions for this account; try again later.");
        if (result->reason == REFUSE_BUSY)
            return reply_unchecked(w, out);
        if (result->reason == REFUSE_FAILURES)
            return reply_line(out, 530, "Too many failed logins from your network; try again later.");
        return reply_line(out, 530, "Login incorrect.");
    case LOGIN_DONE:
        break;
    }
    w->pending.user_given = false;
    path_root(&w->cwd);
    rc = ask_chdir(w, result->start, &fail);
    if (rc == SP_CLOSED)
        return SP_CLOSED;
    if (rc == SP_OK)
        SP_IGNORE(path_join(&w->cwd, slice_of("/"), slice_of(result->start))); /* else stay at the root */
    else
        log_event(EVENT_LOGIN_START, "path=%s reason=not-there",
                  log_text(slice_of(result->start), &shown));
    w->start = w->cwd;
    w->memory_due = true;
    return reply_line(out, 230, "Login successful.");
}

static enum sp_err
answer_question(struct worker *w, struct slice text, struct buf *out)
{
    struct secret answer;
    struct login_result result = { 0 };
    enum sp_err rc = SP_OK;

    w->pending.question = false;
    secret_init(&answer);
    if (secret_set(&answer, text) != SP_OK) {
        secret_clear(&answer);
        return ask_login_cancel(w) == SP_OK
            ? reply_line(out, 501, "Answer too long.") : SP_CLOSED;
    }
    rc = ask_login_answer(w, &answer, &result);
    secret_clear(&answer);
    return rc == SP_OK ? reply_outcome(w, &result, out) : rc;
}

enum sp_err
cmd_pass(struct worker *w, const struct command *c, struct buf *out)
{
    struct secret password;
    struct login_result result = { 0 };
    enum sp_err rc = SP_OK;

    if (w->account.active)
        return reply_line(out, 503, "Already logged in.");
    if (w->pending.question)
        return answer_question(w, c->parameter, out);
    if (!w->pending.user_given)
        return reply_line(out, 503, "Send USER first.");
    secret_init(&password);
    if (secret_set(&password, c->parameter) != SP_OK) {
        secret_clear(&password);
        return reply_line(out, 530, "Login incorrect.");
    }
    rc = ask_login(w, w->pending.user, &password, &result);
    secret_clear(&password);
    return rc == SP_OK ? reply_outcome(w, &result, out) : rc;
}

enum sp_err
cmd_acct(struct worker *w, const struct command *c, struct buf *out)
{
    if (w->pending.question)
        return answer_question(w, c->parameter, out);
    if (w->account.active)
        return reply_line(out, 202, "ACCT is not needed on this server.");
    return reply_line(out, 503, w->pending.user_given ? "Send PASS first." : "Send USER first.");
}

enum sp_err
cmd_rein(struct worker *w, const struct command *c, struct buf *out)
{
    (void)c;
    if (w->pending.question && ask_login_cancel(w) != SP_OK)
        return SP_CLOSED;
    if (w->account.active && ask_logout(w) != SP_OK)
        return SP_CLOSED;
    worker_forget_account(w);
    w->begun = clock_ms();              /* the time to log in begins anew */
    return reply_line(out, 220, "Service ready for new user.");
}

enum sp_err
cmd_quit(struct worker *w, const struct command *c, struct buf *out)
{
    (void)c;
    w->quitting = true;
    return reply_line(out, 221, "Goodbye.");
}
