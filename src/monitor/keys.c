/* monitor/keys.c - see keys.h */
#include "monitor/keys.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "monitor/budget.h"
#include "monitor/logsink.h"

#define START_MS 30000          /* from execve to READY                                */
#define ANSWER_MS 30000         /* with something asked and nothing answered it hangs  */
#define OUTSTANDING_MOST 8      /* asked and not answered; all others take turns here  */
#define RETRY_LEAST_MS 100
#define RETRY_MOST_MS 10000
#define TBS_MOST 512            /* messages.def */

/* First it waits for its budget, then for its turn, then for the answer. */
struct sign_request {
    struct budget_turn held;
    struct fair_member waiting;
    struct child_asked asked;
    struct keyholder *keyholder;
    struct net_addr peer;
    sign_answer *answer;        /* NULL: nobody waits any more */
    void *owner;
    uint8_t key;
    uint16_t scheme;
    size_t len;
    unsigned char tbs[TBS_MOST];
};

static const struct settings *
settings_of(const struct keyholder *k)
{
    return k->home->settings;
}

static size_t
key_count(const struct keyholder *k)
{
    return settings_of(k)->certificate_key.count;
}

/* ---- starting ---------------------------------------------------------------------- */

static enum sp_err
send_keys(void *owner)
{
    struct keyholder *k = owner;
    struct channel *c = &k->helper.child.channel;
    const struct settings *s = settings_of(k);
    struct message m;
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < key_count(k); i++) {
        /* the certificate first: a key that is not its own is refused at start */
        rc = starter_send_certificate(c, (unsigned)i, s->certificate.texts[i],
                                      &k->home->certificates[i]);
        if (rc != SP_OK)
            return rc;
        msg_key_pack(&m, &(struct msg_key){
                             .index = (uint8_t)i,
                             .file = slice_of(s->certificate_key.texts[i]) });
        /* The offset is shared with an earlier keyholder's copy, which is gone by now. */
        if (lseek(k->keys[i], 0, SEEK_SET) == -1)
            return SP_OS;
        m.fds[0] = k->keys[i];
        m.nfds = 1;
        m.lent = true;
        rc = channel_send(c, &m);
        message_clear(&m);
        if (rc != SP_OK)
            return rc;
    }
    return SP_OK;
}

enum sp_err
keyholder_start(struct keyholder *k)
{
    if (key_count(k) == 0) {
        k->home->changed(k->home, false);
        return SP_OK;
    }
    return helper_start(&k->helper, k->home, &k->program);
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
        .number = r->asked.number, .key = r->key, .scheme = r->scheme,
        .tbs = slice_from(r->tbs, r->len) });
    return child_send(&k->helper.child, &m);
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
            helper_kill(&k->helper);    /* its end starts another one */
            return;
        }
        fair_take(&k->waiting, &r->waiting);
        TAILQ_INSERT_TAIL(&k->sent, &r->asked, entry);
        if (k->outstanding++ == 0)
            helper_give(&k->helper, ANSWER_MS);
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
    r->asked.number = ++k->numbers;
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
request_asked(struct child_asked *asked)
{
    return (struct sign_request *)((char *)asked - offsetof(struct sign_request, asked));
}

static struct sign_request *
take_sent(struct keyholder *k, uint64_t number)
{
    struct child_asked *a = child_find_asked(&k->sent, number);

    if (a == NULL)
        return NULL;
    TAILQ_REMOVE(&k->sent, a, entry);
    if (--k->outstanding == 0)
        child_clear_deadline(&k->helper.child);
    else
        helper_give(&k->helper, ANSWER_MS);
    run_dispatch(k);
    return request_asked(a);
}

static enum sp_err
hear_ready(struct keyholder *k)
{
    k->ready = true;
    k->retry.failures = 0;
    helper_enter_ready(&k->helper);
    run_dispatch(k);
    k->home->changed(k->home, false);
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
              log_text(slice_of(settings_of(k)->certificate_key.texts[in.index]), &file),
              log_text(in.kind, &kind), in.bits);
    k->validity[in.index].from = in.from;
    k->validity[in.index].until = in.until;
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
    k->home->changed(k->home, true);
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
hear(void *owner, struct message *m)
{
    switch (m->type) {
    case MSG_READY: return hear_ready(owner);
    case MSG_KEY_LOADED: return hear_loaded(owner, m);
    case MSG_KEY_FAILED: return hear_failed(owner, m);
    case MSG_KEY_SIGNED: return hear_signed(owner, m);
    case MSG_KEY_REFUSED: return hear_refused(owner, m);
    default: return SP_INPUT;
    }
}

/* ---- ending ------------------------------------------------------------------------ */

static void
on_failed(const void *owner, const char *fault)
{
    const struct keyholder *k = owner;

    log_event(EVENT_KEYHOLDER_FAILED, "program=%s/%s fault=\"%s\"", k->program.directory,
              KEYHOLDER_PROGRAM, fault);
}

static void
try_later(struct keyholder *k)
{
    if (!retry_later(&k->retry))
        on_failed(k, "no memory for a timer");
    k->home->changed(k->home, true);
}

/*
 * What it was asked when it died is refused and not asked again: it may be what it died
 * of. What waited goes to the next one.
 */
static void
on_ended(void *owner, const struct process_end *how)
{
    struct keyholder *k = owner;
    struct child_asked *a = NULL;

    if (how->signal != 0 && !how->by_us)
        log_event(EVENT_KEYHOLDER_CRASHED, "signal=%d", how->signal);
    else
        log_event(EVENT_KEYHOLDER_ENDED, "status=%d", how->status);
    k->ready = false;
    while ((a = TAILQ_FIRST(&k->sent)) != NULL) {
        TAILQ_REMOVE(&k->sent, a, entry);
        k->outstanding--;
        answer_request(request_asked(a), NULL);
    }
    try_later(k);
}

static void
on_overdue(void *owner)
{
    struct keyholder *k = owner;

    log_event(EVENT_KEYHOLDER_TIMEOUT, "what=%s", k->ready ? "answer" : "start");
    helper_kill(&k->helper);
}

static void
on_retry_event(evutil_socket_t fd, short what, void *context)
{
    struct keyholder *k = context;

    (void)fd;
    (void)what;
    if (!k->home->lost && keyholder_start(k) != SP_OK)
        try_later(k);
}

enum sp_err
keyholder_init(struct keyholder *k, struct helper_home *home)
{
    static const struct helper_calls calls = {
        .side = "keyholder", .peer = KEYHOLDER, .sender = KEYHOLDER, .at_once = 1,
        .start_ms = START_MS, .greet = send_keys, .hear = hear, .overdue = on_overdue,
        .ended = on_ended, .failed = on_failed,
    };
    struct event_base *loop = home->children->loop;
    enum sp_err rc = SP_OK;

    *k = (struct keyholder){ .home = home };
    helper_init(&k->helper, &calls, k);
    TAILQ_INIT(&k->sent);
    if ((rc = fair_init(&k->waiting)) != SP_OK
        || (rc = retry_init(&k->retry, loop, RETRY_LEAST_MS, RETRY_MOST_MS, on_retry_event, k))
               != SP_OK)
        return rc;
    return event_assign(&k->dispatch, loop, -1, 0, on_dispatch_event, k) == 0 ? SP_OK
                                                                              : SP_NOMEM;
}

void
keyholder_clear(struct keyholder *k)
{
    struct child_asked *a = NULL;

    if (k->home == NULL)
        return;
    SP_ASSERT(fair_first(&k->waiting) == NULL);
    retry_clear(&k->retry);
    (void)event_del(&k->dispatch);
    helper_abandon(&k->helper);
    while ((a = TAILQ_FIRST(&k->sent)) != NULL) {
        TAILQ_REMOVE(&k->sent, a, entry);
        free(request_asked(a));
    }
    k->home = NULL;
}
