/*
 * wire/message.h - messages, peers and states, as messages.def declares them
 *
 * Runs in: every process.
 */
#ifndef SP_WIRE_MESSAGE_H
#define SP_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Kinds of process, as bits. A STARTER is a template (or keyholder, ledger while they start);
 * ANYONE is every process that the monitor started. ADMIN is the administrator's tool.
 */
enum peer {
    MONITOR = 1u << 0, WORKER = 1u << 1, BROKER = 1u << 2, LOGIN = 1u << 3,
    KEYHOLDER = 1u << 4, TEMPLATE = 1u << 5, ADMIN = 1u << 6, LEDGER = 1u << 7,
    STARTER = TEMPLATE | KEYHOLDER | LEDGER,
    ANYONE = WORKER | BROKER | LOGIN | KEYHOLDER | TEMPLATE | LEDGER
};

/*
 * States of a receiver. Each end of a channel has exactly one, moved by its owner alone.
 * The monitor has one for each channel: a session's state for its worker, and others for
 * its broker, login, the templates and the keyholder.
 */
enum state {
    ST_START = 1u << 0,         /* told who it is, not yet serving                        */
    ST_READY = 1u << 1,         /* serves: a template, keyholder, the admin socket         */
    ST_CLEAR = 1u << 2,         /* a session without TLS, nobody logged in                */
    ST_SECURE = 1u << 3,        /* a session with TLS, nobody logged in                   */
    ST_LOGIN = 1u << 4,         /* a login attempt is with the login process              */
    ST_QUESTION = 1u << 5,      /* the chain has asked, the client's answer is awaited    */
    ST_USER = 1u << 6,          /* logged in                                              */
    ST_UPLOAD = 1u << 7,        /* broker: an upload is open                              */
    ST_LOGOUT = 1u << 8,        /* logging out (REIN)                                     */
    ST_END = 1u << 9,           /* nothing more is accepted                               */
    ST_ANY = (1u << 10) - 1
};

enum message_type {
    MSG_NONE = 0,
#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) MSG_##NAME,
#include "wire/messages.def"
    MSG_COUNT
};

enum field_type { FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_I64, FIELD_TEXT,
                  FIELD_BYTES, FIELD_PATH };

struct field { enum field_type type; const char *name; uint64_t bound; };

struct message_row {
    const char *name;
    unsigned sender, receiver;  /* enum peer, or-ed  */
    unsigned states;            /* enum state, or-ed */
    unsigned fds;
    const struct field *fields; /* ends with name == NULL */
    size_t least, most;         /* bytes of the body */
};

#define MESSAGE_MAX 16384       /* bytes of a body; no row may exceed it (checked at build) */
#define MESSAGE_FDS 2           /* most descriptors of one message                          */
#define MESSAGE_HEADER 2        /* bytes before a body: the type, little-endian             */

/*
 * One message. body holds the fields, fds what came or is to go with it (-1: none): owned,
 * unless they are lent: then the sender keeps them, whatever becomes of the message. A
 * message that carries a password is wiped by its owner (message_wipe).
 * frame is what crosses the wall: wire/channel alone looks at it.
 */
struct message {
    uint16_t type;
    size_t len;
    unsigned nfds;
    int fds[MESSAGE_FDS];
    bool lent;
    union {
        unsigned char frame[MESSAGE_HEADER + MESSAGE_MAX];
        struct { unsigned char header[MESSAGE_HEADER], body[MESSAGE_MAX]; };
    };
};

/* NULL: no such number. */
const struct message_row *message_row(unsigned type);
/* Is there a row by which sender passes descriptors to receiver? */
bool message_passes_fds(unsigned sender, unsigned receiver);
/* The name in capitals, "?" for an unknown number. */
const char *message_name(unsigned type);
const char *peer_name(unsigned peer);

/* Empty: no type, no body, fds -1. Cheap: does not touch the body. */
void message_init(struct message *m);
/* Closes descriptors that nobody moved out, unless they are lent, and empties. */
void message_clear(struct message *m);
/* The descriptors alone: they have been sent. */
void message_clear_fds(struct message *m);
/* As message_clear, and overwrites the body. */
void message_wipe(struct message *m);
/*
 * The same for a message that was all zero at first (of static storage): looks before it
 * writes, since to write zeros on pages that were never used would make pages.
 */
void message_wipe_used(struct message *m);
/* Moves descriptor i out of the message. */
int message_take_fd(struct message *m, unsigned i);

#endif
