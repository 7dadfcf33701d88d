/* src/ftp/ascii.c - see ftp/ascii.h */
#include "ftp/ascii.h"

#include <string.h>

void
ascii_count(struct ascii_count *c, struct slice piece)
{
    (void)ascii_locate(c, piece, UINT64_MAX);
}

size_t
ascii_locate(struct ascii_count *c, struct slice piece, uint64_t target)
{
    const unsigned char *at = piece.at;
    const unsigned char *end = piece.len == 0 ? at : at + piece.len;
    const unsigned char *lf = NULL;
    size_t run = 0;

    while (at < end && c->net < target) {
        lf = memchr(at, '\n', (size_t)(end - at));
        run = (size_t)((lf == NULL ? end : lf) - at);
        if (run > target - c->net)
            run = (size_t)(target - c->net);
        if (run > 0) {
            at += run;
            c->net += run;
            c->after_cr = at[-1] == '\r';
            continue;           /* the target may be reached */
        }
        c->net += c->after_cr ? 1 : 2;
        c->after_cr = false;
        at++;
    }
    return piece.len == 0 ? 0 : (size_t)(at - piece.at);
}
