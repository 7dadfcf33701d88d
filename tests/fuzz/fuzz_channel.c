/*
 * tests/fuzz/fuzz_channel.c - records with descriptors, at each receiver in each state
 * (wire/channel.h)
 *
 * Input: who receives, from whom, in which state; then records: how many descriptors,
 * length
 * (two bytes), bytes.
 * Holds: accepted is what its row allows from this peer in this state, with these
 * descriptors and of this size, nothing else; no descriptor stays open.
 */
#include "wire/channel.h"

#include <fcntl.h>

#include "base/fd.h"
#include "fuzz_wire.h"

static const struct { unsigned self, peer; } ends[] = {
    { MONITOR, WORKER }, { MONITOR, BROKER }, { MONITOR, LOGIN }, { MONITOR, KEYHOLDER },
    { MONITOR, TEMPLATE }, { WORKER, MONITOR }, { WORKER, BROKER }, { BROKER, MONITOR },
    { BROKER, WORKER }, { LOGIN, MONITOR }, { KEYHOLDER, MONITOR }, { TEMPLATE, MONITOR },
    { MONITOR, ADMIN }, { ADMIN, MONITOR }, { MONITOR, LEDGER }, { LEDGER, MONITOR },
};

/* Is it what a row promises, for this end of a channel? */
static bool
is_allowed(const struct channel *c, struct slice s, unsigned descriptors)
{
    unsigned type = s.len < 2 ? MSG_NONE : (unsigned)(s.at[0] | s.at[1] << 8);
    const struct message_row *row = message_row(type);

    return row != NULL && (row->sender & c->peer) != 0 && (row->receiver & c->self) != 0
        && (row->states & c->state) != 0 && row->fds == descriptors
        && s.len - 2 >= row->least && s.len - 2 <= row->most;
}

static void
check_record(struct channel *c, int theirs, struct slice s, unsigned descriptors)
{
    static struct message m;
    bool allowed = is_allowed(c, s, descriptors);
    enum sp_err rc = SP_OK;

    if (!fuzz_send(theirs, s, descriptors))
        return;
    rc = channel_receive(c, &m);
    if (s.len == 0 && descriptors == 0) {
        FUZZ_HOLDS(rc == SP_CLOSED);            /* an empty record reads as the end */
        return;
    }
    FUZZ_HOLDS(rc == (allowed ? SP_OK : SP_INPUT));
    FUZZ_HOLDS((rc == SP_INPUT) == (c->fault != NULL));
    if (rc == SP_OK) {
        FUZZ_HOLDS(m.nfds == descriptors && m.len == s.len - 2
                   && memcmp(m.body, s.at + 2, m.len) == 0);
        for (unsigned i = 0; i < m.nfds; i++)
            FUZZ_HOLDS((fcntl(m.fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    }
    for (unsigned i = rc == SP_OK ? descriptors : 0; i < MESSAGE_FDS; i++)
        FUZZ_HOLDS(m.fds[i] == -1);
    message_clear(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    size_t end = fuzz_u8(&in) % (sizeof ends / sizeof *ends);
    struct channel c = CHANNEL_EMPTY;
    unsigned before = fuzz_open_descriptors();
    int ours = -1, theirs = -1;

    FUZZ_HOLDS(channel_pair(&ours, &theirs) == SP_OK);
    channel_init(&c, ours, ends[end].self, ends[end].peer, 1u << fuzz_u8(&in) % 10);
    for (unsigned i = 0; i < 16 && in.len > 0; i++) {
        unsigned descriptors = fuzz_u8(&in) % (FUZZ_FDS_MOST + 1);
        size_t len = (size_t)fuzz_number(&in, 2);

        check_record(&c, theirs, fuzz_bytes(&in, len), descriptors);
    }
    channel_clear(&c);
    fd_close(&theirs);
    FUZZ_HOLDS(fuzz_open_descriptors() == before);
    return 0;
}
