/* auth/pam.c - see auth/pam.h */
#include "auth/pam.h"

#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

#include "auth/attempt.h"
#include "auth/bequest.h"
#include "auth/chain.h"
#include "auth/conversation.h"
#include "auth/derive.h"
#include "auth/jaildir.h"
#include "auth/one_hash.h"
#include "auth/posture.h"
#include "auth/sysuser.h"
#include "auth/verdict.h"
#include "base/log.h"
#include "base/net.h"
#include "config/settings.h"

/* A PAM transaction, from pam_start to pam_end; lives on the heap, with a granted
 * verdict. */
struct pam_login {
    pam_handle_t *pam;
    struct conversation talk;
    bool right;                 /* the password was                   */
    bool credentials, session;  /* to be undone                       */
    bool groups;                /* of the account, to which modules add theirs */
    int status;                 /* of the last call, pam_end wants it */
    struct one_hash hash;       /* during pam_authenticate alone      */
};

/* Nobody is asked anything by a transaction that is only begun. */
static int
no_talk(int count, const struct pam_message **messages, struct pam_response **answers,
        void *context)
{
    (void)count;
    (void)messages;
    (void)answers;
    (void)context;
    return PAM_CONV_ERR;
}

void
pam_warm(const struct settings *s)
{
    /* never ended: with the handle the modules would go, and each login would load,
     * relocate and keep a copy of them of its own; static: what holds it is no leak */
    static pam_handle_t *kept = NULL;
    const struct pam_conv talk = { no_talk, NULL };
    int status = PAM_SUCCESS;

    if (!text_list_has(&s->auth, slice_of("pam")))
        return;
    if ((status = pam_start(s->pam_service, NULL, &talk, &kept)) != PAM_SUCCESS)
        log_event(EVENT_LOGIN_PAM_WARM, "status=%d", status);   /* the first login says it aloud */
}

/* The monitor delays refusals, all alike: a module's own delay would tell them apart. */
static void
no_delay(int status, unsigned delay, void *conversation)
{
    (void)status;
    (void)delay;
    (void)conversation;
}

static enum sp_err
ask_client(void *attempt, const char *prompt, struct secret *answer)
{
    return attempt_ask(attempt, prompt, answer);
}

static void
pam_login_free(void *held)
{
    struct pam_login *p = held;

    p->talk.over = true;
    if (p->session && (p->status = pam_close_session(p->pam, PAM_SILENT)) != PAM_SUCCESS)
        log_event(EVENT_LOGIN_PAM_CLOSE_SESSION, "status=%d", p->status);
    if (p->credentials && (p->status = pam_setcred(p->pam, PAM_DELETE_CRED | PAM_SILENT))
            != PAM_SUCCESS)
        log_event(EVENT_LOGIN_PAM_DELETE_CREDENTIALS, "status=%d", p->status);
    if (p->pam != NULL)
        (void)pam_end(p->pam, p->status);
    wipe(p, sizeof *p);
    free(p);
}

static int
start(struct pam_login *p, const struct attempt *a)
{
    const struct pam_conv talk = { conversation_pam, &p->talk };
    char peer[NET_TEXT_MAX] = "";
    int status = pam_start(a->settings->pam_service, a->user, &talk, &p->pam);

    if (status != PAM_SUCCESS) {
        p->pam = NULL;
        return status;
    }
    if ((status = pam_set_item(p->pam, PAM_RHOST, net_text(&a->peer, peer)))
            == PAM_SUCCESS
        && (status = pam_set_item(p->pam, PAM_RUSER, a->user)) == PAM_SUCCESS
        && (status = pam_set_item(p->pam, PAM_TTY, "ftp")) == PAM_SUCCESS)
        status = pam_set_item(p->pam, PAM_FAIL_DELAY, (const void *)no_delay);
    return status;
}

/* Nobody of the system has this name? Many stacks end in pam_deny, which makes one status
 * of "wrong password" and "unknown user". */
static bool
is_unknown(const struct attempt *a, int status)
{
    struct sysuser u = { .name = "" };

    return status == PAM_USER_UNKNOWN
        || (status == PAM_AUTH_ERR && sysuser_by_name(a->user, &u) == SP_REFUSED);
}

static void
log_failure(const struct attempt *a, const struct pam_login *p, const char *step,
            const char *words)
{
    struct log_escaped name;

    if (!p->talk.over)
        log_event(EVENT_LOGIN_PAM_FAILED,
                  "user=%s step=%s fault=\"%s\" remedy=/etc/pam.d/%s",
                  log_text(slice_of(a->user), &name), step, words,
                  a->settings->pam_service);
}

static void
refuse(struct attempt *a, struct verdict *v, const struct pam_login *p, const char *step)
{
    const char *words =
        p->pam != NULL ? pam_strerror(p->pam, p->status) : "no transaction";
    enum refuse_reason reason = REFUSE_UNUSABLE;

    switch (p->status) {
    case PAM_SYSTEM_ERR:
    case PAM_SERVICE_ERR:
    case PAM_AUTHINFO_UNAVAIL:
    case PAM_BUF_ERR:
    case PAM_ABORT:
    case PAM_OPEN_ERR:
    case PAM_SYMBOL_ERR:
    case PAM_MODULE_UNKNOWN:
    case PAM_TRY_AGAIN:
        reason = p->right ? REFUSE_ERROR : attempt_fault(a);
        log_failure(a, p, step, words);
        break;
    case PAM_AUTH_ERR:
    case PAM_USER_UNKNOWN:
    case PAM_MAXTRIES:
    case PAM_CRED_INSUFFICIENT:
        reason = REFUSE_CREDENTIALS;
        break;
    case PAM_PERM_DENIED:
    case PAM_ACCT_EXPIRED:
    case PAM_AUTHTOK_EXPIRED:
        reason = REFUSE_DISABLED;
        break;
    case PAM_NEW_AUTHTOK_REQD:
        reason = REFUSE_PASSWORD_EXPIRED;
        break;
    default:                    /* an open set of numbers: modules invent some */
        log_failure(a, p, step, words);
        break;
    }
    verdict_refuse(v, reason, "%s: %s%s%s", step, words,
                   p->talk.notes[0] != '\0' ? ": " : "", p->talk.notes);
}

/* The account behind the name that PAM says this is now. */
static enum sp_err
fill_ids(const struct pam_login *p, const struct settings *s, struct account *to,
         struct sysuser *u, const char **why)
{
    const void *name = NULL;
    enum sp_err rc = SP_OK;

    *to = (struct account){ .backend = "pam" };
    *why = "PAM returned no user name";
    if (pam_get_item(p->pam, PAM_USER, &name) != PAM_SUCCESS || name == NULL)
        return SP_INPUT;
    *why = "PAM returned an invalid user name";
    if (!account_name_valid(slice_of(name)))
        return SP_INPUT;
    *why = "PAM accepted the user, but the system does not know it (check getent passwd)";
    if ((rc = sysuser_by_name(name, u)) != SP_OK)
        return rc;
    return derive_system_ids(s, u, to, why);
}

/* After the session is open: it may have made the home directory. */
static enum sp_err
fill_jail(const struct settings *s, struct account *to, const struct sysuser *u,
          const char **why)
{
    enum sp_err rc = derive_system_jail(s, u, to, why);

    if (rc != SP_OK || !s->jail_system_users)
        return rc;
    return jaildir_ensure(to->jail, JAILDIR_HOW(s->jail_create), (uint32_t)s->jail_create_mode,
                          to->uid, to->gid, why);
}

static void
refuse_account(struct attempt *a, struct verdict *v, enum refuse_reason reason,
               const char *why)
{
    struct log_escaped name;

    log_event(EVENT_LOGIN_ACCOUNT_UNUSABLE, "user=%s backend=pam fault=\"%s\"",
              log_text(slice_of(a->user), &name), why);
    verdict_refuse(v, reason, "this account cannot be used: %s", why);
}

/* The password was right. Credentials and session are opened only for who may log in. */
static void
admit(struct attempt *a, struct verdict *v, struct pam_login *p)
{
    struct sysuser u = { .name = "" };
    struct log_escaped name, notes;
    const char *why = "";

    p->right = true;
    if ((p->status = pam_acct_mgmt(p->pam, PAM_DISALLOW_NULL_AUTHTOK)) != PAM_SUCCESS) {
        refuse(a, v, p, "account");
        return;
    }
    if (fill_ids(p, a->settings, &v->account, &u, &why) != SP_OK) {
        refuse_account(a, v, REFUSE_DISABLED, why);
        return;
    }
    p->groups = bequest_begin(&v->account);
    if ((p->status = pam_setcred(p->pam, PAM_ESTABLISH_CRED | PAM_SILENT))
        != PAM_SUCCESS) {
        refuse(a, v, p, "credentials");
        return;
    }
    p->credentials = true;
    if ((p->status = pam_open_session(p->pam, PAM_SILENT)) != PAM_SUCCESS) {
        refuse(a, v, p, "session");
        return;
    }
    p->session = true;
    if (bequest_take(&v->account, p->groups, &why) != SP_OK) {
        refuse_account(a, v, REFUSE_DISABLED, why);
        return;
    }
    if (fill_jail(a->settings, &v->account, &u, &why) != SP_OK) {
        refuse_account(a, v, REFUSE_ERROR, why);
        return;
    }
    p->talk.over = true;        /* nobody answers questions of a session that is open */
    if (p->talk.notes[0] != '\0')
        log_event(EVENT_LOGIN_PAM_SAID, "user=%s text=%s",
                  log_text(slice_of(a->user), &name),
                  log_text(slice_of(p->talk.notes), &notes));
    posture_forget_shadow(u.name);
    verdict_grant(v);
}

static bool
authenticate(struct pam_login *p)
{
    one_hash_begin(&p->hash);
    p->status = pam_authenticate(p->pam, PAM_DISALLOW_NULL_AUTHTOK);
    one_hash_end(&p->hash);
    return p->status == PAM_SUCCESS;
}

void
pam_check(struct attempt *a, struct verdict *v)
{
    struct pam_login *p = NULL;

    /* its modules may hang: then those that wait here keep nobody else from being checked */
    if (attempt_await_place(a) != SP_OK) {
        verdict_refuse(v, REFUSE_BUSY, "cancelled");
        return;
    }
    if ((p = calloc(1, sizeof *p)) == NULL) {
        verdict_refuse(v, REFUSE_ERROR, "out of memory");
        return;
    }
    p->talk = (struct conversation){ .user = a->user, .password = &a->password,
                                     .ask = ask_client, .context = a };
    if ((p->status = start(p, a)) != PAM_SUCCESS)
        refuse(a, v, p, "start");
    else if (authenticate(p))
        admit(a, v, p);
    else if (!a->last_backend && is_unknown(a, p->status))
        verdict_unknown(v);
    else
        refuse(a, v, p, "authentication");
    if (v->kind == VERDICT_GRANTED) {
        v->release = pam_login_free;
        v->held = p;
    } else {
        pam_login_free(p);
    }
}
