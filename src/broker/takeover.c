/* broker/takeover.c - see broker/takeover.h */
#include "broker/takeover.h"

#include "base/clock.h"
#include "broker/broker.h"
#include "wire/pack.h"

static bool
is_silent(const struct statx *st, int64_t seconds)
{
    int64_t changed = (int64_t)st->stx_ctime.tv_sec * 1000
        + st->stx_ctime.tv_nsec / 1000000;

    return clock_epoch_ms() - changed >= seconds * 1000;
}

bool
takeover_is_silent(const struct broker *b, const struct statx *st)
{
    int64_t near = b->settings.takeover_silence;
    int64_t elsewhere = b->settings.takeover_silence_elsewhere;

    return is_silent(st, near < elsewhere ? near : elsewhere);
}

/* Is it this session's upload, and was it silent for so long? */
static bool
yields(const struct broker *b, const struct msg_yield *ask)
{
    struct statx st;

    return b->upload.open && resolve_stat(b->upload.fd, "", &st) == SP_OK
        && st.stx_dev_major == ask->dev_major && st.stx_dev_minor == ask->dev_minor
        && st.stx_ino == ask->inode && is_silent(&st, ask->seconds);
}

/* One message of the monitor. *done: it was the answer that takeover_ask waits for. */
static enum sp_err
hear(struct broker *b, bool *done)
{
    struct msg_yield ask = { 0 };
    struct message m;

    *done = false;
    if (channel_wait(&b->monitor, &m, -1) != SP_OK)
        return SP_CLOSED;
    *done = m.type == MSG_TAKEN_OVER;
    if (m.type != MSG_YIELD)
        return SP_OK;
    if (msg_yield_unpack(&m, &ask) != SP_OK)
        return SP_CLOSED;
    msg_yields_pack(&m, &(struct msg_yields){ .number = ask.number,
                                              .yes = yields(b, &ask) });
    return channel_send_wait(&b->monitor, &m) == SP_OK ? SP_OK : SP_CLOSED;
}

enum sp_err
takeover_hear(struct broker *b)
{
    bool done = false;

    return hear(b, &done);
}

enum sp_err
takeover_ask(struct broker *b, int fd)
{
    struct statx st;
    struct message m;
    bool done = false;
    enum sp_err rc = SP_OK;

    if (resolve_stat(fd, "", &st) != SP_OK || !takeover_is_silent(b, &st))
        return broker_refuse(b, FAIL_BUSY);
    msg_take_over_pack(&m, &(struct msg_take_over){
        .dev_major = st.stx_dev_major, .dev_minor = st.stx_dev_minor,
        .inode = st.stx_ino });
    if (channel_send_wait(&b->monitor, &m) != SP_OK)
        return SP_CLOSED;
    while (rc == SP_OK && !done)        /* meanwhile it may be asked itself */
        rc = hear(b, &done);
    return rc;
}
