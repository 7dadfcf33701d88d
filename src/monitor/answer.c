/* monitor/answer.c - see answer.h */
#include "monitor/answer.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/dataport.h"
#include "monitor/generation.h"
#include "monitor/logins.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "wire/fail.h"
#include "wire/pack.h"

#define WAIT_SHARE 2            /* of handshake_timeout: the rest is for the handshake itself */
#define PORTS_TO_SPARE 16       /* for each session, so that one of them may be held ahead */

/* ---- TLS --------------------------------------------------------------------------- */

/* Graphic ASCII: names of versions and ciphers, and what a client asked for by SNI. */
static bool
is_word(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] <= 0x20 || s.at[i] >= 0x7f)
            return false;
    return true;
}

static enum sp_err
answer_secured(struct session *s, const struct message *m, const char **fault)
{
    struct msg_secured in = { 0 };
    struct log_escaped name;

    if (msg_secured_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    if (in.version.len == 0 || in.cipher.len == 0 || !is_word(in.version)
        || !is_word(in.cipher)
        || slice_to_text(in.version, s->tls, sizeof s->tls) != SP_OK
        || slice_to_text(in.cipher, s->cipher, sizeof s->cipher) != SP_OK) {
        *fault = "no-cipher-name";
        return SP_INPUT;
    }
    s->secure = true;
    s->resumed = in.resumed == 1;
    session_enter_base(s);
    report_session(s, EVENT_SESSION_SECURED, "tls=%s cipher=%s resumed=%s name=%s",
                   s->tls, s->cipher, s->resumed ? "yes" : "no",
                   log_text(in.server_name, &name));
    return SP_OK;
}

/* CCC. What comes after the next REIN is judged as in a session that never had TLS. */
static enum sp_err
answer_cleared(struct session *s, const struct message *m, const char **fault)
{
    struct msg_cleared in = { 0 };

    if (msg_cleared_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    if (!s->secure) {
        *fault = "in-clear-already";
        return SP_INPUT;
    }
    report_session(s, EVENT_SESSION_CLEARED, "user=%s tls=%s",
                   s->user == NULL ? "-" : s->user, s->tls);
    session_in_clear(s);
    return SP_OK;
}

void
answer_no_signature(struct session *s)
{
    struct message m;

    msg_sign_refused_pack(&m, &(struct msg_sign_refused){ 0 });
    session_tell(s, &m);
}

static void
on_signature(void *owner, const struct slice *signature)
{
    struct session *s = owner;
    struct message m;

    s->signing = NULL;
    if (signature == NULL) {
        answer_no_signature(s);
        return;
    }
    msg_signed_pack(&m, &(struct msg_signed){ .signature = *signature });
    session_tell(s, &m);
}

/*
 * An honest client that makes a full handshake for each file is slowed down; it fails only
 * where so many of its account wait that the handshake would hardly end in time.
 */
static void
tell_held_back(struct session *s, bool refused)
{
    report_session(s, refused ? EVENT_SIGNATURE_LIMITED : EVENT_SIGNATURE_WAITS,
                   "user=%s remedy=%s", s->user == NULL ? "-" : s->user,
                   refused ? "signatures_rate" : "\"signatures_burst, signatures_rate\"");
}

static enum sp_err
answer_sign(struct session *s, const struct message *m, const char **fault)
{
    struct msg_sign in = { 0 };
    struct sign_terms terms = { &s->peer, s->kin != NULL ? &s->kin->signatures : &s->signatures,
                                s->generation->settings.handshake_timeout * 1000000
                                    / WAIT_SHARE };
    enum sp_err rc = SP_OK;

    if (msg_sign_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    if (s->signing != NULL) {
        *fault = "two-signatures-at-once";
        return SP_INPUT;
    }
    rc = keyholder_ask(&s->generation->keyholder, &in, &terms, on_signature, s, &s->signing);
    if (rc == SP_REFUSED || (rc == SP_AGAIN && !s->held_back))
        tell_held_back(s, rc == SP_REFUSED);
    s->held_back = s->held_back || rc == SP_AGAIN;
    if (rc != SP_OK && rc != SP_AGAIN)
        answer_no_signature(s);
    return SP_OK;
}

/* ---- logging in and out ------------------------------------------------------------ */

static bool
may_log_in_clear(const struct session *s, struct slice user)
{
    return s->cleartext_allowed
           || text_list_has(&s->generation->settings.cleartext_users, user)
           || text_list_has(&s->monitor->clear_names, user);
}

/* Whoever asks learns which names are exempt: the manual says so. */
static enum sp_err
answer_ask_clear(struct session *s, const struct message *m, const char **fault)
{
    struct msg_ask_clear in = { 0 };
    struct message out;

    (void)fault;
    if (msg_ask_clear_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    msg_may_clear_pack(&out, &(struct msg_may_clear){ .yes = may_log_in_clear(s, in.user) });
    session_tell(s, &out);
    return SP_OK;
}

static enum sp_err
answer_tickets(struct session *s, const struct message *m, const char **fault)
{
    (void)fault;
    return bond_hear(s, m);
}

static enum sp_err
answer_tickets_of(struct session *s, const struct message *m, const char **fault)
{
    (void)fault;
    return bond_ask(s, m);
}

static void
refuse_login(struct session *s, unsigned reason)
{
    struct message m;

    msg_login_refused_pack(&m, &(struct msg_login_refused){ .reason = (uint8_t)reason });
    session_tell(s, &m);
}

static enum sp_err
answer_login(struct session *s, const struct message *m, const char **fault)
{
    struct msg_login in = { 0 };
    enum sp_err rc = SP_OK;

    if (msg_login_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    if (!s->secure && !may_log_in_clear(s, in.user)) {
        *fault = "login-in-clear";
        return SP_INPUT;
    }
    if (s->dismissed) {
        refuse_login(s, REFUSE_BUSY);
        return SP_OK;
    }
    rc = claim_begin(s, in.user, in.password);
    if (rc == SP_INPUT) {
        *fault = "no-password";
        return SP_INPUT;
    }
    if (rc != SP_OK)
        refuse_login(s, REFUSE_BUSY);
    return SP_OK;
}

static enum sp_err
answer_login_answer(struct session *s, const struct message *m, const char **fault)
{
    struct msg_login_answer in = { 0 };
    struct message out;

    (void)fault;
    if (msg_login_answer_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    session_enter(s, ST_LOGIN);
    if (claim_is_refused(s) || s->dismissed || s->login == NULL) {
        session_end_account(s, SESSION_SETTLE_MS);
        claim_deliver(s, s->dismissed);
        return SP_OK;
    }
    msg_answer_pack(&out, &(struct msg_answer){ .answer = in.answer });
    if (part_send(s->login, &out) != SP_OK) {
        session_end_account(s, SESSION_SETTLE_MS);
        claim_refuse(s, REFUSE_ERROR, "");
        return SP_OK;
    }
    channel_enter(&s->login->child.channel, ST_LOGIN);
    claim_resume(s);
    return SP_OK;
}

/*
 * Its answer is LOGIN_REFUSED, no sooner than that to a wrong password: who gives up early
 * knows that much. A verdict that is on its way is not heard any more.
 */
static enum sp_err
answer_login_cancel(struct session *s, const struct message *m, const char **fault)
{
    struct msg_login_cancel in = { 0 };

    (void)fault;
    if (msg_login_cancel_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    session_end_account(s, SESSION_SETTLE_MS);
    session_enter(s, ST_LOGIN);         /* it waits for the answer */
    claim_deliver(s, false);
    return SP_OK;
}

static enum sp_err
answer_logout(struct session *s, const struct message *m, const char **fault)
{
    struct msg_logout in = { 0 };

    (void)fault;
    if (msg_logout_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    report_session(s, EVENT_LOGOUT, "user=%s", s->user == NULL ? "-" : s->user);
    session_log_out(s);
    return SP_OK;
}

/* ---- data connections -------------------------------------------------------------- */

static void
tell_data_failed(struct session *s, int error)
{
    struct message m;

    msg_data_failed_pack(&m, &(struct msg_data_failed){
        .error = error > 0 && error < 4096 ? (uint32_t)error : EIO });
    session_tell(s, &m);
}

/*
 * A worker has one question at a time, and reads its answer before the next one: else the
 * sockets that it was answered, each with a port of its own, would pile up unread.
 */
static enum sp_err
check_reads(const struct session *s, const char **fault)
{
    if (!channel_has_unread(&s->worker->child.channel))
        return SP_OK;
    *fault = "does-not-read";
    return SP_INPUT;
}

/* False: it has been told why. */
static bool
may_have_socket(struct session *s)
{
    if (!s->dismissed)
        return true;
    tell_data_failed(s, EAGAIN);
    return false;
}

/* LISTENING or DATA_FAILED. wanted: a client waits for it. */
static enum sp_err
give_listener(struct session *s, bool wanted, const char **fault)
{
    const struct settings *set = &s->generation->settings;
    struct message out;
    uint16_t port = 0;
    int fd = -1;

    if (!may_have_socket(s))
        return SP_OK;
    if (check_reads(s, fault) != SP_OK)
        return SP_INPUT;
    if (ports_listen(&s->monitor->ports, s, wanted, &fd, &port) != SP_OK) {
        int error = errno;

        if (error != EADDRINUSE)
            report_session(s, EVENT_LISTEN_FAILED, "ports=%lld-%lld fault=\"%s\"",
                           (long long)set->passive_port_least,
                           (long long)set->passive_port_most, strerror(error));
        tell_data_failed(s, error);
        return SP_OK;
    }
    msg_listening_pack(&out, &(struct msg_listening){ .port = port });
    out.fds[0] = fd;
    out.nfds = 1;
    out.lent = true;            /* it can be shut down from here, whatever the worker does */
    session_tell(s, &out);
    return SP_OK;
}

static enum sp_err
answer_listen(struct session *s, const struct message *m, const char **fault)
{
    struct msg_listen in = { 0 };

    if (msg_listen_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    return give_listener(s, true, fault);
}

static enum sp_err
answer_unlisten(struct session *s, const struct message *m, const char **fault)
{
    struct msg_unlisten in = { 0 };

    (void)fault;
    if (msg_unlisten_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    ports_release(&s->monitor->ports, s);
    return SP_OK;
}

static enum sp_err
answer_connect(struct session *s, const struct message *m, const char **fault)
{
    struct msg_connect in = { 0 };
    struct message out;
    int fd = -1;

    if (msg_connect_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    if (!may_have_socket(s))
        return SP_OK;
    if (check_reads(s, fault) != SP_OK)
        return SP_INPUT;
    if (dataport_connect(&s->local, &s->peer, in.port,
                         (unsigned)s->generation->settings.active_port, &fd) != SP_OK) {
        tell_data_failed(s, errno);
        return SP_OK;
    }
    msg_connecting_pack(&out, &(struct msg_connecting){ 0 });
    out.fds[0] = fd_move(&fd);
    out.nfds = 1;
    session_tell(s, &out);
    return SP_OK;
}

/* A port that nobody has asked for yet is only held where there are many for each session. */
static bool
has_ports_to_spare(const struct session *s)
{
    const struct settings *set = &s->generation->settings;
    int64_t ports = set->passive_port_most - set->passive_port_least + 1;

    return ports / PORTS_TO_SPARE >= (int64_t)s->monitor->admission.sessions;
}

static enum sp_err
answer_transfer(struct session *s, const struct message *m, const char **fault)
{
    bool next = false;
    enum sp_err rc = report_transfer(s, m, &next);

    if (rc != SP_OK)
        return rc;
    ports_release(&s->monitor->ports, s);
    if (!next)
        return SP_OK;
    if (has_ports_to_spare(s))
        return give_listener(s, false, fault);
    tell_data_failed(s, EAGAIN);
    return SP_OK;
}

/* ---- the table --------------------------------------------------------------------- */

static const struct row {
    unsigned type;
    enum sp_err (*answer)(struct session *s, const struct message *m, const char **fault);
} rows[] = {
    { MSG_SECURED, answer_secured },
    { MSG_CLEARED, answer_cleared },
    { MSG_SIGN, answer_sign },
    { MSG_TICKETS, answer_tickets },
    { MSG_TICKETS_OF, answer_tickets_of },
    { MSG_LOGIN, answer_login },
    { MSG_ASK_CLEAR, answer_ask_clear },
    { MSG_LOGIN_ANSWER, answer_login_answer },
    { MSG_LOGIN_CANCEL, answer_login_cancel },
    { MSG_LOGOUT, answer_logout },
    { MSG_LISTEN, answer_listen },
    { MSG_UNLISTEN, answer_unlisten },
    { MSG_CONNECT, answer_connect },
    { MSG_TRANSFER, answer_transfer },
};

enum sp_err
answer_worker(struct session *s, const struct message *m, const char **fault)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == m->type)
            return rows[i].answer(s, m, fault);
    return SP_INPUT;
}
