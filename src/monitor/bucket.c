/* monitor/bucket.c - see bucket.h */
#include "monitor/bucket.h"

#define TOKEN 1000000u     /* level of one token; one token a second is 1 a microsecond */

void
bucket_init(struct bucket *b, uint32_t burst, uint32_t rate, int64_t now)
{
    *b = (struct bucket){ .burst = burst, .rate = rate, .level = (uint64_t)burst * TOKEN,
                          .filled = now };
}

static void
fill(struct bucket *b, int64_t now)
{
    uint64_t most = (uint64_t)b->burst * TOKEN;
    uint64_t gone = now > b->filled ? (uint64_t)(now - b->filled) : 0;

    if (gone == 0)
        return;
    b->filled = now;
    /* compared by division, so that a long sleep does not overflow the product */
    if (b->rate > 0 && gone > (most - b->level) / b->rate)
        b->level = most;
    else
        b->level += gone * b->rate;
}

bool
bucket_take(struct bucket *b, int64_t now)
{
    fill(b, now);
    if (b->level < TOKEN)
        return false;
    b->level -= TOKEN;
    return true;
}

int64_t
bucket_wait(struct bucket *b, uint32_t tokens, int64_t now)
{
    uint64_t wanted = (uint64_t)tokens * TOKEN;

    fill(b, now);
    if (wanted <= b->level)
        return 0;
    return (int64_t)((wanted - b->level + b->rate - 1) / b->rate);
}

bool
bucket_is_full(struct bucket *b, int64_t now)
{
    fill(b, now);
    return b->level == (uint64_t)b->burst * TOKEN;
}

void
bucket_change(struct bucket *b, uint32_t burst, uint32_t rate, int64_t now)
{
    uint64_t most = (uint64_t)burst * TOKEN;

    fill(b, now);
    b->burst = burst;
    b->rate = rate;
    if (b->level > most)
        b->level = most;
}

void
bucket_give_back(struct bucket *b)
{
    if (b->level < (uint64_t)b->burst * TOKEN)
        b->level += TOKEN;
}

uint32_t
bucket_used(struct bucket *b, int64_t now)
{
    fill(b, now);
    return b->burst - (uint32_t)(b->level / TOKEN);
}
