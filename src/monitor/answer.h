/*
 * monitor/answer.h - the worker's questions, one function for each row of messages.def
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: the worker is taken for captured.
 */
#ifndef SP_MONITOR_ANSWER_H
#define SP_MONITOR_ANSWER_H

#include "base/err.h"

struct message;
struct session;

/* SP_INPUT: the worker broke a rule, *fault may say which. Every other failure is
 * answered. */
SP_CHECK enum sp_err answer_worker(struct session *s, const struct message *m,
                                   const char **fault);
/* It waits for a signature and gets none. */
void answer_no_signature(struct session *s);

#endif
