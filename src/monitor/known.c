/* monitor/known.c - see known.h */
#include "monitor/known.h"

#include <stdlib.h>

enum sp_err
known_init(struct known *k)
{
    k->table = calloc((size_t)KNOWN_ROWS * KNOWN_PLACES, sizeof *k->table);
    return k->table == NULL ? SP_NOMEM : SP_OK;
}

void
known_clear(struct known *k)
{
    free(k->table);
    k->table = NULL;
}

static struct known_entry *
row_of(const struct known *k, uint64_t account)
{
    return k->table + account % KNOWN_ROWS * KNOWN_PLACES;
}

static bool
is_entry_of(const struct known_entry *e, uint64_t account, const struct network *n)
{
    return e->account == account && network_same(&e->network, n);
}

static unsigned
count_of(const struct known_entry *row, uint64_t account)
{
    unsigned count = 0;

    for (unsigned i = 0; i < KNOWN_PLACES; i++)
        count += row[i].network.kind != NETWORK_NONE && row[i].account == account;
    return count;
}

/* An empty place, or the oldest entry of the account that has the most of the row. */
static struct known_entry *
place_in(struct known_entry *row)
{
    struct known_entry *best = NULL;
    unsigned most = 0;

    for (unsigned i = 0; i < KNOWN_PLACES; i++) {
        unsigned count = 0;

        if (row[i].network.kind == NETWORK_NONE)
            return &row[i];
        count = count_of(row, row[i].account);
        if (best == NULL || count > most || (count == most && row[i].last < best->last)) {
            best = &row[i];
            most = count;
        }
    }
    return best;
}

void
known_add(struct known *k, uint64_t account, const struct network *n, int64_t last)
{
    struct known_entry *row = row_of(k, account), *place = NULL;

    for (unsigned i = 0; place == NULL && i < KNOWN_PLACES; i++)
        if (is_entry_of(&row[i], account, n))
            place = &row[i];
    if (place == NULL)
        place = place_in(row);
    *place = (struct known_entry){ account, *n, last, false };
}

bool
known_has(const struct known *k, uint64_t account, const struct network *n, int64_t now)
{
    const struct known_entry *row = row_of(k, account);

    for (unsigned i = 0; i < KNOWN_PLACES; i++)
        if (is_entry_of(&row[i], account, n))
            return now - row[i].last < KNOWN_MS;
    return false;
}

bool
known_any(const struct known *k, const struct network *n, int64_t now)
{
    for (size_t i = 0; i < (size_t)KNOWN_ROWS * KNOWN_PLACES; i++)
        if (k->table[i].network.kind != NETWORK_NONE && now - k->table[i].last < KNOWN_MS
            && network_holds(n, &k->table[i].network))
            return true;
    return false;
}

struct known_entry *
known_at(const struct known *k, size_t i)
{
    return i < (size_t)KNOWN_ROWS * KNOWN_PLACES ? &k->table[i] : NULL;
}
