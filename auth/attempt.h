/*
 * auth/attempt.h - one attempt to log in, and the questions it leads to
 *
 * Runs in: login (root).                 Blocks: attempt_receive and attempt_ask.
 * Trusts:  the monitor; not the name and the password, which a client typed.
 * Owns:    its password; the rest is lent.
 */
#ifndef SP_AUTH_ATTEMPT_H
#define SP_AUTH_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/account.h"
#include "auth/password.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/net.h"
#include "base/secret.h"
#include "wire/fail.h"

struct channel;
struct settings;
struct slots;

struct attempt {
    const struct settings *settings;
    struct channel *monitor;
    struct slots *slots;
    char user[ACCOUNT_NAME_MAX + 1];
    struct secret password;
    struct net_addr peer;
    bool well_formed;           /* name and password could be right at all         */
    bool first_backend;         /* set by the chain: every name comes here         */
    bool last_backend;          /* set by the chain: nobody is asked after this one */
    unsigned hashes;            /* Argon2 runs so far                              */
    char checked[PASSWORD_HASH_MAX];    /* what a right password was checked with  */
};

/* Empty, with what it is lent. */
void attempt_init(struct attempt *a, const struct settings *settings,
                  struct channel *monitor, struct slots *slots);
/* Takes name and password; a malformed one is remembered in well_formed and not kept. */
void attempt_set(struct attempt *a, struct slice user, struct slice password);
/* Waits for the ATTEMPT message. SP_CLOSED, SP_AGAIN (timeout), SP_INPUT, SP_OS. */
SP_CHECK enum sp_err attempt_receive(struct attempt *a, int timeout_ms);
/*
 * Asks the client (QUESTION) and waits for its ANSWER. SP_CLOSED: the client or the
 * monitor gave up; SP_INPUT: not a possible answer; SP_OS.
 */
SP_CHECK enum sp_err attempt_ask(struct attempt *a, const char *prompt,
                                 struct secret *answer);
/*
 * Waits until there is a place in PAM. SP_CLOSED: the client or the monitor gave up, or
 * there is none; SP_INPUT, SP_OS.
 */
SP_CHECK enum sp_err attempt_await_place(struct attempt *a);
/* Has the monitor closed the channel? Then no work is worth doing. */
bool attempt_abandoned(const struct attempt *a);
/*
 * The reason of a refusal for a fault of the server that came before the password was found
 * right. Clients are told of one that every name meets, and not of one behind a backend that
 * has decided over some names already: that would tell which.
 */
enum refuse_reason attempt_fault(const struct attempt *a);
/* Wipes the password and its hash. */
void attempt_clear(struct attempt *a);

#endif
