/*
 * base/bytes.h - numbers as bytes, in either order, whatever the machine's own is
 *
 * Runs in: every process.                Blocks: never; good in a signal handler.
 *
 * count: bytes of the number, at most 8. Inline, so that a count which the compiler knows
 * costs a plain load or store.
 */
#ifndef SP_BASE_BYTES_H
#define SP_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* The least byte first: between our processes, and in what they keep. */
static inline void
bytes_put_little(unsigned char *at, uint64_t value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static inline uint64_t
bytes_get_little(const unsigned char *at, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* The greatest byte first: what came from a network. */
static inline void
bytes_put_big(unsigned char *at, uint64_t value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        at[i] = (unsigned char)(value >> (8 * (count - 1 - i)));
}

static inline uint64_t
bytes_get_big(const unsigned char *at, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value = value << 8 | at[i];
    return value;
}

#endif
