/* monitor/reload.c - see reload.h */
#include "monitor/reload.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/load.h"
#include "monitor/generation.h"
#include "monitor/monitor.h"
#include "monitor/prepare.h"

/* ---- who waits --------------------------------------------------------------------- */

void
reload_forget(struct reload_wait *w)
{
    if (w->in == NULL)
        return;
    TAILQ_REMOVE(w->in, w, entry);
    w->in = NULL;
}

static void
move(struct reload_wait *w, struct reload_waits *to)
{
    reload_forget(w);
    w->in = to;
    TAILQ_INSERT_TAIL(to, w, entry);
}

static void
answer(struct reload_waits *list, bool accepted, const char *text)
{
    struct reload_wait *w = NULL;

    while ((w = TAILQ_FIRST(list)) != NULL) {
        reload_forget(w);
        w->verdict(w->owner, accepted, text);
    }
}

/* ---- one reload -------------------------------------------------------------------- */

static void
blame(struct reload *r, const char *text)
{
    if (r->fault[0] == '\0')
        (void)text_copy(r->fault, sizeof r->fault, text);
}

static void
log_fault(void *context, enum config_weight weight, const char *text)
{
    struct monitor *m = context;
    char line[LOGSINK_TEXT_MAX];

    (void)logsink_line(slice_of(text), line);
    if (weight == CONFIG_WARNING) {
        log_event(EVENT_CONFIGURATION_WARNING, "fault=\"%s\"", line);
        return;
    }
    log_event(EVENT_CONFIGURATION_FAULT, "fault=\"%s\"", line);
    line[RELOAD_FAULT_MAX - 1] = '\0';
    blame(&m->reload, line);
}

static void
end(struct monitor *m, bool accepted)
{
    struct reload *r = &m->reload;

    r->running = false;
    if (!m->stopping)
        notify_ready(&m->notify, accepted ? "Serving"
                                          : "Serving as before: a reload was refused");
    answer(&r->now, accepted, r->fault);
    reload_go_on(m);
}

static void
refuse(struct monitor *m, const char *why)
{
    generation_unref(&m->coming);
    rundir_keep(&m->rundir);
    blame(&m->reload, why);
    log_bare(EVENT_RELOAD_REFUSED);
    end(m, false);
}

static void
on_ready(struct generation *g, enum sp_err rc)
{
    struct monitor *m = g->monitor;

    if (rc != SP_OK || m->stopping) {
        refuse(m, "not all processes could be started; the log says why");
        return;
    }
    if (listeners_set(&m->listeners, &g->settings) != SP_OK) {
        refuse(m, "there is an address that cannot be listened on; the log says which");
        return;
    }
    m->coming = NULL;
    rundir_change(&m->rundir, &m->current->settings, &g->settings);
    generation_outdate(m->current);
    generation_unref(&m->current);
    m->current = g;
    monitor_take_log(m);
    prepare_report_settings(&g->settings);
    admin_listen(&m->admin, g->settings.run_directory);
    log_event(EVENT_RELOAD_DONE, "generation=%u", g->number);
    validity_report(g, clock_seconds());
    end(m, true);
}

static void
run(struct monitor *m)
{
    struct settings s = { 0 };

    m->reload.asked = false;
    m->reload.running = true;
    m->reload.fault[0] = '\0';
    notify_reloading(&m->notify);
    monitor_take_log(m);        /* the file may have been renamed */
    if (config_load(&s, m->file, log_fault, m) != SP_OK) {
        refuse(m, "the configuration has faults; the log names them");
        return;
    }
    if (config_check_machine(&s, log_fault, m) != SP_OK
        || rundir_prepare(&m->rundir, &s) != SP_OK) {
        settings_clear(&s);
        refuse(m, "the configuration does not fit this machine; the log says why");
        return;
    }
    prepare_fit_settings(&s);
    m->session_most = prepare_limits(&s);
    if (generation_new(m, &s, ++m->generations, &m->coming) != SP_OK
        || generation_start(m->coming, on_ready) != SP_OK)
        refuse(m, "a certificate, a user or a program cannot be had; the log says which");
}

/* From the loop, and never from inside the verdict on the one before. */
static void
on_due_event(evutil_socket_t fd, short what, void *context)
{
    struct monitor *m = context;
    struct reload_wait *w = NULL;

    (void)fd;
    (void)what;
    if (!m->ready || m->stopping || m->reload.running || !m->reload.asked)
        return;
    while ((w = TAILQ_FIRST(&m->reload.later)) != NULL)
        move(w, &m->reload.now);
    run(m);
}

/* ---- for the others ---------------------------------------------------------------- */

enum sp_err
reload_init(struct monitor *m)
{
    TAILQ_INIT(&m->reload.now);
    TAILQ_INIT(&m->reload.later);
    return event_assign(&m->reload.due, m->loop, -1, 0, on_due_event, m) == -1 ? SP_NOMEM
                                                                               : SP_OK;
}

void
reload_go_on(struct monitor *m)
{
    if (m->reload.asked)
        event_active(&m->reload.due, EV_TIMEOUT, 0);
}

void
reload_ask(struct monitor *m, struct reload_wait *w, reload_verdict *verdict, void *owner)
{
    m->reload.asked = true;
    if (w != NULL) {
        w->verdict = verdict;
        w->owner = owner;
        move(w, &m->reload.later);
    }
    reload_go_on(m);
}

void
reload_clear(struct monitor *m)
{
    answer(&m->reload.now, false, "the server is ending");
    answer(&m->reload.later, false, "the server is ending");
    (void)event_del(&m->reload.due);
}
