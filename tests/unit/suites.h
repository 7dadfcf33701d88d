/* tests/unit/suites.h - the suites of unit-common, and what several of them need */
#ifndef SP_TESTS_SUITES_H
#define SP_TESTS_SUITES_H

#include <stddef.h>

#include "unit.h"

extern const struct unit_suite suite_buf, suite_bytes, suite_calendar, suite_clock, suite_dots,
    suite_fd, suite_heap, suite_landlock, suite_utf8,
    suite_log, suite_nearest, suite_net, suite_number, suite_privilege, suite_seccomp, suite_secret, suite_template;
extern const struct unit_suite suite_channel, suite_message, suite_pack, suite_peers;

/* How many descriptors this process has open. */
size_t open_descriptors(void);
/*
 * Runs test in a child (what it gives up stays with it) and returns its exit code; 256 and
 * the number of the signal where one ended it.
 */
int run_in_child(int (*test)(void));
/* Says aloud that a test needs more than there is here. */
void skip(const char *test, const char *why);

#endif
