/* monitor/spawn.c - see spawn.h: the queue of requests, and which template serves it */
#include "monitor/spawn.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/log.h"

#define OUTSTANDING_MOST 16     /* requests that one template has not answered yet */
#define RETRY_LEAST_MS 100
#define RETRY_MOST_MS 10000

void
spawn_request_init(struct spawn_request *r, spawn_answer *answer, void *owner)
{
    *r = (struct spawn_request){ .answer = answer, .owner = owner };
    for (unsigned i = 0; i < MESSAGE_FDS; i++)
        r->fds[i] = -1;
}

void
spawn_request_clear(struct spawn_request *r)
{
    for (unsigned i = 0; i < MESSAGE_FDS; i++)
        fd_close(&r->fds[i]);
}

static unsigned
share(const struct pool *p)
{
    return (unsigned)p->home->settings->template_sessions;
}

static void
run_dispatch(struct pool *p)
{
    event_active(&p->dispatch, EV_TIMEOUT, 0);
}

/* ---- which template ---------------------------------------------------------------- */

static void
try_later(struct pool *p)
{
    if (!retry_later(&p->retry))
        log_event(EVENT_TEMPLATE_FAILED, "kind=%s fault=\"no memory for a timer\"",
                  template_kind_name(p->kind));
}

static void on_template_ready(struct pool *p, struct template *t);
static void on_template_answered(struct pool *p, struct spawn_request *r, pid_t pid, int *pidfd,
                                 int error);
static void on_template_gone(struct pool *p, struct template *t, bool was_ready, bool in_order);

static enum sp_err
begin_template(struct pool *p)
{
    static const struct template_calls calls = { on_template_ready, on_template_answered,
                                                 on_template_gone };
    const struct template_birth birth = { p, &calls, p->kind, p->home, &p->program,
                                          &p->templates };

    return template_new(&birth, ++p->serials, &p->next);
}

/* The next template, unless one is under way, or has just failed and has to wait. */
static void
prepare_next(struct pool *p)
{
    if (p->next != NULL || p->stopped || retry_waits(&p->retry))
        return;
    if (begin_template(p) == SP_OK)
        return;
    try_later(p);
    p->home->changed(p->home, true);
}

/*
 * Its share is served and no other is ready. As long as one is on its way, requests wait for
 * it; but when fresh ones fail, an old one that works is better than nobody.
 */
static bool
may_go_on(struct pool *p)
{
    if (p->retry.failures == 0)
        return false;
    if (!p->kept)
        log_event(EVENT_TEMPLATE_KEPT, "kind=%s", template_kind_name(p->kind));
    p->kept = true;
    return true;
}

/* A template that may be asked now, or NULL: then one is on its way. */
static struct template *
template_for_request(struct pool *p)
{
    bool worn = false;

    if (p->active != NULL && !template_is_ready(p->active)) {
        template_retire(p->active);
        p->active = NULL;
    }
    worn = p->active != NULL && template_served(p->active) >= share(p);
    if ((p->active == NULL || worn) && p->next != NULL && template_is_ready(p->next)) {
        if (worn)
            template_retire(p->active);
        p->active = p->next;
        p->next = NULL;
        worn = false;
    }
    if (p->active == NULL || worn)
        prepare_next(p);
    /* cppcheck-suppress CastIntegerToAddressAtReturn ; it is a pointer */
    return worn && !may_go_on(p) ? NULL : p->active;
}

/* ---- requests ---------------------------------------------------------------------- */

static void
answer_request(struct spawn_request *r, pid_t pid, int *pidfd, int error)
{
    if (error == 0)
        spawn_request_clear(r);
    r->pool = NULL;
    r->answer(r->owner, r, pid, pidfd, error);
}

static void
take_from_queue(struct pool *p, struct spawn_request *r)
{
    TAILQ_REMOVE(&p->waiting, &r->asked, entry);
    if (r->cancelled)
        p->cancelled--;
}

static void
drop_cancelled(struct pool *p)
{
    struct child_asked *a = NULL;
    int none = -1;

    while (p->cancelled > 0) {
        struct spawn_request *r = NULL;

        TAILQ_FOREACH(a, &p->waiting, entry)
            if (spawn_request_asked(a)->cancelled)
                break;
        SP_ASSERT(a != NULL);
        r = spawn_request_asked(a);
        take_from_queue(p, r);
        answer_request(r, 0, &none, ECANCELED);
    }
}

/*
 * Our copies of the descriptors are kept until the answer, so that a client whose worker
 * could not be made can still be told. Not lent, but duplicated: a monitor that has no
 * descriptor left learns it now, and not when SPAWNED brings one.
 */
static enum sp_err
send_request(struct template *t, struct spawn_request *r)
{
    int copies[MESSAGE_FDS] = { -1, -1 };
    enum sp_err rc = SP_OS;

    for (unsigned i = 0; i < MESSAGE_FDS && r->fds[i] != -1; i++)
        if ((copies[i] = fcntl(r->fds[i], F_DUPFD_CLOEXEC, 3)) == -1)
            goto out;
    rc = template_send(t, r, copies);
out:
    for (unsigned i = 0; i < MESSAGE_FDS; i++)
        fd_close(&copies[i]);
    return rc;
}

static void
on_dispatch_event(evutil_socket_t fd, short what, void *context)
{
    struct pool *p = context;
    struct child_asked *first = NULL;
    struct template *t = NULL;
    int none = -1;

    (void)fd;
    (void)what;
    drop_cancelled(p);
    while ((first = TAILQ_FIRST(&p->waiting)) != NULL && (t = template_for_request(p)) != NULL
           && template_outstanding(t) < OUTSTANDING_MOST) {
        struct spawn_request *r = spawn_request_asked(first);
        enum sp_err rc = SP_OK;

        r->asked.number = ++p->numbers;
        take_from_queue(p, r);
        if ((rc = send_request(t, r)) == SP_OK)
            continue;
        if (rc == SP_AGAIN && template_outstanding(t) > 0) {
            TAILQ_INSERT_HEAD(&p->waiting, &r->asked, entry);   /* goes on with the next answer */
            if (r->cancelled)
                p->cancelled++;
            return;
        }
        if (rc == SP_OS && (errno == EMFILE || errno == ENFILE)) {
            answer_request(r, 0, &none, errno);
            continue;
        }
        TAILQ_INSERT_HEAD(&p->waiting, &r->asked, entry);
        if (r->cancelled)
            p->cancelled++;
        template_break(t, rc == SP_CLOSED ? NULL : "cannot-send");
        return;
    }
    if (p->active != NULL && !p->lazy
        && template_served(p->active) >= share(p) - share(p) / 4)
        prepare_next(p);
    if (p->lazy && TAILQ_EMPTY(&p->waiting) && p->active != NULL) {
        template_retire(p->active);
        p->active = NULL;
    }
}

void
pool_ask(struct pool *p, struct spawn_request *r)
{
    r->pool = p;
    r->template = NULL;
    r->cancelled = false;
    TAILQ_INSERT_TAIL(&p->waiting, &r->asked, entry);
    run_dispatch(p);
}

void
spawn_cancel(struct spawn_request *r)
{
    if (r->pool == NULL || r->template != NULL || r->cancelled)
        return;
    r->cancelled = true;
    r->pool->cancelled++;
    run_dispatch(r->pool);
}

void
spawn_forget(struct spawn_request *r)
{
    if (r->pool == NULL)
        return;
    if (r->template != NULL)
        template_forget(r->template, r);
    else
        take_from_queue(r->pool, r);
    r->pool = NULL;
}

/* ---- what a template reports (template.h) ------------------------------------------ */

static void
on_template_ready(struct pool *p, struct template *t)
{
    p->retry.failures = 0;
    if (p->kept)
        log_event(EVENT_TEMPLATE_REPLACED, "kind=%s", template_kind_name(p->kind));
    p->kept = false;
    if (p->active == NULL && p->next == t) {
        p->active = t;
        p->next = NULL;
    }
    run_dispatch(p);
    p->home->changed(p->home, false);
}

static void
on_template_answered(struct pool *p, struct spawn_request *r, pid_t pid, int *pidfd, int error)
{
    answer_request(r, pid, pidfd, error);
    run_dispatch(p);
}

static void
on_template_gone(struct pool *p, struct template *t, bool was_ready, bool in_order)
{
    bool needed = p->active == t || p->next == t;

    if (p->active == t)
        p->active = NULL;
    if (p->next == t)
        p->next = NULL;
    if (in_order || p->stopped || !needed)
        return;
    try_later(p);
    run_dispatch(p);            /* another one may be ready */
    if (!was_ready)
        p->home->changed(p->home, true);
}

static void
on_retry_event(evutil_socket_t fd, short what, void *context)
{
    struct pool *p = context;

    (void)fd;
    (void)what;
    if (!p->home->lost && (!p->lazy || !TAILQ_EMPTY(&p->waiting)))
        prepare_next(p);
}

/* ---- the pool ---------------------------------------------------------------------- */

enum sp_err
pool_init(struct pool *p, enum pool_kind kind, struct helper_home *home)
{
    struct event_base *loop = home->children->loop;

    *p = (struct pool){ .home = home, .kind = kind };
    TAILQ_INIT(&p->waiting);
    LIST_INIT(&p->templates);
    if (event_assign(&p->dispatch, loop, -1, 0, on_dispatch_event, p) == -1)
        return SP_NOMEM;
    return retry_init(&p->retry, loop, RETRY_LEAST_MS, RETRY_MOST_MS, on_retry_event, p);
}

enum sp_err
pool_start(struct pool *p)
{
    return begin_template(p);
}

bool
pool_is_ready(const struct pool *p)
{
    return p->active != NULL || (p->next != NULL && template_is_ready(p->next));
}

void
pool_suspect(struct pool *p, uint64_t template_serial)
{
    if (p->active == NULL || template_serial_of(p->active) != template_serial)
        return;
    template_retire(p->active);
    p->active = NULL;
    if (!p->lazy)
        (void)template_for_request(p);
}

void
pool_refresh(struct pool *p)
{
    struct template *t = p->next;

    p->next = NULL;
    if (t != NULL)
        template_retire(t);
    if (!p->lazy)
        prepare_next(p);
}

void
pool_make_lazy(struct pool *p)
{
    p->lazy = true;
    if (p->next != NULL) {
        struct template *t = p->next;

        p->next = NULL;
        template_retire(t);
    }
    run_dispatch(p);
}

void
pool_clear(struct pool *p)
{
    struct template *t = NULL;

    if (p->home == NULL)
        return;
    SP_ASSERT(TAILQ_EMPTY(&p->waiting));
    p->stopped = true;
    p->active = p->next = NULL;
    while ((t = LIST_FIRST(&p->templates)) != NULL)
        template_abandon(t);
    (void)event_del(&p->dispatch);
    retry_clear(&p->retry);
    p->home = NULL;
}
