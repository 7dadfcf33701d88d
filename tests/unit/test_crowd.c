/* tests/unit/test_crowd.c - monitor/crowd.c */
#include "monitor/crowd.h"

#include "suites_monitor.h"

#define MANY 3000u

static struct crowd_member members[MANY];

static struct net_addr
address(unsigned number)
{
    struct net_addr a = { .family = AF_INET, .bytes = { 10 } };

    a.bytes[2] = (unsigned char)(number >> 8);
    a.bytes[3] = (unsigned char)number;
    return a;
}

static void
join(struct crowd *c, unsigned i, unsigned number)
{
    const struct net_addr peer = address(number);

    CU_ASSERT_EQUAL_FATAL(crowd_join(c, &members[i], &peer, NULL, i), SP_OK);
}

static void
leave_all(struct crowd *c, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        crowd_leave(c, &members[i]);
    CU_ASSERT_EQUAL(c->silent, 0);
    CU_ASSERT_EQUAL(c->largest, 0);
    CU_ASSERT_PTR_NULL(crowd_oldest(c));
    crowd_clear(c);
}

static void
the_largest_gives_way(void)
{
    struct crowd c;
    const struct net_addr two = address(2), none = address(9);

    CU_ASSERT_EQUAL_FATAL(crowd_init(&c), SP_OK);
    CU_ASSERT_PTR_NULL(crowd_oldest(&c));
    join(&c, 0, 1);
    join(&c, 1, 2);
    join(&c, 2, 2);
    CU_ASSERT_PTR_EQUAL(crowd_oldest(&c), &members[1]);
    CU_ASSERT_EQUAL(crowd_silent(&c, &two), 2);
    CU_ASSERT_EQUAL(crowd_silent(&c, &none), 0);
    members[1].busy = true;
    CU_ASSERT_PTR_EQUAL(crowd_oldest(&c), &members[2]);
    members[2].busy = true;
    CU_ASSERT_PTR_EQUAL(crowd_oldest(&c), &members[0]);
    members[1].busy = members[2].busy = false;
    crowd_settle(&c, &members[1]);              /* logged in */
    crowd_settle(&c, &members[1]);
    CU_ASSERT_PTR_EQUAL(crowd_oldest(&c), &members[0]);     /* the older one of two alike */
    CU_ASSERT_EQUAL(crowd_members(&c, &two), 2);
    crowd_unsettle(&c, &members[1], 10);        /* logged out */
    CU_ASSERT_PTR_EQUAL(crowd_oldest(&c), &members[2]);
    leave_all(&c, 3);
}

/* More than there are levels, and one of each of many networks. */
static void
very_large_crowds(void)
{
    struct crowd c;

    CU_ASSERT_EQUAL_FATAL(crowd_init(&c), SP_OK);
    for (unsigned i = 0; i < MANY; i++)
        join(&c, i, i < 1500 ? 7 : 1000 + i);
    CU_ASSERT_EQUAL(c.largest, CROWD_LEVELS);
    CU_ASSERT_PTR_EQUAL(crowd_oldest(&c), &members[0]);
    for (unsigned i = 0; i < 1499; i++)
        crowd_settle(&c, &members[i]);
    CU_ASSERT_EQUAL(c.largest, 1);
    CU_ASSERT_EQUAL(c.silent, MANY - 1499);
    crowd_settle(&c, &members[1499]);
    CU_ASSERT_PTR_EQUAL(crowd_oldest(&c), &members[1500]);
    leave_all(&c, MANY);
}

static void
hosts_of_a_network(void)
{
    static const char *const texts[] = { "2001:db8:1:1::1", "2001:db8:1:2::1",
                                         "2001:db8:1:2::2", "2001:db8:2:2::2" };
    struct net_addr peers[4];
    unsigned beside = 0;
    struct crowd c;

    CU_ASSERT_EQUAL_FATAL(crowd_init(&c), SP_OK);
    for (unsigned i = 0; i < 4; i++) {
        peers[i] = (struct net_addr)NET_ADDR_EMPTY;
        CU_ASSERT_EQUAL_FATAL(net_parse(&peers[i], slice_of(texts[i])), SP_OK);
        CU_ASSERT_EQUAL_FATAL(crowd_join(&c, &members[i], &peers[i], &beside, i), SP_OK);
    }
    CU_ASSERT_EQUAL(beside, 4);
    CU_ASSERT_EQUAL(crowd_silent(&c, &peers[1]), 3);
    CU_ASSERT_PTR_EQUAL(crowd_oldest_of(&c, &peers[2]), &members[1]);
    CU_ASSERT_PTR_EQUAL(crowd_oldest_around(&c, &peers[2]), &members[0]);
    CU_ASSERT_PTR_EQUAL(crowd_oldest_of(&c, &peers[3]), &members[3]);
    leave_all(&c, 4);
    CU_ASSERT_EQUAL(beside, 0);
}

static const struct unit_test tests[] = {
    { "the oldest of the largest crowd gives way", the_largest_gives_way },
    { "very large crowds, and very many", very_large_crowds },
    { "an IPv6 /48 is one crowd", hosts_of_a_network },
    { NULL, NULL }
};

const struct unit_suite suite_crowd = { "crowd", tests };
