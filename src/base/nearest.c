/* base/nearest.c - see include/base/nearest.h */
#include "base/nearest.h"

#include <string.h>

static size_t
least_of(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/*
 * How many letters have to be changed, added, taken out, or exchanged with the next one
 * (optimal string alignment). Both are shorter than NEAREST_MOST.
 */
static size_t
distance(const char *a, const char *b)
{
    size_t rows[3][NEAREST_MOST] = { { 0 } }, len = strlen(b);
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= len; j++)
        last[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t *turn = before;

        now[0] = i;
        for (size_t j = 1; j <= len; j++) {
            now[j] = least_of(last[j] + 1, now[j - 1] + 1,
                              last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]
                && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        before = last;
        last = now;
        now = turn;
    }
    return last[len];
}

void
nearest_begin(struct nearest *n, const char *word)
{
    *n = (struct nearest){ word, NULL, strlen(word) / 3 + 2 };
}

void
nearest_try(struct nearest *n, const char *candidate)
{
    size_t d = 0;

    if (strlen(n->word) >= NEAREST_MOST || strlen(candidate) >= NEAREST_MOST)
        return;
    /* a word of which every letter is another one was not meant */
    if ((d = distance(n->word, candidate)) < n->distance && d < strlen(candidate)) {
        n->distance = d;
        n->best = candidate;
    }
}

const char *
nearest_of(const char *word, const char *const *words, size_t count)
{
    struct nearest n;

    nearest_begin(&n, word);
    for (size_t i = 0; i < count; i++)
        nearest_try(&n, words[i]);
    return n.best;
}
