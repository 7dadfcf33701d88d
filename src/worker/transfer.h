/*
 * worker/transfer.h - the one transfer of a session: source, stages, sink
 *
 * Runs in: worker.                       Blocks: on the disk, in the broker's commit,
 *                                        and for moments, to see whether a client is there.
 * Trusts:  nothing that comes from the data connection.
 * Owns:    the file or pipe, buffers, stages.
 */
#ifndef SP_WORKER_TRANSFER_H
#define SP_WORKER_TRANSFER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "transfer/stage.h"

struct worker;

enum transfer_kind { TRANSFER_NONE, TRANSFER_SEND_FILE, TRANSFER_SEND_LISTING,
                     TRANSFER_RECEIVE_FILE };
enum transfer_state {
    TRANSFER_OPENING,           /* the data connection comes about                       */
    TRANSFER_MOVING,
    TRANSFER_CLOSING            /* all is moved; close_notify is on its way to the socket */
};

/* What a mover waits for when it answers SP_AGAIN. */
enum transfer_wait { WAIT_DATA_READ, WAIT_DATA_WRITE, WAIT_SOURCE };

struct transfer {
    enum transfer_kind kind;    /* TRANSFER_NONE: nothing runs */
    enum transfer_state state;
    enum transfer_wait wait;
    char verb[8];
    char path[4097];
    int file;                   /* source or sink; for a listing the pipe's reading end  */
    uint64_t offset;            /* sending: the next byte of the file; else the first one */
    uint64_t size;              /* sending: of the file when opened; else by ALLO, or 0  */
    uint64_t dropped;           /* sending: up to here the cache has been given back     */
    uint64_t file_room;         /* receiving: so many bytes more the file may get        */
    uint64_t bytes;             /* moved over the data connection                        */
    bool staged;                /* stages are not empty                                  */
    bool skips;                 /* the last of them drops what REST said                 */
    struct stage_chain stages;
    bool source_ended;          /* sending: nothing more comes; receiving: end was seen  */
    bool stages_ended;          /* the stages have been told that it was the last        */
    bool client_looked_at;      /* an end without close_notify: is the client there?     */
    unsigned char *buffer;      /* what was read and not yet handed on: [from, to)       */
    size_t room, from, to;
    unsigned char *made;        /* what the stages made: [made_from, made_to)            */
    size_t made_from, made_to;
    int pipe[2];                /* receiving in clear: socket to pipe to file            */
    bool pipe_refused;
    int64_t begun_us;
    int64_t progress_ms;        /* clock_ms when the last byte moved                     */
    int64_t held_ms;            /* receiving: when the first byte of the buffer came     */
    int64_t tried_ms;           /* clock_ms when that was tried                          */
};

void transfer_init(struct transfer *t);
bool transfer_runs(const struct transfer *t);

/* What is to be moved. The descriptor is taken over; 150 has been put by the caller. */
struct transfer_begin {
    enum transfer_kind kind;
    const char *verb, *path;
    int file;
    uint64_t offset, size;
    bool ascii;
    uint64_t skip;              /* sending in ASCII: REST counts octets as transferred   */
};
/* SP_NOMEM: the descriptor is closed. */
SP_CHECK enum sp_err transfer_begin(struct worker *w, const struct transfer_begin *b);

/*
 * Will the next transfer_step probably be the last one? Then 150 need not go out alone:
 * a small file over a connection that is there.
 */
bool transfer_is_brief(const struct worker *w);

/*
 * Without close_notify the end of an upload may be that of the client: where that is gone,
 * nothing proves that the file is whole.
 */
bool transfer_needs_client(const struct worker *w);

#define TRANSFER_POLL 6
/* What to wait for, also before it begins (data_waits_early). Returns how many of out[TRANSFER_POLL] were filled. */
size_t transfer_poll(const struct worker *w, struct pollfd *out);
/* clock_ms by which transfer_step must be called even if nothing happens. */
int64_t transfer_deadline(const struct worker *w);
/*
 * Moves on. SP_AGAIN: it goes on. SP_OK: it ended, well or not; the reply is in out and the
 * monitor was told. SP_CLOSED: broker or monitor are gone.
 */
SP_CHECK enum sp_err transfer_step(struct worker *w, struct buf *out);
/* ABOR: cuts it. The reply for the transfer (426) is put into out. */
SP_CHECK enum sp_err transfer_abort(struct worker *w, struct buf *out);
/* One line for STAT while it runs. */
void transfer_describe(const struct worker *w, char *out, size_t room);

#endif
