/* tests/unit/main_common.c - what every process has: base and wire */
#include "suites.h"

int
main(void)
{
    static const struct unit_suite *const suites[] = {
        &suite_buf, &suite_bytes, &suite_calendar, &suite_clock, &suite_dots, &suite_fd, &suite_heap, &suite_nearest, &suite_secret,
        &suite_net, &suite_number, &suite_log, &suite_privilege, &suite_seccomp, &suite_landlock,
        &suite_utf8, &suite_message, &suite_pack, &suite_channel, &suite_template, &suite_peers,
        NULL
    };

    return unit_main(suites);
}
