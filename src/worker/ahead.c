/* worker/ahead.c - see ahead.h */
#include "worker/ahead.h"

#include <poll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "wire/pack.h"
#include "worker/ask_monitor.h"
#include "worker/worker.h"

#define HURRY_MS 1000           /* so soon the next PASV comes, if it comes at all        */
#define HELD_MS 1000            /* a transfer that is over by then gives the port back itself */
#define DEAF_MS 100             /* so long a SHUTDOWN may wait behind an answer           */

void
ahead_init(struct ahead *a)
{
    *a = (struct ahead){ .fd = -1 };
}

void
ahead_drop(struct ahead *a)
{
    fd_close(&a->fd);
    a->until = 0;
}

bool
ahead_ask(struct worker *w)
{
    struct ahead *a = &w->ahead;

    if (w->data.mode != DATA_PASSIVE)
        return false;
    a->ended = clock_ms();
    if (!a->hurry || a->asked || a->refused || a->fd != -1 || w->quitting || w->shutdown)
        return false;
    a->asked = true;
    a->until = a->ended + DEAF_MS;
    return true;
}

enum sp_err
ahead_hear(struct worker *w)
{
    struct ahead *a = &w->ahead;
    struct msg_listening in = { 0 };

    if (w->m.type != MSG_LISTENING && w->m.type != MSG_DATA_FAILED)
        return SP_INPUT;
    a->asked = false;
    a->until = 0;
    a->held = w->m.type == MSG_LISTENING;
    if (w->m.type == MSG_DATA_FAILED) {
        a->refused = true;
        return SP_OK;
    }
    if (msg_listening_unpack(&w->m, &in) != SP_OK)
        return SP_INPUT;
    a->port = in.port;
    a->fd = message_take_fd(&w->m, 0);
    a->until = clock_ms() + HURRY_MS;
    return SP_OK;
}

enum sp_err
ahead_settle(struct worker *w)
{
    return w->ahead.asked ? ask_ahead(w) : SP_OK;
}

enum sp_err
ahead_take(struct worker *w, int *fd, uint16_t *port)
{
    struct ahead *a = &w->ahead;
    enum sp_err rc = ahead_settle(w);
    struct pollfd p = { .fd = a->fd, .events = POLLIN };

    if (rc != SP_OK)
        return rc;
    a->hurry = a->ended != 0 && clock_ms() - a->ended < HURRY_MS;
    if (a->fd != -1 && poll(&p, 1, 0) != 0)
        ahead_drop(a);
    *port = a->port;
    *fd = fd_move(&a->fd);
    a->until = 0;
    return SP_OK;
}

bool
ahead_is_deaf(const struct worker *w, int64_t now)
{
    return w->ahead.asked && now < w->ahead.until;
}

int64_t
ahead_deadline(const struct ahead *a)
{
    int64_t at = a->until == 0 ? INT64_MAX : a->until;

    return a->unused != 0 && a->unused < at ? a->unused : at;
}

enum sp_err
ahead_release(struct worker *w, int64_t now)
{
    struct ahead *a = &w->ahead;

    if (!a->held || a->asked || a->fd != -1 || w->data.listener != -1) {
        a->unused = 0;
        return SP_OK;
    }
    if (a->unused == 0)
        a->unused = now + HELD_MS;
    if (now < a->unused)
        return SP_OK;
    a->held = false;
    a->unused = 0;
    return tell_unlisten(w);
}

void
ahead_tend(struct ahead *a, int64_t now)
{
    if (a->until != 0 && now >= a->until)
        ahead_drop(a);          /* asked: the monitor is listened to from now on */
}
