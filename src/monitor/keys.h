/*
 * monitor/keys.h - the keyholder: its life, and the signatures asked of it
 *
 * Runs in: monitor.                      Blocks: never, but for its execve.
 * Trusts:  the keyholder's program, not the form of what it sends. Never reads a key: the
 *          open key file is passed on.
 * Owns:    the process (helper.h), the requests.
 */
#ifndef SP_MONITOR_KEYS_H
#define SP_MONITOR_KEYS_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/err.h"
#include "monitor/fair.h"
#include "monitor/helper.h"
#include "monitor/retry.h"
#include "monitor/validity.h"
#include "wire/pack.h"

#define KEYHOLDER_PROGRAM "sallyport-keyholder"

struct budget;
struct budget_turn;
struct net_addr;
struct sign_request;

/* signature: NULL where it was refused. Called once, from the loop. */
typedef void sign_answer(void *owner, const struct slice *signature);

struct keyholder {
    struct helper_home *home;
    struct helper helper;
    struct retry retry;
    struct event dispatch;
    struct starter_program program;
    const int *keys;            /* open files, as many as settings name; lent          */
    struct validity *validity;  /* of each, lent: filled as it tells                   */
    bool ready;
    unsigned outstanding;
    uint64_t numbers;
    struct fair waiting;
    struct child_asked_queue sent;
};

SP_CHECK enum sp_err keyholder_init(struct keyholder *k, struct helper_home *home);
/*
 * k->keys, k->validity and k->program are filled. home->changed is called when it is ready or
 * has failed.
 */
SP_CHECK enum sp_err keyholder_start(struct keyholder *k);
/* True also where no key is configured and there is no process. */
bool keyholder_is_ready(const struct keyholder *k);
/* Who asks, what he may ask for, and how long he waits where that is used up. */
struct sign_terms { const struct net_addr *peer; struct budget *budget; int64_t wait_us; };

/*
 * *out is valid until the answer; for keyholder_forget. SP_AGAIN: the same, but it waits for
 * the budget first. SP_REFUSED: it would wait too long. SP_INPUT: no such key. SP_NOMEM,
 * SP_OS.
 */
SP_CHECK enum sp_err
keyholder_ask(struct keyholder *k, const struct msg_sign *what, const struct sign_terms *terms,
              sign_answer *answer, void *owner, struct sign_request **out);
/* The budget_go of each budget that is named in terms. */
void keyholder_go_on(struct budget_turn *held);
/* Does it wait for its budget still? */
bool keyholder_holds_back(const struct sign_request *r);
/* The owner does not wait any more: no answer is called. */
void keyholder_forget(struct sign_request *r);
/* Ends it; no request may be left that is waited for. */
void keyholder_clear(struct keyholder *k);

#endif
