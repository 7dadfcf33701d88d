/*
 * auth/rehearse.h - could those log in who have an account?
 *
 * Runs in: the login template (root) of `sallyportd -t`, which never forks.
 * Blocks: on the users database, on NSS, and on the file system.
 */
#ifndef SP_AUTH_REHEARSE_H
#define SP_AUTH_REHEARSE_H

struct settings;

/* Can the users database be read? If not, an error is logged; one that is not there yet is
 * no fault. At each start of the template. */
void rehearse_database(const struct settings *s);
/*
 * Whose account cannot be used, or whose jail is not there and would not be made, is logged: a
 * warning, and an error where that is so of all accounts. Nothing is made or changed.
 */
void rehearse_accounts(const struct settings *s);

#endif
