/* monitor/budget.c - see budget.h */
#include "monitor/budget.h"

#include <event2/event.h>

#include "base/clock.h"

/* For the next one that waits. */
static enum sp_err
set_timer(struct budget *b)
{
    int64_t wait = bucket_wait(&b->bucket, 1, clock_us());
    struct timeval after = { wait / 1000000, wait % 1000000 };

    return event_add(&b->timer, &after) == -1 ? SP_OS : SP_OK;
}

/* The next timer is set before the call: what is called may end the budget. */
static void
on_timer_event(evutil_socket_t fd, short what, void *context)
{
    struct budget *b = context;
    struct budget_turn *turn = TAILQ_FIRST(&b->waiting);

    (void)fd;
    (void)what;
    if (turn == NULL)
        return;
    if (!bucket_take(&b->bucket, clock_us())) {
        (void)set_timer(b);
        return;
    }
    TAILQ_REMOVE(&b->waiting, turn, entry);
    turn->budget = NULL;
    if (--b->count > 0)
        (void)set_timer(b);
    b->go(turn);
}

enum sp_err
budget_init(struct budget *b, struct event_base *loop, uint32_t burst, uint32_t rate,
            budget_go *go)
{
    *b = (struct budget){ .go = go };
    TAILQ_INIT(&b->waiting);
    bucket_init(&b->bucket, burst, rate, clock_us());
    return event_assign(&b->timer, loop, -1, 0, on_timer_event, b) == -1 ? SP_NOMEM : SP_OK;
}

void
budget_clear(struct budget *b)
{
    SP_ASSERT(b->count == 0);
    (void)event_del(&b->timer);
}

void
budget_change(struct budget *b, uint32_t burst, uint32_t rate)
{
    bucket_change(&b->bucket, burst, rate, clock_us());
}

enum sp_err
budget_ask(struct budget *b, struct budget_turn *turn, int64_t most_us)
{
    SP_ASSERT(turn->budget == NULL);
    if (b->count == 0 && bucket_take(&b->bucket, clock_us()))
        return SP_OK;
    if (bucket_wait(&b->bucket, b->count + 1, clock_us()) > most_us)
        return SP_REFUSED;
    if (b->count == 0 && set_timer(b) != SP_OK)
        return SP_OS;
    turn->budget = b;
    TAILQ_INSERT_TAIL(&b->waiting, turn, entry);
    b->count++;
    return SP_AGAIN;
}

void
budget_leave(struct budget_turn *turn)
{
    struct budget *b = turn->budget;

    if (b == NULL)
        return;
    turn->budget = NULL;
    TAILQ_REMOVE(&b->waiting, turn, entry);
    if (--b->count == 0)
        (void)event_del(&b->timer);
}

bool
budget_is_full(struct budget *b)
{
    return bucket_is_full(&b->bucket, clock_us());
}
