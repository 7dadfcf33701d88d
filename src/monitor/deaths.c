/* monitor/deaths.c - see deaths.h */
#include "monitor/deaths.h"

#include <string.h>

#include "base/buf.h"

#define MEMORY_MS 3600000               /* a death is forgotten after an hour of peace */

static bool
is_refused(const struct death *e, int64_t now)
{
    return e->account[0] != '\0' && e->until > now;
}

static struct death *
find(struct deaths *d, const char *account)
{
    for (size_t i = 0; i < DEATHS_MOST; i++)
        if (strcmp(d->table[i].account, account) == 0)
            return &d->table[i];
    return NULL;
}

static struct death *
make(struct deaths *d, const char *account, int64_t now)
{
    struct death *least = &d->table[0];

    for (size_t i = 1; i < DEATHS_MOST; i++) {
        struct death *e = &d->table[i];
        bool refused = is_refused(e, now), least_refused = is_refused(least, now);

        if (refused != least_refused ? least_refused : e->last < least->last)
            least = e;
    }
    *least = (struct death){ .count = 0 };
    /* longer than any name that a login may grant */
    text_copy_whole(least->account, sizeof least->account, account);
    return least;
}

bool
deaths_count(struct deaths *d, const struct admission_limits *l, const char *account,
             int64_t now)
{
    struct death *e = find(d, account);

    if (e == NULL)
        e = make(d, account, now);
    if (is_refused(e, now))
        return false;                   /* a session of before */
    if (e->count > 0 && now - e->last >= MEMORY_MS)
        e->count = 0;
    e->count++;
    e->last = now;
    if (l->ban_ms == 0 || e->count < l->violations)
        return false;
    e->until = now + l->ban_ms;
    e->count = 0;                       /* they are paid for, once it is over */
    return true;
}

const struct death *
deaths_at(const struct deaths *d, size_t i, int64_t now)
{
    return is_refused(&d->table[i], now) ? &d->table[i] : NULL;
}

const struct death *
deaths_find(const struct deaths *d, const char *account, int64_t now)
{
    for (size_t i = 0; i < DEATHS_MOST; i++)
        if (is_refused(&d->table[i], now) && strcmp(d->table[i].account, account) == 0)
            return &d->table[i];
    return NULL;
}

bool
deaths_forgive(struct deaths *d, const char *account, int64_t now)
{
    struct death *e = find(d, account);
    bool refused = e != NULL && is_refused(e, now);

    if (e != NULL)
        *e = (struct death){ .count = 0 };
    return refused;
}
