/*
 * broker/main.c - sallyport-broker: opens a user's files for the worker
 *
 * Started by sallyportd as a template (root, with one channel), from which a broker is
 * forked for each login: root until it knows who the user is, then the user, in the jail.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/privilege.h"
#include "broker/answer.h"
#include "broker/broker.h"
#include "broker/jail.h"
#include "broker/permit.h"
#include "broker/sandbox.h"
#include "process/seccomp.h"
#include "process/start.h"
#include "process/template.h"
#include "wire/fail.h"
#include "wire/pack.h"

#define WORKER_FD (CHILD_FD + 1)

/* Of which a broker loads one, once it knows what its account may. */
struct filters { struct seccomp_filter writes, reads; };

/*
 * Until a broker knows its user it is root, but for nothing else than to become that user in
 * that user's jail.
 */
static enum sp_err
keep_the_way_to_users(void)
{
    const uint64_t need = (uint64_t)1 << CAP_SETUID | (uint64_t)1 << CAP_SETGID
        | (uint64_t)1 << CAP_SYS_CHROOT;
    uint64_t kept = 0;
    enum sp_err rc = privilege_drop_bounding();

    return rc == SP_OK ? privilege_keep(need, 0, &kept) : rc;
}

static enum sp_err
compile(struct filters *f, bool reporting)
{
    enum sp_err rc = SP_OK;

    if ((rc = sandbox_compile(true, &f->writes)) != SP_OK
        || (rc = sandbox_compile(false, &f->reads)) != SP_OK || !reporting)
        return rc;
    if ((rc = seccomp_report(&f->writes)) != SP_OK)
        return rc;
    return seccomp_report(&f->reads);
}

/* The monitor says who the user is; from then on we are no one else. */
static enum sp_err
become_broker(struct broker *b, const struct filters *f)
{
    struct msg_grant grant;
    struct message m;
    enum sp_err rc = SP_OK;

    channel_init(&b->monitor, CHILD_FD, BROKER, MONITOR, ST_START);
    channel_init(&b->worker, WORKER_FD, BROKER, WORKER, ST_USER);
    log_set_sink(channel_log, &b->monitor);
    message_init(&m);
    if ((rc = channel_wait(&b->monitor, &m, -1)) != SP_OK
        || (rc = msg_grant_unpack(&m, &grant)) != SP_OK)
        goto out;
    if ((rc = jail_enter(b, &grant)) != SP_OK) {
        struct log_escaped path;

        log_event(EVENT_JAIL_FAILED, "path=%s uid=%u fault=\"%s\" error=%d",
                  log_text(grant.jail, &path), grant.uid, sp_err_text(rc),
                  rc == SP_OS ? errno : 0);
        goto out;
    }
    if ((rc = broker_bound_unread(b)) != SP_OK
        || (rc = seccomp_enter(permit_writes(b->permits) ? &f->writes : &f->reads,
                               b->monitor.fd)) != SP_OK)
        goto out;
    channel_enter(&b->monitor, ST_USER);
    msg_serving_pack(&m, &(struct msg_serving){ 0 });
    rc = channel_send_wait(&b->monitor, &m);
out:
    message_clear(&m);
    return rc;
}

int
main(int argc, char **argv)
{
    static struct broker b;
    struct filters f = { SECCOMP_FILTER_EMPTY, SECCOMP_FILTER_EMPTY };
    struct channel monitor = CHANNEL_EMPTY;
    uint64_t session = 0;
    int status = 1;
    enum sp_err rc = SP_OK;

    broker_init(&b);
    if ((rc = start_adopt(argc, argv, "sallyport-broker", &monitor, TEMPLATE, NULL,
                          NULL)) != SP_OK)
        goto out;
    if ((rc = start_receive(&monitor, BROKER, &b.settings, NULL, NULL)) != SP_OK
        || (rc = keep_the_way_to_users()) != SP_OK
        || (rc = compile(&f, settings_reporting(&b.settings))) != SP_OK) {
        log_event(EVENT_TEMPLATE_FAILED, "fault=\"%s\" error=%d", sp_err_text(rc), errno);
        goto out;
    }
    settings_fit_machine(&b.settings);
    if ((rc = template_serve(&monitor, MSG_SPAWN_BROKER, &session)) == SP_OK) {
        if ((rc = become_broker(&b, &f)) == SP_OK) {
            rc = answer_serve(&b);
            status = rc == SP_INPUT ? EXIT_BREACH : 1;
        }
        template_end_child(rc == SP_CLOSED ? 0 : status);
    }
out:
    seccomp_filter_free(&f.writes);
    seccomp_filter_free(&f.reads);
    broker_clear(&b);
    return rc == SP_CLOSED ? 0 : status;
}
