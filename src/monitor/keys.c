/* monitor/keys.c - see keys.h */
#include "monitor/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "monitor/budget.h"
#include "monitor/generation.h"
#include "monitor/logsink.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/starter.h"

#define START_SECONDS 30        /* from execve to READY                                */
#define ANSWER_SECONDS 30       /* with something asked and nothing answered it hangs  */
#define OUTSTANDING_MOST 8      /* asked and not answered; all others take turns here  */
#define RETRY_LEAST_MS 100
#define RETRY_MOST_MS 10000
#define TBS_MOST 512            /* messages.def */

/* First it waits for its budget, then for its turn, then for the answer. */
struct sign_request {
    struct budget_turn held;
    struct fair_member waiting;
    TAILQ_ENTRY(sign_request) entry;    /* sent */
    struct keyholder *keyholder;
    struct net_addr peer;
    uint64_t number;
    sign_answer *answer;        /* NULL: nobody waits any more */
    void *owner;
    uint8_t key;
    uint16_t scheme;
    size_t len;
    unsigned char tbs[TBS_MOST];
};

static void
set_timer(struct event *timer, long milliseconds)
{
    struct timeval after = { milliseconds / 1000, milliseconds % 1000 * 1000 };

    if (event_add(timer, &after) == -1)
        log_event(EVENT_KEYHOLDER_FAILED, "fault=\"no memory for a timer\"");
}

static size_t
key_count(const struct keyholder *k)
{
    return k->generation->settings.certificate_key.count;
}

/* ---- starting ---------------------------------------------------------------------- */

static enum sp_err
send_keys(struct keyholder *k)
{
    const struct generation *g = k->generation;
    struct message m;
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < key_count(k); i++) {
        /* the certificate first: a key that is not its own is refused at start */
        rc = starter_send_certificate(&k->channel, (unsigned)i,
                                      g->settings.certificate.texts[i],
                                      &g->certificates[i]);
        if (rc != SP_OK)
            return rc;
        msg_key_pack(&m, &(struct msg_key){
                             .index = (uint8_t)i,
                             .file = slice_of(g->settings.certificate_key.texts[i]) });
        /* The offset is shared with an earlier keyholder's copy, which is gone by now. */
        if (lseek(g->keys[i], 0, SEEK_SET) == -1)
            return SP_OS;
        m.fds[0] = g->keys[i];
        m.nfds = 1;
        m.lent = true;
        rc = channel_send(&k->channel, &m);
        message_clear(&m);
        if (rc != SP_OK)
            return rc;
    }
    return SP_OK;
}

static void on_readable_event(evutil_socket_t fd, short what, void *context);
static void on_process_end(void *owner, const struct process_end *how);

enum sp_err
keyholder_start(struct keyholder *k)
{
    const struct generation *g = k->generation;
    int channel = -1, pidfd = -1;
    pid_t pid = 0;
    enum sp_err rc = SP_OK;

    if (key_count(k) == 0) {
        generation_changed(k->generation, false);
        return SP_OK;
    }
    (void)rundir_restore(&g->monitor->rundir, &g->settings);
    rc = starter_execute(g->settings.libexec_directory, KEYHOLDER_PROGRAM,
                         g->keyholder_program, g->keyholder_ids.uid, g->keyholder_ids.gid,
                         NULL, &channel, &pid, &pidfd);
    if (rc != SP_OK)
        goto out;
    channel_init(&k->channel, fd_move(&channel), MONITOR, KEYHOLDER, ST_START);
    if ((rc = process_watch(&k->process, &g->monitor->children, pid, &pidfd,
                            on_process_end, k))
        != SP_OK)
        goto out;
    if ((rc = starter_send_settings(&k->channel, &g->settings, KEYHOLDER)) != SP_OK
        || (rc = send_keys(k)) != SP_OK
        || (rc = starter_send_start(&k->channel)) != SP_OK)
        goto out;
    rc = SP_NOMEM;
    if (event_assign(&k->readable, g->monitor->loop, k->channel.fd, EV_READ | EV_PERSIST,
                     on_readable_event, k) == -1 || event_add(&k->readable, NULL) == -1)
        goto out;
    set_timer(&k->deadline, START_SECONDS * 1000L);
    rc = SP_OK;
out:
    if (rc != SP_OK) {
        log_event(EVENT_KEYHOLDER_FAILED, "program=%s/%s fault=\"%s\"",
                  g->settings.libexec_directory, KEYHOLDER_PROGRAM,
                  rc == SP_OS ? strerror(errno) : sp_err_text(rc));
        process_abandon(&k->process);
        channel_clear(&k->channel);
    }
    fd_close(&channel);
    fd_close(&pidfd);
    return rc;
}

bool
keyholder_is_ready(const struct keyholder *k)
{
    return k->ready || key_count(k) == 0;
}

/* ---- requests ---------------------------------------------------------------------- */

static void
answer_request(struct sign_request *r, const struct slice *signature)
{
    if (r->answer != NULL)
        r->answer(r->owner, signature);
    free(r);
}

static enum sp_err
send_request(struct keyholder *k, const struct sign_request *r)
{
    struct message m;

    msg_key_sign_pack(&m, &(struct msg_key_sign){
        .number = r->number, .key = r->key, .scheme = r->scheme,
        .tbs = slice_from(r->tbs, r->len) });
    return channel_send(&k->channel, &m);
}

static struct sign_request *
request_in(struct fair_member *waiting)
{
    return (struct sign_request *)((char *)waiting - offsetof(struct sign_request, waiting));
}

static void
on_dispatch_event(evutil_socket_t fd, short what, void *context)
{
    struct keyholder *k = context;
    struct fair_member *next = NULL;

    (void)fd;
    (void)what;
    while (k->ready && k->outstanding < OUTSTANDING_MOST
           && (next = fair_first(&k->waiting)) != NULL) {
        struct sign_request *r = request_in(next);
        enum sp_err rc = SP_OK;

        if ((rc = send_request(k, r)) == SP_AGAIN && k->outstanding > 0)
            return;                     /* goes on with the next answer */
        if (rc != SP_OK) {
            process_kill(&k->process);  /* its end starts another one */
            return;
        }
        fair_take(&k->waiting, &r->waiting);
        TAILQ_INSERT_TAIL(&k->sent, r, entry);
        if (k->outstanding++ == 0)
            set_timer(&k->deadline, ANSWER_SECONDS * 1000L);
    }
}

static void
run_dispatch(struct keyholder *k)
{
    event_active(&k->dispatch, EV_TIMEOUT, 0);
}

static enum sp_err
wait_for_turn(struct sign_request *r)
{
    enum sp_err rc = fair_add(&r->keyholder->waiting, &r->waiting, &r->peer);

    if (rc == SP_OK)
        run_dispatch(r->keyholder);
    return rc;
}

void
keyholder_go_on(struct budget_turn *held)
{
    struct sign_request *r =
        (struct sign_request *)((char *)held - offsetof(struct sign_request, held));

    if (wait_for_turn(r) != SP_OK)
        answer_request(r, NULL);
}

enum sp_err
keyholder_ask(struct keyholder *k, const struct msg_sign *what, const struct sign_terms *terms,
              sign_answer *answer, void *owner, struct sign_request **out)
{
    struct sign_request *r = NULL;
    enum sp_err rc = SP_OK;

    if (what->key >= key_count(k) || what->tbs.len > sizeof r->tbs)
        return SP_INPUT;
    if ((r = calloc(1, sizeof *r)) == NULL)
        return SP_NOMEM;
    r->keyholder = k;
    r->peer = *terms->peer;
    r->number = ++k->numbers;
    r->answer = answer;
    r->owner = owner;
    r->key = what->key;
    r->scheme = what->scheme;
    r->len = what->tbs.len;
    memcpy(r->tbs, what->tbs.at, what->tbs.len);
    if ((rc = budget_ask(terms->budget, &r->held, terms->wait_us)) == SP_OK)
        rc = wait_for_turn(r);
    if (rc == SP_OK || rc == SP_AGAIN)
        *out = r;
    else
        free(r);
    return rc;
}

bool
keyholder_holds_back(const struct sign_request *r)
{
    return r->held.budget != NULL;
}

void
keyholder_forget(struct sign_request *r)
{
    if (r->held.budget == NULL && r->waiting.lane == NULL) {
        r->answer = NULL;       /* freed when its answer comes */
        r->owner = NULL;
        return;
    }
    budget_leave(&r->held);
    fair_take(&r->keyholder->waiting, &r->waiting);
    free(r);
}

/* ---- what it says ------------------------------------------------------------------ */

static struct sign_request *
take_sent(struct keyholder *k, uint64_t number)
{
    struct sign_request *r = NULL;

    TAILQ_FOREACH(r, &k->sent, entry)
        if (r->number == number)
            break;
    if (r == NULL)
        return NULL;
    TAILQ_REMOVE(&k->sent, r, entry);
    if (--k->outstanding == 0)
        (void)event_del(&k->deadline);
    else
        set_timer(&k->deadline, ANSWER_SECONDS * 1000L);
    run_dispatch(k);
    return r;
}

static enum sp_err
hear_ready(struct keyholder *k)
{
    k->ready = true;
    k->failures = 0;
    channel_enter(&k->channel, ST_READY);
    (void)event_del(&k->deadline);
    run_dispatch(k);
    generation_changed(k->generation, false);
    return SP_OK;
}

static enum sp_err
hear_loaded(struct keyholder *k, const struct message *m)
{
    struct msg_key_loaded in = { 0 };
    struct log_escaped kind, file;

    if (msg_key_loaded_unpack(m, &in) != SP_OK || in.index >= key_count(k))
        return SP_INPUT;
    log_event(EVENT_KEY_LOADED, "file=%s kind=%s bits=%u",
              log_text(slice_of(k->generation->settings.certificate_key.texts[in.index]), &file),
              log_text(in.kind, &kind), in.bits);
    k->generation->validity[in.index].from = in.from;
    k->generation->validity[in.index].until = in.until;
    return SP_OK;
}

static enum sp_err
hear_failed(struct keyholder *k, const struct message *m)
{
    struct msg_key_failed in = { 0 };
    char text[LOGSINK_TEXT_MAX];

    if (msg_key_failed_unpack(m, &in) != SP_OK || in.index >= key_count(k))
        return SP_INPUT;
    /* the text begins with the file's name and says what to do */
    log_event(EVENT_KEY_FAILED, "fault=\"%.1800s\"", logsink_line(in.text, text));
    generation_changed(k->generation, true);
    return SP_OK;
}

static enum sp_err
hear_signed(struct keyholder *k, const struct message *m)
{
    struct msg_key_signed in = { 0 };
    struct sign_request *r = NULL;

    if (msg_key_signed_unpack(m, &in) != SP_OK || (r = take_sent(k, in.number)) == NULL)
        return SP_INPUT;
    answer_request(r, &in.signature);
    return SP_OK;
}

static enum sp_err
hear_refused(struct keyholder *k, const struct message *m)
{
    struct msg_key_refused in = { 0 };
    struct sign_request *r = NULL;
    struct log_escaped text;

    if (msg_key_refused_unpack(m, &in) != SP_OK || (r = take_sent(k, in.number)) == NULL)
        return SP_INPUT;
    log_event(EVENT_KEY_REFUSED, "key=%u scheme=%04x fault=%s", (unsigned)r->key,
              (unsigned)r->scheme, log_text(in.text, &text));
    answer_request(r, NULL);
    return SP_OK;
}

static enum sp_err
hear(struct keyholder *k, const struct message *m)
{
    switch (m->type) {
    case MSG_READY: return hear_ready(k);
    case MSG_KEY_LOADED: return hear_loaded(k, m);
    case MSG_KEY_FAILED: return hear_failed(k, m);
    case MSG_KEY_SIGNED: return hear_signed(k, m);
    case MSG_KEY_REFUSED: return hear_refused(k, m);
    case MSG_LOG: return report_helper_log(KEYHOLDER, "keyholder", NULL, m);
    case MSG_SANDBOX:
        return report_helper_sandbox("keyholder", NULL, &k->generation->settings, m);
    default: return SP_INPUT;
    }
}

static bool
hear_one(struct keyholder *k)
{
    struct message m;
    unsigned type = MSG_NONE;
    enum sp_err rc = SP_OK;

    if (k->channel.fd == -1 || k->process.killed)
        return false;
    rc = channel_receive(&k->channel, &m);
    type = m.type;
    if (rc == SP_OK && (rc = hear(k, &m)) == SP_INPUT)
        k->channel.fault = message_name(type);
    message_clear(&m);
    if (rc == SP_OK)
        return true;
    if (rc == SP_INPUT) {
        log_event(EVENT_BREACH, "side=keyholder fault=%s", k->channel.fault);
        process_kill(&k->process);
    } else if (rc == SP_CLOSED) {
        (void)event_del(&k->readable); /* it is about to end: the process event says so */
    } else if (rc != SP_AGAIN) {
        log_event(EVENT_KEYHOLDER_FAILED, "fault=\"%s\"", strerror(errno));
        process_kill(&k->process); /* not heard, it would hold up every handshake */
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

/* ---- ending ------------------------------------------------------------------------ */

static void
close_channel(struct keyholder *k)
{
    if (k->channel.fd == -1)
        return;
    (void)event_del(&k->readable);
    channel_clear(&k->channel);
}

static void
retry_later(struct keyholder *k)
{
    unsigned shift = k->failures < 8 ? k->failures : 8;
    long wait = (long)RETRY_LEAST_MS << shift;

    k->failures++;
    set_timer(&k->retry, wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
}

/*
 * What it was asked when it died is refused and not asked again: it may be what it died
 * of. What waited goes to the next one.
 */
static void
on_process_end(void *owner, const struct process_end *how)
{
    struct keyholder *k = owner;
    struct sign_request *r = NULL;

    while (hear_one(k))
        continue;
    if (how->signal != 0 && !how->by_us)
        log_event(EVENT_KEYHOLDER_CRASHED, "signal=%d", how->signal);
    else
        log_event(EVENT_KEYHOLDER_ENDED, "status=%d", how->status);
    (void)event_del(&k->deadline);
    close_channel(k);
    k->ready = false;
    while ((r = TAILQ_FIRST(&k->sent)) != NULL) {
        TAILQ_REMOVE(&k->sent, r, entry);
        k->outstanding--;
        answer_request(r, NULL);
    }
    retry_later(k);
    generation_changed(k->generation, true);
}

static void
on_deadline_event(evutil_socket_t fd, short what, void *context)
{
    struct keyholder *k = context;

    (void)fd;
    (void)what;
    log_event(EVENT_KEYHOLDER_TIMEOUT, "what=%s", k->ready ? "answer" : "start");
    process_kill(&k->process);
}

static void
on_retry_event(evutil_socket_t fd, short what, void *context)
{
    struct keyholder *k = context;

    (void)fd;
    (void)what;
    if (generation_is_lost(k->generation))
        return;
    if (keyholder_start(k) != SP_OK) {
        retry_later(k);
        generation_changed(k->generation, true);
    }
}

enum sp_err
keyholder_init(struct keyholder *k, struct generation *g)
{
    struct event_base *loop = g->monitor->loop;
    enum sp_err rc = SP_OK;

    *k = (struct keyholder){ .generation = g, .channel = CHANNEL_EMPTY };
    process_init(&k->process);
    TAILQ_INIT(&k->sent);
    if ((rc = fair_init(&k->waiting)) != SP_OK)
        return rc;
    if (event_assign(&k->deadline, loop, -1, 0, on_deadline_event, k) == -1
        || event_assign(&k->retry, loop, -1, 0, on_retry_event, k) == -1
        || event_assign(&k->dispatch, loop, -1, 0, on_dispatch_event, k) == -1)
        return SP_NOMEM;
    return SP_OK;
}

void
keyholder_clear(struct keyholder *k)
{
    struct sign_request *r = NULL;

    if (k->generation == NULL)
        return;
    SP_ASSERT(fair_first(&k->waiting) == NULL);
    (void)event_del(&k->deadline);
    (void)event_del(&k->retry);
    (void)event_del(&k->dispatch);
    process_abandon(&k->process);
    close_channel(k);
    while ((r = TAILQ_FIRST(&k->sent)) != NULL) {
        TAILQ_REMOVE(&k->sent, r, entry);
        free(r);
    }
    k->generation = NULL;
}
