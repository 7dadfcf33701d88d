/*
 * tests/peers/around.h - what is around a worker: its monitor and its broker, played
 *
 * Each message that a worker may send has one default answer, a row of `answers` in
 * around.c: that of a friendly monitor, of a friendly broker. A plan bends the answers, a
 * script comes before them.
 *
 * Runs in: unit-worker (tests/unit/rig.c), fuzz-session (tests/fuzz/fuzz_session.c).
 * Blocks:  around_wait alone.
 * Trusts:  the worker no more than they do: what it sends is checked by its rows.
 * Owns:    its ends of both channels, and the descriptors below until they are moved out.
 * Cannot go on where the kernel gives no descriptor, or where a body that channel_receive
 * let through cannot be unpacked: SP_ASSERT.
 */
#ifndef SP_TESTS_PEERS_AROUND_H
#define SP_TESTS_PEERS_AROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "wire/channel.h"

/* What they answer. Zero is the friendly default. */
struct around_plan {
    bool cleartext_allowed;     /* in SESSION                                         */
    unsigned refuse_login;      /* enum refuse_reason: answer every LOGIN with it     */
    const char *question;       /* ask this before the login is granted               */
    unsigned permits;           /* 0: PERMIT_ALL                                      */
    unsigned account_flags;     /* enum account_flag, or-ed                           */
    bool local_sockets;         /* data connections are Unix sockets: no network      */
    bool no_spare;              /* no listener is given ahead                         */
    const char *content;        /* of every file that is opened for reading           */
    size_t size;                /* of it, content again and again; 0: once            */
    unsigned entries;           /* lines of a listing; 0: one                         */
    bool unreadable;            /* reading what was opened for that fails             */
    bool slow_file;             /* what is uploaded waits until somebody reads it     */
};

struct around;
/*
 * Comes before the default answer to a->in, which arrived on c and wants one. true: it fills
 * out, or has answered, or does not want to (then out keeps no type).
 */
typedef bool around_script(struct around *a, struct channel *c, struct message *out);

struct around {
    struct channel monitor, broker;     /* our ends */
    const struct around_plan *plan;
    around_script *script;              /* NULL: none */
    void *context;                      /* of the script */
    const struct message *in;           /* what is answered; borrowed, in a script alone */
    bool wrong;                         /* the worker broke a rule of a channel */
    unsigned last_question;             /* to the broker: its message type */
    char last_path[4097];               /* and the first path that one had */
    int upload;                         /* file behind OPEN_WRITE, or its reader */
    int active;                         /* the client's end behind CONNECT */
    struct sockaddr_storage listening;  /* the last listener */
    socklen_t listening_len;
    uint16_t port;                      /* of it */
    unsigned listens, aheads;           /* listeners asked for by LISTEN, by TRANSFER */
    unsigned commits, abandons, transfers;
    unsigned uploads_told;              /* transfers that stored something, says the worker */
    unsigned transfer_reply;            /* of the last TRANSFER */
    uint64_t transfer_bytes;
};

/* Makes the monitor's channel; *worker_end is the caller's. SESSION has been sent. */
void around_init(struct around *a, const struct around_plan *plan, int *worker_end);
/* One message that the worker has sent is answered. false: there was none. */
bool around_play_monitor(struct around *a);
bool around_play_broker(struct around *a);
/*
 * Waits up to timeout_ms for the worker, answers one message on each channel; true: other
 * (a descriptor, -1: none) can be read.
 */
bool around_wait(struct around *a, int other, int timeout_ms);
/* Sends m, which is cleared, unless the worker's end is gone or full: that is its loss. */
void around_say(struct channel *c, struct message *m);
/* Both close their ends. */
void around_vanish(struct around *a);
/* The same, and everything else that is open. */
void around_clear(struct around *a);

/* A file in memory, read from its start: text again and again (four times), cut at size. */
int around_file(const char *text, size_t size);

#endif
