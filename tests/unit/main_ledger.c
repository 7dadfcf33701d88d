/* tests/unit/main_ledger.c - unit tests of src/ledger */
#include <stddef.h>

#include "unit.h"

extern const struct unit_suite suite_store;

int
main(void)
{
    static const struct unit_suite *const suites[] = { &suite_store, NULL };

    return unit_main(suites);
}
