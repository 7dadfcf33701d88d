/*
 * monitor/claim.h - what a client claims to be, with its password: an attempt to log in, as
 * logins.c and places.c share it
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing in a name or a password, which only pass through.
 */
#ifndef SP_MONITOR_CLAIM_H
#define SP_MONITOR_CLAIM_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/secret.h"
#include "wire/pack.h"

struct session;

struct claim {
    TAILQ_ENTRY(claim) entry;     /* waiting; then holding            */
    TAILQ_ENTRY(claim) beside;    /* wanting; then in_pam; and asking */
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
claim_is_checked(const struct claim *a)
{
    return a->has || (a->runs && !a->wants && !a->refused);
}

#endif
