/* monitor/generation.c - see generation.h */
#include "monitor/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/monitor.h"
#include "monitor/starter.h"
#include "monitor/template.h"

#define CERTIFICATE_MOST (1u << 20)    /* bytes of one file: a chain has a few thousand */

/* ---- what it needs of this machine ------------------------------------------------- */

static enum sp_err
find_ids(const struct monitor *m, const char *key, const char *name, struct ids *out)
{
    const struct passwd *pw = NULL;

    if (!m->root) {
        *out = (struct ids){ getuid(), getgid() };
        return SP_OK;
    }
    if ((pw = getpwnam(name)) == NULL || pw->pw_uid == 0 || pw->pw_gid == 0) {
        log_event(EVENT_CONFIGURATION_FAULT, "key=%s fault=\"%s\"", key,
                  pw == NULL ? "no such user" : "uid and gid must not be 0");
        return SP_INPUT;
    }
    *out = (struct ids){ pw->pw_uid, pw->pw_gid };
    return SP_OK;
}

/* Where there is no such user, nothing is kept, and that is all. */
static void
find_ledger(struct generation *g)
{
    const struct passwd *pw = NULL;

    if (*g->settings.state_directory == '\0')
        return;
    if (!g->monitor->root)
        g->ledger = (struct ids){ getuid(), getgid() };
    else if ((pw = getpwnam(g->settings.ledger_user)) != NULL && pw->pw_uid != 0
             && pw->pw_gid != 0)
        g->ledger = (struct ids){ pw->pw_uid, pw->pw_gid };
    else
        log_event(EVENT_LEDGER_OFF, "user=%s fault=\"no such user\"",
                  g->settings.ledger_user);
}

static enum sp_err
open_file(const char *key, const char *path, int *fd)
{
    struct log_escaped text;
    struct stat st;
    int made = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (made != -1 && fstat(made, &st) == 0 && S_ISREG(st.st_mode)) {
        *fd = made;
        return SP_OK;
    }
    log_event(EVENT_CONFIGURATION_FAULT, "key=%s file=%s fault=\"%s\"", key,
              log_text(slice_of(path), &text),
              made == -1 ? strerror(errno) : "not a regular file");
    fd_close(&made);
    return SP_INPUT;
}

/* The text as it is now: templates made later must fit the keys that are open now. */
static enum sp_err
read_certificates(struct generation *g)
{
    const struct text_list *files = &g->settings.certificate;
    enum sp_err rc = SP_OK;

    if ((g->certificates = calloc(files->count + 1, sizeof *g->certificates)) == NULL)
        return SP_NOMEM;
    for (size_t i = 0; i < files->count; i++) {
        struct log_escaped text;
        int fd = -1;

        g->certificates[i] = (struct buf)BUF_EMPTY(CERTIFICATE_MOST);
        if ((rc = open_file("certificate", files->texts[i], &fd)) != SP_OK)
            return rc;
        rc = buf_read_all(&g->certificates[i], fd);
        fd_close(&fd);
        if (rc != SP_OK || g->certificates[i].len == 0) {
            log_event(EVENT_CONFIGURATION_FAULT, "key=certificate file=%s fault=\"%s\"",
                      log_text(slice_of(files->texts[i]), &text),
                      rc == SP_OK ? "the file is empty" : "cannot read the file, or it is too long");
            return SP_INPUT;
        }
    }
    return SP_OK;
}

static enum sp_err
open_keys(struct generation *g)
{
    const struct text_list *files = &g->settings.certificate_key;
    enum sp_err rc = SP_OK;

    if ((g->keys = calloc(files->count + 1, sizeof *g->keys)) == NULL
        || (g->validity = calloc(files->count + 1, sizeof *g->validity)) == NULL)
        return SP_NOMEM;
    for (size_t i = 0; i < files->count; i++)
        g->keys[i] = -1;
    for (size_t i = 0; rc == SP_OK && i < files->count; i++)
        rc = open_file("certificate_key", files->texts[i], &g->keys[i]);
    return rc;
}

/* As they are now, too: until a reload a package may replace them. */
static void
open_programs(struct generation *g)
{
    const char *directory = g->settings.libexec_directory;

    for (unsigned i = 0; i < POOL_COUNT; i++)
        g->programs[i] = starter_open(directory, template_program((enum pool_kind)i));
    g->keyholder_program = starter_open(directory, KEYHOLDER_PROGRAM);
    g->ledger_program = starter_open(directory, LEDGER_PROGRAM);
}

static void
close_programs(struct generation *g)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        fd_close(&g->programs[i]);
    fd_close(&g->keyholder_program);
    fd_close(&g->ledger_program);
}

static void
take_limits(struct generation *g)
{
    const struct settings *s = &g->settings;

    g->limits = (struct admission_limits){
        .sessions = (unsigned)s->max_sessions,
        .per_address = (unsigned)s->max_sessions_per_address,
        .violations = (unsigned)s->violations,
        .ban_ms = s->violation_ban * 1000
    };
    g->guessing = (struct guessers_limits){ .names = (unsigned)s->failure_names,
                                            .delay_most = s->failure_delay_most * 1000,
                                            .memory = s->failure_memory * 1000,
                                            .ban = s->failure_ban * 1000 };
    if (g->limits.sessions > g->monitor->session_most)
        g->limits.sessions = g->monitor->session_most;
}

/* ---- its life ---------------------------------------------------------------------- */

static void
free_generation(struct generation *g)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        pool_clear(&g->pools[i]);
    keyholder_clear(&g->keyholder);
    if (g->settle_assigned)
        (void)event_del(&g->settle);
    for (size_t i = 0; g->certificates != NULL && i < g->settings.certificate.count; i++)
        buf_free(&g->certificates[i]);
    for (size_t i = 0; g->keys != NULL && i < g->settings.certificate_key.count; i++)
        fd_close(&g->keys[i]);
    close_programs(g);
    free(g->certificates);
    free(g->keys);
    free(g->validity);
    settings_clear(&g->settings);
    free(g);
}

/* Ready, or failed: after a failure the others are heard, too, so that all faults are told. */
static bool
all_heard(const struct generation *g)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        if (!pool_is_ready(&g->pools[i]) && g->pools[i].retry.failures == 0)
            return false;
    return keyholder_is_ready(&g->keyholder) || g->keyholder.retry.failures > 0;
}

/* A pool or the keyholder became ready (or, with failed, could not be started). */
static void
on_changed(struct helper_home *home, bool failed)
{
    struct generation *g = (struct generation *)((char *)home - offsetof(struct generation, home));

    if (g->settled)
        return;                 /* later failures are retried where they happen */
    if (failed)
        home->lost = g->failed = true;
    event_active(&g->settle, EV_TIMEOUT, 0);
}

/* From the loop, and not from inside the callback of a process that may then be freed. */
static void
on_settle_event(evutil_socket_t fd, short what, void *context)
{
    struct generation *g = context;

    (void)fd;
    (void)what;
    if (g->settled || !all_heard(g))
        return;
    g->settled = true;
    g->home.lost = false;
    g->done(g, g->failed ? SP_INPUT : SP_OK);
}

enum sp_err
generation_new(struct monitor *m, struct settings *s, unsigned number,
               struct generation **out)
{
    static const struct settings none = { 0 };
    struct generation *g = NULL;
    enum sp_err rc = SP_NOMEM;

    if ((g = calloc(1, sizeof *g)) == NULL) {
        settings_clear(s);
        return SP_NOMEM;
    }
    g->monitor = m;
    g->number = number;
    g->refs = 1;
    g->settings = *s;
    *s = none;
    g->home = (struct helper_home){
        .children = &m->children, .rundir = &m->rundir, .settings = &g->settings,
        .clear_names = &m->clear_names, .changed = on_changed
    };
    take_limits(g);
    open_programs(g);
    if ((rc = keyholder_init(&g->keyholder, &g->home)) != SP_OK)
        goto out;
    for (unsigned i = 0; i < POOL_COUNT; i++)
        if ((rc = pool_init(&g->pools[i], (enum pool_kind)i, &g->home)) != SP_OK)
            goto out;
    rc = SP_NOMEM;
    if (event_assign(&g->settle, m->loop, -1, 0, on_settle_event, g) == -1)
        goto out;
    g->settle_assigned = true;
    find_ledger(g);
    if ((rc = find_ids(m, "worker_user", g->settings.worker_user, &g->worker)) != SP_OK
        || (rc = find_ids(m, "keyholder_user", g->settings.keyholder_user,
                          &g->keyholder_ids))
               != SP_OK
        || (rc = read_certificates(g)) != SP_OK || (rc = open_keys(g)) != SP_OK)
        goto out;
    *out = g;
    g = NULL;
    rc = SP_OK;
out:
    if (g != NULL)
        free_generation(g);
    return rc;
}

/* Which programs the helpers are, and as whom they run. */
static void
name_programs(struct generation *g)
{
    const char *directory = g->settings.libexec_directory;

    g->home.certificates = g->certificates;
    g->keyholder.keys = g->keys;
    g->keyholder.validity = g->validity;
    g->keyholder.program = (struct starter_program){
        .directory = directory, .name = KEYHOLDER_PROGRAM, .fd = g->keyholder_program,
        .uid = g->keyholder_ids.uid, .gid = g->keyholder_ids.gid
    };
    for (unsigned i = 0; i < POOL_COUNT; i++)
        g->pools[i].program = (struct starter_program){
            .directory = directory, .name = template_program((enum pool_kind)i),
            .fd = g->programs[i], .uid = g->worker.uid, .gid = g->worker.gid,
            .mode = i == POOL_LOGIN && g->monitor->trial != NULL ? "rehearse" : NULL
        };
}

enum sp_err
generation_start(struct generation *g, generation_done *done)
{
    enum sp_err rc = SP_OK;

    g->done = done;
    name_programs(g);
    if ((rc = keyholder_start(&g->keyholder)) != SP_OK)
        return rc;
    for (unsigned i = 0; rc == SP_OK && i < POOL_COUNT; i++)
        rc = pool_start(&g->pools[i]);
    return rc;
}

void
generation_outdate(struct generation *g)
{
    for (unsigned i = 0; i < POOL_COUNT; i++)
        pool_make_lazy(&g->pools[i]);
}

struct generation *
generation_ref(struct generation *g)
{
    g->refs++;
    return g;
}

void
generation_unref(struct generation **g)
{
    struct generation *held = *g;

    *g = NULL;
    if (held == NULL)
        return;
    SP_ASSERT(held->refs > 0);
    if (--held->refs == 0) {
        log_event(EVENT_GENERATION_ENDED, "number=%u", held->number);
        free_generation(held);
    }
}
