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
#include <sys/queue.h>
#include <sys/types.h>

#include "base/err.h"
#include "wire/message.h"

struct generation;
struct spawn_request;
struct template;

enum pool_kind { POOL_WORKER, POOL_BROKER, POOL_LOGIN, POOL_COUNT };

/*
 * error 0: the process exists, its pidfd is the callee's if it moves it out, and the
 * descriptors of the request are closed here. Else an errno; they are still there.
 * Called exactly once for each request, from the loop, never from inside pool_ask.
 */
typedef void spawn_answer(void *owner, struct spawn_request *r, pid_t pid, int *pidfd,
                          int error);

/* Lies in its owner, filled by spawn_request_init; until the answer it must not move. */
struct spawn_request {
    TAILQ_ENTRY(spawn_request) entry;
    struct pool *pool;          /* while it waits or is sent                       */
    uint64_t number;
    struct template *template;  /* while it is sent                                */
    uint64_t template_serial;   /* of the template that was asked, for pool_suspect */
    int fds[MESSAGE_FDS];       /* -1: none                                        */
    bool cancelled;
    spawn_answer *answer;
    void *owner;
};

struct pool {
    struct generation *generation;
    enum pool_kind kind;
    struct template *active, *next;
    TAILQ_HEAD(spawn_queue, spawn_request) waiting;
    LIST_HEAD(template_list, template) templates;
    uint64_t serials, numbers;
    unsigned failures, cancelled;
    bool lazy, stopped;
    bool kept;                  /* the old one goes on, as no fresh one starts */
    struct event dispatch, retry;
};

void spawn_request_init(struct spawn_request *r, spawn_answer *answer, void *owner);
/* Closes its descriptors. */
void spawn_request_clear(struct spawn_request *r);

SP_CHECK enum sp_err pool_init(struct pool *p, enum pool_kind kind, struct generation *g);
/*
 * Begins the first template; generation_changed is called when it is ready or has failed.
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
