/* tests/unit/main_monitor.c - unit tests of src/monitor */
#include <stddef.h>

#include "suites_monitor.h"

int
main(void)
{
    static const struct unit_suite *const suites[] = {
        &suite_bucket, &suite_budget, &suite_admission, &suite_bans, &suite_crowd, &suite_deaths,
        &suite_child,
        &suite_keyed,
        &suite_known, &suite_guessers, &suite_kept, &suite_naming, &suite_monitor_options,
        &suite_logsink,
        &suite_dataport, &suite_listener, &suite_process, &suite_monitor_sessions,
        &suite_bond, &suite_monitor_logins, &suite_monitor_service, &suite_monitor_reload, &suite_validity, NULL
    };

    return unit_main(suites);
}
