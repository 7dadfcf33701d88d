/*
 * monitor/template.h - one executed template, from execve to its end
 *
 * Runs in: monitor.                      Blocks: never, but for its execve.
 * Trusts:  the template's program, not the form of what it sends.
 * Owns:    its process, its channel; frees itself when the process is gone.
 *
 * Part of the pool (spawn.h), which alone uses it: the pool_template_ functions below are
 * what a template tells its pool.
 */
#ifndef SP_MONITOR_TEMPLATE_H
#define SP_MONITOR_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "monitor/spawn.h"

struct template;

const char *template_kind_name(enum pool_kind kind);
const char *template_program(enum pool_kind kind);

/* Executes it and sends what it must know; pool_template_ready or _gone follows. */
SP_CHECK enum sp_err template_new(struct pool *p, uint64_t serial, struct template **out);
bool template_is_ready(const struct template *t);
unsigned template_served(const struct template *t);
unsigned template_outstanding(const struct template *t);
uint64_t template_serial_of(const struct template *t);
/* fds: moved on success. SP_AGAIN: it does not read now. Other: it is broken. */
SP_CHECK enum sp_err template_send(struct template *t, struct spawn_request *r, int *fds);
/* r is not answered any more. */
void template_forget(struct template *t, struct spawn_request *r);
/* Serves what it was asked, then ends. */
void template_retire(struct template *t);
/* Something is wrong with it: ends at once. fault NULL: it is dead, or nearly, and its end
 * is told when it is seen. */
void template_break(struct template *t, const char *fault);
/* The pool goes away: the process is killed, t is freed here and now. */
void template_abandon(struct template *t);

void pool_template_ready(struct pool *p, struct template *t);
void pool_template_answered(struct pool *p, struct spawn_request *r, pid_t pid,
                            int *pidfd, int error);
/* in_order: it was to end. The template frees itself afterwards. */
void
pool_template_gone(struct pool *p, struct template *t, bool was_ready, bool in_order);

#endif
