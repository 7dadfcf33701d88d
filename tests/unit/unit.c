/* tests/unit/unit.c - see unit.h */
#include "unit.h"

#include <CUnit/Basic.h>
#include <signal.h>
#include <stdio.h>

int
unit_main(const struct unit_suite *const *suites)
{
    CU_pSuite suite = NULL;
    unsigned failed = 0, run = 0;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    for (; *suites != NULL; suites++) {
        if ((suite = CU_add_suite((*suites)->name, NULL, NULL)) == NULL)
            return 2;
        for (const struct unit_test *t = (*suites)->tests; t->name != NULL; t++)
            if (CU_add_test(suite, t->name, t->run) == NULL)
                return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    if (CU_basic_run_tests() != CUE_SUCCESS)
        return 2;
    run = CU_get_number_of_tests_run();
    failed = CU_get_number_of_tests_failed();
    if (failed > 0)
        CU_basic_show_failures(CU_get_failure_list());
    CU_cleanup_registry();
    printf("\n%u passed, %u failed\n", run - failed, failed);
    return failed == 0 && run > 0 ? 0 : 1;
}
