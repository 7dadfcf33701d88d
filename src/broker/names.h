/*
 * broker/names.h - many names, close together, in an order
 *
 * Runs in: broker.                       Blocks: never.
 * Owns:    its memory.
 */
#ifndef SP_BROKER_NAMES_H
#define SP_BROKER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* text lies at names.text + at, with a NUL. key: what sorts before the text does. */
struct name_item { uint32_t at; bool unfinished; int64_t key; };

struct names {
    char *text;
    size_t len, room, max;      /* of the text, in bytes */
    struct name_item *items;
    size_t count, items_room;
};

#define NAMES_EMPTY(most) { NULL, 0, 0, (most), NULL, 0, 0 }

/* SP_NOMEM: memory, or past max. */
SP_CHECK enum sp_err names_add(struct names *n, const char *text, bool unfinished,
                               int64_t key);
const char *names_text(const struct names *n, size_t i);
/* Takes the last one off; count must not be 0. What names_text gave of it stays until the
 * next names_add. */
const char *names_pop(struct names *n);
/* By key, smallest first, and then by bytes; all of it backwards when reverse. */
void names_sort(struct names *n, bool reverse);
/* As if none had been given but INT64_MIN, with which a name comes before all others. */
void names_forget_keys(struct names *n);
/* Empties; the memory stays. */
void names_reset(struct names *n);
void names_free(struct names *n);

#endif
