/*
 * monitor/session.h - the state of one session, and every way in which it can fail
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing that the worker says, and little of what login and broker say.
 * Owns:    the processes (parts) of the session; a place in the admission counters.
 *
 * The state of the worker's channel is the session's state: ST_CLEAR, ST_SECURE,
 * ST_LOGIN, ST_QUESTION, ST_USER, ST_LOGOUT. A session that has ended is kept until the
 * last of its processes is gone, and freed from the loop, never from inside a callback.
 */
#ifndef SP_MONITOR_SESSION_H
#define SP_MONITOR_SESSION_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/net.h"
#include "monitor/bond.h"
#include "monitor/bucket.h"
#include "monitor/budget.h"
#include "monitor/crowd.h"
#include "monitor/gate.h"
#include "monitor/naming.h"
#include "monitor/part.h"
#include "monitor/ports.h"

#define SESSION_SETTLE_MS 10000    /* for a broker that has not served anybody yet */

struct claim;
struct generation;
struct guessers_shut;
struct kin;
struct monitor;
struct sign_request;

struct session {
    TAILQ_ENTRY(session) entry;
    struct monitor *monitor;
    struct generation *generation;
    const struct session_calls *calls;
    char id[NAMING_ID];
    char peer_text[NET_TEXT_MAX];
    struct net_addr peer, local;
    bool implicit, cleartext_allowed, exempt;
    bool secure;                /* SECURED came, and no CLEARED since */
    bool dismissed;             /* SHUTDOWN was sent: it has a few seconds */
    bool ended;                 /* the worker is gone or given up */
    bool buried;
    const char *reason;         /* why it ends, for the log; NULL: of its own accord */
    struct part_list parts;
    struct part *worker, *broker, *login;   /* in use; others are on their way out */
    struct part *logout;        /* ST_LOGOUT: the broker that has to be gone */
    struct claim *claim;    /* while ST_LOGIN or ST_QUESTION */
    struct message *logged_in;  /* the answer to LOGIN, while the broker gets ready */
    struct sign_request *signing;
    struct event deadline;      /* of what it waits for: a login, a logout, its worker's end */
    struct crowd_member member; /* while nobody is logged in (admission.h) */
    struct gate gate;           /* of its data connections */
    struct port_hold port;      /* the passive one */
    struct budget signatures;   /* with nobody logged in */
    struct bond bond;           /* what opens its worker's TLS tickets */
    struct kin *kin;            /* else its account's; NULL also where there was no memory */
    bool held_back;             /* a signature had to wait, which was said */
    struct bucket messages, lines, takeovers;
    unsigned refusals;
    char *user;                 /* escaped for the log; NULL: nobody is logged in */
    char tls[17], cipher[65];
    bool resumed;
    bool bounded;               /* its worker has a limit of the size of files */
    bool tried;                 /* somebody tried to log in: its end is worth a line */
    uint64_t transfers, bytes;
    int64_t began;              /* clock_ms */
};

/* Calls that go from a session to who supervises it (supervise.c). */
struct session_calls {
    struct part_calls parts;    /* what happens to its processes */
    /* It ends, in order or not: its attempt to log in and its tickets are given up. */
    void (*forget)(struct session *s, bool in_order);
    /* SHUTDOWN was sent: what its worker waits for is answered now. */
    void (*hurry)(struct session *s);
    /* Somebody has guessed too often. */
    void (*guessed)(const struct session *s, const struct guessers_shut *shut);
    /* The monitor ends, and this process is not heard any more. */
    void (*lost)(const struct part *part);
};

/* The rest is zeros, and the caller's. SP_NOMEM. */
SP_CHECK enum sp_err session_init(struct session *s, struct monitor *m,
                                  const struct session_calls *calls);
/* As part_new. state: ours, for what the process may send. */
SP_CHECK enum sp_err session_start_part(struct session *s, unsigned kind, unsigned state,
                                        struct message *first, int *extra, struct part **out);
unsigned session_state(const struct session *s);
void session_enter(struct session *s, unsigned state);
/* The share of the log that a session has from now on. */
void session_share_log(struct session *s, bool logged_in);
/* The state with nobody logged in. */
void session_enter_base(struct session *s);
/* Its control connection has no TLS, or none any more. */
void session_in_clear(struct session *s);
/* To the worker; a failure ends the session. m is wiped. */
void session_tell(struct session *s, struct message *m);
/* In order: the client is told by the worker, which is killed if it takes too long. */
void session_shutdown(struct session *s, const char *reason, const char *text);
/* At once. */
void session_end(struct session *s, const char *reason);
/* Somebody is logged in: the broker's account. */
void session_join_kin(struct session *s);
/* Ends broker and login of the account, if any; the broker has that long to settle. */
void session_end_account(struct session *s, int grace_ms);
/* login_timeout begins to run. */
void session_await_login(struct session *s);
/* ST_LOGOUT: LOGGED_OUT comes when s->logout is gone, or after a while. */
void session_log_out(struct session *s);
/* LOGGED_OUT. */
void session_finish_logout(struct session *s);
/* PAM closes its session; one that has not decided yet sees the end of its channel. */
void session_end_login(struct part *login);
/* Its broker is gone: so is its worker, or it ends in a moment. */
void session_await_worker(struct session *s);
/* Nobody waits for it any more. */
void session_forget_signature(struct session *s);
/* Buried if it has ended and its last process is gone. */
void session_settle(struct session *s);
/* It has ended and has no process left. Never from inside one of its callbacks. */
void session_free(struct session *s);
/* From the stop of the monitor: frees everything without waiting. */
void session_abandon(struct session *s);

#endif
