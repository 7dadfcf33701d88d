/* monitor/naming.c - see naming.h */
#include "monitor/naming.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define STOCK 32                /* numbers: 256 bytes, which getrandom(2) gives in one piece */

enum sp_err
naming_random(uint64_t *out)
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

void
naming_boot(uint64_t random, char out[NAMING_BOOT])
{
    /* 32 of them, without those that are mistaken for others when read aloud */
    static const char letters[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

    for (unsigned i = 0; i < NAMING_BOOT - 1; i++)
        out[i] = letters[random >> 5 * i & 31];
    out[NAMING_BOOT - 1] = '\0';
}

const char *
naming_id(const char *boot, uint64_t number, char out[NAMING_ID])
{
    (void)snprintf(out, NAMING_ID, "%.4s-%llu", boot, (unsigned long long)number);
    return out;
}
