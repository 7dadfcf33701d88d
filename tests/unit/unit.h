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

struct unit_test { const char *name; void (*run)(void); };
struct unit_suite { const char *name; const struct unit_test *tests; };

/* suites ends with NULL. Returns the exit code: 0, 1 (a test failed), 2 (could not run). */
int unit_main(const struct unit_suite *const *suites);

#endif
