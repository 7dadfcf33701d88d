/*
 * monitor/spawn.h - the templates: processes from which the sessions' processes are
 * forked
 *
 * Runs in: monitor.                      Blocks: never, but for execve of a template.
 * Trusts:  a template's program, not the form of what it sends.
 * Owns:    the templates and their channels; the descriptors of a request until it is
 * answered.
 *
 * A pool keeps one template of its kind in use and makes the next one ready in the
 * background before that has served its share. Requests queue: none is lost in a burst. As
 * long as no fresh template can be made ready, the one in use goes on, unless it is suspect.
 */
#ifndef SP_MONITOR_SPAWN_H
#define SP_MONITOR_SPAWN_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "monitor/helper.h"
#include "monitor/retry.h"
#include "monitor/template.h"

struct pool {
    struct helper_home *home;
    enum pool_kind kind;
    struct starter_program program;
    struct template *active, *next;
    struct child_asked_queue waiting;
    struct template_list templates;
    uint64_t serials, numbers;
    unsigned cancelled;
    bool lazy, stopped;
    bool kept;                  /* the old one goes on, as no fresh one starts */
    struct event dispatch;
    struct retry retry;
};

void spawn_request_init(struct spawn_request *r, spawn_answer *answer, void *owner);
/* Closes its descriptors. */
void spawn_request_clear(struct spawn_request *r);

SP_CHECK enum sp_err pool_init(struct pool *p, enum pool_kind kind, struct helper_home *home);
/*
 * p->program is filled. Begins the first template; home->changed is called when it is ready
 * or has failed.
 */
SP_CHECK enum sp_err pool_start(struct pool *p);
bool pool_is_ready(const struct pool *p);
/* r->fds are filled; they go to the process, in that order, from descriptor 3 on. */
void pool_ask(struct pool *p, struct spawn_request *r);
/* The answer still comes: ECANCELED, or a process if it was too late. */
void spawn_cancel(struct spawn_request *r);
/* No answer comes any more (the monitor ends). */
void spawn_forget(struct spawn_request *r);
/* A process of that template died by a signal or broke its sandbox: it serves no more. */
void pool_suspect(struct pool *p, uint64_t template_serial);
/* What a template reads at its start has changed: the next one is executed now. */
void pool_refresh(struct pool *p);
/* From now on a template is kept only while there is something to fork. */
void pool_make_lazy(struct pool *p);
/* Ends all templates; nothing may be waiting. */
void pool_clear(struct pool *p);

#endif
