/*
 * monitor/known.h - from which networks an account has logged in before
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing. Only a login that was granted makes an entry.
 * Owns:    a table of fixed size.
 *
 * An account's entries share one row of the table, and a full row gives up the oldest entry
 * of whoever has the most there. So an account that logs in from everywhere pushes out its
 * own entries before those of others.
 */
#ifndef SP_MONITOR_KNOWN_H
#define SP_MONITOR_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "monitor/keyed.h"

#define KNOWN_ROWS 4096u
#define KNOWN_PLACES 16u
#define KNOWN_MS (INT64_C(56) * 24 * 3600 * 1000)       /* eight weeks */

/* kept: the ledger has it as it is. */
struct known_entry { uint64_t account; struct network network; int64_t last; bool kept; };

struct known { struct known_entry *table; };

SP_CHECK enum sp_err known_init(struct known *k);
void known_clear(struct known *k);
/* account: keyed_hash of its name. last, now: clock_ms(). */
void known_add(struct known *k, uint64_t account, const struct network *n, int64_t last);
bool known_has(const struct known *k, uint64_t account, const struct network *n,
               int64_t now);
/* Has any account logged in from there? Walks the whole table. */
bool known_any(const struct known *k, const struct network *n, int64_t now);
/* The i-th place of the table, used or not; NULL: there are not so many. */
struct known_entry *known_at(const struct known *k, size_t i);

#endif
