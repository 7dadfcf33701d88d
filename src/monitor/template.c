/* monitor/template.c - see template.h */
#include "monitor/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "monitor/generation.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/starter.h"
#include "wire/login.h"
#include "wire/pack.h"

#define START_SECONDS 30        /* from execve to READY                      */
#define END_SECONDS 10          /* from the closing of its channel to its end */

struct template {
    struct pool *pool;
    LIST_ENTRY(template) entry;
    uint64_t serial;
    struct channel channel;
    struct process process;
    struct event readable, deadline;
    TAILQ_HEAD(, spawn_request) sent;
    struct text_list clear_names;       /* that a login told, until it is ready */
    bool ready, retired, broken;
    unsigned served, outstanding;
};

/* ---- the three kinds --------------------------------------------------------------- */

static const struct kind {
    const char *name, *program;
    unsigned peer, spawn_type;
} kinds[POOL_COUNT] = {
    [POOL_WORKER] = { "worker", "sallyport-worker", WORKER, MSG_SPAWN_WORKER },
    [POOL_BROKER] = { "broker", "sallyport-broker", BROKER, MSG_SPAWN_BROKER },
    [POOL_LOGIN] = { "login", "sallyport-login", LOGIN, MSG_SPAWN_LOGIN },
};

const char *
template_kind_name(enum pool_kind kind)
{
    return kinds[kind].name;
}

const char *
template_program(enum pool_kind kind)
{
    return kinds[kind].program;
}

/* ---- starting ---------------------------------------------------------------------- */

static enum sp_err
send_certificates(struct template *t)
{
    const struct generation *g = t->pool->generation;
    enum sp_err rc = SP_OK;

    for (size_t i = 0; rc == SP_OK && i < g->settings.certificate.count; i++)
        rc = starter_send_certificate(&t->channel, (unsigned)i,
                                      g->settings.certificate.texts[i],
                                      &g->certificates[i]);
    return rc;
}

static enum sp_err
send_start(struct template *t)
{
    const struct generation *g = t->pool->generation;
    enum sp_err rc = SP_OK;

    if ((rc = starter_send_settings(&t->channel, &g->settings, kinds[t->pool->kind].peer))
        != SP_OK)
        return rc;
    if (t->pool->kind == POOL_WORKER && (rc = send_certificates(t)) != SP_OK)
        return rc;
    return starter_send_start(&t->channel);
}

static void
set_deadline(struct template *t, int seconds)
{
    struct timeval after = { seconds, 0 };

    if (event_add(&t->deadline, &after) == -1)
        log_event(EVENT_TEMPLATE_FAILED, "kind=%s fault=\"no memory for a timer\"",
                  kinds[t->pool->kind].name);
}

static void
on_deadline_event(evutil_socket_t fd, short what, void *context)
{
    struct template *t = context;

    (void)fd;
    (void)what;
    if (!t->ready && !t->retired)
        log_event(EVENT_TEMPLATE_TIMEOUT, "kind=%s seconds=%d", kinds[t->pool->kind].name,
                  START_SECONDS);
    process_kill(&t->process);
}

static void on_readable_event(evutil_socket_t fd, short what, void *context);
static void on_process_end(void *owner, const struct process_end *how);

enum sp_err
template_new(struct pool *p, uint64_t serial, struct template **out)
{
    const struct generation *g = p->generation;
    const struct kind *kind = &kinds[p->kind];
    struct template *t = NULL;
    int channel = -1, pidfd = -1;
    pid_t pid = 0;
    enum sp_err rc = SP_NOMEM;

    if ((t = calloc(1, sizeof *t)) == NULL)
        goto out;
    t->pool = p;
    t->serial = serial;
    t->channel = (struct channel)CHANNEL_EMPTY;
    process_init(&t->process);
    TAILQ_INIT(&t->sent);
    (void)rundir_restore(&g->monitor->rundir, &g->settings);
    rc = starter_execute(g->settings.libexec_directory, kind->program,
                         g->programs[p->kind], g->worker.uid, g->worker.gid,
                         p->kind == POOL_LOGIN && g->monitor->trial != NULL ? "rehearse" : NULL,
                         &channel, &pid, &pidfd);
    if (rc != SP_OK)
        goto out;
    channel_init(&t->channel, fd_move(&channel), MONITOR, TEMPLATE, ST_START);
    rc = SP_NOMEM;
    if (event_assign(&t->readable, g->monitor->loop, t->channel.fd, EV_READ | EV_PERSIST,
                     on_readable_event, t)
            == -1
        || event_assign(&t->deadline, g->monitor->loop, -1, 0, on_deadline_event, t)
               == -1)
        goto out;
    if ((rc = process_watch(&t->process, &g->monitor->children, pid, &pidfd,
                            on_process_end, t))
        != SP_OK)
        goto out;
    if ((rc = send_start(t)) != SP_OK)
        goto out;
    rc = SP_NOMEM;
    if (event_add(&t->readable, NULL) == -1)
        goto out;
    set_deadline(t, START_SECONDS);
    LIST_INSERT_HEAD(&p->templates, t, entry);
    *out = t;
    t = NULL;
    rc = SP_OK;
out:
    if (rc != SP_OK)
        log_event(EVENT_TEMPLATE_FAILED, "kind=%s program=%s/%s fault=\"%s\"", kind->name,
                  g->settings.libexec_directory, kind->program,
                  rc == SP_OS ? strerror(errno) : sp_err_text(rc));
    if (t != NULL) {
        process_abandon(&t->process);
        channel_clear(&t->channel);
    }
    fd_close(&channel);
    fd_close(&pidfd);
    free(t);
    return rc;
}

/* ---- asking ------------------------------------------------------------------------ */

bool
template_is_ready(const struct template *t)
{
    return t->ready && !t->broken;
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

    pack_spawn(&m, kinds[t->pool->kind].spawn_type, r->number);
    for (unsigned i = 0; i < MESSAGE_FDS && fds[i] != -1; i++)
        m.fds[m.nfds++] = fd_move(&fds[i]);
    rc = channel_send(&t->channel, &m);
    message_clear(&m);
    if (rc != SP_OK)
        return rc;
    r->template = t;
    r->template_serial = t->serial;
    TAILQ_INSERT_TAIL(&t->sent, r, entry);
    t->outstanding++;
    t->served++;
    return SP_OK;
}

/* ---- ending ------------------------------------------------------------------------ */

static void
close_channel(struct template *t)
{
    if (t->channel.fd == -1)
        return;
    (void)event_del(&t->readable);
    channel_clear(&t->channel);
}

static void
end_if_idle(struct template *t)
{
    if (!t->retired || t->outstanding > 0 || t->channel.fd == -1)
        return;
    close_channel(t);
    set_deadline(t, END_SECONDS);
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
    if (t->broken)
        return;
    t->broken = true;
    if (fault != NULL)
        log_event(EVENT_BREACH, "side=template kind=%s fault=%s",
                  kinds[t->pool->kind].name, fault);
    process_kill(&t->process);
}

void
template_forget(struct template *t, struct spawn_request *r)
{
    TAILQ_REMOVE(&t->sent, r, entry);
    r->template = NULL;
    t->outstanding--;
}

static struct spawn_request *
take_sent(struct template *t, uint64_t number)
{
    struct spawn_request *r = NULL;

    TAILQ_FOREACH(r, &t->sent, entry)
        if (r->number == number)
            break;
    if (r != NULL)
        template_forget(t, r);
    return r;
}

static void
free_template(struct template *t)
{
    (void)event_del(&t->deadline);
    close_channel(t);
    process_clear(&t->process);
    text_list_clear(&t->clear_names);
    LIST_REMOVE(t, entry);
    free(t);
}

void
template_abandon(struct template *t)
{
    process_abandon(&t->process);
    free_template(t);
}

/* ---- what it says ------------------------------------------------------------------ */

/* Those that it has told are all that there are now, unless a later one has begun. */
static void
take_clear_names(struct template *t)
{
    struct monitor *m = t->pool->generation->monitor;

    if (t->pool->kind != POOL_LOGIN || t->retired)
        return;
    text_list_clear(&m->clear_names);
    m->clear_names = t->clear_names;
    t->clear_names = (struct text_list)TEXT_LIST_EMPTY;
}

static enum sp_err
hear_clear_name(struct template *t, const struct message *m)
{
    struct msg_clear_name in = { 0 };

    if (t->pool->kind != POOL_LOGIN || msg_clear_name_unpack(m, &in) != SP_OK
        || t->clear_names.count >= CLEAR_NAMES_MOST)
        return SP_INPUT;
    return text_list_add(&t->clear_names, in.user);
}

static enum sp_err
hear_ready(struct template *t)
{
    t->ready = true;
    take_clear_names(t);
    channel_enter(&t->channel, ST_READY);
    (void)event_del(&t->deadline);
    if (t->retired)
        end_if_idle(t);
    else
        pool_template_ready(t->pool, t);
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
    pool_template_answered(t->pool, r, (pid_t)in.pid, &pidfd, 0);
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
    log_event(EVENT_SPAWN_FAILED, "kind=%s fault=\"%s\"", kinds[t->pool->kind].name,
              strerror((int)in.error));
    pool_template_answered(t->pool, r, 0, &none, in.error == 0 ? EAGAIN : (int)in.error);
    end_if_idle(t);
    return SP_OK;
}

static enum sp_err
hear(struct template *t, struct message *m)
{
    switch (m->type) {
    case MSG_READY: return hear_ready(t);
    case MSG_CLEAR_NAME: return hear_clear_name(t, m);
    case MSG_SPAWNED: return hear_spawned(t, m);
    case MSG_SPAWN_FAILED: return hear_spawn_failed(t, m);
    case MSG_LOG: return report_helper_log(kinds[t->pool->kind].peer, "template",
                                          kinds[t->pool->kind].name, m);
    case MSG_SANDBOX:
        return report_helper_sandbox("template", kinds[t->pool->kind].name,
                                     &t->pool->generation->settings, m);
    default: return SP_INPUT;
    }
}

/* False: nothing more comes now. */
static bool
hear_one(struct template *t)
{
    struct message m;
    unsigned type = MSG_NONE;
    enum sp_err rc = SP_OK;

    if (t->channel.fd == -1 || t->broken)
        return false;
    rc = channel_receive(&t->channel, &m);
    type = m.type;
    if (rc == SP_OK && (rc = hear(t, &m)) == SP_INPUT)
        t->channel.fault = message_name(type);
    message_clear(&m);
    if (rc == SP_OK)
        return true;
    if (rc == SP_INPUT) {
        template_break(t, t->channel.fault);
    } else if (rc == SP_CLOSED) {
        (void)event_del(&t->readable); /* it is about to end: the process event says so */
    } else if (rc != SP_AGAIN) {
        log_event(EVENT_TEMPLATE_FAILED, "kind=%s fault=\"%s\"",
                  kinds[t->pool->kind].name, strerror(errno));
        t->broken = true;       /* alive, and not listened to, it would serve nobody */
        process_kill(&t->process);
    }
    return false;
}

static void
on_readable_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)hear_one(context);    /* what else there is is told once more */
}

static void
on_process_end(void *owner, const struct process_end *how)
{
    struct template *t = owner;
    struct pool *p = t->pool;
    struct spawn_request *r = NULL;
    bool in_order = false;
    int none = -1;

    while (hear_one(t))                     /* what it said before it ended */
        continue;
    in_order = t->retired && how->signal == 0 && TAILQ_EMPTY(&t->sent);
    if (!in_order && !p->stopped)
        log_event(EVENT_TEMPLATE_ENDED, "kind=%s ready=%s status=%d signal=%d",
                  kinds[p->kind].name, t->ready ? "yes" : "no", how->status, how->signal);
    pool_template_gone(p, t, t->ready, in_order);
    while ((r = TAILQ_FIRST(&t->sent)) != NULL) {
        template_forget(t, r);
        pool_template_answered(p, r, 0, &none, EPIPE);
    }
    free_template(t);
}
