/* src/transfer/ascii.c - TYPE A, both ways (transfer/stage.h) */
#include <string.h>

#include "transfer/stage.h"

/* flag: the last byte used was a CR. */
static enum sp_err
push_to_net(struct stage *s, const unsigned char *in, size_t inlen, size_t *used,
            unsigned char *out, size_t outroom, size_t *made, bool last)
{
    size_t i = 0, o = 0;

    (void)last;                 /* nothing is held back */
    while (i < inlen) {
        const unsigned char *lf = memchr(in + i, '\n', inlen - i);
        size_t run = lf == NULL ? inlen - i : (size_t)(lf - in) - i;

        if (run > outroom - o) {
            run = outroom - o;
            lf = NULL;
        }
        if (run > 0) {
            memcpy(out + o, in + i, run);
            i += run;
            o += run;
            s->flag = in[i - 1] == '\r';
        }
        if (lf == NULL)
            break;
        if (outroom - o < (s->flag ? 1 : 2))
            break;
        if (!s->flag)
            out[o++] = '\r';
        out[o++] = '\n';
        i++;
        s->flag = false;
    }
    *used = i;
    *made = o;
    return i == inlen ? SP_OK : SP_AGAIN;
}

/* flag: a CR was used and is held back, until it is known what comes behind it. */
static enum sp_err
push_to_file(struct stage *s, const unsigned char *in, size_t inlen, size_t *used,
             unsigned char *out, size_t outroom, size_t *made, bool last)
{
    size_t i = 0, o = 0;

    while (i < inlen && o < outroom) {
        const unsigned char *cr = NULL;
        size_t run = 0;

        if (s->flag) {
            out[o++] = in[i] == '\n' ? '\n' : '\r';
            i += in[i] == '\n';
            s->flag = false;
            continue;
        }
        cr = memchr(in + i, '\r', inlen - i);
        run = cr == NULL ? inlen - i : (size_t)(cr - in) - i;
        if (run > outroom - o) {
            run = outroom - o;
            cr = NULL;
        }
        if (run > 0) {
            memcpy(out + o, in + i, run);
            i += run;
            o += run;
        }
        if (cr != NULL) {
            s->flag = true;
            i++;
        }
    }
    if (last && i == inlen && s->flag && o < outroom) {
        out[o++] = '\r';
        s->flag = false;
    }
    *used = i;
    *made = o;
    return i < inlen || (last && s->flag) ? SP_AGAIN : SP_OK;
}

void
stage_ascii_to_net(struct stage *s)
{
    *s = (struct stage){ .push = push_to_net };
}

void
stage_net_to_ascii(struct stage *s)
{
    *s = (struct stage){ .push = push_to_file };
}
