/* tests/unit/suites_ftp.h - the suites of unit-ftp, and what several of them need */
#ifndef SP_TESTS_SUITES_FTP_H
#define SP_TESTS_SUITES_FTP_H

#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "unit.h"

extern const struct unit_suite suite_parse, suite_hostport, suite_path,
    suite_reply, suite_timeval, suite_glob, suite_ascii, suite_listing, suite_facts,
    suite_options, suite_stage;

/* The same bytes; says which on standard output where they are not. */
bool bytes_are(struct slice got, struct slice wanted);

#endif
