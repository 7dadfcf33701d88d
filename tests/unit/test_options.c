/* tests/unit/test_options.c - src/ftp/options.c */
#include <stdio.h>

#include "ftp/listing.h"
#include "suites_ftp.h"

static void
options_are_parted_from_names_as_ls_does(void)
{
    enum {
        A = LISTING_ALL, L = LISTING_LONG, R = LISTING_RECURSIVE, T = LISTING_BY_TIME,
        D = LISTING_DIRECTORY, F = LISTING_CLASSIFY
    };
    static const struct { const char *in; unsigned options; const char *name; } rows[] = {
        { "", 0, "" }, { "   ", 0, "" }, { "name", 0, "name" }, { "a b ", 0, "a b " },
        { " name", 0, " name" }, { "-la", L | A, "" }, { "-l -a", L | A, "" },
        { "-la ", L | A, "" }, { " -la", L | A, "" }, { "-a -l dir", A | L, "dir" },
        { "-al  a b", A | L, "a b" }, { "-R *.c", R, "*.c" }, { "-d .", D, "." },
        { "-ltr", L | T | LISTING_REVERSE, "" }, { "-1", LISTING_ONE, "" },
        { "-AS", LISTING_ALMOST_ALL | LISTING_BY_SIZE, "" }, { "-CF", F, "" },
        { "-lh x", L, "x" }, { "-lL", L, "" },
        { "-- -x", 0, "-x" }, { "-a -- -la", A, "-la" }, { "--", 0, "" },
        { "-- ", 0, "" },
        { "-a --", A, "" }, { "--  -- ", 0, "-- " },
        { "-file", 0, "-file" }, { "-a -file", A, "-file" }, { "-file ", 0, "-file " },
        { "-e name", 0, "name" }, { "-ale name", A | L, "name" },
        { "-", 0, "-" }, { "- x", 0, "- x" }, { "-a -", A, "-" },
        { "--color", 0, "--color" }, { "--color -l", L, "" }, { "--all x", 0, "x" },
        { "x -l", 0, "x -l" }, { "-\303\244", 0, "-\303\244" }, { "-l\t", 0, "-l\t" },
        { "-aaaaa", A, "" },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned options = 0xffffffff;
        struct slice name = SLICE("?");

        listing_options(slice_of(rows[i].in), &options, &name);
        if (options != rows[i].options)
            printf("\n    \"%s\": %x\n", rows[i].in, options);
        CU_ASSERT_EQUAL(options, rows[i].options);
        CU_ASSERT(bytes_are(name, slice_of(rows[i].name)));
    }
}

static void
any_parameter_is_survived(void)
{
    static const char likely[] = "-- alX\0\t/";
    char text[24];
    unsigned state = 3, options = 0;
    struct slice name = SLICE_EMPTY;

    listing_options(slice_from(NULL, 0), &options, &name);
    CU_ASSERT_EQUAL(name.len, 0);
    for (unsigned round = 0; round < 100000; round++) {
        size_t len = round % sizeof text;

        for (size_t i = 0; i < len; i++) {
            state = state * 1103515245 + 12345;
            text[i] = likely[(state >> 16) % (sizeof likely - 1)];
        }
        listing_options(slice_from(text, len), &options, &name);
        CU_ASSERT_FATAL(name.len <= len);
    }
}

static const struct unit_test tests[] = {
    { "options are parted from names as ls does",
      options_are_parted_from_names_as_ls_does },
    { "any parameter is survived", any_parameter_is_survived },
    { NULL, NULL }
};

const struct unit_suite suite_options = { "options", tests };
