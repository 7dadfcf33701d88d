/* tests/unit/suites_monitor.h - the suites of unit-monitor */
#ifndef SP_TESTS_SUITES_MONITOR_H
#define SP_TESTS_SUITES_MONITOR_H

#include "unit.h"

extern const struct unit_suite suite_bond, suite_bucket, suite_budget, suite_admission, suite_bans, suite_child, suite_crowd,
    suite_deaths,
    suite_kept, suite_keyed, suite_known, suite_guessers, suite_naming,
    suite_monitor_options, suite_logsink, suite_dataport, suite_listener, suite_process,
    suite_monitor_sessions, suite_monitor_logins, suite_monitor_service,
    suite_monitor_reload, suite_validity;

#endif
