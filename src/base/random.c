/* src/base/random.c - see include/base/random.h */
#include "base/random.h"

#include <errno.h>
#include <stddef.h>
#include <sys/random.h>

#define STOCK 32                /* numbers: 256 bytes, which getrandom(2) gives in one piece */

enum sp_err
random_u64(uint64_t *out)
{
    static uint64_t stock[STOCK];   /* nobody else sees it: what is started is executed */
    static size_t left = 0;
    ssize_t got = 0;

    if (left == 0) {
        while ((got = getrandom(stock, sizeof stock, 0)) == -1 && errno == EINTR)
            continue;
        if (got != (ssize_t)sizeof stock)
            return SP_OS;
        left = STOCK;
    }
    *out = stock[--left];
    stock[left] = 0;
    return SP_OK;
}
