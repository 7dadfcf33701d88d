/* worker/presence.c - see presence.h */
#include "worker/presence.h"

#include <poll.h>
#include <string.h>

#include "base/secret.h"
#include "ftp/parse.h"
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
