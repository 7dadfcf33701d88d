/* monitor/monitor.c - see monitor.h: start and stop of the whole server */
#include "monitor/monitor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/privilege.h"
#include "base/random.h"
#include "monitor/capabilities.h"
#include "monitor/generation.h"
#include "monitor/logins.h"
#include "monitor/prepare.h"
#include "monitor/rehearsal.h"
#include "monitor/session.h"
#include "monitor/supervise.h"
#include "monitor/trial.h"

#define STOP_SECONDS 5          /* for workers to tell their clients           */
#define END_MS 1000             /* for processes that were killed, or let go   */
#define SWEEP_SECONDS 2         /* for children that nobody watches            */
#define VALIDITY_SECONDS 3600   /* between looks at the dates of certificates  */
#define LOG_TURN_MS 20           /* between attempts to write lines that wait   */
#define REFUSALS_BURST 20       /* session.refused lines                       */
#define REFUSALS_RATE 2

/* ---- log --------------------------------------------------------------------------- */

/* Whoever starts us waits, and may not know where the log is. */
static bool
is_for_terminal(const struct monitor *m, enum log_level level)
{
    return level == LOG_LEVEL_ERROR && !m->ready && m->sink.kind != LOGSINK_STDERR
        && m->sink.kind != LOGSINK_JOURNAL;
}

/* Lines that wait are tried again, until there is room. */
static void
tend_log(struct monitor *m)
{
    const struct timeval after = { 0, LOG_TURN_MS * 1000L };

    if (logsink_waits(&m->sink) && event_initialized(&m->log_timer)
        && !event_pending(&m->log_timer, EV_TIMEOUT, NULL))
        (void)event_add(&m->log_timer, &after);     /* else the next line tries */
}

static void
on_log_timer(evutil_socket_t fd, short what, void *context)
{
    struct monitor *m = context;

    (void)fd;
    (void)what;
    logsink_flush(&m->sink);
    tend_log(m);
}

/*
 * A log_sink. Errors while a reload runs are told to who asked for it: but for those of
 * sessions, they are why it is refused.
 */
static void
write_log(void *monitor, enum log_event event, const char *line)
{
    struct monitor *m = monitor;

    if (m->trial != NULL) {
        trial_hear(m->trial, event, line);
        return;
    }
    if (is_for_terminal(m, log_event_level(event)))
        (void)fprintf(stderr, "sallyportd: %s\n", line);
    logsink_write(&m->sink, log_event_level(event), line);
    tend_log(m);
    if (m->reload.running && log_event_level(event) == LOG_LEVEL_ERROR
        && event != EVENT_RELOAD_REFUSED && strncmp(line, "session=", strlen("session=")) != 0)
        admin_reload_fault(&m->admin, line);
}

/* In the background there is no standard error that anybody reads. */
static enum sp_err
open_log(struct monitor *m, const struct settings *s)
{
    bool unread = !m->foreground && strcmp(s->log, "stderr") == 0;

    return logsink_open(&m->sink, unread ? "syslog" : s->log);
}

static void
say_unheard(const struct logsink *s)
{
    if (logsink_is_unheard(s))
        log_event(EVENT_LOG_UNHEARD, "key=log fault=\"nothing listens on /dev/log\"");
}

static void
set_log_level(const struct settings *s)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
        if (strcmp(s->log_level, log_level_text((enum log_level)i)) == 0)
            log_set_level((enum log_level)i);
}

void
monitor_take_log(struct monitor *m)
{
    set_log_level(&m->current->settings);
    if (open_log(m, &m->current->settings) != SP_OK)
        log_event(EVENT_LOG_FAILED, "fault=\"%s\"", strerror(errno));
    say_unheard(&m->sink);
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
        log_event(EVENT_STOPPING_NOW, "signal=%s", reason);
        end_loop(m);
        return;
    }
    m->stopping = true;
    notify_stopping(&m->notify);
    log_event(EVENT_STOPPING, "signal=%s sessions=%u", reason, m->admission.sessions);
    listeners_clear(&m->listeners);
    TAILQ_FOREACH(s, &m->sessions, entry)
        session_shutdown(s, "shutdown", "The server is shutting down; closing connection.");
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
    stop(context, number == SIGINT ? "INT" : number == SIGQUIT ? "QUIT" : "TERM");
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
        log_bare(EVENT_PARENT_GONE);
    fd_close(&m->parent);
    if (code == 0 && fd_null_std(true) != SP_OK)
        log_event(EVENT_DAEMON_STDIO, "fault=\"%s\"", strerror(errno));
}

static void
fail_start(struct monitor *m, const char *what)
{
    log_event(EVENT_START_FAILED, "fault=\"%s; see the lines above\"", what);
    m->exit_code = 1;
    end_loop(m);
}

static void
on_first_ready(struct generation *g, enum sp_err rc)
{
    struct monitor *m = g->monitor;

    m->current = g;
    m->coming = NULL;
    if (m->trial != NULL) {
        m->exit_code = rc == SP_OK ? 0 : 1;
        trial_dates(m->trial, g);
        end_loop(m);
        return;
    }
    if (rc != SP_OK) {
        fail_start(m, "not all processes could be started");
        return;
    }
    if (listeners_set(&m->listeners, &g->settings) != SP_OK) {
        fail_start(m, "there is an address that cannot be listened on");
        return;
    }
    m->ready = true;
    rundir_serve(&m->rundir, &g->settings);
    admin_listen(&m->admin, g->settings.run_directory);
    log_event(EVENT_READY, "pid=%ld sessions=%u", (long)getpid(), g->limits.sessions);
    validity_report(g, clock_seconds());
    tell_parent(m, 0);
    notify_ready(&m->notify, "Serving");
    ledger_start(&m->ledger);
    reload_go_on(m);
}

/* ---- other signals ----------------------------------------------------------------- */

static void
on_reload_signal(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    reload_ask(context, NULL, NULL, NULL);
}

/* For who rotates logs by it, as other servers do: the log alone, no reload. */
static void
on_log_signal(evutil_socket_t number, short what, void *context)
{
    struct monitor *m = context;

    (void)number;
    (void)what;
    if (!m->ready)
        return;                 /* it was opened a moment ago */
    monitor_take_log(m);
    log_event(EVENT_LOG_OPENED, "signal=USR1");
}

/* ---- the loop ---------------------------------------------------------------------- */

static void
on_accepted(void *owner, int *client, const struct net_addr *peer,
            const struct net_addr *local, bool implicit)
{
    supervise_open(owner, client, peer, local, implicit);
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

static void
on_validity_event(evutil_socket_t fd, short what, void *context)
{
    struct monitor *m = context;

    (void)fd;
    (void)what;
    if (m->ready)
        validity_report(m->current, clock_seconds());
}

/* What was sent since prepare_process comes now. */
static enum sp_err
add_signals(struct monitor *m)
{
    static const struct { int number; event_callback_fn call; } rows[MONITOR_SIGNALS] = {
        { SIGTERM, on_stop_signal },  { SIGINT, on_stop_signal },
        { SIGQUIT, on_stop_signal },  { SIGHUP, on_reload_signal },
        { SIGUSR1, on_log_signal },
    };

    for (size_t i = 0; i < MONITOR_SIGNALS; i++)
        if (evsignal_assign(&m->signals[i], m->loop, rows[i].number, rows[i].call, m) == -1
            || event_add(&m->signals[i], NULL) == -1)
            return SP_NOMEM;
    return prepare_let_signals();
}

static enum sp_err
add_events(struct monitor *m)
{
    const struct timeval sweep = { SWEEP_SECONDS, 0 };
    const struct timeval validity = { VALIDITY_SECONDS, 0 };

    if (event_assign(&m->burial, m->loop, -1, 0, on_burial_event, m) == -1
        || event_assign(&m->stop_timer, m->loop, -1, 0, on_stop_timer, m) == -1
        || event_assign(&m->log_timer, m->loop, -1, 0, on_log_timer, m) == -1
        || event_assign(&m->sweep, m->loop, -1, EV_PERSIST, on_sweep_event, m) == -1
        || event_assign(&m->validity, m->loop, -1, EV_PERSIST, on_validity_event, m) == -1
        || reload_init(m) != SP_OK || event_add(&m->sweep, &sweep) == -1
        || event_add(&m->validity, &validity) == -1)
        return SP_NOMEM;
    return add_signals(m);
}

static enum sp_err
init(struct monitor *m)
{
    uint64_t boot = 0, seed = 0;
    enum sp_err rc = SP_OK;

    TAILQ_INIT(&m->sessions);
    LIST_INIT(&m->takeovers.asked);
    TAILQ_INIT(&m->ended);
    logins_init(&m->logins);
    admin_init(&m->admin, m);
    if ((rc = random_u64(&boot)) != SP_OK || (rc = random_u64(&seed)) != SP_OK
        || (rc = admission_init(&m->admission, seed)) != SP_OK
        || (rc = guessers_init(&m->guessers)) != SP_OK
        || (rc = kins_init(&m->kins)) != SP_OK
        || (rc = bonds_init(&m->bonds)) != SP_OK)
        return rc;
    naming_boot(boot, m->boot);
    bucket_init(&m->refusal_lines, REFUSALS_BURST, REFUSALS_RATE, clock_us());
    if ((m->loop = event_base_new()) == NULL)
        return SP_NOMEM;
    children_init(&m->children, m->loop);
    if ((rc = ledger_init(&m->ledger, m)) != SP_OK)
        return rc;
    listeners_init(&m->listeners, m->loop, on_accepted, m);
    if ((rc = ports_init(&m->ports, m->loop)) != SP_OK)
        return rc;
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
    (void)sigaddset(&set, SIGQUIT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void
clear(struct monitor *m)
{
    struct session *s = NULL;

    hold_signals();
    reload_clear(m);
    admin_clear(&m->admin);
    listeners_clear(&m->listeners);
    while ((s = TAILQ_FIRST(&m->ended)) != NULL)
        session_free(s);
    while ((s = TAILQ_FIRST(&m->sessions)) != NULL)
        session_abandon(s);
    ledger_stop(&m->ledger);
    rundir_end(&m->rundir, m->current == NULL ? NULL : &m->current->settings);
    generation_unref(&m->coming);
    generation_unref(&m->current);
    children_await(END_MS);
    children_clear(&m->children);
    ports_clear(&m->ports);
    kins_clear(&m->kins);
    (void)event_del(&m->log_timer);
    memset(&m->log_timer, 0, sizeof m->log_timer);      /* lines of the end are tried once */
    (void)event_del(&m->burial);
    (void)event_del(&m->stop_timer);
    (void)event_del(&m->sweep);
    (void)event_del(&m->validity);
    for (size_t i = 0; i < MONITOR_SIGNALS; i++)
        (void)event_del(&m->signals[i]);
    event_base_free(m->loop);
    text_list_clear(&m->clear_names);
    admission_clear(&m->admission);
    guessers_clear(&m->guessers);
}

static enum sp_err
start(struct monitor *m, struct settings *s)
{
    enum sp_err rc = SP_OK;

    if ((rc = rehearsal_run(s, m->root)) != SP_OK || (rc = capabilities_keep()) != SP_OK
        || (rc = rundir_begin(&m->rundir, s)) != SP_OK) {
        settings_clear(s);
        return rc;
    }
    rc = generation_new(m, s, ++m->generations, &m->coming);
    return rc == SP_OK ? generation_start(m->coming, on_first_ready) : rc;
}

/* Takes *s over. */
static void
run(struct monitor *m, struct settings *s)
{
    enum sp_err rc = SP_OK;

    prepare_fit_settings(s);
    m->session_most = prepare_limits(s);
    if ((rc = start(m, s)) != SP_OK)
        fail_start(m, rc == SP_REFUSED ? "sessions could not be served here"
                                       : "not all processes could be started");
    else if (event_base_dispatch(m->loop) == -1)
        fail_start(m, "the event loop failed");
}

int
monitor_run(struct settings *s, bool foreground, int parent, const struct notify *notify)
{
    struct monitor m = { .file = s->file, .foreground = foreground, .parent = parent,
                         .notify = *notify,
                         .root = privilege_is_root(), .sink = LOGSINK_EMPTY };
    char *file = strdup(s->file);
    enum sp_err rc = SP_NOMEM;

    set_log_level(s);
    m.sink.journal = notify->journal;
    log_set_sink(write_log, &m);
    m.file = file;
    if (file == NULL || open_log(&m, s) != SP_OK || (rc = init(&m)) != SP_OK) {
        log_event(EVENT_START_FAILED, "fault=\"%s\"", strerror(errno));
        settings_clear(s);
        free(file);
        tell_parent(&m, 1);
        return 1;
    }
    say_unheard(&m.sink);
    prepare_report_walls(m.root);
    prepare_report_settings(s);
    run(&m, s);
    if (m.ready)
        log_bare(EVENT_STOPPED);
    clear(&m);
    tell_parent(&m, 1);         /* who waits still: there was no start, and nothing is left of it */
    free(file);
    log_set_sink(NULL, NULL);
    logsink_close(&m.sink);
    return m.exit_code;
}

unsigned
monitor_try(struct settings *s, config_fault *fault, void *context)
{
    struct notify none;
    struct trial t;
    struct monitor m = { .foreground = true, .parent = -1, .root = privilege_is_root(),
                         .sink = LOGSINK_EMPTY, .trial = &t };
    struct logsink syslog = LOGSINK_EMPTY;
    bool failed = false;

    notify_init(&none, NULL);
    if (strcmp(s->log, "syslog") == 0)
        SP_IGNORE(logsink_open(&syslog, s->log));
    m.notify = none;
    if (trial_begin(&t, s, fault, context) != SP_OK) {
        settings_clear(s);
        return trial_end(&t, false);
    }
    log_set_sink(write_log, &m);
    say_unheard(&syslog);
    logsink_close(&syslog);
    if (init(&m) == SP_OK) {
        run(&m, s);
        failed = m.exit_code != 0;
        clear(&m);
    } else {
        settings_clear(s);
        failed = true;
    }
    log_set_sink(NULL, NULL);
    return trial_end(&t, failed);
}
