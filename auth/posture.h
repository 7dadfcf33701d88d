/*
 * auth/posture.h - what the login process is without, as root as it is
 *
 * Runs in: the login template (root) before its first fork, and its children.   Blocks: no.
 *
 * PAM modules need the system, so there is no sandbox here. What remains is to leave
 * nothing lying about that they, or whoever looks at this process, could find.
 */
#ifndef SP_AUTH_POSTURE_H
#define SP_AUTH_POSTURE_H

#include "base/err.h"

/*
 * No environment, no input and output, no core, not dumpable, umask 077; SIGINT and its
 * kind, which a terminal sends to all of us, do not end a session: its channel does.
 * SP_OS.
 */
SP_CHECK enum sp_err posture_enter(void);
/*
 * The attempt is over, and only pam_close_session(3) is still to come, hours later perhaps: few
 * descriptors, little memory, no large file. Not before: a hash takes as much memory as it
 * says, and a module that notes logins by uid writes far out in a sparse file. SP_OS.
 */
SP_CHECK enum sp_err posture_stay(void);
/*
 * What modules and libraries free (lines of /etc/shadow) is overwritten from now on. In a
 * child, first of all: nothing secret is read before, and the template, which fills its heap
 * up (heap_close_holes), would overwrite hundreds of MiB.
 */
void posture_overwrite_freed(void);
/*
 * The libraries of PAM keep the user's line of /etc/shadow until pam_end(3), which comes with
 * the end of the session: its hash is overwritten wherever the heap has it. This process waits
 * as root, for hours perhaps, beside modules that we did not write; what reads its memory (a
 * module's mistake, a swapped page, an image of the machine) must not find what a password
 * can be guessed from at leisure. Only the maps say where the copies are: the libraries made
 * them. It takes some 30 us, where the hash itself took tens of milliseconds.
 */
void posture_forget_shadow(const char *user);

#endif
