/* worker/presence.c - see presence.h */
#include "worker/presence.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/secret.h"
#include "ftp/parse.h"
#include "worker/ask_monitor.h"
#include "worker/control.h"
#include "worker/worker.h"

bool
presence_quits(const struct worker *w)
{
    struct command c;

    return w->line_held && transfer_runs(&w->transfer)
        && parse_command(buf_slice(&w->held), &c) == SP_OK && strcmp(c.verb, "QUIT") == 0;
}

void
presence_forget_line(struct worker *w)
{
    if (w->held.len > 0)
        wipe(w->held.at, w->held.len);
    w->held.len = 0;
}

/* The line that comes next waits, as the loop of the session would have it. */
static void
hold_next(struct worker *w)
{
    struct slice line = SLICE_EMPTY;

    if (w->line_held || line_next(&w->control.in, &line) != LINE_READY)
        return;
    presence_forget_line(w);
    w->line_held = buf_add(&w->held, line.at, line.len) == SP_OK;
    line_forget(&w->control.in);
}

/* The last line of a client that has closed its end. */
static bool
has_quit(struct worker *w)
{
    struct command c;

    hold_next(w);
    return w->line_held && parse_command(buf_slice(&w->held), &c) == SP_OK
        && strcmp(c.verb, "QUIT") == 0;
}

bool
presence_waits(struct worker *w)
{
    struct pollfd p[] = {
        { .fd = w->client_gone ? -1 : w->control.fd, .events = POLLIN },
        { .fd = w->monitor.fd, .events = POLLIN } };
    enum sp_err rc = SP_AGAIN;

    if (poll(p, 2, 0) == -1)
        return errno == EINTR;
    if (p[1].revents != 0 && (hear_monitor(w) != SP_OK || w->shutdown))
        return false;
    if (p[0].revents != 0 || (!w->client_gone && control_has_input(&w->control)))
        rc = control_read(&w->control);
    if (rc == SP_CLOSED) {
        w->client_gone = true;
        return has_quit(w);
    }
    return !line_has_abort(&w->control.in);
}

bool
presence_is_lost(struct worker *w, int milliseconds)
{
    struct pollfd p = { .fd = w->control.fd, .events = POLLRDHUP };
    enum sp_err rc = SP_OK;

    if (!w->client_gone) {
        if (poll(&p, 1, milliseconds) <= 0)
            return false;
        while (rc == SP_OK)
            rc = control_read(&w->control);
        w->client_gone = true;
        hold_next(w);
    }
    return !presence_quits(w);
}
