/*
 * ledger/store.h - what the monitor wants to find again, in one SQLite database
 *
 * Runs in: ledger.                       Blocks: on the disk.
 * Trusts:  nothing in the file but that its rows are numbers; the monitor looks at them.
 * Owns:    the database.
 *
 * Rows are numbers alone (messages.def, FIELDS_ROW), in tables by their first field. What is
 * put is one transaction up to store_commit: a ledger that dies leaves what was there.
 */
#ifndef SP_LEDGER_STORE_H
#define SP_LEDGER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/pack.h"

struct sqlite3;

#define STORE_KNOWN_MOST 131072         /* rows; the oldest ones go */

struct store { struct sqlite3 *db; bool begun; };

#define STORE_EMPTY { NULL, false }

/* Opens or makes it. SP_INPUT: it is no database of ours, or the disk fails (logged). */
SP_CHECK enum sp_err store_open(struct store *s, const char *file);
/* Finishes nothing: what was not committed is not there. */
void store_close(struct store *s);
/* Calls each for every row, of all tables, in their order. */
typedef enum sp_err store_row(void *context, const struct msg_row *row);
SP_CHECK enum sp_err store_each(struct store *s, store_row *each, void *context);
/* SP_OS: logged; the transaction is lost as a whole. */
SP_CHECK enum sp_err store_put(struct store *s, const struct msg_row *row);
/* Forgets all rows of failures and bans: new ones follow. */
SP_CHECK enum sp_err store_forget(struct store *s);
/* Known addresses older than oldest go, and those that are too many. */
SP_CHECK enum sp_err store_commit(struct store *s, int64_t oldest);

#endif
