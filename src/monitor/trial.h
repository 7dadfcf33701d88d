/*
 * monitor/trial.h - the start as `sallyportd -t` makes it: nobody is served, nothing stays
 *
 * Runs in: monitor, instead of serving.  Blocks: on the disk.
 *
 * The processes of a start are started in a directory of their own, under their own ids, with
 * the certificates, keys, lists and databases of the configuration: they say what is wrong
 * with these, as they would at a start. So no process reads a key that is not to own it. What
 * they log is turned into faults, each at the line of its setting.
 */
#ifndef SP_MONITOR_TRIAL_H
#define SP_MONITOR_TRIAL_H

#include "base/err.h"
#include "base/log.h"
#include "config/load.h"

#define TRIAL_PATH 512
#define TRIAL_SEEN 64           /* lines that are known, and not said again */

struct generation;

struct trial {
    struct settings shown;      /* file and places alone: where the settings stand */
    config_fault *fault;
    void *context;
    unsigned faults, seen_count;
    unsigned long seen[TRIAL_SEEN];
    char summary[LOG_LINE_MAX]; /* the last line about a process that ended */
    char directory[TRIAL_PATH]; /* "": none was made */
};

/*
 * Fits the settings: another run_directory, and what has been told already is taken out, so
 * that the rest can be tried. SP_REFUSED: there is nothing that could be tried (told).
 * SP_OS, SP_NOMEM (told).
 */
SP_CHECK enum sp_err trial_begin(struct trial *t, struct settings *s, config_fault *fault,
                                 void *context);
/* A line of the log, instead of the log. */
void trial_hear(struct trial *t, enum log_event event, const char *line);
/* All processes have been heard: is there a certificate that clients take? */
void trial_dates(struct trial *t, const struct generation *g);
/* failed: not all processes could start. Removes what trial_begin made. Returns the faults. */
unsigned trial_end(struct trial *t, bool failed);

#endif
