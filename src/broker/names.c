/* broker/names.c - see broker/names.h */
#include "broker/names.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_TEXT 4096
#define LEAST_ITEMS 128

static enum sp_err
room_for_text(struct names *n, size_t more)
{
    size_t room = n->room == 0 ? LEAST_TEXT : n->room;
    char *text = NULL;

    if (more > n->max || n->len > n->max - more)
        return SP_NOMEM;
    while (room < n->len + more)
        room *= 2;
    if (room == n->room)
        return SP_OK;
    if ((text = realloc(n->text, room)) == NULL)
        return SP_NOMEM;
    n->text = text;
    n->room = room;
    return SP_OK;
}

static enum sp_err
room_for_item(struct names *n)
{
    size_t room = n->items_room == 0 ? LEAST_ITEMS : 2 * n->items_room;
    struct name_item *items = NULL;

    if (n->count < n->items_room)
        return SP_OK;
    if ((items = reallocarray(n->items, room, sizeof *items)) == NULL)
        return SP_NOMEM;
    n->items = items;
    n->items_room = room;
    return SP_OK;
}

enum sp_err
names_add(struct names *n, const char *text, bool unfinished, int64_t key)
{
    size_t len = strlen(text) + 1;
    enum sp_err rc = SP_OK;

    SP_ASSERT(n->max <= UINT32_MAX);
    if ((rc = room_for_text(n, len)) != SP_OK || (rc = room_for_item(n)) != SP_OK)
        return rc;
    memcpy(n->text + n->len, text, len);
    n->items[n->count++] = (struct name_item){ (uint32_t)n->len, unfinished, key };
    n->len += len;
    return SP_OK;
}

const char *
names_text(const struct names *n, size_t i)
{
    SP_ASSERT(i < n->count);
    return n->text + n->items[i].at;
}

const char *
names_pop(struct names *n)
{
    SP_ASSERT(n->count > 0);
    n->count--;
    n->len = n->items[n->count].at;
    return n->text + n->len;
}

static int
compare(const void *a, const void *b, void *text)
{
    const struct name_item *one = a, *other = b;
    const char *base = text;

    if (one->key != other->key)
        return one->key < other->key ? -1 : 1;
    return strcmp(base + one->at, base + other->at);
}

static int
compare_back(const void *a, const void *b, void *text)
{
    return compare(b, a, text);
}

/* As the file system had them, in order or in its opposite: tmpfs does that, for one. */
static bool
put_in_order(struct names *n, bool reverse)
{
    bool rises = true, falls = true;

    for (size_t i = 1; i < n->count && (rises || falls); i++) {
        int way = compare(&n->items[i - 1], &n->items[i], n->text);

        rises = rises && way <= 0;
        falls = falls && way > 0;
    }
    if (rises == falls)
        return rises;           /* neither; both are true of one name only */
    for (size_t i = 0; rises == reverse && i < n->count / 2; i++) {
        struct name_item kept = n->items[i];

        n->items[i] = n->items[n->count - 1 - i];
        n->items[n->count - 1 - i] = kept;
    }
    return true;
}

void
names_sort(struct names *n, bool reverse)
{
    if (!put_in_order(n, reverse))
        qsort_r(n->items, n->count, sizeof *n->items, reverse ? compare_back : compare,
                n->text);
}

void
names_forget_keys(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->items[i].key != INT64_MIN)
            n->items[i].key = 0;
}

void
names_reset(struct names *n)
{
    n->len = 0;
    n->count = 0;
}

void
names_free(struct names *n)
{
    size_t max = n->max;

    free(n->text);
    free(n->items);
    *n = (struct names)NAMES_EMPTY(max);
}
