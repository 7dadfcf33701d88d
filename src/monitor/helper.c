/* monitor/helper.c - see helper.h */
#include "monitor/helper.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "monitor/report.h"

/* ---- what its child tells ------------------------------------------------------------ */

static enum sp_err
on_message(void *context, struct message *m, const char **fault)
{
    struct helper *h = context;
    const struct helper_calls *calls = h->calls;

    (void)fault;
    if (m->type == MSG_LOG)
        return report_helper_log(calls->sender, calls->side, calls->kind, m);
    if (m->type == MSG_SANDBOX)
        return report_helper_sandbox(calls->side, calls->kind, h->reporting, m);
    return calls->hear(h->owner, m);
}

static void
on_breach(void *context, unsigned type, const char *fault)
{
    struct helper *h = context;

    (void)type;
    if (h->calls->kind == NULL)
        log_event(EVENT_BREACH, "side=%s fault=%s", h->calls->side, fault);
    else
        log_event(EVENT_BREACH, "side=%s kind=%s fault=%s", h->calls->side, h->calls->kind,
                  fault);
    helper_kill(h);
}

static void
on_closed(void *context, enum sp_err why)
{
    struct helper *h = context;

    if (why == SP_CLOSED)
        return;                 /* it is about to end: the process event says so */
    h->calls->failed(h->owner, why == SP_OS ? strerror(errno) : sp_err_text(why));
    helper_kill(h);             /* alive, and not listened to, it would serve nobody */
}

static void
on_overdue(void *context)
{
    struct helper *h = context;

    h->calls->overdue(h->owner);
}

static void
on_ended(void *context, const struct process_end *how)
{
    struct helper *h = context;

    child_clear(&h->child);
    h->calls->ended(h->owner, how);
}

/* ---- its life ------------------------------------------------------------------------ */

void
helper_init(struct helper *h, const struct helper_calls *calls, void *owner)
{
    *h = (struct helper){ .calls = calls, .owner = owner };
    h->told = (struct child_calls){
        .hear = on_message, .broke = on_breach, .closed = on_closed, .overdue = on_overdue,
        .ended = on_ended, .at_once = calls->at_once,
    };
    child_init(&h->child, &h->told, h);
}

static enum sp_err
tell(struct helper *h, const struct settings *settings)
{
    struct channel *c = &h->child.channel;
    enum sp_err rc = starter_send_settings(c, settings, h->calls->sender);

    if (rc == SP_OK && h->calls->greet != NULL)
        rc = h->calls->greet(h->owner);
    return rc == SP_OK ? starter_send_start(c) : rc;
}

enum sp_err
helper_start(struct helper *h, const struct helper_home *home,
             const struct starter_program *program)
{
    int channel = -1, pidfd = -1;
    pid_t pid = 0;
    enum sp_err rc = SP_OK;

    h->reporting = settings_reporting(home->settings);
    (void)rundir_restore(home->rundir, home->settings);
    if ((rc = starter_execute(program, &channel, &pid, &pidfd)) == SP_OK
        && (rc = child_watch(&h->child, home->children, pid, &pidfd)) == SP_OK
        && (rc = child_open(&h->child, home->children->loop, &channel, h->calls->peer,
                            ST_START)) == SP_OK)
        rc = tell(h, home->settings);
    if (rc == SP_OK && h->calls->start_ms > 0)
        helper_give(h, h->calls->start_ms);
    if (rc != SP_OK) {
        h->calls->failed(h->owner, rc == SP_OS ? strerror(errno) : sp_err_text(rc));
        helper_abandon(h);
    }
    fd_close(&channel);
    fd_close(&pidfd);
    return rc;
}

bool
helper_is_running(const struct helper *h)
{
    return process_is_running(&h->child.process);
}

void
helper_give(struct helper *h, long milliseconds)
{
    if (!child_set_deadline(&h->child, milliseconds))
        h->calls->failed(h->owner, "no memory for a timer");
}

void
helper_enter_ready(struct helper *h)
{
    channel_enter(&h->child.channel, ST_READY);
    child_clear_deadline(&h->child);
}

void
helper_kill(struct helper *h)
{
    process_kill(&h->child.process);
}

void
helper_abandon(struct helper *h)
{
    process_abandon(&h->child.process);
    child_clear(&h->child);
}
