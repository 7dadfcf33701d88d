/*
 * config/programs.h - the programs that root executes: who could put others in their place
 *
 * Runs in: the monitor and the administrator's tool.     Blocks: on the file system.
 * Trusts:  root, and whoever could replace the program that asks, as the owner of a build
 *          tree can whose sallyportd root has started: that one is asked for nothing new.
 */
#ifndef SP_CONFIG_PROGRAMS_H
#define SP_CONFIG_PROGRAMS_H

#include "base/err.h"

#define PROGRAM_WHY 700         /* bytes of a reason, with its NUL */

/*
 * Opens directory/name to be executed (O_PATH, close-on-exec), and looks on the way at each
 * directory and link and at the file. SP_REFUSED: root would execute it, and somebody else
 * owns one of them, or may write to one (a directory may be sticky, as /tmp is); *why says
 * which, and what to do. Without root nobody is refused: it is executed as who we are.
 * SP_OS: errno.
 */
SP_CHECK enum sp_err program_open(const char *directory, const char *name, int *fd,
                                  char why[PROGRAM_WHY]);

#endif
