/* tests/fuzz/session_peers.c - see session_peers.h */
#include "session_peers.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/peers/forge.h"
#include "wire/grant.h"

#define TEXT "one line\r\nand another\n"

/* ---- what the input plans ---------------------------------------------------------- */

/* A descriptor of a kind that the real peer would hardly pass. */
static int
some_descriptor(unsigned kind)
{
    int ends[2] = { -1, -1 };

    if (kind % 4 == 0)
        return around_file(TEXT, 100);
    if (kind % 4 == 3)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    FUZZ_HOLDS(kind % 4 == 1 ? pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0
                             : fuzz_pair(SOCK_STREAM, ends));
    (void)close(ends[1]);
    return ends[0];
}

static void
plan(struct peers *p, struct planned *planned, struct fuzz_input *in)
{
    struct slice s = SLICE_EMPTY;

    p->fair = false;
    planned->set = true;
    planned->type = fuzz_u8(in) % (MSG_COUNT + 1);
    planned->fd_kind = fuzz_u8(in);
    planned->raw = (planned->fd_kind & 0x80) != 0;
    planned->fds = (planned->fd_kind >> 4) % (MESSAGE_FDS + 1);
    s = fuzz_bytes(in, fuzz_u8(in));
    planned->len = s.len;
    if (s.len > 0)
        memcpy(planned->body, s.at, s.len);
}

/*
 * Raw: as the bytes are. Else with the descriptors that the type has, so that it arrives.
 */
static void
send_planned(struct channel *c, struct planned *planned)
{
    unsigned char bytes[MESSAGE_HEADER + PLANNED_MOST] = { (unsigned char)planned->type };
    const struct message_row *row = message_row(planned->type);
    unsigned count = planned->raw || row == NULL ? planned->fds : row->fds;
    int fds[MESSAGE_FDS] = { -1, -1 };

    planned->set = false;
    memcpy(bytes + MESSAGE_HEADER, planned->body, planned->len);
    for (unsigned i = 0; i < count; i++)
        fds[i] = some_descriptor(planned->fd_kind + i);
    (void)forge_record(c->fd, slice_from(bytes, MESSAGE_HEADER + planned->len), fds, count,
                       MSG_DONTWAIT);
    for (unsigned i = 0; i < MESSAGE_FDS; i++)
        fd_close(&fds[i]);
}

static struct planned *
planned_for(struct peers *p, const struct channel *c)
{
    return c == &p->around.broker ? &p->broker_plan : &p->monitor_plan;
}

static bool
script(struct around *a, struct channel *c, struct message *out)
{
    struct planned *planned = planned_for(a->context, c);

    (void)out;
    if (!planned->set)
        return false;
    send_planned(c, planned);
    channel_enter(c, ST_ANY);
    return true;
}

/* ---- both -------------------------------------------------------------------------- */

void
peers_init(struct peers *p, int *channel, unsigned flags)
{
    bool large = (flags & PEER_LONG_FILE) != 0;

    *p = (struct peers){ .fair = true, .plan = {
        .cleartext_allowed = (flags & PEER_CLEAR) != 0,
        .question = (flags & PEER_ASKS) != 0 ? "Code:" : NULL,
        .permits = (flags & PEER_READ_ONLY) != 0 ? PERMIT_READ_ONLY : PERMIT_ALL,
        .account_flags = ((flags & PEER_CCC) != 0 ? ACCOUNT_CCC : 0u)
            | ((flags & PEER_CLEAR_DATA) != 0 ? ACCOUNT_CLEAR_DATA : 0u),
        .local_sockets = true,
        .content = large || (flags & PEER_EMPTY) == 0 ? TEXT : NULL,
        .size = large ? 300000 : 99,
        .entries = large ? 1000 : 1 } };
    around_init(&p->around, &p->plan, channel);
    p->around.script = script;
    p->around.context = p;
}

/* A worker that was lied to may say what is wrong now: then the session would end. */
static void
check(const struct peers *p)
{
    FUZZ_HOLDS(!p->fair || !p->around.wrong);
    FUZZ_HOLDS(!p->fair || p->around.uploads_told <= p->around.commits);
}

bool
peers_answer(struct peers *p)
{
    bool monitor = around_play_monitor(&p->around), broker = false;

    check(p);
    broker = around_play_broker(&p->around);
    check(p);
    return monitor || broker;
}

/* The type 0 is said at once, by whoever is asked: nobody waits for it. */
void
peers_plan(struct peers *p, struct channel *c, struct fuzz_input *in)
{
    struct planned *planned = planned_for(p, c);

    plan(p, planned, in);
    if (planned->type == MSG_NONE && c->fd != -1)
        send_planned(c, planned);
}

void
peers_shutdown(struct peers *p)
{
    struct message m;

    forge_message(&m, "SHUTDOWN The server stops.");
    around_say(&p->around.monitor, &m);
}

/* ---- replies ----------------------------------------------------------------------- */

static bool
is_code(const unsigned char *at)
{
    return at[0] >= '1' && at[0] <= '6' && at[1] >= '0' && at[1] <= '9' && at[2] >= '0'
        && at[2] <= '9';
}

static void
check_line(struct replies *r)
{
    unsigned char *at = r->line;
    unsigned code = 0;

    FUZZ_HOLDS(r->len >= 2 && at[r->len - 2] == '\r');
    for (size_t i = 0; i < r->len - 2; i++)
        FUZZ_HOLDS(at[i] >= 0x20 && at[i] != 0x7f);
    if (r->len >= 6 && is_code(at) && (at[3] == ' ' || at[3] == '-'))
        code = (at[0] - (unsigned)'0') * 100 + (at[1] - (unsigned)'0') * 10 + at[2] - '0';
    if (r->inside == 0) {
        FUZZ_HOLDS(code != 0);
        r->inside = at[3] == '-' ? code : 0;
    } else if (code != 0) {
        FUZZ_HOLDS(code == r->inside && at[3] == ' ');
        r->inside = 0;
    }
    r->len = 0;
}

void
replies_take(struct replies *r, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        FUZZ_HOLDS(r->len < sizeof r->line);
        r->line[r->len++] = s.at[i];
        /* a refusal of a Telnet option stands before a reply, never in one */
        if (r->len == 3 && r->line[0] == 0xff && r->line[1] != 0xff)
            r->len = 0;
        else if (s.at[i] == '\n')
            check_line(r);
    }
}
