/* tests/unit/main_admin.c - the administrator's tool */
#include "unit.h"

extern const struct unit_suite suite_admin_options, suite_admin_entry;

int
main(void)
{
    const struct unit_suite *const suites[] = { &suite_admin_options, &suite_admin_entry,
                                                NULL };

    return unit_main(suites);
}
