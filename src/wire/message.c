/* wire/message.c - see include/wire/message.h: the rows, made from messages.def */
#include "wire/message.h"

#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/secret.h"

#define WIPE_PIECE 1024         /* bytes of a body that are looked at in one go */

#define ROW_FIELD(type, name, bound) { FIELD_##type, #name, (uint64_t)(bound) },

/* least: what a body of empty texts takes; most: with every text as long as it may be */
#define LEAST_U8(bound) 1
#define LEAST_U16(bound) 2
#define LEAST_U32(bound) 4
#define LEAST_U64(bound) 8
#define LEAST_I64(bound) 8
#define LEAST_TEXT(bound) 2
#define LEAST_BYTES(bound) 2
#define LEAST_PATH(bound) 3     /* at least "/" */
#define MOST_U8(bound) 1
#define MOST_U16(bound) 2
#define MOST_U32(bound) 4
#define MOST_U64(bound) 8
#define MOST_I64(bound) 8
#define MOST_TEXT(bound) (2 + (bound))
#define MOST_BYTES(bound) (2 + (bound))
#define MOST_PATH(bound) (2 + (bound))
/* Terms of a sum, one for each field: 0 + 8 + 4. */
/* NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define ADD_LEAST(type, name, bound) + LEAST_##type(bound)
/* NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define ADD_MOST(type, name, bound) + MOST_##type(bound)

#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) \
    static const struct field fields_##name[] = { FIELDS(ROW_FIELD) { FIELD_U8, NULL, 0 } }; \
    _Static_assert(0 FIELDS(ADD_MOST) <= MESSAGE_MAX, #NAME " does not fit"); \
    _Static_assert((fds) <= MESSAGE_FDS, #NAME " has too many descriptors");
#include "wire/messages.def"

static const struct message_row rows[MSG_COUNT] = {
#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) \
    [MSG_##NAME] = { #NAME, (sender), (receiver), (states), (fds), fields_##name, \
                     0 FIELDS(ADD_LEAST), 0 FIELDS(ADD_MOST) },
#include "wire/messages.def"
};

const struct message_row *
message_row(unsigned type)
{
    return type > MSG_NONE && type < MSG_COUNT ? &rows[type] : NULL;
}

/* Only rows with descriptors are left of the table by the compiler. */
bool
message_passes_fds(unsigned sender, unsigned receiver)
{
#define MESSAGE(NAME, name, from, to, states, fds, FIELDS) \
    if ((fds) > 0 && (sender & (from)) != 0 && (receiver & (to)) != 0) \
        return true;
#include "wire/messages.def"
    return false;
}

const char *
message_name(unsigned type)
{
    const struct message_row *row = message_row(type);

    return row == NULL ? "?" : row->name;
}

const char *
peer_name(unsigned peer)
{
    switch (peer) {
    case MONITOR: return "monitor";
    case WORKER: return "worker";
    case BROKER: return "broker";
    case LOGIN: return "login";
    case KEYHOLDER: return "keyholder";
    case TEMPLATE: return "template";
    case LEDGER: return "ledger";
    case ADMIN: return "admin";
    default: return "?";
    }
}

void
message_init(struct message *m)
{
    m->type = MSG_NONE;
    m->len = 0;
    m->nfds = 0;
    m->lent = false;
    for (unsigned i = 0; i < MESSAGE_FDS; i++)
        m->fds[i] = -1;
}

void
message_clear_fds(struct message *m)
{
    for (unsigned i = 0; i < MESSAGE_FDS; i++)
        if (m->lent)
            m->fds[i] = -1;
        else
            fd_close(&m->fds[i]);
    m->nfds = 0;
    m->lent = false;
}

void
message_clear(struct message *m)
{
    message_clear_fds(m);
    message_init(m);
}

static bool
is_zero(const unsigned char *at, size_t len)
{
    return at[0] == 0 && memcmp(at, at + 1, len - 1) == 0;
}

void
message_wipe(struct message *m)
{
    message_clear(m);
    wipe(m->body, sizeof m->body);
}

void
message_wipe_used(struct message *m)
{
    _Static_assert(sizeof m->body % WIPE_PIECE == 0, "whole pieces");
    message_clear(m);
    for (size_t at = 0; at < sizeof m->body; at += WIPE_PIECE)
        if (!is_zero(m->body + at, WIPE_PIECE))
            wipe(m->body + at, WIPE_PIECE);
}

int
message_take_fd(struct message *m, unsigned i)
{
    SP_ASSERT(i < MESSAGE_FDS);
    return fd_move(&m->fds[i]);
}
