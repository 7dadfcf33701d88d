/*
 * admin/show.h - accounts, for people
 *
 * Runs in: the administrator's tool.     Blocks: on the database and the terminal.
 */
#ifndef SP_ADMIN_SHOW_H
#define SP_ADMIN_SHOW_H

#include "base/err.h"

struct accounts;
struct accounts_entry;

/* One line for each account. As accounts_each. */
SP_CHECK enum sp_err show_table(struct accounts *a, const char *guest_user);
/* One line for each column; never the hash. */
void show_account(const struct accounts_entry *e, const char *guest_user,
                  unsigned default_umask);

#endif
