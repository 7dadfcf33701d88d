/*
 * broker/jail.h - from root to the user, into the jail, for good
 *
 * Runs in: broker, once, before it serves anyone.      Blocks: as the file system does.
 * Trusts:  the monitor, which says who the user is and where the jail lies.
 */
#ifndef SP_BROKER_JAIL_H
#define SP_BROKER_JAIL_H

#include "base/err.h"

struct broker;
struct msg_grant;

/*
 * Become the user of the grant, with the jail as root directory and b->root open on it;
 * fills the account in *b. The jail is opened with the user's rights, never with ours.
 * Afterwards there is no privilege left, Landlock stands (where the kernel has it), and
 * the umask and the limit of descriptors are set. SP_REFUSED: uid or gid 0, or another
 * user than ours when we are not root. SP_INPUT: the grant's form. SP_OS. On failure the
 * process must end.
 */
SP_CHECK enum sp_err jail_enter(struct broker *b, const struct msg_grant *grant);

#endif
