/*
 * monitor/monitor.h - what the modules of the monitor share
 *
 * Runs in: monitor.
 */
#ifndef SP_MONITOR_MONITOR_H
#define SP_MONITOR_MONITOR_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/load.h"
#include "monitor/admin.h"
#include "monitor/admission.h"
#include "monitor/bond.h"
#include "monitor/bucket.h"
#include "monitor/deaths.h"
#include "monitor/guessers.h"
#include "monitor/kin.h"
#include "monitor/ledger.h"
#include "monitor/listener.h"
#include "monitor/places.h"
#include "monitor/logsink.h"
#include "monitor/naming.h"
#include "monitor/notify.h"
#include "monitor/ports.h"
#include "monitor/process.h"
#include "monitor/reload.h"
#include "monitor/rundir.h"
#include "monitor/takeover.h"

struct generation;
struct session;
struct settings;
struct trial;
TAILQ_HEAD(session_list, session);

#define MONITOR_SIGNALS 5       /* that have a meaning; all others are ignored */

struct monitor {
    struct event_base *loop;
    const char *file;                   /* the configuration */
    bool root, foreground;
    bool ready, stopping;
    int exit_code;
    int parent;                         /* who waits for us to be ready; -1: nobody */
    struct logsink sink;
    struct children children;
    struct admin admin;
    struct admission admission;
    struct deaths deaths;
    struct guessers guessers;
    struct kins kins;
    struct bonds bonds;
    struct ledger ledger;
    struct listeners listeners;
    struct logins logins;
    struct text_list clear_names;       /* may log in without TLS, by the users database */
    struct ports ports;
    struct takeovers takeovers;
    struct generation *current, *coming;
    unsigned generations;
    struct session_list sessions;       /* until the last process of each is gone */
    struct session_list ended;        /* freed by the burial event, never in a callback */
    unsigned session_most;              /* what our descriptors allow */
    char boot[NAMING_BOOT];
    uint64_t session_numbers;
    struct bucket refusal_lines;
    unsigned refusals_unsaid;
    struct event burial, sweep, validity, stop_timer, log_timer;
    struct event signals[MONITOR_SIGNALS];
    struct reload reload;
    struct rundir rundir;
    struct notify notify;
    struct trial *trial;                /* not NULL: nobody is served (trial.h) */
};

/*
 * The server from its first process to its last. *s is moved. parent: where the exit code
 * of the process that started a daemon goes once everything is ready, or -1. notify: the
 * service manager that wants to know. Returns the exit code.
 */
int monitor_run(struct settings *s, bool foreground, int parent,
                const struct notify *notify);
/*
 * The start without what others would see of it: nothing is listened on, served or written.
 * Takes *s over. Faults are told. Returns how many there were.
 */
unsigned monitor_try(struct settings *s, config_fault *fault, void *context);
/* Opens the log anew, as the current settings have it. */
void monitor_take_log(struct monitor *m);

#endif
