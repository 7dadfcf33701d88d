/* tests/unit/main_ftp.c - src/ftp and src/transfer: bytes in, bytes out */
#include <stdio.h>

#include "suites_ftp.h"

bool
bytes_are(struct slice got, struct slice wanted)
{
    if (slice_equal(got, wanted))
        return true;
    printf("\n    got    %.*s\n    wanted %.*s\n", (int)got.len, (const char *)got.at,
           (int)wanted.len, (const char *)wanted.at);
    return false;
}

int
main(void)
{
    static const struct unit_suite *const suites[] = {
        &suite_parse, &suite_hostport, &suite_path, &suite_reply,
        &suite_timeval, &suite_glob, &suite_ascii, &suite_listing, &suite_facts,
        &suite_options, &suite_stage,
        NULL
    };

    return unit_main(suites);
}
