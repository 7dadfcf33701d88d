/*
 * transfer/stage.h - one step between a file and a data connection: bytes in, bytes out
 *
 * Runs in: worker.                       Blocks: never. No descriptors, no system calls.
 * Trusts:  nothing in the bytes.
 *
 * A transfer is source, stages, sink. Each representation (TYPE, STRU, MODE) is a stage;
 * a struct stage_chain is any number of them and is pushed like one.
 */
#ifndef SP_TRANSFER_STAGE_H
#define SP_TRANSFER_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct stage;

/*
 * Takes from in, writes to out. *used and *made are set in every case. last: nothing
 * comes behind this input (inlen may be 0). SP_OK: all input is used and, with last, all
 * output is made. SP_AGAIN: out is full: empty it, and push the rest of the input with
 * the same last. Given at least STAGE_LEAST bytes of room, every push that answers
 * SP_AGAIN has made progress. SP_INPUT: the input breaks its form. SP_NOMEM. After these
 * two the stage is of no use.
 */
typedef enum sp_err stage_push_fn(struct stage *s, const unsigned char *in, size_t inlen,
                                  size_t *used, unsigned char *out, size_t outroom,
                                  size_t *made, bool last);

#define STAGE_LEAST 64          /* least room of an output                              */
#define STAGES_MOST 4           /* stages of one chain                                  */
#define STAGE_BETWEEN 65536     /* bytes between two stages of a chain                  */

/* The members behind push are the stage's own. */
struct stage {
    stage_push_fn *push;
    void (*clear)(struct stage *s);     /* frees heap; NULL: nothing to free            */
    void *heap;
    uint64_t count;
    bool flag;
};

#define STAGE_EMPTY { NULL, NULL, NULL, 0, false }

SP_CHECK enum sp_err stage_push(struct stage *s, const unsigned char *in, size_t inlen,
                                size_t *used, unsigned char *out, size_t outroom,
                                size_t *made, bool last);
/* Harmless on an empty one; empty afterwards. */
void stage_clear(struct stage *s);

/* File to net ASCII: a LF gets a CR before it, unless one is there already. */
void stage_ascii_to_net(struct stage *s);
/* Net ASCII to file: CRLF becomes LF, a bare CR stays. */
void stage_net_to_ascii(struct stage *s);
/* Drops the first count bytes and passes the rest: REST counts octets as transferred. */
void stage_skip(struct stage *s, uint64_t count);
/* So many it has still to drop. */
uint64_t stage_skip_left(const struct stage *s);

/*
 * Up to STAGES_MOST stages, one behind the other; with none the bytes pass as they are.
 * Owns its stages and the memory between them.
 */
struct stage_chain {
    size_t count;
    struct stage stages[STAGES_MOST];
    bool more[STAGES_MOST];             /* answered SP_AGAIN: has output of its own     */
    bool ended[STAGES_MOST];            /* has made all it ever makes                   */
    struct { unsigned char *bytes; size_t from, to; } between[STAGES_MOST - 1];
};

void stage_chain_init(struct stage_chain *c);
/*
 * An empty stage at the end of the chain, to be made by a stage_...() function right
 * away. SP_NOMEM. SP_REFUSED: STAGES_MOST are there.
 */
SP_CHECK enum sp_err stage_chain_add(struct stage_chain *c, struct stage **out);
/* As stage_push. */
SP_CHECK enum sp_err stage_chain_push(struct stage_chain *c, const unsigned char *in,
                                      size_t inlen, size_t *used, unsigned char *out,
                                      size_t outroom, size_t *made, bool last);
void stage_chain_clear(struct stage_chain *c);

#endif
