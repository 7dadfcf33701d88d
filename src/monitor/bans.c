/* monitor/bans.c - see bans.h */
#include "monitor/bans.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS BANS_BUCKETS

struct bans_entry {
    struct bans_entry *next;
    struct ban ban;
};

enum sp_err
bans_init(struct bans *b, uint64_t seed)
{
    *b = (struct bans){ .seed = seed };
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers is meant */
    if ((b->table = calloc(BUCKETS, sizeof *b->table)) == NULL)
        return SP_NOMEM;
    return SP_OK;
}

static unsigned *
used_of(struct bans *b, const struct net_network *n)
{
    return &b->used[n->base.family == AF_INET ? 0 : 1][n->bits];
}

/* FNV-1a from a random start, mixed once more: nobody can aim at one chain from outside. */
static size_t
place_of(const struct bans *b, const struct net_network *n)
{
    uint64_t h = (b->seed ^ 0xcbf29ce484222325u ^ n->bits) * 0x100000001b3u;

    for (size_t i = 0; i < (n->base.family == AF_INET ? 4u : 16u); i++)
        h = (h ^ n->base.bytes[i]) * 0x100000001b3u;
    h = (h ^ (h >> 29)) * (b->seed | 1);
    return (size_t)((h >> 32) % BUCKETS);
}

static bool
is_same(const struct net_network *a, const struct net_network *b)
{
    return a->bits == b->bits && a->base.family == b->base.family
           && memcmp(a->base.bytes, b->base.bytes, sizeof a->base.bytes) == 0;
}

/* Where the pointer to the entry of that network stands, or the end of its chain. */
static struct bans_entry **
look_up(const struct bans *b, const struct net_network *n)
{
    struct bans_entry **at = &b->table[place_of(b, n)];

    while (*at != NULL && !is_same(&(*at)->ban.network, n))
        at = &(*at)->next;
    return at;
}

static void
drop(struct bans *b, struct bans_entry **at)
{
    struct bans_entry *gone = *at;

    *at = gone->next;
    (*used_of(b, &gone->ban.network))--;
    b->count--;
    b->changed = true;
    free(gone);
}

/* Drops every ban for which it says so. */
static unsigned
drop_where(struct bans *b, bool (*is_gone)(const struct ban *ban, const void *context),
           const void *context)
{
    unsigned dropped = 0;

    for (size_t i = 0; i < BUCKETS && b->count > 0; i++)
        for (struct bans_entry **at = &b->table[i]; *at != NULL;) {
            if (is_gone(&(*at)->ban, context)) {
                drop(b, at);
                dropped++;
            } else {
                at = &(*at)->next;
            }
        }
    return dropped;
}

static bool
is_over(const struct ban *ban, const void *now)
{
    return ban->until <= *(const int64_t *)now;
}

static bool
is_inside(const struct ban *ban, const void *network)
{
    return net_covers(network, &ban->network);
}

static bool
is_any(const struct ban *ban, const void *context)
{
    (void)ban;
    (void)context;
    return true;
}

void
bans_clear(struct bans *b)
{
    if (b->table != NULL)
        (void)drop_where(b, is_any, NULL);
    free(b->table);
    *b = (struct bans){ 0 };
}

/* The automatic ban that ends first gives its place. False: there is none. */
static bool
make_place(struct bans *b)
{
    const struct ban *first = NULL;

    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct bans_entry *e = b->table[i]; e != NULL; e = e->next)
            if (e->ban.reason != BAN_BY_HAND
                && (first == NULL || e->ban.until < first->until))
                first = &e->ban;
    if (first == NULL)
        return false;
    drop(b, look_up(b, &first->network));
    return true;
}

enum sp_err
bans_add(struct bans *b, const struct ban *ban, int64_t now)
{
    struct bans_entry **at = look_up(b, &ban->network), *e = *at;

    SP_ASSERT(net_network_valid(&ban->network));
    b->changed = true;
    if (e != NULL) {
        if (ban->reason == BAN_BY_HAND || e->ban.until < ban->until)
            e->ban = *ban;
        return SP_OK;
    }
    if (b->count >= BANS_MOST && drop_where(b, is_over, &now) == 0
        && (ban->reason == BAN_BY_HAND || !make_place(b)))
        return SP_REFUSED;
    if ((e = calloc(1, sizeof *e)) == NULL)
        return SP_NOMEM;
    e->ban = *ban;
    at = &b->table[place_of(b, &ban->network)];
    e->next = *at;
    *at = e;
    (*used_of(b, &ban->network))++;
    b->count++;
    return SP_OK;
}

const struct ban *
bans_exact(const struct bans *b, const struct net_network *n)
{
    struct bans_entry *const *at = look_up(b, n);

    return *at == NULL ? NULL : &(*at)->ban;
}

const struct ban *
bans_at(const struct bans *b, size_t bucket, size_t i)
{
    const struct bans_entry *e = NULL;

    SP_ASSERT(bucket < BUCKETS);
    for (e = b->table[bucket]; e != NULL && i > 0; i--)
        e = e->next;
    return e == NULL ? NULL : &e->ban;
}

/* The widest network of at most that many bits; one look for each width that is in use. */
static const struct ban *
find(struct bans *b, const struct net_addr *a, unsigned bits, int64_t now)
{
    const unsigned *used = b->used[a->family == AF_INET ? 0 : 1];

    for (unsigned i = 0; i <= bits && b->count > 0; i++) {
        struct net_network n = { NET_ADDR_EMPTY, 0 };
        struct bans_entry **at = NULL;

        if (used[i] == 0)
            continue;
        n = net_network_of(a, i);
        if (*(at = look_up(b, &n)) == NULL)
            continue;
        if ((*at)->ban.until > now)
            return &(*at)->ban;
        drop(b, at);
    }
    return NULL;
}

const struct ban *
bans_find(struct bans *b, const struct net_addr *a, int64_t now)
{
    return find(b, a, a->family == AF_INET ? 32 : 128, now);
}

const struct ban *
bans_over(struct bans *b, const struct net_network *n, int64_t now)
{
    return find(b, &n->base, n->bits, now);
}

unsigned
bans_remove(struct bans *b, const struct net_network *n, int64_t now)
{
    (void)drop_where(b, is_over, &now);
    return drop_where(b, is_inside, n);
}

void
bans_each(struct bans *b, int64_t now, bans_each_one *each, void *context)
{
    (void)drop_where(b, is_over, &now);
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct bans_entry *e = b->table[i]; e != NULL; e = e->next)
            each(context, &e->ban);
}
