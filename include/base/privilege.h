/*
 * base/privilege.h - giving privileges up, and proving that they are gone
 *
 * Runs in: templates and the processes made from them, before they serve anyone.
 * Blocks:  never.
 *
 * No policy here: who becomes whom is said by the caller. Every function that fails leaves
 * the process in an undefined posture: the caller ends it.
 */
#ifndef SP_BASE_PRIVILEGE_H
#define SP_BASE_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Are we root in the initial sense: may we change uid and root? (geteuid() == 0) */
bool privilege_is_root(void);

/*
 * Rootless only: enter a user namespace of our own with our uid and gid mapped to
 * themselves, so that chroot(2) is possible. SP_OS: the kernel does not let us; the caller
 * goes on without and says so.
 */
SP_CHECK enum sp_err privilege_enter_userns(void);

/* chroot(2) into an open directory and chdir("/"). SP_OS. */
SP_CHECK enum sp_err privilege_chroot_fd(int dir);
SP_CHECK enum sp_err privilege_chroot(const char *path);

/*
 * Empty the bounding set of capabilities: no program that this process or a child of it
 * could still execute would have one. Part of privilege_drop; a template whose children
 * drop calls it ahead, once for all of them, and keeps what it has itself. SP_OS.
 */
SP_CHECK enum sp_err privilege_drop_bounding(void);
/*
 * For a process that stays root. Sets of capabilities are words: bit n is capability n. From
 * here on this process has those of own, as far as it had them (*kept: those that it has),
 * and a program that it executes as root starts with those of programs or of own (bounding
 * set). None is inheritable or ambient. Under no_new_privs the kernel gives programs only
 * what the one that executes them may have, so programs then stay permitted, too, and are
 * not in effect. SP_REFUSED: it has others, after all. SP_OS.
 */
SP_CHECK enum sp_err privilege_keep(uint64_t own, uint64_t programs, uint64_t *kept);
/* Those of own are in effect, and no other, until privilege_keep or the next try. SP_OS. */
SP_CHECK enum sp_err privilege_try(uint64_t own);
/* The ambient ones: what whoever started us wants programs to have. */
uint64_t privilege_ambient(void);
/*
 * From root to this user, as privilege_drop does it, but the capabilities of keep stay in
 * effect (a word: bit n is capability n): for what is to be done as the user and needs one,
 * as entering a directory that is closed to all others, root among them. privilege_drop is
 * to follow. SP_REFUSED: uid or gid 0; the groups are others. SP_OS, SP_NOMEM.
 */
SP_CHECK enum sp_err privilege_become(uid_t uid, gid_t gid, const gid_t *groups,
                                      size_t group_count, uint64_t keep);
/*
 * Give up every id for good: supplementary groups (count may be 0), real, effective and
 * saved gid and uid, all capability sets (bounding and ambient too); set no_new_privs; not
 * dumpable; RLIMIT_CORE 0. Then try to take root back: success of that is SP_REFUSED.
 * Rootless (not root, ids equal our own), or behind privilege_become: the ids stay, all the
 * rest is done.
 * SP_REFUSED: uid or gid 0 asked for while we are root, or the way back was open. SP_OS.
 */
SP_CHECK enum sp_err privilege_drop(uid_t uid, gid_t gid, const gid_t *groups,
                                    size_t group_count);

/*
 * What the machine around it does to a process is an error of a call, not its death: a peer
 * that is gone (SIGPIPE), a file that would pass RLIMIT_FSIZE (SIGXFSZ). The soft limit of
 * processor time (SIGXCPU) is passed over; the hard one holds. SP_OS.
 */
SP_CHECK enum sp_err privilege_ignore_signals(void);
/* RLIMIT_NOFILE for this process, soft and hard. SP_OS. */
SP_CHECK enum sp_err privilege_limit_files(unsigned most);
/* RLIMIT_NPROC 0: it starts no other process, where it is not root. SP_OS. */
SP_CHECK enum sp_err privilege_limit_processes(void);
/*
 * The soft limit which (RLIMIT_...) of this process, if it is more; the hard one stays. SP_OS.
 */
SP_CHECK enum sp_err privilege_limit_less(int which, uint64_t most);
/*
 * RLIMIT_AS for this process, soft and hard: all that it may have mapped, in bytes. SP_OS.
 * Does nothing under AddressSanitizer, whose shadow is larger than any limit.
 */
SP_CHECK enum sp_err privilege_limit_memory(size_t most);

#endif
