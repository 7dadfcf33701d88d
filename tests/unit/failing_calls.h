/*
 * tests/unit/failing_calls.h - one call of the kernel or of malloc that fails, for tests
 *
 * A program linked with -Wl,--wrap=NAME for each name in failing_calls.c runs the product's
 * own calls through here: the nth one after failing_begin fails with that error, every other
 * one is made. Calls of libraries, CUnit and tests/unit themselves are counted only where
 * they stand between begin and end.
 */
#ifndef SP_TESTS_FAILING_CALLS_H
#define SP_TESTS_FAILING_CALLS_H

#include <stdbool.h>
#include <stddef.h>

/* From here on the nth call (from 1) fails with error; 0: none does. */
void failing_begin(unsigned nth, int error);
/* What another process does meanwhile: not counted. */
void failing_pause(bool pause);
/*
 * From here on each call of this name fails with error, as on a file system that has it not;
 * the last row has no name. "noreplace" is renameat2(2) with flags, "rename across" the same to another directory, "sync of a directory" and
 * "stale look" (statx(2) that is content with what is cached) have names of their own.
 */
struct refusal { const char *name; int error; };
void failing_refuse(const struct refusal *rows);
/* Back to normal; did a call fail? errno is as it was. */
bool failing_end(void);
/* The name of the call that failed, and its error. */
const char *failing_name(void);
int failing_error(void);

/* The errors that each call is made to fail with, ending with 0. */
extern const int failing_errors[];

#endif
