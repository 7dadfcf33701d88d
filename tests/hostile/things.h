/*
 * tests/hostile/things.h - what a captured process might hand over, or ask the kernel for
 *
 * Runs in: the captured programs of the tests.
 */
#ifndef SP_TESTS_THINGS_H
#define SP_TESTS_THINGS_H

#include <stdbool.h>
#include <stddef.h>

/* The names that thing_open knows; NULL after the last. */
const char *thing_name(size_t index);
/* A descriptor of that kind, or of the file if the name is a path. -1: errno says why. */
int thing_open(const char *name);

#define CALL_ARGUMENTS 6

/*
 * The system call of that name. An argument is a number, "@text" (its address), "=hex"
 * (the address of these bytes, which it overwrites), "%" (held) or "#" (4 KiB of zeros).
 * False: there is no call of that name.
 */
bool call_make(const char *name, char *const argument[CALL_ARGUMENTS], int held,
               long *result);

#endif
