/*
 * monitor/prepare.h - this process and its directories before anything is started
 *
 * Runs in: monitor.                      Blocks: on the disk.
 */
#ifndef SP_MONITOR_PREPARE_H
#define SP_MONITOR_PREPARE_H

#include <stdbool.h>

#include "base/err.h"
#include "config/settings.h"

#define PREPARE_PATH 2048       /* bytes of a path below run_directory */

/*
 * Nothing of whoever started us stays: descriptors, environment, umask, signals, core
 * dumps. 0, 1 and 2 are open. SIGHUP and SIGUSR1 wait until prepare_let_signals, so that
 * one that comes early is done late, and not the end of us. SP_OS.
 */
SP_CHECK enum sp_err prepare_process(void);
/* There are handlers now. SP_OS. */
SP_CHECK enum sp_err prepare_let_signals(void);
/* As many descriptors as there may be. Returns the sessions that these are enough for. */
unsigned prepare_limits(const struct settings *s);
/*
 * Makes run_directory (0755) and the empty directory in it (0555), both ours. SP_INPUT:
 * what is there cannot be used (logged). SP_OS (logged).
 */
SP_CHECK enum sp_err prepare_directories(const struct settings *s);
/* A directory that only we enter (0700), made if it is missing. SP_INPUT (logged). */
SP_CHECK enum sp_err prepare_private_directory(const char *path, int *fd);
/* One line for each wall that cannot stand on this machine. */
void prepare_report_walls(bool root);
/* The same for what the configuration takes away: at start and at each reload. */
void prepare_report_settings(const struct settings *s);
/*
 * What this kernel cannot do is taken back, and logged, before a worker is told: it has no
 * socket to find out with.
 */
void prepare_fit_settings(struct settings *s);
/* run_directory/sallyportd.pid; a failure is logged and changes nothing. */
void prepare_write_pid(const struct settings *s);
void prepare_remove_pid(const struct settings *s);

#endif
