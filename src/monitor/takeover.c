/* monitor/takeover.c - see takeover.h */
#include "monitor/takeover.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/generation.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "monitor/session.h"
#include "wire/pack.h"

#define ANSWER_MS 3000          /* for the other brokers: one may be busy, with a sync, say */
#define END_MS 10000            /* for the session that yields, worker and broker           */

struct takeover {
    LIST_ENTRY(takeover) entry;
    uint64_t number;
    struct part *asks;
    const struct part **asked;  /* brokers that have not answered yet    */
    size_t waiting;             /* so many                               */
    bool yielded;               /* somebody has:                         */
    const struct part *worker, *broker; /* its own, until they are gone  */
    struct event timer;
};

static void
drop(struct takeover *t)
{
    (void)event_del(&t->timer);
    LIST_REMOVE(t, entry);
    free(t->asked);
    free(t);
}

static void
tell(struct part *broker)
{
    struct message m;

    msg_taken_over_pack(&m, &(struct msg_taken_over){ 0 });
    SP_IGNORE(part_send(broker, &m));   /* one that does not read waits for nothing */
}

static void
finish(struct takeover *t)
{
    tell(t->asks);
    drop(t);
}

static void
on_timer_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    finish(context);
}

static void
set_timer(struct takeover *t, int ms)
{
    const struct timeval after = { ms / 1000, ms % 1000 * 1000L };

    if (event_add(&t->timer, &after) == -1)
        finish(t);
}

/* For so long it has to have been silent. */
static int64_t
silence_between(const struct session *asks, const struct session *other)
{
    const struct settings *set = &asks->generation->settings;
    struct net_network near = admission_network(&asks->peer);

    return net_contains(&near, &other->peer) ? set->takeover_silence
                                             : set->takeover_silence_elsewhere;
}

static bool
may_be_asked(const struct part *asks, const struct session *other)
{
    const struct part *broker = other->broker;

    return other != asks->session && !other->ended && broker != NULL
        && broker->child.channel.state == ST_USER && broker->account != NULL
        && strcmp(broker->account, asks->account) == 0;
}

static enum sp_err
ask_all(struct takeover *t, const struct msg_take_over *in)
{
    struct session *s = t->asks->session, *other = NULL;
    struct message m;
    size_t count = 0;

    TAILQ_FOREACH(other, &s->monitor->sessions, entry)
        count += may_be_asked(t->asks, other);
    if (count == 0)
        return SP_OK;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers is meant */
    if ((t->asked = calloc(count, sizeof *t->asked)) == NULL)
        return SP_NOMEM;
    TAILQ_FOREACH(other, &s->monitor->sessions, entry) {
        if (!may_be_asked(t->asks, other))
            continue;
        msg_yield_pack(&m, &(struct msg_yield){
            .number = t->number, .dev_major = in->dev_major, .dev_minor = in->dev_minor,
            .inode = in->inode, .seconds = (uint32_t)silence_between(s, other) });
        if (part_send(other->broker, &m) == SP_OK)
            t->asked[t->waiting++] = other->broker;
    }
    return SP_OK;
}

/* No answer of this one is waited for any more. False: it was not. */
static bool
strike(struct takeover *t, const struct part *broker)
{
    for (size_t i = 0; i < t->waiting; i++) {
        if (t->asked[i] == broker) {
            t->asked[i] = t->asked[--t->waiting];
            return true;
        }
    }
    return false;
}

static struct takeover *
find(const struct monitor *m, const struct part *asks, uint64_t number)
{
    struct takeover *t = NULL;

    LIST_FOREACH(t, &m->takeovers.asked, entry)
        if (t->asks == asks || t->number == number)
            return t;
    return NULL;
}

enum sp_err
takeover_hear_ask(struct part *broker, const struct message *message)
{
    struct session *s = broker->session;
    struct monitor *m = s->monitor;
    struct msg_take_over in = { 0 };
    struct takeover *t = NULL;

    if (msg_take_over_unpack(message, &in) != SP_OK || find(m, broker, 0) != NULL)
        return SP_INPUT;
    if (broker->account == NULL || !bucket_take(&s->takeovers, clock_us())
        || (t = calloc(1, sizeof *t)) == NULL) {
        tell(broker);
        return SP_OK;
    }
    if (event_assign(&t->timer, m->loop, -1, 0, on_timer_event, t) == -1) {
        free(t);
        tell(broker);
        return SP_OK;
    }
    t->asks = broker;
    t->number = ++m->takeovers.numbers;
    LIST_INSERT_HEAD(&m->takeovers.asked, t, entry);
    if (ask_all(t, &in) != SP_OK || t->waiting == 0)
        finish(t);
    else
        set_timer(t, ANSWER_MS);
    return SP_OK;
}

/* Its session ends; who asked waits until its processes are gone. */
static void
end_session(struct takeover *t, struct part *broker)
{
    struct session *s = broker->session;

    t->yielded = true;
    t->broker = broker;
    t->worker = s->worker;
    report_session(s, EVENT_UPLOAD_TAKEN_OVER, "user=%s by=%s",
                   s->user == NULL ? "-" : s->user, t->asks->session->id);
    set_timer(t, END_MS);
    session_shutdown(s, "taken-over",
                     "Another session of your account resumed this upload; closing connection.");
}

enum sp_err
takeover_hear_answer(struct part *broker, const struct message *message)
{
    struct msg_yields in = { 0 };
    struct takeover *t = NULL;

    if (msg_yields_unpack(message, &in) != SP_OK)
        return SP_INPUT;
    /* else it is too late to matter, or was never asked */
    if ((t = find(broker->session->monitor, NULL, in.number)) == NULL || !strike(t, broker)
        || t->yielded)
        return SP_OK;
    if (in.yes == 1)
        end_session(t, broker);
    else if (t->waiting == 0)
        finish(t);
    return SP_OK;
}

void
takeover_gone(const struct part *part)
{
    struct takeover *t = LIST_FIRST(&part->session->monitor->takeovers.asked), *next = NULL;

    for (; t != NULL; t = next) {
        next = LIST_NEXT(t, entry);
        if (t->worker == part)
            t->worker = NULL;
        if (t->broker == part)
            t->broker = NULL;
        (void)strike(t, part);
        if (t->asks == part)
            drop(t);
        else if (t->yielded ? t->worker == NULL && t->broker == NULL : t->waiting == 0)
            finish(t);
    }
}
