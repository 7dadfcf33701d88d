/*
 * admin/ask.h - a new password: from the terminal, from standard input, or made up
 *
 * Runs in: the administrator's tool.     Blocks: on who types.
 * Trusts:  nothing that is typed: length and characters are checked.
 */
#ifndef SP_ADMIN_ASK_H
#define SP_ADMIN_ASK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * From a terminal without echo, twice; from anything else (or with from_input) one line.
 * Says what is wrong: SP_INPUT (too short, not the same twice, characters that FTP cannot
 * send), SP_CLOSED (interrupted, or end of file), SP_OS.
 */
SP_CHECK enum sp_err ask_password(struct secret *out, bool from_input);
/* 20 letters and digits of some 116 bits, without those that look alike. */
SP_CHECK enum sp_err ask_random(struct secret *out);
/* Can this be a password? SP_INPUT, and says why not. */
SP_CHECK enum sp_err ask_check(const struct secret *s);

#endif
