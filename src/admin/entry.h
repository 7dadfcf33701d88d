/*
 * admin/entry.h - options become columns of an account
 *
 * Runs in: the administrator's tool.     Blocks: as NSS does, for names of users and
 * groups.
 */
#ifndef SP_ADMIN_ENTRY_H
#define SP_ADMIN_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/admin.h"

struct accounts_entry;
struct user_options;

#define ENTRY_WHY_MAX 512

/* A new account before its options: writable, without limits or ids of its own. */
void entry_init(struct accounts_entry *e);
/*
 * Changes what the options say, and checks that the result can be used. SP_INPUT: why
 * says which option, what is wrong with it, and what would be right; *e is half changed
 * then.
 */
SP_CHECK enum sp_err entry_apply(struct accounts_entry *e, const struct user_options *o,
                                 char why[ENTRY_WHY_MAX]);
/* What a change means for who is logged in; now: seconds since the epoch. */
enum account_change entry_change(const struct accounts_entry *before,
                                 const struct accounts_entry *after, int64_t now);
/* "2027-01-31" is the last day (UTC) of the account: its end. "never" is 0. */
SP_CHECK enum sp_err entry_parse_expiry(const char *text, int64_t *out);
/* The other way round; out has room for 32 bytes. Returns out. */
const char *entry_expiry_text(int64_t expires, char out[32]);

#endif
