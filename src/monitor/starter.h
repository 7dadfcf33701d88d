/*
 * monitor/starter.h - executing a template or the keyholder, and telling it who it is
 *
 * Runs in: monitor.                      Blocks: for the execve of the child only.
 * Owns:    nothing.
 */
#ifndef SP_MONITOR_STARTER_H
#define SP_MONITOR_STARTER_H

#include <sys/types.h>

#include "base/err.h"
#include "config/settings.h"
#include "wire/channel.h"

/*
 * Opens directory/name for starter_execute: what is open can be executed after a package
 * has put another file in its place, or removed it. -1: not open, it is then executed by
 * its path; so is a script, whose interpreter opens it once more. Neither opens nor executes
 * what root must not execute (config/programs.h).
 */
int starter_open(const char *directory, const char *name);
/* fd: starter_open, and lent; -1: none. mode: one more argument, or NULL. */
struct starter_program {
    const char *directory, *name;
    int fd;
    uid_t uid;
    gid_t gid;
    const char *mode;
};

/*
 * Executes the program that is open (or, where none is, directory/name) as a child: arguments
 * uid, gid and mode, an empty environment, its end of a channel as descriptor 3, /dev/null as
 * 0, 1 and 2, nothing else that stays (start_adopt); signals as they are by default, a session
 * of its own (a Ctrl-C in our terminal is ours alone). *channel is our end. SP_OS: errno says
 * why, also when there is no such program.
 */
SP_CHECK enum sp_err starter_execute(const struct starter_program *p, int *channel, pid_t *pid,
                                     int *pidfd);
/* Sends the settings of that kind of process as SETTINGS messages. */
SP_CHECK enum sp_err starter_send_settings(struct channel *c, const struct settings *s,
                                           unsigned kind);
SP_CHECK enum sp_err starter_send_start(struct channel *c);

/* One certificate, PEM, as a sealed file. SP_AGAIN, SP_CLOSED, SP_OS. */
SP_CHECK enum sp_err starter_send_certificate(struct channel *c, unsigned index,
                                              const char *file, const struct buf *text);

#endif
