/* tests/unit/main_worker.c - the worker between fakes */
#include <signal.h>
#include <stddef.h>

#include "suites_worker.h"

int
main(void)
{
    static const struct unit_suite *const suites[] = { &suite_commands, &suite_linger,
                                                       &suite_transfer, NULL };
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    if (sigaction(SIGPIPE, &ignore, NULL) != 0)
        return 2;
    return unit_main(suites);
}
