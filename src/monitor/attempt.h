/*
 * monitor/attempt.h - an attempt to log in, as logins.c and places.c share it
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing in a name or a password, which only pass through.
 */
#ifndef SP_MONITOR_ATTEMPT_H
#define SP_MONITOR_ATTEMPT_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/secret.h"
#include "wire/pack.h"

struct session;

struct attempt {
    TAILQ_ENTRY(attempt) entry;     /* waiting; then holding            */
    TAILQ_ENTRY(attempt) beside;    /* wanting; then in_pam; and asking */
    struct session *session;
    bool queued, runs, holds;   /* waits; a login checks it; counts for its address */
    bool wants, has;            /* waits for a place in PAM; has one */
    bool reached;               /* it came so far that it wanted one */
    bool late;                  /* since long: it has left its first place */
    bool asks;                  /* its login waits for an answer of the client */
    bool refused;
    bool veiled;                /* refused before PAM: waits like those that come to it */
    bool slowed;                /* waits for its turn, too (guessers.h) */
    bool checked, counted;      /* a login has the password; its outcome was counted */
    bool distrusted;            /* the account was changed since then */
    unsigned reason;
    int64_t began, asked, due;  /* clock_ms; asked: the check began */
    struct event timer;         /* slowed; wants or has: until it is late; due */
    char user[NAME_BYTES + 1];
    struct secret password;
};

/* A login process has it, and has not decided or asked yet. */
static inline bool
attempt_is_checked(const struct attempt *a)
{
    return a->has || (a->runs && !a->wants && !a->refused);
}

/* ---- what places.c has done by logins.c ---------------------------------------------- */

/*
 * True: its password may be checked now. Else it is slowed (the timer brings it back), or
 * refused.
 */
bool attempt_take_turn(struct attempt *a);
/* A login process gets it; or it is refused, if that fails. */
void attempt_check(struct attempt *a);
/* Its login may go on to PAM. */
void attempt_enter_pam(struct attempt *a);
/* What was decided before is told now. */
void attempt_unveil(struct attempt *a);
/* There is no place for it. */
void attempt_turn_away(struct attempt *a, const char *text);

#endif
