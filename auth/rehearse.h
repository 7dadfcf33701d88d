/*
 * auth/rehearse.h - what the users database says before anybody logs in
 *
 * Runs in: the login template (root), before its first fork.
 * Blocks: on the users database, on NSS, and on the file system.
 */
#ifndef SP_AUTH_REHEARSE_H
#define SP_AUTH_REHEARSE_H

#include "base/err.h"

struct settings;

struct channel;

/*
 * Can the users database be read? If not, an error is logged; one that is not there yet is no
 * fault. The monitor is told the names that may log in without TLS. At each start of the
 * template. Else than SP_OK: the monitor is gone.
 */
SP_CHECK enum sp_err rehearse_database(const struct settings *s, struct channel *monitor);
/*
 * Could those log in who have an account? By `sallyportd -t`. Whose account cannot be used, or whose jail is not there and would not be made, is logged: a
 * warning, and an error where that is so of all accounts. Nothing is made or changed.
 */
void rehearse_accounts(const struct settings *s);

#endif
