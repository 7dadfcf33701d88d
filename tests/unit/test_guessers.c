/* tests/unit/test_guessers.c - monitor/guessers.c: days of guessing by a clock of our own */
#include "monitor/guessers.h"

#include <stdio.h>

#include "suites_monitor.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define LATE 1000000                    /* clock_ms of a machine that runs for a while */

static const struct guessers_limits limits = { 20, 15 * SECOND, 6 * HOUR, HOUR };

static struct net_addr
address(const char *text)
{
    struct net_addr a = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL_FATAL(net_parse(&a, slice_of(text)), SP_OK);
    return a;
}

static void
start(struct guessers *g)
{
    CU_ASSERT_EQUAL_FATAL(guessers_init(g), SP_OK);
}

/* How long it would wait; 0: its turn is taken. */
static int64_t
ask(struct guessers *g, const char *peer, const char *name, int64_t now)
{
    const struct net_addr from = address(peer);

    return guessers_turn(g, &limits, &from, slice_of(name), now, now);
}

static bool
fail(struct guessers *g, const char *peer, const char *name, int64_t now)
{
    const struct net_addr from = address(peer);
    struct guessers_shut shut = { 0 };

    return guessers_failed(g, &limits, &from, slice_of(name), now, &shut);
}

static void
succeed(struct guessers *g, const char *peer, const char *name, int64_t now)
{
    const struct net_addr from = address(peer);

    guessers_succeeded(g, &from, slice_of(name), true, now);
}

/* n names fail, one a second. */
static void
fail_names(struct guessers *g, const char *peer, unsigned n, int64_t now)
{
    for (unsigned i = 0; i < n; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "name%u", i);
        (void)fail(g, peer, name, now + i * SECOND);
    }
}

/*
 * Someone guesses as fast as it goes, with 100 connections, from *now until the end: how
 * many guesses were checked? many: each with another name.
 */
static unsigned
guess(struct guessers *g, const char *peer, bool many, int64_t *now, int64_t end)
{
    unsigned guesses = 0;

    while (*now < end) {
        char name[32];
        int64_t wait = 0;

        (void)snprintf(name, sizeof name, "name%u", many ? guesses : 0);
        wait = ask(g, peer, name, *now);
        if (wait == GUESSERS_SHUT)
            break;
        if (wait > 0) {
            *now += wait;
            continue;
        }
        guesses++;
        *now += 20;             /* a check of a password */
        if (fail(g, peer, name, *now))
            break;
    }
    return guesses;
}

static void
a_few_mistakes_cost_nothing(void)
{
    struct guessers g;

    start(&g);
    for (unsigned i = 0; i < GUESSERS_FREE_TRIES; i++) {
        CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", LATE), 0);
        CU_ASSERT_FALSE(fail(&g, "192.0.2.1", "alice", LATE));
    }
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", LATE), 0);
    guessers_clear(&g);
}

static void
one_name_is_slowed(void)
{
    static const int64_t delays[] = { 1, 2, 4, 8, 15, 15 };
    struct guessers g;
    int64_t now = LATE;

    start(&g);
    for (unsigned i = 0; i < GUESSERS_FREE_TRIES; i++)
        CU_ASSERT_FALSE(fail(&g, "192.0.2.1", "alice", now));
    for (unsigned i = 0; i < sizeof delays / sizeof *delays; i++) {
        CU_ASSERT_FALSE(fail(&g, "192.0.2.1", "alice", now));
        CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now), delays[i] * SECOND);
        CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now + delays[i] * SECOND - 1), 1);
        now += delays[i] * SECOND;
        CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now), 0);
        /* many at once: the next one waits for the one that is being checked */
        CU_ASSERT_TRUE(ask(&g, "192.0.2.1", "alice", now) > 0);
    }
    /* nobody else waits for that, and it is forgotten */
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "bob", now), 0);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.2", "alice", now), 0);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now + limits.memory), 0);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now + limits.memory), 0);
    guessers_clear(&g);
}

/* A program with an old password, for a week, behind the address of a company. */
static void
an_old_password_shuts_nobody_out(void)
{
    struct guessers g;
    int64_t now = LATE;
    unsigned guesses = 0;

    start(&g);
    succeed(&g, "192.0.2.1", "alice", now);
    for (unsigned day = 0; day < 7; day++) {
        guesses += guess(&g, "192.0.2.1", false, &now, LATE + (day + 1) * DAY);
        CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now), 0);
        CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "new", now), 0);
    }
    CU_ASSERT_TRUE(now >= LATE + 7 * DAY);
    CU_ASSERT_TRUE(guesses < 7 * DAY / (14 * SECOND));
    guessers_clear(&g);
}

static void
many_names_are_slowed_and_shut_out(void)
{
    struct guessers g;
    int64_t now = LATE;

    start(&g);
    CU_ASSERT_EQUAL(guess(&g, "192.0.2.1", true, &now, LATE + DAY), limits.names);
    CU_ASSERT_TRUE(now - LATE > 150 * SECOND);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "other", now), GUESSERS_SHUT);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "other", now + HOUR - 100), GUESSERS_SHUT);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.2", "other", now), 0);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "other", now + HOUR), 0);
    guessers_clear(&g);
}

/* Each ban is twice as long as the one before, up to a day. */
static void
a_month_of_guessing(void)
{
    struct guessers g;
    int64_t now = LATE;
    unsigned guesses = 0;

    start(&g);
    while (now < LATE + 30 * DAY) {
        int64_t wait = 0;

        guesses += guess(&g, "192.0.2.1", true, &now, LATE + 30 * DAY);
        while ((wait = ask(&g, "192.0.2.1", "other", now)) == GUESSERS_SHUT)
            now += HOUR / 4;
    }
    CU_ASSERT_TRUE(guesses < 40 * limits.names);
    guessers_clear(&g);
}

static void
success_forgives_its_own(void)
{
    struct guessers g;

    start(&g);
    for (unsigned i = 0; i < 3 * limits.names; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "clerk%u", i);
        CU_ASSERT_FALSE(fail(&g, "192.0.2.1", name, LATE));
        succeed(&g, "192.0.2.1", name, LATE);
    }
    fail_names(&g, "192.0.2.1", limits.names - 1, LATE);
    succeed(&g, "192.0.2.1", "mallory", LATE);          /* forgives nobody else's */
    CU_ASSERT_TRUE(fail(&g, "192.0.2.1", "one more", LATE + HOUR));
    guessers_clear(&g);
}

static void
colleagues_of_a_guesser_work(void)
{
    struct guessers g;
    const struct net_addr peer = address("192.0.2.1");
    struct guessers_shut shut = { 0 };
    int64_t now = LATE;

    start(&g);
    succeed(&g, "192.0.2.1", "alice", now);
    fail_names(&g, "192.0.2.1", limits.names - 1, now);
    now += HOUR;
    CU_ASSERT_TRUE(guessers_failed(&g, &limits, &peer, slice_of("one more"), now, &shut));
    CU_ASSERT_FALSE(shut.whole);        /* its connections are not refused */
    CU_ASSERT_EQUAL(shut.names, limits.names);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "bob", now), GUESSERS_SHUT);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now), 0);
    CU_ASSERT_FALSE(fail(&g, "192.0.2.1", "alice", now));
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now), 0);
    /* her own failures count for her, there, too */
    for (unsigned i = 0; i < GUESSERS_FREE_TRIES; i++)
        CU_ASSERT_FALSE(fail(&g, "192.0.2.1", "alice", now));
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", now), SECOND);
    guessers_clear(&g);
}

static void
nobody_known_there(void)
{
    struct guessers g;
    const struct net_addr peer = address("192.0.2.1");
    struct guessers_shut shut = { 0 };

    start(&g);
    succeed(&g, "192.0.2.1", "alice", LATE - KNOWN_MS);         /* too long ago */
    fail_names(&g, "192.0.2.1", limits.names - 1, LATE);
    CU_ASSERT_TRUE(guessers_failed(&g, &limits, &peer, slice_of("one more"), LATE + HOUR,
                                   &shut));
    CU_ASSERT_TRUE(shut.whole);
    CU_ASSERT_EQUAL(shut.until, LATE + 2 * HOUR);
    CU_ASSERT_EQUAL(shut.network.kind, NETWORK_IPV4);
    guessers_clear(&g);
}

/* A thousand addresses guess at one account. */
static void
an_account_under_attack(void)
{
    struct guessers g;
    const struct net_addr stranger = address("203.0.113.9");
    int64_t wait = 0;

    start(&g);
    succeed(&g, "192.0.2.1", "alice", LATE);
    for (unsigned i = 0; i < 1000; i++) {
        char peer[32];

        (void)snprintf(peer, sizeof peer, "10.0.%u.%u", i / 256, i % 256);
        CU_ASSERT_FALSE(fail(&g, peer, "alice", LATE));
    }
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "alice", LATE), 0);
    CU_ASSERT_EQUAL(ask(&g, "203.0.113.9", "bob", LATE), 0);
    wait = ask(&g, "203.0.113.9", "alice", LATE);
    CU_ASSERT_TRUE(wait > 5 * SECOND && wait <= limits.delay_most);
    /* a stranger waits that long and no longer, however many others ask meanwhile */
    CU_ASSERT_EQUAL(guessers_turn(&g, &limits, &stranger, slice_of("alice"), LATE,
                                  LATE + wait), 0);
    CU_ASSERT_EQUAL(ask(&g, "203.0.113.10", "alice", LATE + limits.memory), 0);
    guessers_clear(&g);
}

static void
ipv6_networks(void)
{
    struct guessers g;
    const struct net_addr peer = address("2001:db8:1:ffff::1");
    struct guessers_shut shut = { 0 };
    bool decided = false;
    unsigned tries = 0;

    start(&g);
    /* another host of the /64 does not help, and of the /48 not for long */
    fail_names(&g, "2001:db8:7:1::1", limits.names - 1, LATE);
    CU_ASSERT_TRUE(fail(&g, "2001:db8:7:1::2", "one more", LATE + HOUR));
    while (!decided && tries < 100) {
        char from[48], name[32];

        (void)snprintf(from, sizeof from, "2001:db8:1:%x::1", tries);
        (void)snprintf(name, sizeof name, "name%u", tries++);
        decided = fail(&g, from, name, LATE);
    }
    CU_ASSERT_EQUAL(tries, GUESSERS_AROUND * limits.names);
    CU_ASSERT_EQUAL(ask(&g, "2001:db8:1:ffff::1", "bob", LATE), GUESSERS_SHUT);
    CU_ASSERT_EQUAL(ask(&g, "2001:db8:2:ffff::1", "bob", LATE), 0);
    CU_ASSERT_FALSE(guessers_failed(&g, &limits, &peer, slice_of("bob"), LATE, &shut));
    guessers_clear(&g);
}

/* 100,000 addresses that fail once do not make one forgotten that fails with 19 names. */
static void
a_guesser_is_not_forgotten(void)
{
    struct guessers g;

    start(&g);
    fail_names(&g, "192.0.2.1", limits.names - 1, LATE);
    for (unsigned i = 0; i < 100000; i++) {
        struct net_addr peer = address("10.0.0.0");
        struct guessers_shut shut = { 0 };

        peer.bytes[1] = (unsigned char)(i >> 16);
        peer.bytes[2] = (unsigned char)(i >> 8);
        peer.bytes[3] = (unsigned char)i;
        CU_ASSERT_FALSE_FATAL(guessers_failed(&g, &limits, &peer, slice_of("alice"),
                                              LATE + HOUR, &shut));
    }
    CU_ASSERT_TRUE(fail(&g, "192.0.2.1", "one more", LATE + HOUR));
    guessers_clear(&g);
}

static void
forgiven_by_the_administrator(void)
{
    const struct net_addr peer = address("192.0.2.1"), inside = address("2001:db8::");
    const struct net_network one = net_network_of(&peer, 32),
                             around = net_network_of(&inside, 48),
                             within = net_network_of(&inside, 64);
    struct guessers g;

    start(&g);
    fail_names(&g, "192.0.2.1", limits.names, LATE);
    fail_names(&g, "192.0.2.2", limits.names, LATE);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "bob", LATE), GUESSERS_SHUT);
    guessers_forgive(&g, &one);
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.1", "bob", LATE), 0);
    CU_ASSERT_FALSE(fail(&g, "192.0.2.1", "bob", LATE));
    CU_ASSERT_EQUAL(ask(&g, "192.0.2.2", "bob", LATE), GUESSERS_SHUT);

    fail_names(&g, "2001:db8:0:0::1", limits.names, LATE);
    CU_ASSERT_EQUAL(ask(&g, "2001:db8::1", "bob", LATE), GUESSERS_SHUT);
    guessers_forgive(&g, &within);              /* and what the /48 had of it */
    CU_ASSERT_EQUAL(ask(&g, "2001:db8::1", "bob", LATE), 0);
    for (unsigned i = 0; i < GUESSERS_AROUND + 1; i++) {
        char text[64], name[32];

        (void)snprintf(text, sizeof text, "2001:db8:0:%x::1", i);
        for (unsigned n = 0; n < limits.names; n++) {
            (void)snprintf(name, sizeof name, "of-%u-%u", i, n);
            (void)fail(&g, text, name, LATE);
        }
    }
    CU_ASSERT_EQUAL(ask(&g, "2001:db8:0:99::1", "bob", LATE), GUESSERS_SHUT);
    guessers_forgive(&g, &within);              /* the /48 stays shut: it is asked for */
    CU_ASSERT_EQUAL(ask(&g, "2001:db8::1", "bob", LATE), GUESSERS_SHUT);
    guessers_forgive(&g, &around);
    CU_ASSERT_EQUAL(ask(&g, "2001:db8::1", "bob", LATE), 0);
    CU_ASSERT_EQUAL(ask(&g, "2001:db8:0:1::1", "bob", LATE), 0);
    guessers_clear(&g);
}

static void
what_was_kept_counts_on(void)
{
    const struct keyed key = { 1, 2 };
    struct guessers a, b;

    start(&a);
    start(&b);
    guessers_rekey(&a, &key);
    fail_names(&a, "192.0.2.1", limits.names - 1, LATE);
    fail_names(&a, "192.0.2.2", limits.names, LATE);
    succeed(&a, "192.0.2.2", "alice", LATE);
    fail_names(&b, "192.0.2.3", limits.names, LATE);    /* under another key: forgotten */
    guessers_rekey(&b, &key);
    for (size_t i = 0; guessers_at(&a, i) != NULL; i++) {
        const struct guesser *e = guessers_at(&a, i);

        if (e->network.kind == NETWORK_NONE)
            continue;
        guessers_restore(&b, &limits,
                         &(struct guesser){ .network = e->network, .strikes = e->strikes,
                                            .last = e->last, .shut_until = e->shut_until },
                         LATE);
        for (unsigned n = 0; n < e->count; n++)
            guessers_restore_name(&b, &e->network, &e->names[n]);
    }
    for (size_t i = 0; known_at(&a.known, i) != NULL; i++)
        if (known_at(&a.known, i)->network.kind != NETWORK_NONE)
            known_add(&b.known, known_at(&a.known, i)->account,
                      &known_at(&a.known, i)->network, known_at(&a.known, i)->last);
    CU_ASSERT_EQUAL(ask(&b, "192.0.2.2", "bob", LATE + HOUR / 2), GUESSERS_SHUT);
    CU_ASSERT_EQUAL(ask(&b, "192.0.2.2", "alice", LATE + HOUR / 2), 0);
    CU_ASSERT_EQUAL(ask(&b, "192.0.2.3", "bob", LATE + HOUR / 2), 0);
    CU_ASSERT_TRUE(fail(&b, "192.0.2.1", "one more", LATE + HOUR / 2));
    guessers_clear(&a);
    guessers_clear(&b);
}

static void
switched_off(void)
{
    const struct guessers_limits off = { 2, 0, 6 * HOUR, 0 };
    const struct net_addr peer = address("192.0.2.1");
    struct guessers_shut shut = { 0 };
    struct guessers g;

    start(&g);
    for (unsigned i = 0; i < 1000; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "name%u", i);
        CU_ASSERT_EQUAL(guessers_turn(&g, &off, &peer, slice_of(name), LATE, LATE), 0);
        CU_ASSERT_FALSE(guessers_failed(&g, &off, &peer, slice_of(name), LATE, &shut));
    }
    guessers_clear(&g);
}

static const struct unit_test tests[] = {
    { "a few mistakes cost nothing", a_few_mistakes_cost_nothing },
    { "one name that fails and fails is slowed, and nobody else", one_name_is_slowed },
    { "a week with an old password shuts nobody out", an_old_password_shuts_nobody_out },
    { "many names are slowed, then shut out", many_names_are_slowed_and_shut_out },
    { "a month of guessing is a few hundred guesses", a_month_of_guessing },
    { "a success forgives the failures of its own account", success_forgives_its_own },
    { "colleagues of a guesser go on working", colleagues_of_a_guesser_work },
    { "where nobody is known, connections are refused", nobody_known_there },
    { "an account under attack is slowed for strangers only", an_account_under_attack },
    { "IPv6: hosts of a /64 are one, and a /48 has its bound", ipv6_networks },
    { "many addresses do not make a guesser forgotten", a_guesser_is_not_forgotten },
    { "the administrator forgives", forgiven_by_the_administrator },
    { "what was kept counts on under the same key", what_was_kept_counts_on },
    { "what is off slows nobody and shuts nobody out", switched_off },
    { NULL, NULL }
};

const struct unit_suite suite_guessers = { "guessers", tests };
