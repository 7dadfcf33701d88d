/*
 * monitor/rundir.h - the run directory: one server at a time, and there while it runs
 *
 * Runs in: monitor.                      Blocks: on the disk.
 * Owns:    the lock on the directory, and its pid file.
 */
#ifndef SP_MONITOR_RUNDIR_H
#define SP_MONITOR_RUNDIR_H

#include <stdbool.h>

#include "base/err.h"
#include "config/settings.h"

#define RUNDIR_PATH 2048

/* lock -1: not held. */
struct rundir_place { char path[RUNDIR_PATH]; int lock; };

/* coming: of a reload that is not decided yet, where it names another directory. */
struct rundir { bool used, served; struct rundir_place now, coming; };

/*
 * Makes the directory, and takes it for this server. SP_INPUT: another server has it, or it
 * cannot be used (logged). SP_OS (logged).
 */
SP_CHECK enum sp_err rundir_begin(struct rundir *r, const struct settings *s);
/* The server serves: its pid is written. A failure is logged and changes nothing. */
void rundir_serve(struct rundir *r, const struct settings *s);
/* As rundir_begin, for the settings of a reload; then one of the two below. */
SP_CHECK enum sp_err rundir_prepare(struct rundir *r, const struct settings *s);
void rundir_change(struct rundir *r, const struct settings *old,
                   const struct settings *settings);
void rundir_keep(struct rundir *r);
/*
 * Somebody may have removed it (with /run, or to clean up), and processes that start need
 * it: it is made again then. True: it was.
 */
bool rundir_restore(struct rundir *r, const struct settings *s);
/* The pid file goes, if it is ours. */
void rundir_end(struct rundir *r, const struct settings *s);

#endif
