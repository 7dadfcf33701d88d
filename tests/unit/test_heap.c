/* tests/unit/test_heap.c - base/heap.c: the free places of a template's heap */
#include "base/heap.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "suites.h"

#define PIECES 2000

/* What a template may have allocated and half freed; mixed sizes, none of them mapped. */
static size_t
size_of(unsigned i)
{
    return 16 + (size_t)i * 37 % 3000;
}

/* Is this the C library's malloc (of a version that tells of its heap)? */
static bool
is_on_the_heap(const void *fence)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return (uintptr_t)fence < (uintptr_t)sbrk(0) && mallinfo2().arena > 0;
#else
    (void)fence;
    return false;
#endif
}

static void
after_closing_nothing_lies_below_what_was_kept(void)
{
    static void *pieces[PIECES];
    uintptr_t highest = 0, lowest = UINTPTR_MAX;
    void *fence = NULL, *fresh[50];

    for (unsigned i = 0; i < PIECES; i++)
        pieces[i] = malloc(size_of(i));
    fence = malloc(64);
    if (!is_on_the_heap(fence)) {
        skip("after closing nothing lies below what was kept", "another malloc is in use");
        for (unsigned i = 0; i < PIECES; i++)
            free(pieces[i]);
        free(fence);
        return;
    }
    for (unsigned i = 0; i < PIECES; i += 2)
        free(pieces[i]);
    heap_close_holes();
    for (unsigned i = 1; i < PIECES; i += 2)
        if ((uintptr_t)pieces[i] > highest)
            highest = (uintptr_t)pieces[i];
    for (unsigned i = 0; i < 50; i++) {
        fresh[i] = malloc(size_of(7 * i));
        if ((uintptr_t)fresh[i] < lowest)
            lowest = (uintptr_t)fresh[i];
    }
    CU_ASSERT_TRUE(lowest > highest);
    for (unsigned i = 0; i < 50; i++)
        free(fresh[i]);
    for (unsigned i = 1; i < PIECES; i += 2)
        free(pieces[i]);
    free(fence);
}

static void
what_is_in_use_survives_giving_back(void)
{
    unsigned char *kept = malloc(50000), *gone = malloc(90000);

    CU_ASSERT_FATAL(kept != NULL && gone != NULL);
    for (unsigned i = 0; i < 50000; i++)
        kept[i] = (unsigned char)(i * 7);
    free(gone);
    heap_give_back();
    for (unsigned i = 0; i < 50000; i++)
        if (kept[i] != (unsigned char)(i * 7))
            CU_FAIL("a byte has changed");
    free(kept);
}

/* Leaves something far below the caller's frame; where, as a number. */
__attribute__((noinline)) static uintptr_t
go_deep(void)
{
    volatile unsigned char deep[64 << 10];

    for (size_t i = 0; i < sizeof deep; i += 64)
        deep[i] = 1;
    return (uintptr_t)deep + 4096;
}

/* Has this process a page there? */
static bool
has_page(uintptr_t at)
{
    uint64_t entry = 0;
    FILE *pagemap = fopen("/proc/self/pagemap", "re");

    CU_ASSERT_PTR_NOT_NULL_FATAL(pagemap);
    CU_ASSERT_EQUAL(fseek(pagemap, (long)(at / (uintptr_t)sysconf(_SC_PAGESIZE) * 8),
                          SEEK_SET), 0);
    CU_ASSERT_EQUAL(fread(&entry, sizeof entry, 1, pagemap), 1);
    (void)fclose(pagemap);
    return entry >> 63 == 1;
}

static void
what_deep_calls_left_on_the_stack_goes(void)
{
    unsigned char kept[8192];
    uintptr_t at = 0;

    for (size_t i = 0; i < sizeof kept; i++)
        kept[i] = (unsigned char)(i * 7);
    at = go_deep();
    CU_ASSERT_TRUE(has_page(at));
    stack_give_back();
    CU_ASSERT_FALSE(has_page(at));
    for (size_t i = 0; i < sizeof kept; i++)
        if (kept[i] != (unsigned char)(i * 7))
            CU_FAIL("a byte has changed");
}

static const struct unit_test tests[] = {
    { "after closing nothing lies below what was kept",
      after_closing_nothing_lies_below_what_was_kept },
    { "what is in use survives giving back", what_is_in_use_survives_giving_back },
    { "what deep calls left on the stack goes", what_deep_calls_left_on_the_stack_goes },
    { NULL, NULL }
};
const struct unit_suite suite_heap = { "heap", tests };
