/* monitor/naming.c - see naming.h */
#include "monitor/naming.h"

#include <stdio.h>

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
