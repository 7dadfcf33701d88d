/*
 * worker/ask_monitor.h - the questions a worker may put to the monitor
 *
 * Runs in: worker.                       Blocks: until the monitor has answered.
 * Trusts:  the monitor, but not the form of what it sends.
 *
 * SP_CLOSED from any of them: the monitor is gone or wants an end; the session is over.
 */
#ifndef SP_WORKER_ASK_MONITOR_H
#define SP_WORKER_ASK_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tls/context.h"

struct secret;
struct worker;

/* What became of a login, or of the answer to a question. */
enum login_outcome { LOGIN_DONE, LOGIN_NO, LOGIN_ASKED };

struct login_result {
    enum login_outcome outcome;
    unsigned reason;            /* LOGIN_NO: enum refuse_reason              */
    char text[1025];            /* LOGIN_ASKED: the question, LOGIN_NO: why  */
    char start[4097];           /* LOGIN_DONE: the first directory           */
};

/* First message of all: fills w->session. */
SP_CHECK enum sp_err ask_session(struct worker *w);
SP_CHECK enum sp_err ask_login(struct worker *w, const char *user, const struct secret *password,
                               struct login_result *result);
SP_CHECK enum sp_err ask_login_answer(struct worker *w, const struct secret *answer,
                                      struct login_result *result);
/* Gives a question up. */
/* May this name log in without TLS, by the users database? */
SP_CHECK enum sp_err ask_may_clear(struct worker *w, struct slice user, bool *may);
SP_CHECK enum sp_err ask_login_cancel(struct worker *w);
SP_CHECK enum sp_err ask_logout(struct worker *w);
SP_CHECK enum sp_err tell_secured(struct worker *w, const char *version, const char *cipher,
                                  const char *server_name, bool resumed);
/* CCC: a password that comes from now on comes in clear. */
SP_CHECK enum sp_err tell_cleared(struct worker *w);
/* A passive listener: *fd is the caller's. SP_REFUSED: no port free. */
SP_CHECK enum sp_err ask_listen(struct worker *w, int *fd, uint16_t *port);
/* The last listener is closed. */
SP_CHECK enum sp_err tell_unlisten(struct worker *w);
/* An active connection on its way to the control peer. SP_REFUSED: *error is an errno. */
SP_CHECK enum sp_err ask_connect(struct worker *w, uint16_t port, int *fd, int *error);
/* The tls_sign of this process (tls/context.h). */
enum sp_err ask_sign(void *worker, unsigned key, unsigned scheme, struct slice tbs,
                     unsigned char *signature, size_t room, size_t *len);
/* The tls_tickets_of of this process; a client that need not resume is not kept waiting. */
enum sp_err ask_tickets(void *worker, const unsigned char name[TLS_TICKET_NAME],
                        unsigned char keys[TLS_TICKET_KEYS]);
/* How tickets of this session are opened, for others of its account. */
SP_CHECK enum sp_err tell_tickets(struct worker *w);

struct transfer_report {
    const char *verb, *path;
    uint64_t bytes, micros;
    unsigned reply;
    const char *tls;
    bool resumed;
    bool next;                  /* the answer to come is the next listener (ahead.h) */
};
SP_CHECK enum sp_err tell_transfer(struct worker *w, const struct transfer_report *report);

/* Until the answer that a report asked for has come. SP_CLOSED. */
SP_CHECK enum sp_err ask_ahead(struct worker *w);
/* The monitor's channel is readable: SHUTDOWN, the end, or what was asked for ahead. */
SP_CHECK enum sp_err hear_monitor(struct worker *w);

#endif
