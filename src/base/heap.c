/* base/heap.c - see base/heap.h */
#include "base/heap.h"

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Calls of ours go no deeper; below the stack's own pages the kernel keeps 1 MiB free. */
#define DEEPEST ((uintptr_t)256 << 10)

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

void
stack_give_back(void)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    uintptr_t end = frame / page * page - page;     /* this function's own page stays */

    /* ENOMEM: the stack has never been that deep; what it has is given back all the same */
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): it was one */
    (void)madvise((void *)(end - DEEPEST), DEEPEST, MADV_DONTNEED);
}
