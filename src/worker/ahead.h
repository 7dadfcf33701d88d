/*
 * worker/ahead.h - the next passive listener, before PASV asks for it
 *
 * Runs in: worker.                       Blocks: ahead_settle, while the monitor answers.
 * Trusts:  nothing: who connected before the port was told has guessed it, and is not taken.
 * Owns:    the listener.
 *
 * A client that fetches one file after the other wants a listener after each of them: the
 * report of a transfer asks for it, so that the monitor is woken once for each file, and
 * nobody waits. A listener that is not used soon is given up: its port is others', too.
 *
 * The monitor holds the port of the last listener until the report of the transfer, or until
 * it is told (UNLISTEN) that we have closed it: which is told where that takes long.
 */
#ifndef SP_WORKER_AHEAD_H
#define SP_WORKER_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct worker;

struct ahead {
    bool hurry;                 /* the last PASV came soon after the transfer before it      */
    bool asked;                 /* the monitor's answer is still to come                     */
    bool refused;               /* it has none to spare: not asked again in this session     */
    int fd;                     /* the listener; -1: none                                    */
    uint16_t port;
    int64_t until;              /* clock_ms: given up; asked: it need not be heard; 0: never */
    int64_t ended;              /* clock_ms: the last passive transfer; 0: there was none    */
    bool held;                  /* the monitor holds a port for us                           */
    int64_t unused;             /* clock_ms: it is told that it need not; 0: we use it       */
};

void ahead_init(struct ahead *a);
/* A passive transfer was completed. True: its report is to ask for the next listener. */
bool ahead_ask(struct worker *w);
/* In w->m stands what the monitor answered (LISTENING, DATA_FAILED). SP_INPUT. */
SP_CHECK enum sp_err ahead_hear(struct worker *w);
/* Until the answer is there: behind this, the next one is that to another question. */
SP_CHECK enum sp_err ahead_settle(struct worker *w);
/* PASV: *fd is the listener, or -1: there is none. SP_CLOSED. */
SP_CHECK enum sp_err ahead_take(struct worker *w, int *fd, uint16_t *port);
/* Need the monitor's channel not be looked at? What comes is most likely the answer. */
bool ahead_is_deaf(const struct worker *w, int64_t now);
/* clock_ms when something has to happen by itself. */
int64_t ahead_deadline(const struct ahead *a);
/* Before each wait: the monitor is told of a port that is not used any more. SP_CLOSED. */
SP_CHECK enum sp_err ahead_release(struct worker *w, int64_t now);
/* What is not used is given up. */
void ahead_tend(struct ahead *a, int64_t now);
void ahead_drop(struct ahead *a);

#endif
