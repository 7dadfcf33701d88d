/*
 * monitor/keys.h - the keyholder: its life, and the signatures asked of it
 *
 * Runs in: monitor.                      Blocks: never, but for its execve.
 * Trusts:  the keyholder's program, not the form of what it sends. Never reads a key: the
 *          open key file is passed on.
 * Owns:    the process, its channel, the requests.
 */
#ifndef SP_MONITOR_KEYS_H
#define SP_MONITOR_KEYS_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/err.h"
#include "monitor/process.h"
#include "wire/channel.h"
#include "wire/pack.h"

#define KEYHOLDER_PROGRAM "sallyport-keyholder"

struct generation;
struct sign_request;

/* signature: NULL where it was refused. Called once, from the loop. */
typedef void sign_answer(void *owner, const struct slice *signature);

struct keyholder {
    struct generation *generation;
    struct channel channel;
    struct process process;
    struct event readable, deadline, retry, dispatch;
    bool ready;
    unsigned failures, outstanding;
    uint64_t numbers;
    TAILQ_HEAD(sign_queue, sign_request) waiting, sent;
};

SP_CHECK enum sp_err keyholder_init(struct keyholder *k, struct generation *g);
/* generation_changed is called when it is ready or has failed. */
SP_CHECK enum sp_err keyholder_start(struct keyholder *k);
/* True also where no key is configured and there is no process. */
bool keyholder_is_ready(const struct keyholder *k);
/* *out is valid until the answer; for keyholder_forget. SP_REFUSED: no such key.
 * SP_NOMEM. */
SP_CHECK enum sp_err
keyholder_ask(struct keyholder *k, const struct msg_sign *what, sign_answer *answer,
              void *owner, struct sign_request **out);
/* The owner does not wait any more: no answer is called. */
void keyholder_forget(struct sign_request *r);
/* Ends it; no request may be left that is waited for. */
void keyholder_clear(struct keyholder *k);

#endif
