/* tests/unit/unit.c - see unit.h */
#include "unit.h"

#include <CUnit/Basic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Is this test among those that cannot run here? SALLYPORT_UNIT_SKIP has a line
 * "suite: test" for each (tests/analysis: what valgrind has no system calls for).
 */
static unsigned
skips(const char *suite, const char *test)
{
    const char *list = getenv("SALLYPORT_UNIT_SKIP");
    char line[512] = "";

    if (list == NULL)
        return 0;
    (void)snprintf(line, sizeof line, "\n%s: %s\n", suite, test);
    if (strstr(list, line) == NULL)
        return 0;
    printf("SKIP %s: %s\n", suite, test);
    return 1;
}

int
unit_main(const struct unit_suite *const *suites)
{
    CU_pSuite suite = NULL;
    unsigned failed = 0, run = 0, skipped = 0;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    for (; *suites != NULL; suites++) {
        if ((suite = CU_add_suite((*suites)->name, NULL, NULL)) == NULL)
            return 2;
        for (const struct unit_test *t = (*suites)->tests; t->name != NULL; t++) {
            if (skips((*suites)->name, t->name) != 0)
                skipped++;
            else if (CU_add_test(suite, t->name, t->run) == NULL)
                return 2;
        }
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    if (CU_basic_run_tests() != CUE_SUCCESS)
        return 2;
    run = CU_get_number_of_tests_run();
    failed = CU_get_number_of_tests_failed();
    if (failed > 0)
        CU_basic_show_failures(CU_get_failure_list());
    CU_cleanup_registry();
    if (skipped > 0)
        printf("\n%u passed, %u failed, %u skipped\n", run - failed, failed, skipped);
    else
        printf("\n%u passed, %u failed\n", run - failed, failed);
    return failed == 0 && run > 0 ? 0 : 1;
}
