/* src/transfer/chain.c - stages one behind the other (transfer/stage.h) */
#include <stdlib.h>
#include <string.h>

#include "transfer/stage.h"

void
stage_chain_init(struct stage_chain *c)
{
    *c = (struct stage_chain){ .count = 0 };
}

enum sp_err
stage_chain_add(struct stage_chain *c, struct stage **out)
{
    if (c->count == STAGES_MOST)
        return SP_REFUSED;
    if (c->count > 0
        && (c->between[c->count - 1].bytes = malloc(STAGE_BETWEEN)) == NULL)
        return SP_NOMEM;
    *out = &c->stages[c->count++];
    return SP_OK;
}

/* What one stage is given, and where its output goes. */
struct step { const unsigned char *in; unsigned char *out; size_t inlen, outroom; };

/* One push of stage k. *moved: it used or made something, or came to its end. */
static enum sp_err
push_one(struct stage_chain *c, size_t k, const struct step *w, bool last, size_t *used,
         size_t *made, bool *moved)
{
    enum sp_err rc = SP_OK;

    *used = 0;
    *made = 0;
    *moved = false;
    if (c->ended[k] || w->outroom == 0 || (w->inlen == 0 && !c->more[k] && !last))
        return SP_OK;
    rc = stage_push(&c->stages[k], w->in, w->inlen, used, w->out, w->outroom, made, last);
    SP_ASSERT(*used <= w->inlen && *made <= w->outroom);
    if (rc != SP_OK && rc != SP_AGAIN)
        return rc;
    c->more[k] = rc == SP_AGAIN;
    c->ended[k] = rc == SP_OK && last;
    *moved = *used > 0 || *made > 0 || c->ended[k];
    return SP_OK;
}

/* Has all gone through that was given, and with last all that will ever be made? */
static bool
all_through(const struct stage_chain *c, bool input_used, bool last)
{
    if (!input_used)
        return false;
    for (size_t k = 0; k < c->count; k++)
        if (c->more[k] || (last && !c->ended[k])
            || (k > 0 && c->between[k - 1].from < c->between[k - 1].to))
            return false;
    return true;
}

/* Where stage k reads and writes now. */
static struct step
step_of(struct stage_chain *c, size_t k, const struct step *ends)
{
    struct step w = *ends;

    if (k > 0) {
        w.in = c->between[k - 1].bytes + c->between[k - 1].from;
        w.inlen = c->between[k - 1].to - c->between[k - 1].from;
    }
    if (k + 1 < c->count) {
        size_t from = c->between[k].from;

        if (from == c->between[k].to || STAGE_BETWEEN - c->between[k].to < STAGE_LEAST) {
            memmove(c->between[k].bytes, c->between[k].bytes + from,
                    c->between[k].to - from);
            c->between[k].to -= from;
            c->between[k].from = 0;
        }
        w.out = c->between[k].bytes + c->between[k].to;
        w.outroom = STAGE_BETWEEN - c->between[k].to;
    }
    return w;
}

enum sp_err
stage_chain_push(struct stage_chain *c, const unsigned char *in, size_t inlen,
                 size_t *used, unsigned char *out, size_t outroom, size_t *made,
                 bool last)
{
    struct step ends = { in, out, inlen, outroom };
    struct stage through = STAGE_EMPTY;
    bool any = true;
    enum sp_err rc = SP_OK;

    *used = 0;
    *made = 0;
    if (c->count == 0) {
        stage_skip(&through, 0);
        return stage_push(&through, in, inlen, used, out, outroom, made, last);
    }
    while (any) {
        any = false;
        for (size_t k = 0; k < c->count; k++) {
            struct step w = step_of(c, k, &ends);
            bool last_here = k == 0 ? last : c->ended[k - 1];
            bool moved = false;
            size_t took = 0, gave = 0;

            if ((rc = push_one(c, k, &w, last_here, &took, &gave, &moved)) != SP_OK)
                return rc;
            if (k > 0) {
                c->between[k - 1].from += took;
            } else if (took > 0) {
                ends.in += took;
                ends.inlen -= took;
                *used += took;
            }
            if (k + 1 < c->count) {
                c->between[k].to += gave;
            } else if (gave > 0) {
                ends.out += gave;
                ends.outroom -= gave;
                *made += gave;
            }
            any = any || moved;
        }
    }
    return all_through(c, ends.inlen == 0, last) ? SP_OK : SP_AGAIN;
}

void
stage_chain_clear(struct stage_chain *c)
{
    for (size_t k = 0; k < c->count; k++)
        stage_clear(&c->stages[k]);
    for (size_t k = 0; k < STAGES_MOST - 1; k++)
        free(c->between[k].bytes);
    stage_chain_init(c);
}
