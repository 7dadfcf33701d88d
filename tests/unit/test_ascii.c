/* tests/unit/test_ascii.c - src/ftp/ascii.c */
#include "ftp/ascii.h"
#include "suites_ftp.h"

static void
a_file_is_counted_as_it_is_sent(void)
{
    static const struct { struct slice text; uint64_t net; } rows[] = {
        { { NULL, 0 }, 0 }, { BYTES("abc"), 3 }, { BYTES("\n"), 2 },
        { BYTES("a\nb\n"), 6 },
        { BYTES("a\r\nb\n"), 6 }, { BYTES("\r"), 1 }, { BYTES("\r\r\n"), 3 },
        { BYTES("\n\n\n"), 6 }, { BYTES("\r\n\n"), 4 }, { BYTES("a\n\r"), 4 },
        { BYTES("\n\r\n"), 4 },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        for (size_t piece = 1; piece <= 4; piece++) {
            struct ascii_count c = ASCII_EMPTY;

            for (size_t at = 0; at < rows[i].text.len; at += piece) {
                size_t left = rows[i].text.len - at;

                ascii_count(&c,
                            slice_from(rows[i].text.at + at,
                                       left < piece ? left : piece));
            }
            CU_ASSERT_EQUAL(c.net, rows[i].net);
        }
}

static void
an_octet_of_the_transfer_is_found_in_the_file(void)
{
    /* sent as a CR LF b c CR LF d */
    static const struct { uint64_t target, net; size_t used; } rows[] = {
        { 0, 0, 0 }, { 1, 1, 1 }, { 2, 3, 2 }, { 3, 3, 2 }, { 4, 4, 3 }, { 5, 5, 4 },
        { 6, 6, 5 }, { 7, 7, 6 }, { 8, 8, 7 }, { 9, 8, 7 }, { UINT64_MAX, 8, 7 },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        for (size_t piece = 1; piece <= 7; piece++) {
            struct ascii_count c = ASCII_EMPTY;
            struct slice text = SLICE("a\nbc\r\nd");
            size_t used = 0;

            while (used < text.len && c.net < rows[i].target) {
                size_t left = text.len - used;

                used += ascii_locate(&c, slice_from(text.at + used,
                                                    left < piece ? left : piece),
                                     rows[i].target);
            }
            CU_ASSERT_EQUAL(used, rows[i].used);
            CU_ASSERT_EQUAL(c.net, rows[i].net);
        }
}

static const struct unit_test tests[] = {
    { "a file is counted as it is sent", a_file_is_counted_as_it_is_sent },
    { "an octet of the transfer is found in the file",
      an_octet_of_the_transfer_is_found_in_the_file },
    { NULL, NULL }
};

const struct unit_suite suite_ascii = { "ascii", tests };
