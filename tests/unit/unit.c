/* tests/unit/unit.c - see unit.h */
#include "unit.h"

#include <CUnit/Basic.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEAST_SHARE 20          /* waiting for others is never all of the time: a hang ends */

static int64_t
now_ms(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds in which somebody waited for the machine; where nobody counts: all there were. */
static int64_t
held_up_ms(void)
{
    static const char *const files[] = { "/proc/pressure/cpu", "/proc/pressure/io",
                                         "/proc/pressure/memory" };
    int64_t total = 0;

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *f = fopen(files[i], "re");
        int64_t micros = 0;

        if (f == NULL || fscanf(f, "some %*s %*s %*s total=%" SCNd64, &micros) != 1)
            micros = i == 0 ? now_ms() * 1000 : 0;
        total += micros / 1000;
        if (f != NULL)
            (void)fclose(f);
    }
    return total;
}

struct unit_watch
unit_watch_start(void)
{
    return (struct unit_watch){ now_ms(), held_up_ms() };
}

int64_t
unit_watch_own(const struct unit_watch *w)
{
    int64_t passed = now_ms() - w->began, own = passed - (held_up_ms() - w->held);

    return own > passed / LEAST_SHARE ? own : passed / LEAST_SHARE;
}

bool
unit_watch_over(const struct unit_watch *w, int64_t milliseconds)
{
    return now_ms() - w->began > milliseconds && unit_watch_own(w) > milliseconds;
}

bool
unit_wait(int fd, short events, int64_t milliseconds)
{
    struct pollfd p = { .fd = fd, .events = events };
    struct unit_watch w = { 0 };

    if (poll(&p, 1, 0) == 1)
        return true;
    w = unit_watch_start();
    do
        if (poll(&p, 1, 50) == 1)
            return true;
    while (!unit_watch_over(&w, milliseconds));
    return false;
}

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
