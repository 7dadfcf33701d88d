/* tests/unit/test_budget.c - monitor/budget.c, monitor/fair.c, monitor/kin.c */
#include "monitor/budget.h"

#include <event2/event.h>
#include <stddef.h>
#include <string.h>

#include "monitor/fair.h"
#include "monitor/kin.h"
#include "suites_monitor.h"

#define SECOND 1000000
#define TURNS 8

static struct turn { struct budget_turn turn; unsigned went; } turns[TURNS];
static unsigned went;

static void
go(struct budget_turn *turn)
{
    ((struct turn *)((char *)turn - offsetof(struct turn, turn)))->went = ++went;
}

/* Empty, and nothing comes in until time says so: no verdict here depends on it. */
static void
freeze(struct budget *b)
{
    b->bucket.level = 0;
    b->bucket.filled = INT64_MAX;
}

static void
set_up(struct budget *b, struct event_base *loop, uint32_t rate)
{
    memset(turns, 0, sizeof turns);
    went = 0;
    CU_ASSERT_EQUAL_FATAL(budget_init(b, loop, 2, rate, go), SP_OK);
}

static void
turns_come_in_order(void)
{
    struct event_base *loop = event_base_new();
    struct budget b;

    set_up(&b, loop, 1000);
    CU_ASSERT_TRUE(budget_is_full(&b));
    CU_ASSERT_EQUAL(budget_ask(&b, &turns[0].turn, 0), SP_OK);
    freeze(&b);
    for (unsigned i = 1; i < 5; i++)
        CU_ASSERT_EQUAL(budget_ask(&b, &turns[i].turn, SECOND), SP_AGAIN);
    budget_leave(&turns[2].turn);
    budget_leave(&turns[2].turn);
    CU_ASSERT_EQUAL(b.count, 3);
    b.bucket.level = (uint64_t)2 * SECOND;      /* two */
    for (unsigned i = 0; i < 10000 && went < 2; i++)
        (void)event_base_loop(loop, EVLOOP_ONCE);
    CU_ASSERT_EQUAL(turns[1].went, 1);
    CU_ASSERT_EQUAL(turns[3].went, 2);
    CU_ASSERT_EQUAL(turns[4].went, 0);
    /* who comes later is behind who waits, also where there is one left */
    b.bucket.level = (uint64_t)1 * SECOND;
    CU_ASSERT_EQUAL(budget_ask(&b, &turns[5].turn, SECOND), SP_AGAIN);
    for (unsigned i = 0; i < 10000 && went < 3; i++)
        (void)event_base_loop(loop, EVLOOP_ONCE);
    CU_ASSERT_EQUAL(turns[4].went, 3);
    budget_leave(&turns[5].turn);
    CU_ASSERT_FALSE(budget_is_full(&b));
    budget_clear(&b);
    event_base_free(loop);
}

static void
waits_are_bounded(void)
{
    struct event_base *loop = event_base_new();
    struct budget b;

    set_up(&b, loop, 1);
    freeze(&b);
    CU_ASSERT_EQUAL(budget_ask(&b, &turns[0].turn, 5 * SECOND / 2), SP_AGAIN);
    CU_ASSERT_EQUAL(budget_ask(&b, &turns[1].turn, 5 * SECOND / 2), SP_AGAIN);
    CU_ASSERT_EQUAL(budget_ask(&b, &turns[2].turn, 5 * SECOND / 2), SP_REFUSED);
    CU_ASSERT_PTR_NULL(turns[2].turn.budget);
    budget_leave(&turns[0].turn);
    CU_ASSERT_EQUAL(budget_ask(&b, &turns[2].turn, 5 * SECOND / 2), SP_AGAIN);
    budget_leave(&turns[1].turn);
    budget_leave(&turns[2].turn);
    budget_clear(&b);
    event_base_free(loop);
}

static void
figures_can_change(void)
{
    struct bucket b;

    bucket_init(&b, 10, 2, 0);
    CU_ASSERT_TRUE(bucket_is_full(&b, 0));
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_TRUE(bucket_take(&b, 0));
    CU_ASSERT_EQUAL(bucket_wait(&b, 6, 0), 0);
    CU_ASSERT_EQUAL(bucket_wait(&b, 7, 0), SECOND / 2);
    CU_ASSERT_EQUAL(bucket_wait(&b, 7, SECOND / 4), SECOND / 4);
    bucket_change(&b, 20, 4, SECOND / 4);       /* 6.5 are left */
    CU_ASSERT_EQUAL(bucket_wait(&b, 8, SECOND / 4), 375000);
    bucket_change(&b, 3, 4, SECOND / 4);
    CU_ASSERT_TRUE(bucket_is_full(&b, SECOND / 4));
}

/* ---- fair -------------------------------------------------------------------------- */

static struct net_addr
address(const char *text)
{
    struct net_addr a = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL(net_parse(&a, slice_of(text)), SP_OK);
    return a;
}

/* Three of one address, two of a /48, and one who comes last. */
static void
networks_take_turns(void)
{
    static const char *const from[] = { "192.0.2.1", "192.0.2.1", "192.0.2.1",
                                        "2001:db8:1:1::1", "2001:db8:1:2::1", "192.0.2.2" };
    static const unsigned order[] = { 0, 3, 5, 1, 4, 2 };
    struct fair_member members[6] = { 0 };
    struct fair f;

    CU_ASSERT_EQUAL_FATAL(fair_init(&f), SP_OK);
    CU_ASSERT_PTR_NULL(fair_first(&f));
    for (unsigned i = 0; i < 6; i++) {
        const struct net_addr a = address(from[i]);

        CU_ASSERT_EQUAL(fair_add(&f, &members[i], &a), SP_OK);
    }
    for (unsigned i = 0; i < 6; i++) {
        CU_ASSERT_PTR_EQUAL(fair_first(&f), &members[order[i]]);
        fair_take(&f, &members[order[i]]);
        fair_take(&f, &members[order[i]]);
    }
    CU_ASSERT_PTR_NULL(fair_first(&f));
}

/* ---- kin --------------------------------------------------------------------------- */

static const struct kin_figures figures = { 2, 1, go };

static struct kin *
join(struct kins *k, struct event_base *loop, const char *account, const char *from)
{
    const struct net_addr a = address(from);

    return kin_join(k, loop, account, &a, &figures);
}

static void
an_account_at_an_address_shares(void)
{
    static struct kins k;
    struct event_base *loop = event_base_new();
    struct kin *alice = NULL, *bob = NULL, *elsewhere = NULL, *six = NULL;

    CU_ASSERT_EQUAL_FATAL(kins_init(&k), SP_OK);
    alice = join(&k, loop, "users:alice", "192.0.2.1");
    CU_ASSERT_PTR_NOT_NULL_FATAL(alice);
    CU_ASSERT_PTR_EQUAL(join(&k, loop, "users:alice", "192.0.2.1"), alice);
    bob = join(&k, loop, "users:bob", "192.0.2.1");
    elsewhere = join(&k, loop, "users:alice", "192.0.2.2");
    CU_ASSERT_TRUE(bob != alice && elsewhere != alice && elsewhere != bob);
    six = join(&k, loop, "users:alice", "2001:db8:1:1::1");
    CU_ASSERT_PTR_EQUAL(join(&k, loop, "users:alice", "2001:db8:1:ffff::1"), six);
    /* who logs out and in again finds what is left */
    freeze(&alice->signatures);
    kin_leave(&k, alice);
    kin_leave(&k, alice);
    kin_leave(&k, NULL);
    CU_ASSERT_EQUAL(k.idle_count, 1);
    CU_ASSERT_PTR_EQUAL(join(&k, loop, "users:alice", "192.0.2.1"), alice);
    CU_ASSERT_EQUAL(alice->signatures.bucket.level, 0);
    CU_ASSERT_EQUAL(k.idle_count, 0);
    /* where nothing is to be remembered, nothing is */
    kin_leave(&k, bob);
    kin_leave(&k, elsewhere);
    kin_leave(&k, six);
    kin_leave(&k, six);
    kin_leave(&k, alice);
    CU_ASSERT_EQUAL(k.idle_count, 1);
    kins_clear(&k);
    event_base_free(loop);
}

static void
what_is_remembered_is_bounded(void)
{
    static struct kins k;
    struct event_base *loop = event_base_new();
    char from[32];

    CU_ASSERT_EQUAL_FATAL(kins_init(&k), SP_OK);
    for (unsigned i = 0; i < KIN_IDLE + 50; i++) {
        struct kin *one = NULL;

        (void)snprintf(from, sizeof from, "10.0.%u.%u", i / 256, i % 256);
        one = join(&k, loop, "users:alice", from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(one);
        freeze(&one->signatures);
        kin_leave(&k, one);
    }
    CU_ASSERT_EQUAL(k.idle_count, KIN_IDLE);
    kins_clear(&k);
    event_base_free(loop);
}

static const struct unit_test tests[] = {
    { "who is over the budget waits, in order", turns_come_in_order },
    { "nobody waits longer than he would", waits_are_bounded },
    { "a bucket's figures can change", figures_can_change },
    { "networks take turns", networks_take_turns },
    { "the sessions of an account at an address share", an_account_at_an_address_shares },
    { "what is remembered is bounded", what_is_remembered_is_bounded },
    { NULL, NULL }
};
const struct unit_suite suite_budget = { "budget", tests };
