/* tls/worker/urgent.c - see urgent.h */
#include "tls/worker/urgent.h"

#include <string.h>

#define RECORD_HEADER 5         /* type, version (2), length (2) */

/* RFC 854: IAC, IP, DM. Types of records are 20 to 24. */
static bool
is_urgent(unsigned char c)
{
    return c == 255 || c == 244 || c == 242;
}

/* A byte of a header. The last two are the length of what follows. */
static void
take_header(struct urgent *u, unsigned char c)
{
    u->header++;
    if (u->header > 3)
        u->left = u->left << 8 | c;
    if (u->header == RECORD_HEADER) {
        u->header = 0;
        u->passed = 0;
    }
}

/* The bytes that are TLS's, moved to the front. Returns how many. */
static size_t
sift(struct urgent *u, unsigned char *at, size_t len)
{
    size_t kept = 0, i = 0;

    while (i < len) {
        size_t run = u->left < len - i ? u->left : len - i;

        if (u->header == 0 && run > 0) {
            memmove(at + kept, at + i, run);
            u->left -= run;
            kept += run;
            i += run;
        } else if (u->header == 0 && u->allowed && u->passed < URGENT_MOST
                   && is_urgent(at[i])) {
            u->passed++;
            i++;
        } else {
            take_header(u, at[i]);
            at[kept++] = at[i++];
        }
    }
    return kept;
}

static int
bio_read(BIO *bio, char *at, size_t room, size_t *got)
{
    size_t n = 0;
    int done = BIO_read_ex(BIO_next(bio), at, room, &n);

    BIO_clear_retry_flags(bio);
    BIO_copy_next_retry(bio);
    if (done != 1)
        return 0;
    n = sift(BIO_get_data(bio), (unsigned char *)at, n);
    if (n == 0) {               /* and no loop: the client may send them without end */
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = n;
    return 1;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
    return BIO_next(bio) == NULL ? 0 : BIO_ctrl(BIO_next(bio), command, number, pointer);
}

enum sp_err
urgent_method_new(BIO_METHOD **out)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_FILTER, "urgent");

    if (method == NULL)
        return SP_NOMEM;
    if (BIO_meth_set_read_ex(method, bio_read) != 1
        || BIO_meth_set_ctrl(method, bio_control) != 1) {
        BIO_meth_free(method);
        return SP_NOMEM;
    }
    *out = method;
    return SP_OK;
}

enum sp_err
urgent_bio(BIO **bio, const BIO_METHOD *method, struct urgent *u)
{
    BIO *filter = BIO_new(method);

    if (filter == NULL)
        return SP_NOMEM;
    BIO_set_data(filter, u);
    BIO_set_init(filter, 1);
    *bio = BIO_push(filter, *bio);
    return SP_OK;
}
