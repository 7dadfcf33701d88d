/*
 * worker/main.c - sallyport-worker: the process that talks to one client and owns nothing
 *
 * Runs in: template, then worker.        Started by: the monitor, as `sallyport-worker UID GID`.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/number.h"
#include "base/privilege.h"
#include "process/start.h"
#include "process/template.h"
#include "tls/context.h"
#include "wire/pack.h"
#include "worker/ask_monitor.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#define WORKER_FILES 24         /* descriptors: client, channels, listener, candidates, file, pipe */
#define WORKER_MEMORY ((size_t)256 << 20)   /* mapped, of which it needs some 10 MB */

/* What the template has made ready for every worker. */
struct ready {
    struct settings settings;
    struct tls_context *tls;
    enum sp_err fault;          /* of a certificate or a list of suites; SP_OK: none */
    struct seccomp_filter filter;
    uid_t uid;
    gid_t gid;
};

/*
 * Where a list of cipher suites is wrong, certificates are looked at without it: all faults
 * are told at once, and no worker is made.
 */
static enum sp_err
make_context(struct ready *r)
{
    static char none[] = "";
    struct settings plain = r->settings;
    enum sp_err rc = tls_context_new(&r->tls, &r->settings);

    if (rc != SP_INPUT)
        return rc;
    r->fault = rc;
    plain.tls_ciphers = plain.tls_ciphersuites = none;
    return tls_context_new(&r->tls, &plain);
}

/* Certificates come between the settings and START. */
static enum sp_err
take_certificate(void *context, struct message *m)
{
    struct ready *r = context;
    struct msg_certificate in = { 0 };
    char file[PATH_BYTES + 1] = "";
    int fd = -1;
    enum sp_err rc = SP_OK;

    if (m->type != MSG_CERTIFICATE || msg_certificate_unpack(m, &in) != SP_OK
        || slice_to_text(in.file, file, sizeof file) != SP_OK)
        return SP_INPUT;
    if (r->tls == NULL && (rc = make_context(r)) != SP_OK)
        return rc;
    fd = message_take_fd(m, 0);
    rc = tls_context_add(r->tls, in.index, fd, file);
    fd_close(&fd);
    if (rc == SP_INPUT)
        r->fault = rc;          /* the next one may have a fault, too */
    return rc == SP_INPUT ? SP_OK : rc;
}

/* Everything that every worker needs is made here, once, before the first fork. */
static enum sp_err
prepare(struct channel *monitor, struct ready *r)
{
    char empty[PATH_BYTES + 1] = "";
    enum sp_err rc = start_receive(monitor, WORKER, &r->settings, take_certificate, r);

    /* without a certificate nobody has looked at the lists yet */
    if (rc == SP_OK && r->tls == NULL
        && (*r->settings.tls_ciphers != '\0' || *r->settings.tls_ciphersuites != '\0')) {
        rc = make_context(r);
        tls_context_free(r->tls);
        r->tls = NULL;
    }
    if (rc == SP_OK)
        rc = r->fault;
    if (rc != SP_OK)
        return rc;
    settings_fit_machine(&r->settings);
    if (r->tls != NULL && (rc = tls_context_warm(r->tls)) != SP_OK)
        return rc;
    if ((rc = sandbox_prepare(r->settings.tls_kernel, &r->filter)) != SP_OK)
        return rc;
    if (settings_reporting(&r->settings) && (rc = seccomp_report(&r->filter)) != SP_OK)
        return rc;
    if (!text_printf(empty, sizeof empty, "%s/empty", r->settings.run_directory))
        return SP_INPUT;
    return start_leave_privileges(empty, r->uid, r->gid);
}

static enum sp_err
worker_begin(struct worker *w, struct ready *r)
{
    enum sp_err rc = SP_OK;

    w->settings = r->settings;
    w->tls = r->tls;
    channel_init(&w->broker, -1, WORKER, BROKER, ST_END);
    channel_init(&w->monitor, WORKER_CHANNEL_FD, WORKER, MONITOR, ST_START);
    log_set_sink(channel_log, &w->monitor);
    control_init(&w->control, WORKER_CLIENT_FD);
    data_init(&w->data);
    ahead_init(&w->ahead);
    transfer_init(&w->transfer);
    w->held = (struct buf)BUF_EMPTY(LINE_MOST);
    if ((rc = privilege_limit_files(WORKER_FILES)) != SP_OK
        || (rc = privilege_limit_processes()) != SP_OK
        || (rc = privilege_limit_memory(WORKER_MEMORY)) != SP_OK
        || (rc = fd_set_nonblocking(WORKER_CLIENT_FD, true)) != SP_OK
        || (rc = sandbox_enter(&r->filter, WORKER_CHANNEL_FD)) != SP_OK)
        return rc;
    return ask_session(w);
}

int
main(int argc, char **argv)
{
    static struct worker w;
    struct ready r = { .filter = SECCOMP_FILTER_EMPTY };
    struct channel monitor = CHANNEL_EMPTY;
    uint64_t number = 0;
    enum sp_err rc = SP_OK;

    if (start_adopt(argc, argv, "sallyport-worker", &monitor, WORKER, &r.uid, &r.gid) != SP_OK)
        return 2;
    if ((rc = prepare(&monitor, &r)) != SP_OK) {
        log_event(EVENT_TEMPLATE_FAILED, "fault=\"%s\"", sp_err_text(rc));
        return 1;
    }
    if ((rc = template_serve(&monitor, MSG_SPAWN_WORKER, &number)) != SP_OK)
        return rc == SP_CLOSED ? 0 : 1;
    if ((rc = worker_begin(&w, &r)) != SP_OK) {
        if (rc != SP_CLOSED)
            log_event(EVENT_WORKER_FAILED, "fault=\"%s\"", sp_err_text(rc));
        template_end_child(1);
    }
    template_end_child(worker_serve(&w));
}
