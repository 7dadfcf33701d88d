/*
 * admin/user.h - `sallyport user`: the accounts of the users database
 *
 * Runs in: the administrator's tool, beside a running server.   Blocks: on the database,
 * on the terminal, and on Argon2.
 */
#ifndef SP_ADMIN_USER_H
#define SP_ADMIN_USER_H

#include "admin/say.h"

struct site;

/* argv[0] is the command behind "user". */
enum say_exit user_run(struct site *site, int argc, char **argv);

#endif
