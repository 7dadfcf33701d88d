/*
 * monitor/template.h - one executed template, from execve to its end
 *
 * Runs in: monitor.                      Blocks: never, but for its execve.
 * Trusts:  the template's program, not the form of what it sends.
 * Owns:    its process (helper.h); frees itself when the process is gone.
 *
 * Its pool (spawn.h), which alone uses it, is told through a table of functions.
 */
#ifndef SP_MONITOR_TEMPLATE_H
#define SP_MONITOR_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/err.h"
#include "monitor/child.h"
#include "monitor/helper.h"
#include "wire/message.h"

struct pool;
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
    struct child_asked asked;   /* waits in the pool, or was sent                  */
    struct pool *pool;          /* while it waits or is sent                       */
    struct template *template;  /* while it is sent                                */
    uint64_t template_serial;   /* of the template that was asked, for pool_suspect */
    int fds[MESSAGE_FDS];       /* -1: none                                        */
    bool cancelled;
    spawn_answer *answer;
    void *owner;
};

/* What a template tells its pool. */
struct template_calls {
    void (*ready)(struct pool *p, struct template *t);
    void (*answered)(struct pool *p, struct spawn_request *r, pid_t pid, int *pidfd, int error);
    /* in_order: it was to end. What was sent is answered, and the template freed, afterwards. */
    void (*gone)(struct pool *p, struct template *t, bool was_ready, bool in_order);
};

LIST_HEAD(template_list, template);

/* all: the list that it joins. */
struct template_birth {
    struct pool *pool;
    const struct template_calls *calls;
    enum pool_kind kind;
    struct helper_home *home;
    const struct starter_program *program;
    struct template_list *all;
};

const char *template_kind_name(enum pool_kind kind);
const char *template_program(enum pool_kind kind);

/* Executes it and sends what it must know; ready or gone follows. */
SP_CHECK enum sp_err template_new(const struct template_birth *birth, uint64_t serial,
                                  struct template **out);
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

struct spawn_request *spawn_request_asked(struct child_asked *asked);

#endif
