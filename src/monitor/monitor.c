/* monitor/monitor.c - see monitor.h: start, reload and stop of the whole server */
#include "monitor/monitor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/privilege.h"
#include "config/load.h"
#include "monitor/generation.h"
#include "monitor/prepare.h"
#include "monitor/rehearsal.h"
#include "monitor/session.h"

#define STOP_SECONDS 5          /* for workers to tell their clients           */
#define SWEEP_SECONDS 2         /* for children that nobody watches            */
#define REFUSALS_BURST 20       /* session.refused lines                       */
#define REFUSALS_RATE 2

/* ---- log --------------------------------------------------------------------------- */

/* In the background there is no standard error that anybody reads. */
static enum sp_err
open_log(struct monitor *m, const struct settings *s)
{
    bool unread = !m->foreground && strcmp(s->log, "stderr") == 0;

    return logsink_open(&m->sink, unread ? "syslog" : s->log);
}

static void
set_log_level(const struct settings *s)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
        if (strcmp(s->log_level, log_level_text((enum log_level)i)) == 0)
            log_set_level((enum log_level)i);
}

static void
take_log(struct monitor *m, const struct settings *s)
{
    set_log_level(s);
    if (open_log(m, s) != SP_OK)
        log_error("log.failed: %s; the log goes where it went", strerror(errno));
}

/* ---- stop -------------------------------------------------------------------------- */

static void
end_loop(struct monitor *m)
{
    (void)event_base_loopbreak(m->loop);
}

static void
stop(struct monitor *m, const char *reason)
{
    const struct timeval after = { STOP_SECONDS, 0 };
    struct session *s = NULL;

    if (m->stopping) {
        log_notice("stopping.now signal=%s", reason);
        end_loop(m);
        return;
    }
    m->stopping = true;
    log_notice("stopping signal=%s sessions=%u", reason, m->admission.sessions);
    listeners_clear(&m->listeners);
    TAILQ_FOREACH(s, &m->sessions, entry)
        session_shutdown(s, "shutdown", "Server is shutting down.");
    if (!m->ready || TAILQ_EMPTY(&m->sessions) || event_add(&m->stop_timer, &after) == -1)
        end_loop(m);
}

static void
on_stop_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    end_loop(context);
}

static void
on_stop_signal(evutil_socket_t number, short what, void *context)
{
    (void)what;
    stop(context, number == SIGINT ? "INT" : "TERM");
}

/* ---- start ------------------------------------------------------------------------- */

/* The parent of a daemon waits for one byte: the exit code it is to end with. */
static void
tell_parent(struct monitor *m, int code)
{
    unsigned char byte = (unsigned char)code;

    if (m->parent == -1)
        return;
    if (write(m->parent, &byte, 1) != 1)
        log_debug("parent.gone");
    fd_close(&m->parent);
    if (code == 0 && fd_null_std(true) != SP_OK)
        log_warning("daemon.stdio: %s", strerror(errno));
}

static void
fail_start(struct monitor *m, const char *what)
{
    log_error("start.failed: %s; see the lines above", what);
    m->exit_code = 1;
    end_loop(m);
}

static void
on_first_ready(struct generation *g, enum sp_err rc)
{
    struct monitor *m = g->monitor;

    m->current = g;
    m->coming = NULL;
    if (rc != SP_OK) {
        fail_start(m, "not all processes could be started");
        return;
    }
    if (listeners_set(&m->listeners, &g->settings) != SP_OK) {
        fail_start(m, "there is an address that cannot be listened on");
        return;
    }
    m->ready = true;
    prepare_write_pid(&g->settings);
    log_notice("ready pid=%ld sessions=%u", (long)getpid(), g->limits.sessions);
    tell_parent(m, 0);
}

/* ---- reload ------------------------------------------------------------------------ */

static void
log_fault(void *context, const char *text)
{
    char line[LOGSINK_TEXT_MAX];

    (void)context;
    log_error("configuration.fault %s", logsink_line(slice_of(text), line));
}

static void reload(struct monitor *m);

static void
refuse_reload(struct monitor *m)
{
    generation_unref(&m->coming);
    log_error("reload.refused: the configuration stays as it was");
    if (m->reload_again)
        reload(m);
}

static void
on_reload_ready(struct generation *g, enum sp_err rc)
{
    struct monitor *m = g->monitor;

    if (rc != SP_OK || m->stopping
        || listeners_set(&m->listeners, &g->settings) != SP_OK) {
        refuse_reload(m);
        return;
    }
    m->coming = NULL;
    generation_outdate(m->current);
    generation_unref(&m->current);
    m->current = g;
    take_log(m, &g->settings);
    prepare_report_settings(&g->settings);
    log_notice("reload.done generation=%u", g->number);
    if (m->reload_again)
        reload(m);
}

static void
reload(struct monitor *m)
{
    struct settings s = { 0 };

    m->reload_again = false;
    take_log(m, &m->current->settings);         /* the file may have been renamed */
    if (config_load(&s, m->file, log_fault, NULL) != SP_OK) {
        refuse_reload(m);
        return;
    }
    if (config_check_machine(&s, log_fault, NULL) != SP_OK
        || prepare_directories(&s) != SP_OK) {
        settings_clear(&s);
        refuse_reload(m);
        return;
    }
    prepare_fit_settings(&s);
    m->session_most = prepare_limits(&s);
    if (generation_new(m, &s, ++m->generations, &m->coming) != SP_OK
        || generation_start(m->coming, on_reload_ready) != SP_OK)
        refuse_reload(m);
}

static void
on_reload_signal(evutil_socket_t number, short what, void *context)
{
    struct monitor *m = context;

    (void)number;
    (void)what;
    if (m->stopping)
        return;
    if (!m->ready || m->coming != NULL)
        m->reload_again = true;
    else
        reload(m);
}

/* ---- the loop ---------------------------------------------------------------------- */

static void
on_accepted(void *owner, int *client, const struct net_addr *peer,
            const struct net_addr *local, bool implicit)
{
    session_open(owner, client, peer, local, implicit);
}

static void
on_burial_event(evutil_socket_t fd, short what, void *context)
{
    struct monitor *m = context;
    struct session *s = NULL;

    (void)fd;
    (void)what;
    while ((s = TAILQ_FIRST(&m->ended)) != NULL)
        session_free(s);
    if (m->stopping && TAILQ_EMPTY(&m->sessions))
        end_loop(m);
}

static void
on_sweep_event(evutil_socket_t fd, short what, void *context)
{
    struct monitor *m = context;

    (void)fd;
    (void)what;
    children_sweep(&m->children);
}

static enum sp_err
add_events(struct monitor *m)
{
    const struct timeval sweep = { SWEEP_SECONDS, 0 };

    if (event_assign(&m->burial, m->loop, -1, 0, on_burial_event, m) == -1
        || event_assign(&m->stop_timer, m->loop, -1, 0, on_stop_timer, m) == -1
        || event_assign(&m->sweep, m->loop, -1, EV_PERSIST, on_sweep_event, m) == -1
        || evsignal_assign(&m->on_term, m->loop, SIGTERM, on_stop_signal, m) == -1
        || evsignal_assign(&m->on_int, m->loop, SIGINT, on_stop_signal, m) == -1
        || evsignal_assign(&m->on_hup, m->loop, SIGHUP, on_reload_signal, m) == -1
        || event_add(&m->sweep, &sweep) == -1 || event_add(&m->on_term, NULL) == -1
        || event_add(&m->on_int, NULL) == -1 || event_add(&m->on_hup, NULL) == -1)
        return SP_NOMEM;
    return SP_OK;
}

static enum sp_err
init(struct monitor *m)
{
    uint64_t boot = 0, seed = 0;
    enum sp_err rc = SP_OK;

    TAILQ_INIT(&m->sessions);
    TAILQ_INIT(&m->ended);
    logins_init(&m->logins);
    if ((rc = naming_random(&boot)) != SP_OK || (rc = naming_random(&seed)) != SP_OK
        || (rc = admission_init(&m->admission, seed)) != SP_OK
        || (rc = guessers_init(&m->guessers)) != SP_OK)
        return rc;
    naming_boot(boot, m->boot);
    bucket_init(&m->refusal_lines, REFUSALS_BURST, REFUSALS_RATE, clock_us());
    if ((m->loop = event_base_new()) == NULL)
        return SP_NOMEM;
    children_init(&m->children, m->loop);
    listeners_init(&m->listeners, m->loop, on_accepted, m);
    return add_events(m);
}

/* It is ending: who asks for that once more need not end it in the middle of the work. */
static void
hold_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void
clear(struct monitor *m)
{
    struct session *s = NULL;

    hold_signals();
    listeners_clear(&m->listeners);
    while ((s = TAILQ_FIRST(&m->ended)) != NULL)
        session_free(s);
    while ((s = TAILQ_FIRST(&m->sessions)) != NULL)
        session_abandon(s);
    if (m->ready)
        prepare_remove_pid(&m->current->settings);
    generation_unref(&m->coming);
    generation_unref(&m->current);
    children_clear(&m->children);
    (void)event_del(&m->burial);
    (void)event_del(&m->stop_timer);
    (void)event_del(&m->sweep);
    (void)event_del(&m->on_term);
    (void)event_del(&m->on_int);
    (void)event_del(&m->on_hup);
    event_base_free(m->loop);
    admission_clear(&m->admission);
    guessers_clear(&m->guessers);
}

int
monitor_run(struct settings *s, bool foreground, int parent)
{
    struct monitor m = { .file = s->file, .foreground = foreground, .parent = parent,
                         .root = privilege_is_root(), .sink = LOGSINK_EMPTY };
    char *file = strdup(s->file);
    enum sp_err rc = SP_NOMEM;

    set_log_level(s);
    log_set_sink(logsink_write, &m.sink);
    m.file = file;
    if (file == NULL || open_log(&m, s) != SP_OK || (rc = init(&m)) != SP_OK) {
        log_error("start.failed: %s", strerror(errno));
        settings_clear(s);
        free(file);
        tell_parent(&m, 1);
        return 1;
    }
    prepare_report_walls(m.root);
    prepare_report_settings(s);
    prepare_fit_settings(s);
    m.session_most = prepare_limits(s);
    if ((rc = rehearsal_run(s, m.root)) != SP_OK || (rc = prepare_directories(s)) != SP_OK)
        settings_clear(s);
    else if ((rc = generation_new(&m, s, ++m.generations, &m.coming)) == SP_OK)
        rc = generation_start(m.coming, on_first_ready);
    if (rc != SP_OK)
        fail_start(&m, rc == SP_REFUSED ? "sessions could not be served here"
                                        : "not all processes could be started");
    else if (event_base_dispatch(m.loop) == -1)
        fail_start(&m, "the event loop failed");
    tell_parent(&m, m.ready ? 0 : 1);
    if (m.ready)
        log_notice("stopped");
    clear(&m);
    free(file);
    log_set_sink(NULL, NULL);
    logsink_close(&m.sink);
    return m.exit_code;
}
