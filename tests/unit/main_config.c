/* tests/unit/main_config.c - the settings and the configuration file */
#include "unit.h"

extern const struct unit_suite suite_settings, suite_load, suite_check, suite_manual,
    suite_units, suite_written;

int
main(void)
{
    const struct unit_suite *const suites[] = { &suite_settings, &suite_load, &suite_check,
                                                &suite_manual, &suite_units, &suite_written, NULL };

    return unit_main(suites);
}
