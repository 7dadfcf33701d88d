/*
 * tests/fuzz/session_peers.h - monitor and broker of fuzz_session.c, and what the client
 * reads
 *
 * They answer as tests/peers/around.h has it, until the input plans something else for an
 * answer.
 */
#ifndef SP_TESTS_SESSION_PEERS_H
#define SP_TESTS_SESSION_PEERS_H

#include <stdbool.h>

#include "fuzz.h"
#include "tests/peers/around.h"

#define PLANNED_MOST 600        /* bytes of a planned body */

/* What comes instead of the next right answer. */
struct planned {
    bool set, raw;
    unsigned type, fds, fd_kind;
    unsigned char body[PLANNED_MOST];
    size_t len;
};

struct peers {
    struct around around;
    struct around_plan plan;
    bool fair;                  /* nothing was planned so far: the worker has no excuse */
    struct planned monitor_plan, broker_plan;
    bool connect_next;
};

enum peer_flag {
    PEER_ASKS = 1, PEER_CCC = 2, PEER_CLEAR_DATA = 4, PEER_LONG_FILE = 8, PEER_EMPTY = 16,
    PEER_READ_ONLY = 32, PEER_CLEAR = 128
};

/* *channel: the worker's end. SESSION has been sent. */
void peers_init(struct peers *p, int *channel, unsigned flags);
/* Both answer what has come. false: nothing had. */
bool peers_answer(struct peers *p);
/* What is said next on that channel of around. */
void peers_plan(struct peers *p, struct channel *c, struct fuzz_input *in);
void peers_shutdown(struct peers *p);

/* What the client has read of replies, looked at line by line. */
struct replies {
    unsigned char line[8192];
    size_t len;
    unsigned inside;            /* the code of an open reply of several lines; 0: none */
};

void replies_take(struct replies *r, struct slice s);

#endif
