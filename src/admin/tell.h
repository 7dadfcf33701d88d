/*
 * admin/tell.h - the running server hears what became of an account
 *
 * Runs in: the administrator's tool.     Blocks: until the server has answered, bounded.
 */
#ifndef SP_ADMIN_TELL_H
#define SP_ADMIN_TELL_H

#include "wire/admin.h"

struct site;

/*
 * It ends the account's sessions. Says how many, or that it could not be told, and what to
 * do; quiet where no server runs, and where the database is not the one it uses.
 */
void tell_change(const struct site *site, const char *name, enum account_change change);

#endif
