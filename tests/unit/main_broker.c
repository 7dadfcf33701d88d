/* tests/unit/main_broker.c - unit tests of src/broker */
#include <stddef.h>

#include "unit.h"

extern const struct unit_suite suite_partial, suite_resolve, suite_files, suite_upload,
    suite_listing_walk, suite_expire, suite_broker_program;

int
main(void)
{
    static const struct unit_suite *const suites[] = {
        &suite_partial, &suite_resolve, &suite_files, &suite_upload, &suite_listing_walk,
        &suite_expire, &suite_broker_program, NULL
    };

    return unit_main(suites);
}
