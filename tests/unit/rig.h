/*
 * tests/unit/rig.h - a worker between a faked monitor, a faked broker and a client
 *
 * The worker runs in a forked child over socket pairs (the client over loopback TCP, so that
 * addresses are real); the test plays the client, tests/peers/around.h the two others.
 */
#ifndef SP_TESTS_RIG_H
#define SP_TESTS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/peers/around.h"

/* What the worker is told and answered. Zero is the friendly default. */
struct rig_plan {
    struct around_plan around;
    bool tls_required;          /* as the setting                                     */
    unsigned fail_broker;       /* enum fail_code: answer every broker question so    */
    int fail_error;
    int64_t idle_seconds, login_seconds;    /* 0: long                                */
    bool vanish_broker;         /* closes its channel at the first question           */
    bool dies_at_commit;        /* the client closes its control connection meanwhile */
    bool silent_at_commit;      /* the broker vanishes without an answer to it        */
    bool quits_at_commit;       /* the same, behind QUIT                              */
    const char *at_rename;      /* the client says meanwhile, and it is given up      */
};

/* Stands still unless it is put forward; slices: so often it looked at it, and waited on. */
struct rig_clock { _Atomic int64_t ahead_ms; _Atomic unsigned slices; };

struct rig {
    pid_t worker;
    int client;
    struct around around;               /* the monitor and the broker */
    const struct rig_plan *plan;
    char replies[65536];                /* all that the client has read, and not taken */
    size_t len;
    unsigned commits;                   /* also those that had no answer */
    unsigned withdrawn;                 /* commits that the worker did not want any more */
    struct rig_clock *clock;            /* the worker's; shared with it */
};

/* false: could not be set up. The greeting has been read. */
bool rig_start(struct rig *r, const struct rig_plan *plan);
void rig_stop(struct rig *r);
/* As rig_start, and logged in, in TYPE I. */
bool rig_start_logged_in(struct rig *r, const struct rig_plan *plan);
/* Send bytes as they are. */
void rig_send(struct rig *r, const void *at, size_t len);
/* Play all three until one whole reply came. Its code; 0: the worker is gone, or time is up. */
unsigned rig_reply(struct rig *r);
/* Reply 226 goes out before its report does: waits for the report. Are there so many? */
bool rig_reports(struct rig *r, unsigned count);
/* The same for any counter of r->around. */
bool rig_counts(struct rig *r, const unsigned *counter, unsigned count);
/* The text of the last reply, whole (all its lines). */
const char *rig_text(const struct rig *r);
/* Send a line and read one reply. */
unsigned rig_command(struct rig *r, const char *line);
/* Opens the data connection that PASV offers: a connected descriptor, or -1. */
int rig_passive(struct rig *r);
/* A connection to that port: a connected descriptor, or -1. */
int rig_connect(uint16_t port);
/*
 * The worker's clock goes on by so much at once. It stands still otherwise: nothing that has a
 * time happens by itself.
 */
void rig_advance(struct rig *r, int64_t milliseconds);
/* Plays what is there to be played. false: the worker closed the connection. */
bool rig_turn(struct rig *r);
/* Plays until the worker waits for others and for its clock, and does nothing else, or is gone. */
bool rig_settles(struct rig *r);
/* Plays until the worker has closed the connection. */
bool rig_ends(struct rig *r);

#endif
