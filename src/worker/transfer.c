/* worker/transfer.c - see transfer.h */
#include "worker/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ftp/reply.h"
#include "tls/stream.h"
#include "wire/fail.h"
#include "worker/ask_broker.h"
#include "worker/ask_monitor.h"
#include "worker/fail_reply.h"
#include "worker/mover.h"
#include "worker/presence.h"
#include "worker/worker.h"

#define LOOKS 16                /* in data_stall_timeout: whether a slow client takes anything */
#define LOOK_MS 2               /* so long a dying client's kernel may take for the control connection */
#define BRIEF (64u << 10)       /* bytes that the socket surely takes at once */

void
transfer_init(struct transfer *t)
{
    memset(t, 0, sizeof *t);
    t->kind = TRANSFER_NONE;
    t->file = t->pipe[0] = t->pipe[1] = -1;
    stage_chain_init(&t->stages);
}

bool
transfer_needs_client(const struct worker *w)
{
    return w->data.tls == NULL || w->transfer.client_looked_at;
}

bool
transfer_runs(const struct transfer *t)
{
    return t->kind != TRANSFER_NONE;
}

static void
release(struct transfer *t)
{
    fd_close(&t->file);
    fd_close(&t->pipe[0]);
    fd_close(&t->pipe[1]);
    stage_chain_clear(&t->stages);
    free(t->buffer);
    free(t->made);
    transfer_init(t);
}

/* The stages between file and network form. */
static enum sp_err
add_stages(struct transfer *t, const struct transfer_begin *b)
{
    struct stage *s = NULL;
    enum sp_err rc = SP_OK;

    if (b->ascii) {
        if ((rc = stage_chain_add(&t->stages, &s)) != SP_OK)
            return rc;
        if (b->kind == TRANSFER_RECEIVE_FILE)
            stage_net_to_ascii(s);
        else
            stage_ascii_to_net(s);
        t->staged = true;
    }
    if (b->skip > 0) {
        if ((rc = stage_chain_add(&t->stages, &s)) != SP_OK)
            return rc;
        stage_skip(s, b->skip);
        t->staged = t->skips = true;
    }
    return SP_OK;
}

/* As RLIMIT_FSIZE has it; ours stays, as a later login of the session may have another. */
static uint64_t
room_in_file(const struct worker *w, uint64_t offset)
{
    uint64_t most = w->account.file_bound == 0 ? UINT64_MAX : w->account.file_bound - 1;

    return most > offset ? most - offset : 0;
}

enum sp_err
transfer_begin(struct worker *w, const struct transfer_begin *b)
{
    struct transfer *t = &w->transfer;
    enum sp_err rc = SP_OK;

    SP_ASSERT(t->kind == TRANSFER_NONE);
    transfer_init(t);
    t->kind = b->kind;
    t->state = TRANSFER_OPENING;
    t->file = b->file;
    t->offset = t->dropped = b->offset;
    t->size = b->size;
    t->file_room = room_in_file(w, b->offset);
    t->begun_us = clock_us();
    t->progress_ms = clock_ms();
    (void)text_copy(t->verb, sizeof t->verb, b->verb);
    (void)text_copy(t->path, sizeof t->path, b->path);
    if ((rc = add_stages(t, b)) != SP_OK)
        release(t);
    return rc;
}

size_t
transfer_poll(const struct worker *w, struct pollfd *out)
{
    const struct transfer *t = &w->transfer;

    if (t->kind == TRANSFER_NONE)
        return data_waits_early(&w->data) ? data_poll(&w->data, out) : 0;
    if (t->state == TRANSFER_OPENING)
        return data_poll(&w->data, out);
    if (t->state == TRANSFER_MOVING && t->wait == WAIT_SOURCE) {
        out[0] = (struct pollfd){ .fd = t->file, .events = POLLIN };
        /* the client may leave meanwhile: only its going is looked for */
        out[1] = (struct pollfd){ .fd = w->data.fd, .events = 0 };
        return 2;
    }
    out[0] = (struct pollfd){ .fd = w->data.fd,
                              .events = t->state == TRANSFER_MOVING && t->wait == WAIT_DATA_READ
                                  ? POLLIN : POLLOUT };
    return 1;
}

static int64_t
stalls_at(const struct worker *w)
{
    return w->transfer.progress_ms + w->settings.data_stall_timeout * 1000;
}

/*
 * poll(2) calls a socket writable when a third of its buffer is free. A slow client may take
 * long for so much, and one that takes a little and then stops never gets there: so it is
 * tried in between. What finds room then was taken since the last time.
 */
int64_t
transfer_deadline(const struct worker *w)
{
    const struct transfer *t = &w->transfer;
    int64_t at = stalls_at(w), next = t->tried_ms + w->settings.data_stall_timeout * 1000 / LOOKS;

    if (t->state == TRANSFER_OPENING)
        return data_deadline(&w->data);
    if (t->kind == TRANSFER_RECEIVE_FILE && mover_holds_until(t) < at)
        return mover_holds_until(t);
    return t->wait == WAIT_DATA_WRITE && next < at ? next : at;
}

bool
transfer_is_brief(const struct worker *w)
{
    const struct transfer *t = &w->transfer;

    /* TLS that is still to be shaken hands waits for a client which waits for 150 */
    return t->kind == TRANSFER_SEND_FILE && t->state == TRANSFER_OPENING && !t->staged
        && t->size - t->offset <= BRIEF && (!w->data.private || w->data.fd != -1);
}

/* One line in the log, and in the totals of STAT. */
static struct transfer_report
account_for(struct worker *w, unsigned code)
{
    struct transfer *t = &w->transfer;

    if (code < 400) {
        w->files++;
        w->bytes += t->bytes;
    }
    return (struct transfer_report){
        .verb = t->verb, .path = t->path, .bytes = t->bytes,
        .micros = (uint64_t)(clock_us() - t->begun_us), .reply = code,
        .tls = w->data.tls != NULL ? tls_stream_version(w->data.tls) : "",
        .resumed = w->data.resumed };
}

static enum sp_err
report(struct worker *w, unsigned code)
{
    struct transfer_report r = account_for(w, code);

    return tell_transfer(w, &r);
}

/* Where an upload is not to be kept as complete; where a listing is not read to its end. */
static enum sp_err
give_up(struct worker *w)
{
    struct transfer *t = &w->transfer;
    struct fail fail = { 0 };
    uint64_t entries = 0;
    enum sp_err rc = SP_OK;

    if (t->kind == TRANSFER_RECEIVE_FILE) {
        fd_close(&t->file);
        rc = ask_abandon(w, &fail);
    } else if (t->kind == TRANSFER_SEND_LISTING && t->file != -1) {
        fd_close(&t->file);             /* the broker writes into nothing and ends */
        rc = ask_listed(w, &entries, &fail);
    }
    return rc == SP_CLOSED ? SP_CLOSED : SP_OK;
}

/* Ends the transfer with this reply already put into out. */
static enum sp_err
failed(struct worker *w, unsigned code)
{
    enum sp_err rc = give_up(w), told = SP_OK;

    told = report(w, code);
    data_reset(&w->data);
    release(&w->transfer);
    w->active = clock_ms();
    return rc == SP_OK ? told : rc;
}

static enum sp_err
fail_with(struct worker *w, struct buf *out, unsigned code, const char *text)
{
    if (reply_line(out, code, "%s", text) != SP_OK)
        return SP_CLOSED;
    return failed(w, code);
}

enum sp_err
transfer_abort(struct worker *w, struct buf *out)
{
    return fail_with(w, out, 426, "Transfer aborted.");
}

static enum sp_err
fail_open(struct worker *w, struct buf *out)
{
    const char *text = NULL;
    unsigned code = data_failure_reply(&w->data, &text);

    return fail_with(w, out, code, text);
}

static enum sp_err
fail_moving(struct worker *w, struct buf *out, enum sp_err why)
{
    struct transfer *t = &w->transfer;
    struct fail fail = { .code = FAIL_OS, .error = errno };
    unsigned code = 451;

    switch (why) {
    case SP_CLOSED:
        return fail_with(w, out, 426, "The data connection was closed; transfer aborted.");
    case SP_INPUT:
        return fail_with(w, out, 426,
                         t->kind == TRANSFER_RECEIVE_FILE
                         ? "No TLS close_notify on the data connection; upload not stored."
                         : "TLS failed on the data connection; transfer aborted.");
    case SP_REFUSED:
        return fail_with(w, out, 451, "The file was truncated during the transfer.");
    case SP_OS:
        if (fail_reply(out, &fail, TRIED_COMMIT, (struct slice)SLICE_EMPTY, &code) != SP_OK)
            return SP_CLOSED;
        return failed(w, code);
    case SP_NOMEM:
    case SP_OK:
    case SP_AGAIN:
        break;
    }
    return fail_with(w, out, 451, "Out of memory; transfer aborted.");
}

/* Bytes and rate for the text of 226. */
static enum sp_err
reply_complete(struct worker *w, struct buf *out)
{
    struct transfer *t = &w->transfer;
    double seconds = (double)(clock_us() - t->begun_us) / 1e6;
    double rate = seconds > 0 ? (double)t->bytes / seconds / 1e6 : 0;

    return reply_line(out, 226, "%s: %llu bytes in %.3f s (%.2f MB/s).",
                      t->kind == TRANSFER_RECEIVE_FILE ? "Stored" : "Transfer complete",
                      (unsigned long long)t->bytes, seconds, rate);
}

/*
 * What follows here need not keep a client waiting that has sent nothing more yet. Where it
 * has, its replies go out together. What fails is found once more by who flushes next.
 */
static void
answer_at_once(struct worker *w)
{
    if (!w->line_held && line_unread(&w->control.in) == 0)
        SP_IGNORE(control_flush(&w->control));
}

/* Everything has been moved and the client's side is in order: settle it. */
static enum sp_err
complete(struct worker *w, struct buf *out)
{
    struct transfer *t = &w->transfer;
    struct transfer_report done = { 0 };
    struct fail fail = { 0 };
    unsigned code = 226;
    uint64_t entries = 0;
    enum sp_err rc = SP_OK, told = SP_OK;

    if (t->kind == TRANSFER_RECEIVE_FILE) {
        /* closed behind it: on NFS, who closes first hears what the broker has to */
        rc = ask_commit(w, t->bytes, &fail);
    } else if (t->kind == TRANSFER_SEND_LISTING) {
        fd_close(&t->file);
        rc = ask_listed(w, &entries, &fail);
    }
    if (rc == SP_CLOSED) {
        /* it may be stored or not, and there is nobody left to ask, or to tell */
        SP_IGNORE(report(w, 421));
        data_reset(&w->data);
        release(t);
        return SP_CLOSED;
    }
    if (rc == SP_OK)
        rc = reply_complete(w, out);
    else
        rc = fail_reply(out, &fail, TRIED_COMMIT, slice_of(t->path), &code);
    done = account_for(w, code);
    done.next = code < 400 && ahead_ask(w);     /* the listener for who will follow, too */
    if (t->kind == TRANSFER_RECEIVE_FILE) {
        answer_at_once(w);      /* who waits for our FIN finds 226 there, and wakes once */
        data_finish(&w->data, true);
    } else {
        data_finish(&w->data, false);
        answer_at_once(w);      /* behind it: some take 226 for the end of the data */
    }
    told = tell_transfer(w, &done);
    release(t);
    w->active = clock_ms();
    return rc == SP_OK ? told : SP_CLOSED;
}

/* close_notify out; the FIN follows when complete() has settled the rest. */
static enum sp_err
close_step(struct worker *w, struct buf *out)
{
    struct transfer *t = &w->transfer;
    enum sp_err rc = SP_OK;

    if (w->data.tls != NULL) {
        if (t->state != TRANSFER_CLOSING && tls_stream_put_end(w->data.tls) != SP_OK)
            rc = SP_CLOSED;
        t->state = TRANSFER_CLOSING;
        if (rc == SP_OK)
            rc = mover_flush(w);
        if (rc == SP_AGAIN)
            return SP_AGAIN;
        /* an upload is whole by the client's close_notify, whether it waits for ours or not */
        if (rc != SP_OK && t->kind != TRANSFER_RECEIVE_FILE)
            return fail_moving(w, out, SP_CLOSED);
    }
    return complete(w, out);
}

/* REST in TYPE A: fewer octets than it says are there. */
static bool
is_beyond_end(const struct transfer *t)
{
    return t->skips && stage_skip_left(&t->stages.stages[t->stages.count - 1]) > 0;
}

/* Has the client itself said that all has been sent: by close_notify, or by ALLO? */
static bool
is_vouched_for(const struct worker *w)
{
    const struct transfer *t = &w->transfer;

    return t->kind != TRANSFER_RECEIVE_FILE
        || (w->data.tls != NULL && tls_stream_ended_well(w->data.tls))
        || (t->size > 0 && !t->staged && t->size == t->offset + t->bytes);
}

/*
 * Else the end of an upload looks the same whether the client has sent all or has died, but
 * for the control connection, which it leaves then, too: at once, or a moment later, as its
 * kernel closes one after the other. SP_AGAIN: what has come there is read first, once.
 * SP_CLOSED: it has left.
 */
static enum sp_err
look_for_client(struct worker *w)
{
    struct transfer *t = &w->transfer;
    struct pollfd p = { .fd = w->control.fd, .events = POLLIN };

    if (is_vouched_for(w))
        return SP_OK;
    if (!t->client_looked_at) {
        t->client_looked_at = true;
        t->wait = WAIT_DATA_READ;       /* the end is there still */
        return poll(&p, 1, LOOK_MS) == 0 ? SP_OK : SP_AGAIN;
    }
    return presence_is_lost(w, LOOK_MS) ? SP_CLOSED : SP_OK;
}

static enum sp_err
check_stall(struct worker *w, struct buf *out)
{
    w->transfer.tried_ms = clock_ms();
    if (w->transfer.tried_ms < stalls_at(w))
        return SP_AGAIN;
    return fail_with(w, out, 426, "Timeout: no data was moved; transfer aborted.");
}

enum sp_err
transfer_step(struct worker *w, struct buf *out)
{
    struct transfer *t = &w->transfer;
    enum sp_err rc = SP_OK;


    if (t->state == TRANSFER_OPENING) {
        if ((rc = data_open(w)) == SP_AGAIN)
            return SP_AGAIN;
        if (rc != SP_OK)
            return fail_open(w, out);
        t->state = TRANSFER_MOVING;
        t->begun_us = clock_us();
        t->progress_ms = clock_ms();
    }
    if (t->state == TRANSFER_MOVING) {
        rc = t->kind == TRANSFER_RECEIVE_FILE ? mover_receive(w) : mover_send(w);
        /* a source that is slow, or has long to search, is not waited for without a client */
        if (rc == SP_AGAIN && t->wait == WAIT_SOURCE && data_is_cut(&w->data))
            rc = SP_CLOSED;
        if (rc == SP_AGAIN)
            return check_stall(w, out);
        if (rc != SP_OK)
            return fail_moving(w, out, rc);
        if (is_beyond_end(t))
            return fail_with(w, out, 554, "REST offset is beyond the end of the file.");
        if ((rc = look_for_client(w)) == SP_AGAIN)
            return SP_AGAIN;
        if (rc != SP_OK)
            return fail_with(w, out, 426, "The control connection was closed; upload not stored.");
    }
    rc = close_step(w, out);
    return rc == SP_AGAIN ? check_stall(w, out) : rc;
}

void
transfer_describe(const struct worker *w, char *out, size_t room)
{
    const struct transfer *t = &w->transfer;
    struct reply_escaped shown;

    if (t->kind == TRANSFER_SEND_FILE)
        (void)text_printf(out, room, "%s %.256s: %llu bytes sent, file has %llu", t->verb,
                          reply_text(slice_of(t->path), &shown),
                          (unsigned long long)t->bytes, (unsigned long long)t->size);
    else
        (void)text_printf(out, room, "%s %.256s: %llu bytes moved", t->verb,
                          reply_text(slice_of(t->path), &shown), (unsigned long long)t->bytes);
}
