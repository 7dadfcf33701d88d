/*
 * tls/worker/gather.h - what is to be sent, gathered, and a BIO that writes into it
 *
 * Runs in: worker.                       Blocks: never.
 * Owns:    its memory.
 *
 * Not a struct buf: that wipes and copies as it grows, for the sake of secrets; this
 * holds ciphertext, a quarter of a megabyte of it.
 */
#ifndef SP_TLS_WORKER_GATHER_H
#define SP_TLS_WORKER_GATHER_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * The bytes from sent to len are still to go. full: from here on no payload is taken.
 * What the protocol itself has to say (alerts, tickets, KeyUpdate) may go GATHER_SLACK
 * further.
 */
struct gather { unsigned char *at; size_t sent, len, room, full; };

#define GATHER_EMPTY(most) { NULL, 0, 0, 0, (most) }
#define GATHER_SLACK ((size_t)64 << 10)

#define GATHER_RECORD ((size_t)16 << 10)    /* payload of one record, at most      */
#define GATHER_EXTRA ((size_t)64)           /* header, nonce, tag, type: 29 at most */
/* The room that so much payload takes, in whole records. */
#define GATHER_FOR(payload) ((payload) / GATHER_RECORD * (GATHER_RECORD + GATHER_EXTRA))

/* The kind of BIO for gather_bio. SP_NOMEM. */
SP_CHECK enum sp_err gather_method_new(BIO_METHOD **out);
/* A BIO that appends to g and never blocks; g must outlive it. SP_NOMEM. */
SP_CHECK enum sp_err gather_bio(BIO **out, const BIO_METHOD *method, struct gather *g);

/*
 * What the BIO does: a copy of len bytes to be sent. SP_AGAIN: past full and the slack.
 * SP_NOMEM.
 */
SP_CHECK enum sp_err gather_add(struct gather *g, const void *at, size_t len);
size_t gather_unsent(const struct gather *g);
/* Bytes of payload that may be put, when every 16 KiB of it become one record. */
size_t gather_room(const struct gather *g);
/*
 * Send to a non-blocking socket; flags as in send(2). SP_OK: all gone. SP_AGAIN: the socket
 * is full. SP_CLOSED: the other end reset or closed it. SP_OS.
 */
SP_CHECK enum sp_err gather_send(struct gather *g, int fd, int flags);
/* Give the memory back; nothing must be unsent. */
void gather_release(struct gather *g);
void gather_free(struct gather *g);

#endif
