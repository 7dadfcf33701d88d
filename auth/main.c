/*
 * auth/main.c - sallyport-login: one attempt to log in, as root
 *
 * The program is the template: it is executed by the monitor, warms its libraries, and
 * forks one process for each attempt. That one reads ATTEMPT, asks the chain, answers,
 * and ends; after a login by PAM it sleeps until the session does.
 */
#include <sodium.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "auth/anonymous.h"
#include "auth/attempt.h"
#include "auth/chain.h"
#include "auth/pam.h"
#include "auth/posture.h"
#include "auth/rehearse.h"
#include "auth/services.h"
#include "auth/slots.h"
#include "auth/users.h"
#include "auth/verdict.h"
#include "base/heap.h"
#include "base/log.h"
#include "config/settings.h"
#include "process/start.h"
#include "process/template.h"
#include "wire/channel.h"

#define ATTEMPT_TIMEOUT_MS 30000        /* the monitor sends it as soon as we are there */

static const struct chain_backend backends[] = {
    { "users", users_check }, { "pam", pam_check }, { "anonymous", anonymous_check },
    { NULL, NULL }
};

struct login {
    struct channel monitor;
    struct settings settings;
    struct slots slots;
};

/* What would otherwise be done for each attempt, and what can be found to fail early. */
static enum sp_err
login_warm(struct login *l)
{
    if (sodium_init() == -1 || sqlite3_initialize() != SQLITE_OK) {
        log_bare(EVENT_LOGIN_LIBSODIUM_FAILED);
        return SP_OS;
    }
    if (text_list_has(&l->settings.auth, slice_of("pam")))
        services_warm();
    pam_warm(&l->settings);
    /* the descriptor does not survive the fork: this finds a bad run directory early */
    if (slots_open(&l->slots, l->settings.run_directory, l->settings.argon2_at_once)
        != SP_OK) {
        log_event(EVENT_LOGIN_SLOTS_FAILED, "directory=%s fault=\"%m\"",
                  l->settings.run_directory);
        return SP_OS;
    }
    slots_close(&l->slots);
    return rehearse_database(&l->settings, &l->monitor);
}

/* By `sallyportd -t`, which wants to know of accounts, and makes none log in. */
static bool
is_rehearsal(int argc, char **argv)
{
    return argc > 3 && strcmp(argv[3], "rehearse") == 0;
}

/* The verdict stands; a PAM session lives until the monitor says so, or is gone. */
static enum sp_err
login_sleep(struct login *l, struct verdict *v)
{
    struct message m;
    enum sp_err rc = SP_OK;

    if (v->kind != VERDICT_GRANTED || v->release == NULL)
        return SP_OK;
    if ((rc = posture_stay()) != SP_OK)
        log_event(EVENT_LOGIN_LIMITS, "fault=\"%m\"");   /* the session goes on */
    heap_give_back();           /* most sessions are long, compared to this */
    stack_give_back();
    channel_enter(&l->monitor, ST_USER);
    rc = channel_wait(&l->monitor, &m, -1);
    message_clear(&m);
    return rc == SP_CLOSED ? SP_OK : rc;
}

/* In the child: one attempt, from ATTEMPT to the end of its session. */
static enum sp_err
login_attempt(struct login *l)
{
    struct attempt a;
    struct verdict v = { .kind = VERDICT_UNKNOWN };
    enum sp_err rc = SP_OK;

    posture_overwrite_freed();
    channel_init(&l->monitor, CHILD_FD, LOGIN, MONITOR, ST_START);
    attempt_init(&a, &l->settings, &l->monitor, &l->slots);
    if ((rc = attempt_receive(&a, ATTEMPT_TIMEOUT_MS)) != SP_OK)
        goto out;
    if (!text_list_has(&l->settings.auth, slice_of("users"))     /* nobody else hashes */
        || slots_open(&l->slots, l->settings.run_directory, l->settings.argon2_at_once)
               == SP_OK) {
        chain_run(backends, &a, &v);
    } else {
        log_event(EVENT_LOGIN_SLOTS_FAILED, "directory=%s fault=\"%m\"",
                  l->settings.run_directory);
        verdict_refuse(&v, REFUSE_ERROR, "no slots for password hashes");
    }
    if ((rc = verdict_send(&v, &l->monitor)) == SP_OK)
        users_record(&a, &v);
    attempt_clear(&a);
    slots_close(&l->slots);
    if (rc == SP_OK)
        rc = login_sleep(l, &v);
    verdict_release(&v);
out:
    attempt_clear(&a);
    return rc == SP_CLOSED ? SP_OK : rc;
}

int
main(int argc, char **argv)
{
    struct login l = { .monitor = CHANNEL_EMPTY, .slots = SLOTS_EMPTY };
    uint64_t session = 0;
    enum sp_err rc = SP_OK;

    if (start_adopt(argc, argv, "sallyport-login", &l.monitor, TEMPLATE, NULL, NULL)
            != SP_OK
        || posture_enter() != SP_OK)
        return 1;
    if ((rc = start_receive(&l.monitor, LOGIN, &l.settings, NULL, NULL)) == SP_OK
            && (rc = login_warm(&l)) == SP_OK && is_rehearsal(argc, argv))
        rehearse_accounts(&l.settings);
    if (rc == SP_OK
            && (rc = template_serve(&l.monitor, MSG_SPAWN_LOGIN, &session)) == SP_OK)
        template_end_child(login_attempt(&l) == SP_OK ? 0 : 1);
    if (rc != SP_CLOSED)
        log_event(EVENT_TEMPLATE_FAILED, "fault=\"%s\"", sp_err_text(rc));
    settings_clear(&l.settings);
    channel_clear(&l.monitor);
    return rc == SP_OK || rc == SP_CLOSED ? 0 : 1;
}
