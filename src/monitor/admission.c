/* monitor/admission.c - see admission.h */
#include "monitor/admission.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u
#define KEPT_MOST 16384u                /* entries without a session: memory is bounded */
#define VIOLATION_MEMORY_MS 3600000  /* a violation is forgotten after an hour of peace */
#define SILENT_LEAST 16u                /* sessions before login that there is room for  */
#define REPLACED_MOST 32u               /* that are ending, and make room before they end */
#define SETTLED_MS 10000                /* a client logs in sooner, in general           */
#define KEY_BYTES 9                     /* the family, 4 bytes of IPv4 or 8 of IPv6 */

struct admission_entry {
    struct admission_entry *next;
    unsigned char key[KEY_BYTES];
    unsigned sessions, silent, violations;
    int64_t violated;                   /* clock_ms */
};

enum sp_err
admission_init(struct admission *a, uint64_t seed)
{
    *a = (struct admission){ .seed = seed };
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers is meant */
    if ((a->table = calloc(BUCKETS, sizeof *a->table)) == NULL)
        return SP_NOMEM;
    if (bans_init(&a->bans, seed) != SP_OK)
        return SP_NOMEM;
    return crowd_init(&a->crowd);
}

void
admission_clear(struct admission *a)
{
    for (size_t i = 0; a->table != NULL && i < BUCKETS; i++)
        while (a->table[i] != NULL) {
            struct admission_entry *e = a->table[i];

            a->table[i] = e->next;
            free(e);
        }
    free(a->table);
    crowd_clear(&a->crowd);
    bans_clear(&a->bans);
    *a = (struct admission){ 0 };
}

struct net_network
admission_network(const struct net_addr *a)
{
    return net_network_of(a, a->family == AF_INET ? 32 : 64);
}

static void
make_key(const struct net_addr *peer, unsigned char key[KEY_BYTES])
{
    memset(key, 0, KEY_BYTES);
    key[0] = peer->family == AF_INET ? 4 : 6;
    memcpy(key + 1, peer->bytes, peer->family == AF_INET ? 4 : 8);
}

/*
 * FNV-1a from a random start, mixed once more: nobody can aim at one chain from outside.
 */
static size_t
place_of(const struct admission *a, const unsigned char key[KEY_BYTES])
{
    uint64_t h = a->seed ^ 0xcbf29ce484222325u;

    for (size_t i = 0; i < KEY_BYTES; i++)
        h = (h ^ key[i]) * 0x100000001b3u;
    h = (h ^ (h >> 29)) * (a->seed | 1);
    return (size_t)((h >> 32) % BUCKETS);
}

static struct admission_entry *
find(const struct admission *a, const struct net_addr *peer)
{
    unsigned char key[KEY_BYTES];

    make_key(peer, key);
    for (struct admission_entry *e = a->table[place_of(a, key)]; e != NULL; e = e->next)
        if (memcmp(e->key, key, KEY_BYTES) == 0)
            return e;
    return NULL;
}

static struct admission_entry *
find_or_make(struct admission *a, const struct net_addr *peer)
{
    struct admission_entry *e = find(a, peer);
    size_t place = 0;

    if (e != NULL || (e = calloc(1, sizeof *e)) == NULL)
        return e;
    make_key(peer, e->key);
    place = place_of(a, e->key);
    e->next = a->table[place];
    a->table[place] = e;
    a->entries++;
    a->kept++;
    return e;
}

static void
drop(struct admission *a, struct admission_entry *gone)
{
    struct admission_entry **at = &a->table[place_of(a, gone->key)];

    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    a->entries--;
    a->kept--;
    free(gone);
}

/* An hour without a violation. */
static void
forgive(struct admission_entry *e, int64_t now)
{
    if (e->violations > 0 && now - e->violated >= VIOLATION_MEMORY_MS)
        e->violations = 0;
}

static bool
is_empty(const struct admission_entry *e)
{
    return e->sessions == 0 && e->violations == 0;
}

/*
 * Takes out everything that says nothing any more; if that is not enough, the entry whose
 * last violation is the oldest. Walks the table, so it is done only past the bound.
 */
static void
tidy(struct admission *a, int64_t now)
{
    struct admission_entry *oldest = NULL;

    for (size_t i = 0; i < BUCKETS; i++)
        for (struct admission_entry *e = a->table[i], *next = NULL; e != NULL; e = next) {
            next = e->next;
            forgive(e, now);
            if (is_empty(e))
                drop(a, e);
            else if (e->sessions == 0
                     && (oldest == NULL || e->violated < oldest->violated))
                oldest = e;
        }
    if (a->kept > KEPT_MOST && oldest != NULL)
        drop(a, oldest);
}

/* What sessions may have of a number before anybody is logged in. */
static unsigned
silent_share(unsigned most)
{
    if (most / 2 >= SILENT_LEAST)
        return most / 2;
    return most < SILENT_LEAST ? most : SILENT_LEAST;
}

/* An IPv6 /48 has several times what an address has. */
static unsigned
around(unsigned most)
{
    return most > UINT32_MAX / ADMISSION_AROUND ? UINT32_MAX : most * ADMISSION_AROUND;
}

/*
 * The one that has to go, where the server is full. If all sessions are taken, that is not
 * one that has just come, too, unless it belongs to a crowd: those who come to a full
 * server would only drive each other out.
 */
static struct crowd_member *
gives_way(const struct admission *a, const struct admission_limits *l,
          const struct net_addr *peer, int64_t now)
{
    struct crowd_member *one = crowd_oldest(&a->crowd);

    if (one == NULL || a->sessions < l->sessions)
        return one;
    if (a->sessions >= l->sessions + REPLACED_MOST)
        return NULL;
    if (now - one->since >= SETTLED_MS
        || crowd_size(one) > crowd_silent(&a->crowd, peer) + 1)
        return one;
    return NULL;
}

/* Is there room, if *gone ends? */
static enum admission_verdict
find_room(const struct admission *a, const struct admission_limits *l,
          const struct admission_entry *e, const struct net_addr *peer, int64_t now,
          struct crowd_member **gone)
{
    bool inside = peer->family == AF_INET6;     /* in a /48, which is counted besides */

    *gone = NULL;
    if (e != NULL && e->sessions >= l->per_address)
        return ADMISSION_ADDRESS_FULL;
    if (inside && crowd_members(&a->crowd, peer) >= around(l->per_address))
        return ADMISSION_NETWORK_FULL;
    if (e != NULL && e->silent >= silent_share(l->per_address)) {
        *gone = crowd_oldest_of(&a->crowd, peer);
        return *gone == NULL ? ADMISSION_ADDRESS_FULL : ADMISSION_YES;
    }
    if (inside
        && crowd_silent(&a->crowd, peer) >= around(silent_share(l->per_address))) {
        *gone = crowd_oldest_around(&a->crowd, peer);
        return *gone == NULL ? ADMISSION_NETWORK_FULL : ADMISSION_YES;
    }
    if (a->sessions < l->sessions && a->crowd.silent < silent_share(l->sessions))
        return ADMISSION_YES;
    *gone = gives_way(a, l, peer, now);
    return *gone == NULL ? ADMISSION_FULL : ADMISSION_YES;
}

enum admission_verdict
admission_enter(struct admission *a, const struct admission_limits *l,
                const struct net_addr *peer, int64_t now, struct crowd_member *self,
                struct crowd_member **gone)
{
    enum admission_verdict verdict = ADMISSION_YES;
    struct admission_entry *e = find(a, peer);

    if (bans_find(&a->bans, peer, now) != NULL)
        return ADMISSION_BANNED;
    if (e != NULL)
        forgive(e, now);
    if ((verdict = find_room(a, l, e, peer, now, gone)) != ADMISSION_YES)
        return verdict;
    if ((e = find_or_make(a, peer)) == NULL)
        return ADMISSION_NOMEM;
    if (crowd_join(&a->crowd, self, peer, &e->silent, now) != SP_OK) {
        if (is_empty(e))
            drop(a, e);
        return ADMISSION_NOMEM;
    }
    if (e->sessions++ == 0)
        a->kept--;
    a->sessions++;
    if (*gone != NULL)
        crowd_settle(&a->crowd, *gone);
    return ADMISSION_YES;
}

void
admission_leave(struct admission *a, const struct net_addr *peer,
                struct crowd_member *self, int64_t now)
{
    struct admission_entry *e = find(a, peer);

    SP_ASSERT(e != NULL && e->sessions > 0 && a->sessions > 0);
    crowd_leave(&a->crowd, self);
    a->sessions--;
    if (--e->sessions > 0)
        return;
    a->kept++;
    forgive(e, now);
    if (is_empty(e))
        drop(a, e);
    else if (a->kept > KEPT_MOST)
        tidy(a, now);
}

bool
admission_violation(struct admission *a, const struct admission_limits *l,
                    const struct net_addr *peer, int64_t now)
{
    const struct ban ban = { admission_network(peer), BAN_VIOLATIONS, now + l->ban_ms };
    struct admission_entry *e = NULL;

    if (bans_find(&a->bans, peer, now) != NULL)
        return false;           /* its sessions are on their way out */
    if ((e = find_or_make(a, peer)) == NULL)
        return false;           /* no memory: the session ends all the same */
    forgive(e, now);
    e->violations++;
    e->violated = now;
    if (l->ban_ms == 0 || e->violations < l->violations
        || bans_add(&a->bans, &ban, now) != SP_OK) {
        if (a->kept > KEPT_MOST)
            tidy(a, now);
        return false;
    }
    e->violations = 0;          /* they are paid for, once the ban is over */
    if (e->sessions == 0)
        drop(a, e);
    return true;
}

void
admission_forgive(struct admission *a, const struct net_network *n, int64_t now)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct admission_entry *e = a->table[i], *next = NULL; e != NULL; e = next) {
            struct net_addr peer = { .family = e->key[0] == 4 ? AF_INET : AF_INET6 };

            next = e->next;
            memcpy(peer.bytes, e->key + 1, peer.family == AF_INET ? 4 : 8);
            forgive(e, now);
            if (net_contains(n, &peer))
                e->violations = 0;
            if (is_empty(e))
                drop(a, e);
        }
}

const char *
admission_text(enum admission_verdict verdict)
{
    switch (verdict) {
    case ADMISSION_YES: return "admitted";
    case ADMISSION_FULL: return "sessions";
    case ADMISSION_ADDRESS_FULL: return "sessions-of-address";
    case ADMISSION_NETWORK_FULL: return "sessions-of-network";
    case ADMISSION_BANNED: return "banned";
    case ADMISSION_NOMEM: return "memory";
    }
    return "?";
}
