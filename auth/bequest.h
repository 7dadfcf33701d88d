/*
 * auth/bequest.h - what PAM modules set in this process is for the session's processes
 *
 * Runs in: login (root).                 Blocks: never.
 * Trusts:  PAM modules, which run as root in this process.
 *
 * pam_limits, pam_umask and pam_group do to the process that calls them what they mean for the
 * user. Here that is a login process, which serves nobody: what they did is read, and goes with
 * the verdict.
 */
#ifndef SP_AUTH_BEQUEST_H
#define SP_AUTH_BEQUEST_H

#include <stdbool.h>

#include "base/err.h"

struct account;

/*
 * Before credentials and session: this process gets the groups of the account, to which
 * modules add theirs, and a mask that nobody sets. False: it may not change its groups, and
 * so may no module.
 */
bool bequest_begin(const struct account *a);
/*
 * Mask and limits as they are now into *a, and the groups, if those were set by bequest_begin.
 * umask: 0 where no module has set one. SP_REFUSED, SP_OS: *why is set, and nobody may log in
 * with these groups.
 */
SP_CHECK enum sp_err bequest_take(struct account *a, bool groups, const char **why);

#endif
