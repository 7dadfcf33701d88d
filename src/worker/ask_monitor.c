/* worker/ask_monitor.c - see ask_monitor.h */
#include "worker/ask_monitor.h"

#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "wire/pack.h"
#include "worker/worker.h"

static enum sp_err
take_shutdown(struct worker *w, const struct message *m)
{
    struct msg_shutdown in = { 0 };

    if (msg_shutdown_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    w->shutdown = true;
    if (in.text.len >= sizeof w->shutdown_text)
        in.text.len = sizeof w->shutdown_text - 1;
    return slice_to_text(in.text, w->shutdown_text, sizeof w->shutdown_text);
}

/* What may come before the answer to a question. SP_REFUSED: it is the answer. */
static enum sp_err
take_other(struct worker *w)
{
    if (w->m.type == MSG_SHUTDOWN)
        return take_shutdown(w, &w->m);
    if (w->ahead.asked && (w->m.type == MSG_LISTENING || w->m.type == MSG_DATA_FAILED))
        return ahead_hear(w);
    return SP_REFUSED;
}

/* The next message that is neither SHUTDOWN, which may come at any time, nor asked ahead. */
static enum sp_err
answer(struct worker *w)
{
    enum sp_err rc = SP_OK;

    for (;;) {
        if ((rc = channel_wait(&w->monitor, &w->m, -1)) != SP_OK)
            return rc == SP_INPUT || rc == SP_OS ? SP_CLOSED : rc;
        if ((rc = take_other(w)) == SP_REFUSED)
            return SP_OK;
        if (rc != SP_OK) {
            message_clear(&w->m);
            return SP_CLOSED;
        }
    }
}

static enum sp_err
ask(struct worker *w)
{
    enum sp_err rc = channel_send_wait(&w->monitor, &w->m);

    if (rc != SP_OK)
        return SP_CLOSED;
    return answer(w);
}

static enum sp_err
tell(struct worker *w)
{
    return channel_send_wait(&w->monitor, &w->m) == SP_OK ? SP_OK : SP_CLOSED;
}

enum sp_err
hear_monitor(struct worker *w)
{
    enum sp_err rc = channel_receive(&w->monitor, &w->m);

    if (rc == SP_AGAIN)
        return SP_OK;
    if (rc != SP_OK || take_other(w) != SP_OK) {
        message_clear(&w->m);
        return SP_CLOSED;
    }
    return SP_OK;
}

enum sp_err
ask_ahead(struct worker *w)
{
    while (w->ahead.asked)
        if (channel_wait(&w->monitor, &w->m, -1) != SP_OK || take_other(w) != SP_OK) {
            message_clear(&w->m);
            return SP_CLOSED;
        }
    return SP_OK;
}

enum sp_err
ask_session(struct worker *w)
{
    struct msg_session in = { 0 };
    struct session_facts *s = &w->session;

    if (channel_wait(&w->monitor, &w->m, -1) != SP_OK || w->m.type != MSG_SESSION
        || msg_session_unpack(&w->m, &in) != SP_OK
        || slice_to_text(in.id, s->id, sizeof s->id) != SP_OK
        || net_unpack(&s->peer, in.peer) != SP_OK || net_unpack(&s->local, in.local) != SP_OK)
        return SP_CLOSED;
    s->implicit_tls = in.implicit_tls == 1;
    s->cleartext_allowed = in.cleartext_allowed == 1;
    s->resumption_exempt = in.resumption_exempt == 1;
    channel_enter(&w->monitor, ST_CLEAR);
    return SP_OK;
}

/* The state to be in with nobody logged in. */
static void
enter_base(struct worker *w)
{
    channel_enter(&w->monitor, w->control.tls != NULL ? ST_SECURE : ST_CLEAR);
}

static enum sp_err
logged_in(struct worker *w, struct login_result *result)
{
    struct msg_logged_in in = { 0 };
    struct logged_in *a = &w->account;

    if (msg_logged_in_unpack(&w->m, &in) != SP_OK
        || slice_to_text(in.user, a->user, sizeof a->user) != SP_OK
        || slice_to_text(in.backend, a->backend, sizeof a->backend) != SP_OK
        || slice_to_text(in.start, result->start, sizeof result->start) != SP_OK)
        return SP_CLOSED;
    a->permits = in.permits;
    a->flags = in.flags;
    a->file_bound = in.file_bound;
    a->active = true;
    a->in_tls = w->control.tls != NULL;
    w->umask = in.umask;
    channel_init(&w->broker, message_take_fd(&w->m, 0), WORKER, BROKER, ST_USER);
    channel_enter(&w->monitor, ST_USER);
    result->outcome = LOGIN_DONE;
    return SP_OK;
}

/* LOGGED_IN, LOGIN_REFUSED or LOGIN_QUESTION stands in w->m. */
static enum sp_err
read_outcome(struct worker *w, struct login_result *result)
{
    struct msg_login_refused refused = { 0 };
    struct msg_login_question question = { 0 };

    switch (w->m.type) {
    case MSG_LOGGED_IN:
        return logged_in(w, result);
    case MSG_LOGIN_REFUSED:
        if (msg_login_refused_unpack(&w->m, &refused) != SP_OK)
            return SP_CLOSED;
        result->outcome = LOGIN_NO;
        result->reason = refused.reason;
        enter_base(w);
        return SP_OK;
    case MSG_LOGIN_QUESTION:
        if (msg_login_question_unpack(&w->m, &question) != SP_OK
            || slice_to_text(question.text, result->text, sizeof result->text) != SP_OK)
            return SP_CLOSED;
        result->outcome = LOGIN_ASKED;
        return SP_OK;
    default:
        return SP_CLOSED;
    }
}

enum sp_err
ask_login(struct worker *w, const char *user, const struct secret *password,
          struct login_result *result)
{
    enum sp_err rc = SP_OK;

    msg_login_pack(&w->m, &(struct msg_login){
        .user = slice_of(user), .password = slice_from(password->bytes, password->len) });
    channel_enter(&w->monitor, ST_LOGIN);
    rc = channel_send_wait(&w->monitor, &w->m);
    message_wipe_used(&w->m);
    if (rc != SP_OK || (rc = answer(w)) != SP_OK)
        return SP_CLOSED;
    return read_outcome(w, result);
}

enum sp_err
ask_login_answer(struct worker *w, const struct secret *reply, struct login_result *result)
{
    enum sp_err rc = SP_OK;

    msg_login_answer_pack(&w->m, &(struct msg_login_answer){
        .answer = slice_from(reply->bytes, reply->len) });
    rc = channel_send_wait(&w->monitor, &w->m);
    message_wipe_used(&w->m);
    if (rc != SP_OK || (rc = answer(w)) != SP_OK)
        return SP_CLOSED;
    return read_outcome(w, result);
}

enum sp_err
ask_may_clear(struct worker *w, struct slice user, bool *may)
{
    struct msg_may_clear in = { 0 };
    enum sp_err rc = SP_OK;

    msg_ask_clear_pack(&w->m, &(struct msg_ask_clear){ .user = user });
    if ((rc = ask(w)) != SP_OK)
        return rc;
    if (w->m.type != MSG_MAY_CLEAR || msg_may_clear_unpack(&w->m, &in) != SP_OK)
        return SP_CLOSED;
    *may = in.yes == 1;
    return SP_OK;
}

enum sp_err
ask_login_cancel(struct worker *w)
{
    struct login_result result = { 0 };
    enum sp_err rc = SP_OK;

    msg_login_cancel_pack(&w->m, &(struct msg_login_cancel){ 0 });
    if ((rc = ask(w)) != SP_OK)
        return rc;
    return read_outcome(w, &result);
}

enum sp_err
ask_logout(struct worker *w)
{
    enum sp_err rc = ahead_settle(w);

    if (rc != SP_OK)
        return rc;
    ahead_drop(&w->ahead);
    w->ahead.held = false;
    msg_logout_pack(&w->m, &(struct msg_logout){ 0 });
    channel_enter(&w->monitor, ST_LOGOUT);
    channel_clear(&w->broker);
    if ((rc = ask(w)) != SP_OK)
        return rc;
    if (w->m.type != MSG_LOGGED_OUT)
        return SP_CLOSED;
    enter_base(w);
    return SP_OK;
}

enum sp_err
tell_secured(struct worker *w, const char *version, const char *cipher,
             const char *server_name, bool resumed)
{
    struct slice name = slice_of(server_name);
    enum sp_err rc = SP_OK;

    if (name.len > 255 || slice_has_line_break(name))
        name.len = 0;
    msg_secured_pack(&w->m, &(struct msg_secured){
        .version = slice_of(version), .cipher = slice_of(cipher), .server_name = name,
        .resumed = resumed });
    if ((rc = tell(w)) == SP_OK)
        channel_enter(&w->monitor, ST_SECURE);
    return rc;
}

enum sp_err
tell_cleared(struct worker *w)
{
    msg_cleared_pack(&w->m, &(struct msg_cleared){ 0 });
    return tell(w);
}

static enum sp_err
data_failed(struct worker *w, int *error)
{
    struct msg_data_failed in = { 0 };

    if (w->m.type != MSG_DATA_FAILED || msg_data_failed_unpack(&w->m, &in) != SP_OK)
        return SP_CLOSED;
    *error = (int)in.error;
    return SP_REFUSED;
}

enum sp_err
ask_listen(struct worker *w, int *fd, uint16_t *port)
{
    struct msg_listening in = { 0 };
    enum sp_err rc = SP_OK;
    int error = 0;

    msg_listen_pack(&w->m, &(struct msg_listen){ 0 });
    if ((rc = ask(w)) != SP_OK)
        return rc;
    if (w->m.type != MSG_LISTENING)
        return data_failed(w, &error);
    if (msg_listening_unpack(&w->m, &in) != SP_OK) {
        message_clear(&w->m);
        return SP_CLOSED;
    }
    *port = in.port;
    *fd = message_take_fd(&w->m, 0);
    w->ahead.held = true;
    return SP_OK;
}

enum sp_err
tell_unlisten(struct worker *w)
{
    msg_unlisten_pack(&w->m, &(struct msg_unlisten){ 0 });
    return tell(w);
}

enum sp_err
ask_connect(struct worker *w, uint16_t port, int *fd, int *error)
{
    enum sp_err rc = ahead_settle(w);

    if (rc != SP_OK)
        return rc;
    msg_connect_pack(&w->m, &(struct msg_connect){ .port = port });
    if ((rc = ask(w)) != SP_OK)
        return rc;
    if (w->m.type != MSG_CONNECTING)
        return data_failed(w, error);
    *fd = message_take_fd(&w->m, 0);
    return SP_OK;
}

enum sp_err
ask_sign(void *worker, unsigned key, unsigned scheme, struct slice tbs,
         unsigned char *signature, size_t room, size_t *len)
{
    struct worker *w = worker;
    struct msg_signed in = { 0 };

    if (tbs.len > 512)
        return SP_INPUT;
    msg_sign_pack(&w->m, &(struct msg_sign){ .key = (uint8_t)key, .scheme = (uint16_t)scheme,
                                             .tbs = tbs });
    if (ask(w) != SP_OK)
        return SP_CLOSED;
    if (w->m.type == MSG_SIGN_REFUSED)
        return SP_REFUSED;
    if (w->m.type != MSG_SIGNED || msg_signed_unpack(&w->m, &in) != SP_OK
        || in.signature.len > room)
        return SP_CLOSED;
    memcpy(signature, in.signature.at, in.signature.len);
    *len = in.signature.len;
    return SP_OK;
}

enum sp_err
ask_tickets(void *worker, const unsigned char name[TLS_TICKET_NAME],
            unsigned char keys[TLS_TICKET_KEYS])
{
    struct worker *w = worker;
    struct msg_ticket_keys in = { 0 };
    struct msg_no_tickets no = { 0 };

    if (!w->account.active)
        return SP_REFUSED;
    msg_tickets_of_pack(&w->m, &(struct msg_tickets_of){
        .name = slice_from(name, TLS_TICKET_NAME) });
    if (ask(w) != SP_OK)
        return SP_REFUSED;              /* the next question to the monitor finds it gone */
    if (w->m.type == MSG_NO_TICKETS && msg_no_tickets_unpack(&w->m, &no) == SP_OK)
        return no.later == 1 && !w->data.exempt ? SP_AGAIN : SP_REFUSED;
    if (w->m.type != MSG_TICKET_KEYS || msg_ticket_keys_unpack(&w->m, &in) != SP_OK
        || in.keys.len != TLS_TICKET_KEYS)
        return SP_REFUSED;
    memcpy(keys, in.keys.at, TLS_TICKET_KEYS);
    message_wipe_used(&w->m);
    return SP_OK;
}

enum sp_err
tell_tickets(struct worker *w)
{
    unsigned char name[TLS_TICKET_NAME], keys[TLS_TICKET_KEYS];
    enum sp_err rc = SP_OK;

    tls_context_tickets(w->tls, name, keys);
    msg_tickets_pack(&w->m, &(struct msg_tickets){ .name = slice_from(name, sizeof name),
                                                   .keys = slice_from(keys, sizeof keys) });
    rc = tell(w);
    message_wipe_used(&w->m);
    wipe(keys, sizeof keys);
    return rc;
}

enum sp_err
tell_transfer(struct worker *w, const struct transfer_report *r)
{
    w->ahead.held = false;
    msg_transfer_pack(&w->m, &(struct msg_transfer){
        .verb = slice_of(r->verb), .path = slice_of(r->path), .bytes = r->bytes,
        .micros = r->micros, .reply = (uint16_t)r->reply, .tls = slice_of(r->tls),
        .resumed = r->resumed, .next = r->next });
    return tell(w);
}
