/*
 * base/nearest.h - which word was meant
 *
 * Runs in: every process.                Blocks: never.
 */
#ifndef SP_BASE_NEAREST_H
#define SP_BASE_NEAREST_H

#include <stddef.h>

#define NEAREST_MOST 128        /* bytes of a word that is looked at, with its NUL */

/*
 * The best of several words, found one by one. word is borrowed; the result is a borrowed
 * candidate, or NULL: none is near enough to be meant.
 */
struct nearest { const char *word, *best; size_t distance; };

void nearest_begin(struct nearest *n, const char *word);
void nearest_try(struct nearest *n, const char *candidate);
/* Of count words. */
const char *nearest_of(const char *word, const char *const *words, size_t count);

#endif
