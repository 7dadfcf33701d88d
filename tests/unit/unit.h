/*
 * tests/unit/unit.h - the frame of the unit tests: suites of named tests, by CUnit
 *
 * A test program has one table of suites; each test file exports one suite:
 *
 *     static const struct unit_test tests[] = {
 *         { "a name with a newline is refused", name_with_newline },
 *         { NULL, NULL }
 *     };
 *     const struct unit_suite suite_pack = { "pack", tests };
 *
 * unit_main runs them all and ends with the line "N passed, N failed" (tests, not asserts).
 */
#ifndef SP_TESTS_UNIT_H
#define SP_TESTS_UNIT_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdint.h>

struct unit_test { const char *name; void (*run)(void); };
struct unit_suite { const char *name; const struct unit_test *tests; };

/*
 * Runs from where it is made. A bound says what the product may take for itself: the time in
 * which anybody waited for a processor, a disk or memory is taken off, as it is in
 * tests/e2e/patience.py. So what hangs is found on any machine, and what only waits for its
 * turn is not.
 */
struct unit_watch { int64_t began, held; };

/* Milliseconds, seconds: for what cannot take time off. It ends what hangs, and nothing else. */
#define UNIT_HANGS_MS 600000
#define UNIT_HANGS 600

struct unit_watch unit_watch_start(void);
/* Milliseconds of its own. */
int64_t unit_watch_own(const struct unit_watch *w);
/* Are they more than that? Costs little while even the clock says no. */
bool unit_watch_over(const struct unit_watch *w, int64_t milliseconds);
/* Waits until there is an event of poll(2), for so many milliseconds of its own. */
bool unit_wait(int fd, short events, int64_t milliseconds);

#define ROWS(table) (sizeof(table) / sizeof *(table))

/* The bytes of a literal, NULs inside it too: to begin a slice with, and as a value. */
#define BYTES(literal) { (const unsigned char *)(literal), sizeof(literal) - 1 }
#define SLICE(literal) slice_from(literal, sizeof(literal) - 1)

/* suites ends with NULL. Returns the exit code: 0, 1 (a test failed), 2 (could not run). */
int unit_main(const struct unit_suite *const *suites);

#endif
