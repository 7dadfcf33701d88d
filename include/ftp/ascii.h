/*
 * ftp/ascii.h - the length of a text file in net ASCII (TYPE A), and where an octet lies
 *
 * Runs in: broker (SIZE, REST), worker.  Blocks: never.
 *
 * In net ASCII a LF has a CR before it; one that stands in the file already is not
 * doubled. The conversion itself is a stage of the worker (src/transfer/ascii.c).
 */
#ifndef SP_FTP_ASCII_H
#define SP_FTP_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* net: octets in net ASCII so far. Begin with ASCII_EMPTY. */
struct ascii_count { uint64_t net; bool after_cr; };

#define ASCII_EMPTY { 0, false }

/* Counts the next piece of the file. */
void ascii_count(struct ascii_count *c, struct slice piece);
/*
 * As ascii_count, but stops where c->net has reached target. Returns how many bytes of
 * the piece that took. A target between the CR and the LF of a line end that is one byte
 * in the file is reached behind the LF: c->net is then target + 1.
 */
size_t ascii_locate(struct ascii_count *c, struct slice piece, uint64_t target);

#endif
