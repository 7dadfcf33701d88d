/* base/heap.c - see base/heap.h */
#include "base/heap.h"

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)

#define LARGEST ((size_t)100 << 10)     /* below the size from which malloc maps pages */
#define ALIGNMENT 16

void
heap_close_holes(void)
{
    uintptr_t top = 0;

    (void)malloc_trim(LARGEST);
    /* the free end of the heap, out of which malloc serves what fits nowhere else */
    top = (uintptr_t)sbrk(0) - mallinfo2().keepcost;
    for (size_t size = LARGEST; size > 0; size -= ALIGNMENT) {
        uintptr_t at = 0;

        do {
            void *taken = malloc(size);     /* fanalyzer(malloc-leak): kept, to fill it */

            at = (uintptr_t)taken;
            if (at == 0 || at >= top)
                free(taken);
        } while (at != 0 && at < top);
    }
}       /* fanalyzer(malloc-leak): as above */

void
heap_give_back(void)
{
    (void)malloc_trim(0);
}

#else

void
heap_close_holes(void)
{
}

void
heap_give_back(void)
{
}

#endif
