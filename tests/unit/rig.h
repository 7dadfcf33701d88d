/*
 * tests/unit/rig.h - a worker between a faked monitor, a faked broker and a client
 *
 * The worker runs in a forked child over socket pairs (the client over loopback TCP, so that
 * addresses are real); the test plays the three others from one loop.
 */
#ifndef SP_TESTS_RIG_H
#define SP_TESTS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/channel.h"

/* What the fakes answer. Zero is the friendly default. */
struct rig_plan {
    bool tls_required;          /* as the setting                                     */
    unsigned refuse_login;      /* enum refuse_reason: answer every LOGIN with it     */
    const char *question;       /* ask this before the login is granted               */
    unsigned fail_broker;       /* enum fail_code: answer every broker question so    */
    int fail_error;
    const char *content;        /* of every file that is opened for reading           */
    int64_t idle_seconds, login_seconds;    /* 0: long                                */
    bool vanish_broker;         /* closes its channel at the first question           */
    bool no_spare;              /* no listener is given ahead                         */
    bool dies_at_commit;        /* the client closes its control connection meanwhile */
    bool silent_at_commit;      /* the broker vanishes without an answer to it        */
    bool quits_at_commit;       /* the same, behind QUIT                              */
    bool unreadable;            /* reading what was opened for that fails             */
    bool slow_file;             /* what is uploaded waits until somebody reads it     */
};

struct rig {
    pid_t worker;
    int client;
    struct channel monitor, broker;     /* our ends */
    const struct rig_plan *plan;
    char replies[65536];                /* all that the client has read, and not taken */
    size_t len;
    char last_path[4097];               /* of the last broker question */
    unsigned last_question;             /* its message type            */
    int upload;                         /* file behind OPEN_WRITE, or its reader */
    unsigned commits, abandons, transfers;
    unsigned withdrawn;                 /* commits that the worker did not want any more */
    unsigned listens, aheads;           /* listeners asked for by LISTEN, by TRANSFER */
    uint16_t port;                      /* of the last one                            */
    unsigned transfer_reply;            /* of the last TRANSFER        */
    uint64_t transfer_bytes;
    _Atomic int64_t *ahead_ms;          /* the worker's clock before ours; shared with it */
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
/* The text of the last reply, whole (all its lines). */
const char *rig_text(const struct rig *r);
/* Send a line and read one reply. */
unsigned rig_command(struct rig *r, const char *line);
/* Opens the data connection that PASV offers: a connected descriptor, or -1. */
int rig_passive(struct rig *r);
/* A connection to that port: a connected descriptor, or -1. */
int rig_connect(uint16_t port);
/* The worker's clock goes on by so much at once; what it waits for it finds when it wakes. */
void rig_advance(struct rig *r, int64_t milliseconds);
/* Plays for so many milliseconds; true when the worker has ended meanwhile. */
bool rig_play(struct rig *r, int milliseconds);

#endif
