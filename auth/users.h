/*
 * auth/users.h - the backend "users": accounts of the users database
 *
 * Runs in: login (root).                 Blocks: on the database, a slot, and Argon2.
 * Trusts:  the database (auth/accounts.h says when); nothing a client typed.
 */
#ifndef SP_AUTH_USERS_H
#define SP_AUTH_USERS_H

struct attempt;
struct verdict;

/* A chain_check (auth/chain.h). */
void users_check(struct attempt *a, struct verdict *v);
/*
 * What a login leaves in the database: its time, and a hash of the configured cost. Comes
 * when the verdict has been sent, does not decide over the login, and only warns if it fails.
 */
void users_record(struct attempt *a, const struct verdict *v);
/* The work of a check for a name that is not there. */
void users_pretend(struct attempt *a, struct verdict *v);

#endif
