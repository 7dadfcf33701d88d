/*
 * auth/verdict.h - what a backend says about an attempt, and how it goes to the monitor
 *
 * Runs in: login (root).                 Blocks: verdict_send, on the monitor.
 * Owns:    what release gives back (a PAM session), if it is set.
 */
#ifndef SP_AUTH_VERDICT_H
#define SP_AUTH_VERDICT_H

#include "auth/account.h"
#include "base/err.h"
#include "wire/fail.h"

struct channel;

enum verdict_kind {
    VERDICT_UNKNOWN,            /* not mine: ask the next backend                  */
    VERDICT_GRANTED,            /* account is filled                               */
    VERDICT_REFUSED             /* final; reason is set, text is for the log alone */
};

struct verdict {
    enum verdict_kind kind;
    enum refuse_reason reason;
    char text[512];
    struct account account;
    void (*release)(void *held);    /* at the end of the session; NULL: nothing to end */
    void *held;
};

void verdict_unknown(struct verdict *v);
/* account has been filled by the caller. */
void verdict_grant(struct verdict *v);
/* The text is made printable and cut to fit. */
void verdict_refuse(struct verdict *v, enum refuse_reason reason, const char *format, ...)
    SP_PRINTF(3, 4);
/* GRANTED or REFUSED (for UNKNOWN too). SP_CLOSED, SP_OS. */
SP_CHECK enum sp_err verdict_send(const struct verdict *v, struct channel *monitor);
/* Calls release, once; harmless without one. */
void verdict_release(struct verdict *v);

#endif
