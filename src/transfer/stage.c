/* src/transfer/stage.c - see transfer/stage.h */
#include "transfer/stage.h"

#include <string.h>

enum sp_err
stage_push(struct stage *s, const unsigned char *in, size_t inlen, size_t *used,
           unsigned char *out, size_t outroom, size_t *made, bool last)
{
    *used = 0;
    *made = 0;
    return s->push(s, in, inlen, used, out, outroom, made, last);
}

void
stage_clear(struct stage *s)
{
    if (s->clear != NULL)
        s->clear(s);
    *s = (struct stage)STAGE_EMPTY;
}

/* count: bytes that are still to be dropped. */
static enum sp_err
push_skip(struct stage *s, const unsigned char *in, size_t inlen, size_t *used,
          unsigned char *out, size_t outroom, size_t *made, bool last)
{
    size_t drop = inlen < s->count ? inlen : (size_t)s->count;
    size_t pass = inlen - drop < outroom ? inlen - drop : outroom;

    (void)last;                 /* nothing is held back */
    if (pass > 0)
        memcpy(out, in + drop, pass);
    s->count -= drop;
    *used = drop + pass;
    *made = pass;
    return *used == inlen ? SP_OK : SP_AGAIN;
}

void
stage_skip(struct stage *s, uint64_t count)
{
    *s = (struct stage){ .push = push_skip, .count = count };
}

uint64_t
stage_skip_left(const struct stage *s)
{
    return s->count;
}
