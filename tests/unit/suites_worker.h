/* tests/unit/suites_worker.h - the suites of unit-worker */
#ifndef SP_TESTS_SUITES_WORKER_H
#define SP_TESTS_SUITES_WORKER_H

#include "unit.h"

extern const struct unit_suite suite_commands, suite_linger, suite_transfer;

#endif
