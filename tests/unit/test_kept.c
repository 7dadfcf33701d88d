/* tests/unit/test_kept.c - monitor/kept.c: what a ledger says of bans, honest or not; and
 * that it is told everything */
#include "monitor/kept.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "monitor/bans.h"
#include "monitor/generation.h"
#include "monitor/guessers.h"
#include "monitor/monitor.h"
#include "suites_monitor.h"
#include "wire/channel.h"
#include "wire/ledger.h"

#define DAY INT64_C(86400)
#define MONTH (30 * DAY)

struct place {
    struct monitor monitor;
    struct generation generation;
    struct kept kept;
};

static struct place *
start(void)
{
    static struct place p;

    memset(&p, 0, sizeof p);
    p.generation.guessing = (struct guessers_limits){ 20, 15000, 3600000, 3600000 };
    p.monitor.current = &p.generation;
    CU_ASSERT_EQUAL_FATAL(admission_init(&p.monitor.admission, 7), SP_OK);
    CU_ASSERT_EQUAL_FATAL(guessers_init(&p.monitor.guessers), SP_OK);
    return &p;
}

static void
stop(struct place *p)
{
    admission_clear(&p->monitor.admission);
    guessers_clear(&p->monitor.guessers);
}

static struct net_network
network(const char *text)
{
    struct net_network n = { NET_ADDR_EMPTY, 0 };

    CU_ASSERT_EQUAL_FATAL(net_parse_network(&n, slice_of(text)), SP_OK);
    return n;
}

static struct msg_stored
stored(struct msg_row row)
{
    return (struct msg_stored){ .table = row.table, .kind = row.kind, .a = row.a,
                                .b = row.b, .last = row.last, .until = row.until,
                                .count = row.count };
}

static void
take(struct place *p, struct msg_row row)
{
    const struct msg_stored in = stored(row);

    CU_ASSERT_EQUAL(kept_take(&p->monitor, &p->kept, &in), SP_OK);
}

/* The row of a ban that ends in so many seconds; 0: never. */
static struct msg_row
row_of(const char *text, enum ban_reason reason, int64_t seconds)
{
    const struct ban ban = { network(text), reason,
                             seconds == 0 ? BAN_FOR_EVER : clock_ms() + seconds * 1000 };

    return kept_ban(&ban);
}

/* Seconds that the ban goes on yet; -1: there is none, 0: it never ends. */
static int64_t
left(struct place *p, const char *text)
{
    const struct net_network n = network(text);
    const struct ban *ban = bans_exact(&p->monitor.admission.bans, &n);

    if (ban == NULL)
        return -1;
    return ban->until == BAN_FOR_EVER ? 0 : (ban->until - clock_ms() + 999) / 1000;
}

static void
come_back(void)
{
    static const struct { const char *network; enum ban_reason reason; int64_t seconds; } rows[] = {
        { "192.0.2.7", BAN_BY_HAND, 0 }, { "10.0.0.0/8", BAN_BY_HAND, MONTH },
        { "2001:db8::/32", BAN_BY_HAND, 0 }, { "2001:db8:1:2::/64", BAN_BY_HAND, DAY },
        { "2001:db8::7", BAN_BY_HAND, DAY }, { "192.0.2.8", BAN_VIOLATIONS, 600 },
        { "2001:db8:1:3::/64", BAN_VIOLATIONS, 600 }, { "192.0.2.9", BAN_GUESSES, 3600 },
        { "2001:db8:2::/48", BAN_GUESSES, 3600 }, { "::/64", BAN_GUESSES, 3600 },
    };
    struct place *p = start();

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct net_network n = network(rows[i].network);
        const struct ban *ban = NULL;

        take(p, row_of(rows[i].network, rows[i].reason, rows[i].seconds));
        CU_ASSERT_PTR_NOT_NULL_FATAL(ban = bans_exact(&p->monitor.admission.bans, &n));
        CU_ASSERT_EQUAL(ban->reason, rows[i].reason);
        CU_ASSERT_TRUE(left(p, rows[i].network) <= rows[i].seconds);
        CU_ASSERT_TRUE(left(p, rows[i].network) >= rows[i].seconds - 60);
    }
    CU_ASSERT_EQUAL(p->monitor.admission.bans.count, sizeof rows / sizeof *rows);
    stop(p);
}

/* What the administrator did since the start is not undone. */
static void
news_stand(void)
{
    struct place *p = start();
    const struct ban ban = { network("192.0.2.7"), BAN_BY_HAND, clock_ms() + 60000 };

    CU_ASSERT_EQUAL(bans_add(&p->monitor.admission.bans, &ban, clock_ms()), SP_OK);
    take(p, row_of("192.0.2.7", BAN_BY_HAND, 0));
    CU_ASSERT_TRUE(left(p, "192.0.2.7") > 0);
    stop(p);
}

static void
automatic_ones_are_narrow_and_short(void)
{
    static const struct { const char *network; enum ban_reason reason; } refused[] = {
        { "0.0.0.0/0", BAN_VIOLATIONS }, { "192.0.2.0/31", BAN_GUESSES },
        { "::/0", BAN_GUESSES }, { "2001:db8::/48", BAN_VIOLATIONS },
        { "2001:db8::/47", BAN_GUESSES }, { "2001:db8::1", BAN_GUESSES },
        { "192.0.2.1", BAN_STRANGERS }, { "192.0.2.1", BAN_REASON_COUNT },
        { "192.0.2.1", (enum ban_reason)255 },
    };
    struct place *p = start();

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        take(p, row_of(refused[i].network, refused[i].reason, 600));
    CU_ASSERT_EQUAL(p->monitor.admission.bans.count, 0);
    take(p, row_of("192.0.2.1", BAN_VIOLATIONS, 0));
    take(p, row_of("192.0.2.2", BAN_GUESSES, MONTH));
    take(p, row_of("192.0.2.3", BAN_GUESSES, -5));
    CU_ASSERT_TRUE(left(p, "192.0.2.1") > 7 * DAY && left(p, "192.0.2.1") <= 8 * DAY);
    CU_ASSERT_TRUE(left(p, "192.0.2.2") > 7 * DAY && left(p, "192.0.2.2") <= 8 * DAY);
    CU_ASSERT_EQUAL(left(p, "192.0.2.3"), -1);
    stop(p);
}

static void
known_accounts_are_not_kept_out(void)
{
    struct place *p = start();
    const struct net_network n = network("192.0.2.1"), m = network("2001:db8::/64");
    const struct network own = network_of(&n.base), inside = network_of(&m.base);

    known_add(&p->monitor.guessers.known, 1, &own, clock_ms());
    known_add(&p->monitor.guessers.known, 2, &inside, clock_ms());
    take(p, row_of("192.0.2.1", BAN_GUESSES, 600));
    take(p, row_of("2001:db8::/64", BAN_GUESSES, 600));
    take(p, row_of("2001:db8::/48", BAN_GUESSES, 600));
    CU_ASSERT_EQUAL(p->monitor.admission.bans.count, 0);
    stop(p);
}

/* Bans by hand may be wide and have no end: there may be only so much of them. */
static void
nobody_is_everybody(void)
{
    struct place *p = start();
    char text[64];

    take(p, row_of("0.0.0.0/0", BAN_BY_HAND, 0));
    take(p, row_of("0.0.0.0/2", BAN_BY_HAND, 0));
    take(p, row_of("::/0", BAN_BY_HAND, 0));
    take(p, row_of("2000::/3", BAN_BY_HAND, 0));
    CU_ASSERT_EQUAL(p->monitor.admission.bans.count, 0);
    for (unsigned i = 0; i < 256; i++) {
        (void)snprintf(text, sizeof text, "%u.0.0.0/8", i);
        take(p, row_of(text, BAN_BY_HAND, 0));
        take(p, row_of(text, BAN_BY_HAND, 0));  /* the same counts once */
    }
    CU_ASSERT_EQUAL(p->monitor.admission.bans.count, 32);
    take(p, row_of("192.0.2.1", BAN_BY_HAND, 0));
    CU_ASSERT_EQUAL(left(p, "192.0.2.1"), -1);
    for (unsigned i = 0; i < 256; i++) {
        (void)snprintf(text, sizeof text, "2a%02x::/20", i);
        take(p, row_of(text, BAN_BY_HAND, 0));
    }
    CU_ASSERT_EQUAL(p->monitor.admission.bans.count, 32 + 16);
    stop(p);
}

static void
new_bans_have_room(void)
{
    struct place *p = start();
    const struct ban ban = { network("203.0.113.1"), BAN_BY_HAND, BAN_FOR_EVER };
    char text[64];

    for (unsigned i = 0; i < BANS_MOST; i++) {
        (void)snprintf(text, sizeof text, "10.0.%u.%u", i >> 8, i & 255);
        take(p, row_of(text, BAN_BY_HAND, 0));
    }
    CU_ASSERT_EQUAL(p->monitor.admission.bans.count, BANS_MOST - KEPT_SPARE);
    CU_ASSERT_EQUAL(bans_add(&p->monitor.admission.bans, &ban, clock_ms()), SP_OK);
    stop(p);
}

/* Every table with numbers that nobody would store; the bans and networks are valid. */
static void
no_row_harms(void)
{
    static const uint64_t numbers[] = { 0, 1, 0xffff, UINT32_MAX, (uint64_t)INT64_MAX,
                                        (uint64_t)INT64_MAX + 1, UINT64_MAX };
    static const uint32_t counts[] = { 0, 0x400, 0x401, 0x600, 0x602, 0x6ff, 0xffff, UINT32_MAX };
    static const uint8_t kinds[] = { 0, 1, 2, 3, 4, 32, 48, 64, 128, 129, 255 };
    const size_t n = sizeof numbers / sizeof *numbers;
    struct place *p = start();
    unsigned rows = 0;

    for (size_t i = 0; i < n * n * n * n; i++)
        for (unsigned k = 0; k < sizeof kinds; k++) {
            const struct msg_stored in = {
                .table = (uint8_t)(i % 8), .kind = kinds[k], .a = numbers[i % n],
                .b = i % 2 == 0 ? UINT64_C(0xffff) << 32 | numbers[i / n % n]
                                : numbers[i / n % n],
                .last = (int64_t)numbers[i / n / n % n], .until = (int64_t)numbers[i / n / n / n],
                .count = counts[(i + k) % (sizeof counts / sizeof *counts)] };

            CU_ASSERT_EQUAL_FATAL(kept_take(&p->monitor, &p->kept, &in), SP_OK);
            rows++;
        }
    for (size_t i = 0; guessers_at(&p->monitor.guessers, i) != NULL; i++) {
        const struct guesser *e = guessers_at(&p->monitor.guessers, i);

        if (e->network.kind != NETWORK_NONE) {
            const struct net_network whole = network_whole(&e->network);

            CU_ASSERT_TRUE(net_network_valid(&whole));
            CU_ASSERT_TRUE(e->shut_until <= clock_ms() + 8 * DAY * 1000);
        }
    }
    for (; rows < LEDGER_ROWS_MOST; rows++)
        take(p, (struct msg_row){ .table = LEDGER_KEY });
    CU_ASSERT_EQUAL(kept_take(&p->monitor, &p->kept, &(struct msg_stored){ .table = 0 }),
                    SP_INPUT);
    stop(p);
}

/* The key makes what was kept under another one useless: it is said once, before all else. */
static void
the_key_comes_first(void)
{
    struct place *p = start();
    struct keyed key = { 0, 0 };

    take(p, (struct msg_row){ .table = LEDGER_KEY, .a = 1, .b = 2 });
    key = p->monitor.guessers.key;
    take(p, (struct msg_row){ .table = LEDGER_KEY, .a = 3, .b = 4 });
    CU_ASSERT_TRUE(key.k0 == 1 && key.k1 == 2);
    CU_ASSERT_TRUE(p->monitor.guessers.key.k0 == 1 && p->monitor.guessers.key.k1 == 2);
    stop(p);
}

/* ---- what the ledger is told (ledger.c) ---------------------------------------------- */

#define NETWORKS 40u            /* with their names: several times what a channel holds */

/* Takes what there is. True: the batch has ended. */
static bool
drain(struct channel *ledger, struct message *m, unsigned count[LEDGER_TABLES])
{
    struct msg_row row = { 0 };

    while (channel_receive(ledger, m) == SP_OK) {
        if (m->type == MSG_COMMIT_ROWS)
            return true;
        if (m->type == MSG_ROW && msg_row_unpack(m, &row) == SP_OK)
            count[row.table]++;
    }
    return false;
}

static void
no_row_is_lost_where_the_channel_is_full(void)
{
    static struct message m;
    static const struct ban ban = { .reason = BAN_BY_HAND, .until = BAN_FOR_EVER };
    struct place *p = start();
    struct ledger *l = &p->monitor.ledger;
    struct channel theirs = CHANNEL_EMPTY;
    unsigned count[LEDGER_TABLES] = { 0 }, pieces = 0;
    int ours = -1, other = -1;
    bool through = false;

    for (unsigned i = 0; i < NETWORKS; i++) {
        const struct network at = { NETWORK_IPV4, i };
        struct ban one = ban;

        take(p, (struct msg_row){ .table = LEDGER_NETWORK, .kind = NETWORK_IPV4, .a = i,
                                  .last = clock_seconds() });
        for (unsigned n = 0; n < GUESSERS_NAMES; n++)
            take(p, (struct msg_row){ .table = LEDGER_NAME, .kind = NETWORK_IPV4, .a = i,
                                      .b = n + 1, .last = clock_seconds(), .count = 1 });
        known_add(&p->monitor.guessers.known, i, &at, clock_ms());
        one.network = network_whole(&at);
        CU_ASSERT_EQUAL(bans_add(&p->monitor.admission.bans, &one, clock_ms()), SP_OK);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(p->monitor.loop = event_base_new());
    CU_ASSERT_EQUAL_FATAL(ledger_init(l, &p->monitor), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_pair(&ours, &other), SP_OK);
    channel_init(&l->helper.child.channel, ours, MONITOR, LEDGER, ST_READY);
    channel_init(&theirs, other, LEDGER, MONITOR, ST_READY);
    message_init(&m);
    l->ready = true;
    p->monitor.guessers.changed = true;
    for (; !through && pieces < 10000; pieces++) {
        event_active(&l->tick, EV_TIMEOUT, 0);
        CU_ASSERT_NOT_EQUAL(event_base_loop(p->monitor.loop, EVLOOP_NONBLOCK), -1);
        through = drain(&theirs, &m, count);
    }
    CU_ASSERT_TRUE(through);
    CU_ASSERT_TRUE(pieces > 2);             /* the channel was full in between */
    CU_ASSERT_EQUAL(count[LEDGER_KEY], 1);
    CU_ASSERT_EQUAL(count[LEDGER_KNOWN], NETWORKS);
    CU_ASSERT_TRUE(count[LEDGER_NETWORK] >= NETWORKS);      /* twice does no harm */
    CU_ASSERT_EQUAL(count[LEDGER_NAME], NETWORKS * GUESSERS_NAMES);
    CU_ASSERT_EQUAL(count[LEDGER_BAN], NETWORKS);
    (void)event_del(&l->tick);
    channel_clear(&l->helper.child.channel);
    channel_clear(&theirs);
    event_base_free(p->monitor.loop);
    stop(p);
}

static const struct unit_test tests[] = {
    { "bans come back with reason and end", come_back },
    { "what was done since the start stands", news_stand },
    { "automatic bans are of one address and end soon", automatic_ones_are_narrow_and_short },
    { "nobody is kept out where an account is known", known_accounts_are_not_kept_out },
    { "bans by hand never cover everybody", nobody_is_everybody },
    { "room for new bans is left", new_bans_have_room },
    { "no row of numbers harms, and there are only so many", no_row_harms },
    { "the key comes first or not at all", the_key_comes_first },
    { "no row is lost where the channel is full", no_row_is_lost_where_the_channel_is_full },
    { NULL, NULL }
};

const struct unit_suite suite_kept = { "kept", tests };
