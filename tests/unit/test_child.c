/* tests/unit/test_child.c - monitor/child.c, monitor/retry.c: a channel without a process */
#include "monitor/child.h"

#include <event2/event.h>
#include <sys/socket.h>

#include "monitor/retry.h"
#include "suites_monitor.h"
#include "wire/pack.h"

/* What the child has told. */
static struct told {
    unsigned heard, broke, overdue, closed;
    enum sp_err why;
    long pause;                 /* how long it is not heard, once */
} told;

static long
on_turn(void *owner)
{
    struct told *t = owner;
    long pause = t->pause;

    t->pause = 0;
    return pause;
}

static enum sp_err
on_message(void *owner, struct message *m, const char **fault)
{
    CU_ASSERT_PTR_NULL(*fault);
    ((struct told *)owner)->heard++;
    return m->type == MSG_READY ? SP_OK : SP_INPUT;
}

static void
on_breach(void *owner, unsigned type, const char *fault)
{
    (void)type;
    (void)fault;
    ((struct told *)owner)->broke++;
}

static void
on_closed(void *owner, enum sp_err why)
{
    ((struct told *)owner)->closed++;
    ((struct told *)owner)->why = why;
}

static void
on_overdue(void *owner)
{
    ((struct told *)owner)->overdue++;
}

static struct event_base *loop;
static struct channel theirs;

static void
begin(struct child *c, const struct child_calls *calls)
{
    int ours = -1, other = -1;

    told = (struct told){ .why = SP_OK };
    CU_ASSERT_PTR_NOT_NULL_FATAL(loop = event_base_new());
    CU_ASSERT_EQUAL_FATAL(channel_pair(&ours, &other), SP_OK);
    channel_init(&theirs, other, TEMPLATE, MONITOR, ST_START);
    child_init(c, calls, &told);
    CU_ASSERT_EQUAL_FATAL(child_open(c, loop, &ours, TEMPLATE, ST_START), SP_OK);
    CU_ASSERT_EQUAL(ours, -1);
}

static void
end(struct child *c)
{
    child_clear(c);
    child_clear(c);             /* harmless */
    CU_ASSERT_EQUAL(c->channel.fd, -1);
    channel_clear(&theirs);
    event_base_free(loop);
}

static void
say_ready(void)
{
    struct message m;

    msg_ready_pack(&m, &(struct msg_ready){ 0 });
    CU_ASSERT_EQUAL(channel_send(&theirs, &m), SP_OK);
}

static const struct child_calls calls = { on_turn, on_message, on_breach, on_closed, on_overdue,
                                          NULL, 2 };

static void
a_few_messages_are_heard_at_once(void)
{
    struct child c;

    begin(&c, &calls);
    for (unsigned i = 0; i < 3; i++)
        say_ready();
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_ONCE), -1);
    CU_ASSERT_EQUAL(told.heard, 2);
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_ONCE), -1);
    CU_ASSERT_EQUAL(told.heard, 3);
    end(&c);
}

static void
who_has_no_turn_is_heard_later(void)
{
    struct child c;

    begin(&c, &calls);
    told.pause = 1;
    say_ready();
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_ONCE), -1);    /* it is not its turn  */
    CU_ASSERT_EQUAL(told.heard, 0);
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_ONCE), -1);    /* the pause is over   */
    CU_ASSERT_EQUAL(told.heard, 0);
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_ONCE), -1);
    CU_ASSERT_EQUAL(told.heard, 1);
    told.pause = 600000;
    say_ready();
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_ONCE), -1);
    end(&c);                                            /* in the middle of a pause */
}

static void
a_broken_rule_is_told(void)
{
    struct child c;

    begin(&c, &calls);
    CU_ASSERT_EQUAL(send(theirs.fd, "?", 1, 0), 1);
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_ONCE), -1);
    CU_ASSERT_EQUAL(told.broke, 1);
    CU_ASSERT_EQUAL(told.heard, 0);
    end(&c);
}

static void
the_end_of_its_channel_is_told_once(void)
{
    struct child c;
    struct message m;

    begin(&c, &calls);
    say_ready();
    channel_clear(&theirs);
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_NONBLOCK), -1);
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_NONBLOCK), -1);
    CU_ASSERT_EQUAL(told.heard, 1);
    CU_ASSERT_EQUAL(told.closed, 1);
    CU_ASSERT_EQUAL(told.why, SP_CLOSED);
    CU_ASSERT_EQUAL(c.channel.fd, -1);
    CU_ASSERT_EQUAL(c.channel.state, ST_START);         /* how far it came */
    msg_start_pack(&m, &(struct msg_start){ 0 });
    CU_ASSERT_EQUAL(child_send(&c, &m), SP_CLOSED);
    message_clear(&m);
    end(&c);
}

static void
its_deadline_is_told(void)
{
    struct child c;

    begin(&c, &calls);
    CU_ASSERT_TRUE(child_set_deadline(&c, 600000));
    child_clear_deadline(&c);
    CU_ASSERT_TRUE(child_set_deadline(&c, 1));
    CU_ASSERT_NOT_EQUAL(event_base_loop(loop, EVLOOP_ONCE), -1);
    CU_ASSERT_EQUAL(told.overdue, 1);
    end(&c);
}

static void
on_retry(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
}

/* Milliseconds, rounded: time may have passed since it was set. */
static long
left_of(const struct retry *r)
{
    struct timeval at = { 0, 0 }, now = { 0, 0 };

    CU_ASSERT_TRUE_FATAL(event_pending(&r->timer, EV_TIMEOUT, &at) != 0);
    CU_ASSERT_EQUAL(evutil_gettimeofday(&now, NULL), 0);
    return (at.tv_sec - now.tv_sec) * 1000 + (at.tv_usec - now.tv_usec) / 1000;
}

/* The machine may stand still for minutes, and the clocks differ a little. */
static bool
is_about(long wait, long milliseconds)
{
    return wait > milliseconds / 2 + 1000 && wait <= milliseconds + 1000;
}

static void
each_failure_waits_longer_up_to_a_bound(void)
{
    struct retry r;
    long waits[4] = { 0 };

    CU_ASSERT_PTR_NOT_NULL_FATAL(loop = event_base_new());
    CU_ASSERT_EQUAL(retry_init(&r, loop, 1000000, 4000000, on_retry, NULL), SP_OK);
    CU_ASSERT_FALSE(retry_waits(&r));
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(retry_later(&r));
        waits[i] = left_of(&r);
    }
    CU_ASSERT_TRUE(retry_waits(&r));
    CU_ASSERT_EQUAL(r.failures, 4);
    CU_ASSERT_TRUE(is_about(waits[0], 1000000) && is_about(waits[1], 2000000));
    CU_ASSERT_TRUE(is_about(waits[2], 4000000) && is_about(waits[3], 4000000));
    retry_clear(&r);
    CU_ASSERT_FALSE(retry_waits(&r));
    event_base_free(loop);
}

static const struct unit_test tests[] = {
    { "a few messages are heard at once", a_few_messages_are_heard_at_once },
    { "who has no turn is heard later", who_has_no_turn_is_heard_later },
    { "a broken rule is told", a_broken_rule_is_told },
    { "the end of its channel is told once", the_end_of_its_channel_is_told_once },
    { "its deadline is told", its_deadline_is_told },
    { "each failure waits longer, up to a bound", each_failure_waits_longer_up_to_a_bound },
    { NULL, NULL }
};

const struct unit_suite suite_child = { "child", tests };
