/*
 * monitor/report.h - what the log says of sessions and helpers
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing in the texts that processes send.
 */
#ifndef SP_MONITOR_REPORT_H
#define SP_MONITOR_REPORT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "monitor/process.h"

struct message;
struct part;
struct session;

/*
 * "session=ID peer=ADDRESS " and then the event with its key=value. It counts as one of the
 * lines that the session causes: too many of them slow it down, and none is left out.
 */
void report_session(struct session *s, enum log_event event, const char *format,
                    ...) SP_PRINTF(3, 4);
/*
 * A LOG message of one of the session's processes: written with its side. SP_INPUT: it says
 * what it may not say (base/log.def).
 */
SP_CHECK enum sp_err report_log(struct part *part, const struct message *m);
/* A SANDBOX message: the system call by its name, and whether it was stopped. */
SP_CHECK enum sp_err report_sandbox(struct part *part, const struct message *m);
/*
 * The process of part broke a rule. type: of the message, MSG_NONE if none came through.
 */
void report_breach(const struct part *part, unsigned type, const char *fault);
/* It died by a signal that was not ours. */
void report_crash(const struct part *part, const struct process_end *how);
/* *next: a listener for the next one is asked for. */
SP_CHECK enum sp_err report_transfer(struct session *s, const struct message *m, bool *next);

/*
 * The same for processes that belong to no session. sender: whose events it may say (a
 * template: those of the processes that are forked from it). kind may be NULL.
 */
SP_CHECK enum sp_err report_helper_log(unsigned sender, const char *side, const char *kind,
                                       const struct message *m);
SP_CHECK enum sp_err report_helper_sandbox(const char *side, const char *kind,
                                           bool reporting, const struct message *m);

#endif
