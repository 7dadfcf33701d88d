/* monitor/template.c - see template.h */
#include "monitor/template.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "wire/login.h"
#include "wire/pack.h"

#define START_MS 30000          /* from execve to READY                      */
#define END_MS 10000            /* from the closing of its channel to its end */

struct template {
    struct template_birth birth;
    LIST_ENTRY(template) entry;
    uint64_t serial;
    struct helper helper;
    struct child_asked_queue sent;
    struct text_list clear_names;       /* that a login told, until it is ready */
    bool ready, retired;
    unsigned served, outstanding;
};

/* ---- the three kinds --------------------------------------------------------------- */

static enum sp_err send_certificates(void *owner);
static enum sp_err hear(void *owner, struct message *m);
static void on_overdue(void *owner);
static void on_ended(void *owner, const struct process_end *how);
static void on_failed(const void *owner, const char *fault);

#define TOLD(NAME, SENDER) \
    .side = "template", .kind = (NAME), .peer = TEMPLATE, .sender = (SENDER), .at_once = 1, \
    .start_ms = START_MS, .hear = hear, .overdue = on_overdue, .ended = on_ended, \
    .failed = on_failed

static const struct kind {
    const char *program;
    unsigned spawn_type;
    struct helper_calls calls;
} kinds[POOL_COUNT] = {
    [POOL_WORKER] = { "sallyport-worker", MSG_SPAWN_WORKER,
                      { TOLD("worker", WORKER), .greet = send_certificates } },
    [POOL_BROKER] = { "sallyport-broker", MSG_SPAWN_BROKER, { TOLD("broker", BROKER) } },
    [POOL_LOGIN] = { "sallyport-login", MSG_SPAWN_LOGIN, { TOLD("login", LOGIN) } },
};

static const char *
name_of(const struct template *t)
{
    return template_kind_name(t->birth.kind);
}

const char *
template_kind_name(enum pool_kind kind)
{
    return kinds[kind].calls.kind;
}

const char *
template_program(enum pool_kind kind)
{
    return kinds[kind].program;
}

/* ---- starting ---------------------------------------------------------------------- */

static enum sp_err
send_certificates(void *owner)
{
    struct template *t = owner;
    const struct helper_home *home = t->birth.home;
    const struct text_list *files = &home->settings->certificate;
    enum sp_err rc = SP_OK;

    for (size_t i = 0; rc == SP_OK && i < files->count; i++)
        rc = starter_send_certificate(&t->helper.child.channel, (unsigned)i, files->texts[i],
                                      &home->certificates[i]);
    return rc;
}

static void
on_failed(const void *owner, const char *fault)
{
    const struct template *t = owner;

    log_event(EVENT_TEMPLATE_FAILED, "kind=%s program=%s/%s fault=\"%s\"", name_of(t),
              t->birth.program->directory, t->birth.program->name, fault);
}

static void
on_overdue(void *owner)
{
    struct template *t = owner;

    if (!t->ready && !t->retired)
        log_event(EVENT_TEMPLATE_TIMEOUT, "kind=%s seconds=%d", name_of(t), START_MS / 1000);
    helper_kill(&t->helper);
}

enum sp_err
template_new(const struct template_birth *birth, uint64_t serial, struct template **out)
{
    struct template *t = calloc(1, sizeof *t);
    enum sp_err rc = SP_OK;

    if (t == NULL) {
        log_event(EVENT_TEMPLATE_FAILED, "kind=%s fault=\"%s\"",
                  template_kind_name(birth->kind), sp_err_text(SP_NOMEM));
        return SP_NOMEM;
    }
    t->birth = *birth;
    t->serial = serial;
    TAILQ_INIT(&t->sent);
    helper_init(&t->helper, &kinds[birth->kind].calls, t);
    if ((rc = helper_start(&t->helper, birth->home, birth->program)) != SP_OK) {
        free(t);
        return rc;
    }
    LIST_INSERT_HEAD(birth->all, t, entry);
    *out = t;
    return SP_OK;
}

/* ---- asking ------------------------------------------------------------------------ */

bool
template_is_ready(const struct template *t)
{
    return t->ready && !t->helper.child.process.killed;
}

unsigned
template_served(const struct template *t)
{
    return t->served;
}

unsigned
template_outstanding(const struct template *t)
{
    return t->outstanding;
}

uint64_t
template_serial_of(const struct template *t)
{
    return t->serial;
}

static void
pack_spawn(struct message *m, unsigned type, uint64_t number)
{
    if (type == MSG_SPAWN_WORKER)
        msg_spawn_worker_pack(m, &(struct msg_spawn_worker){ .number = number });
    else if (type == MSG_SPAWN_BROKER)
        msg_spawn_broker_pack(m, &(struct msg_spawn_broker){ .number = number });
    else
        msg_spawn_login_pack(m, &(struct msg_spawn_login){ .number = number });
}

enum sp_err
template_send(struct template *t, struct spawn_request *r, int *fds)
{
    struct message m;
    enum sp_err rc = SP_OK;

    pack_spawn(&m, kinds[t->birth.kind].spawn_type, r->asked.number);
    for (unsigned i = 0; i < MESSAGE_FDS && fds[i] != -1; i++)
        m.fds[m.nfds++] = fd_move(&fds[i]);
    rc = child_send(&t->helper.child, &m);
    message_clear(&m);
    if (rc != SP_OK)
        return rc;
    r->template = t;
    r->template_serial = t->serial;
    TAILQ_INSERT_TAIL(&t->sent, &r->asked, entry);
    t->outstanding++;
    t->served++;
    return SP_OK;
}

/* ---- ending ------------------------------------------------------------------------ */

static void
end_if_idle(struct template *t)
{
    if (!t->retired || t->outstanding > 0 || t->helper.child.channel.fd == -1)
        return;
    child_close(&t->helper.child);
    helper_give(&t->helper, END_MS);
}

void
template_retire(struct template *t)
{
    t->retired = true;
    end_if_idle(t);
}

void
template_break(struct template *t, const char *fault)
{
    if (fault != NULL && !t->helper.child.process.killed)
        log_event(EVENT_BREACH, "side=template kind=%s fault=%s", name_of(t), fault);
    helper_kill(&t->helper);
}

struct spawn_request *
spawn_request_asked(struct child_asked *asked)
{
    return (struct spawn_request *)((char *)asked - offsetof(struct spawn_request, asked));
}

void
template_forget(struct template *t, struct spawn_request *r)
{
    TAILQ_REMOVE(&t->sent, &r->asked, entry);
    r->template = NULL;
    t->outstanding--;
}

static struct spawn_request *
take_sent(struct template *t, uint64_t number)
{
    struct child_asked *a = child_find_asked(&t->sent, number);

    if (a == NULL)
        return NULL;
    template_forget(t, spawn_request_asked(a));
    return spawn_request_asked(a);
}

static void
free_template(struct template *t)
{
    text_list_clear(&t->clear_names);
    LIST_REMOVE(t, entry);
    free(t);
}

void
template_abandon(struct template *t)
{
    helper_abandon(&t->helper);
    free_template(t);
}

/* ---- what it says ------------------------------------------------------------------ */

/* Those that it has told are all that there are now, unless a later one has begun. */
static void
take_clear_names(struct template *t)
{
    struct text_list *names = t->birth.home->clear_names;

    if (t->birth.kind != POOL_LOGIN || t->retired)
        return;
    text_list_clear(names);
    *names = t->clear_names;
    t->clear_names = (struct text_list)TEXT_LIST_EMPTY;
}

static enum sp_err
hear_clear_name(struct template *t, const struct message *m)
{
    struct msg_clear_name in = { 0 };

    if (t->birth.kind != POOL_LOGIN || msg_clear_name_unpack(m, &in) != SP_OK
        || t->clear_names.count >= CLEAR_NAMES_MOST)
        return SP_INPUT;
    return text_list_add(&t->clear_names, in.user);
}

static enum sp_err
hear_ready(struct template *t)
{
    t->ready = true;
    take_clear_names(t);
    helper_enter_ready(&t->helper);
    if (t->retired)
        end_if_idle(t);
    else
        t->birth.calls->ready(t->birth.pool, t);
    return SP_OK;
}

static enum sp_err
hear_spawned(struct template *t, struct message *m)
{
    struct msg_spawned in = { 0 };
    struct spawn_request *r = NULL;
    int pidfd = -1;

    if (msg_spawned_unpack(m, &in) != SP_OK || in.pid == 0
        || (r = take_sent(t, in.number)) == NULL)
        return SP_INPUT;
    pidfd = message_take_fd(m, 0);
    t->birth.calls->answered(t->birth.pool, r, (pid_t)in.pid, &pidfd, 0);
    fd_close(&pidfd);
    end_if_idle(t);
    return SP_OK;
}

static enum sp_err
hear_spawn_failed(struct template *t, const struct message *m)
{
    struct msg_spawn_failed in = { 0 };
    struct spawn_request *r = NULL;
    int none = -1;

    if (msg_spawn_failed_unpack(m, &in) != SP_OK || (r = take_sent(t, in.number)) == NULL)
        return SP_INPUT;
    log_event(EVENT_SPAWN_FAILED, "kind=%s fault=\"%s\"", name_of(t),
              strerror((int)in.error));
    t->birth.calls->answered(t->birth.pool, r, 0, &none, in.error == 0 ? EAGAIN : (int)in.error);
    end_if_idle(t);
    return SP_OK;
}

static enum sp_err
hear(void *owner, struct message *m)
{
    switch (m->type) {
    case MSG_READY: return hear_ready(owner);
    case MSG_CLEAR_NAME: return hear_clear_name(owner, m);
    case MSG_SPAWNED: return hear_spawned(owner, m);
    case MSG_SPAWN_FAILED: return hear_spawn_failed(owner, m);
    default: return SP_INPUT;
    }
}

static void
on_ended(void *owner, const struct process_end *how)
{
    struct template *t = owner;
    struct pool *p = t->birth.pool;
    struct child_asked *a = NULL;
    bool in_order = t->retired && how->signal == 0 && TAILQ_EMPTY(&t->sent);
    int none = -1;

    if (!in_order)
        log_event(EVENT_TEMPLATE_ENDED, "kind=%s ready=%s status=%d signal=%d", name_of(t),
                  t->ready ? "yes" : "no", how->status, how->signal);
    t->birth.calls->gone(p, t, t->ready, in_order);
    while ((a = TAILQ_FIRST(&t->sent)) != NULL) {
        template_forget(t, spawn_request_asked(a));
        t->birth.calls->answered(p, spawn_request_asked(a), 0, &none, EPIPE);
    }
    free_template(t);
}
