/* tests/unit/test_bytes.c - include/base/bytes.h */
#include <string.h>

#include "base/bytes.h"
#include "suites.h"

static const struct { size_t count; uint64_t value; unsigned char little[8], big[8]; } rows[] = {
    { 1, 0x80, { 0x80 }, { 0x80 } },
    { 2, 0x1234, { 0x34, 0x12 }, { 0x12, 0x34 } },
    { 4, 0xdeadbeef, { 0xef, 0xbe, 0xad, 0xde }, { 0xde, 0xad, 0xbe, 0xef } },
    { 6, 0x010203040506, { 6, 5, 4, 3, 2, 1 }, { 1, 2, 3, 4, 5, 6 } },
    { 8, 0xff00000000000001, { 1, 0, 0, 0, 0, 0, 0, 0xff }, { 0xff, 0, 0, 0, 0, 0, 0, 1 } },
};

static void
the_least_byte_comes_first(void)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char out[9] = { 0 };

        bytes_put_little(out, rows[i].value, rows[i].count);
        CU_ASSERT_EQUAL(memcmp(out, rows[i].little, 8), 0);
        CU_ASSERT_EQUAL(bytes_get_little(out, rows[i].count), rows[i].value);
        CU_ASSERT_EQUAL(out[8], 0);
    }
}

static void
or_the_greatest(void)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char out[9] = { 0 };

        bytes_put_big(out, rows[i].value, rows[i].count);
        CU_ASSERT_EQUAL(memcmp(out, rows[i].big, 8), 0);
        CU_ASSERT_EQUAL(bytes_get_big(out, rows[i].count), rows[i].value);
        CU_ASSERT_EQUAL(out[8], 0);
    }
}

static void
what_does_not_fit_is_left_away(void)
{
    unsigned char out[2] = { 0, 7 };

    bytes_put_little(out, 0x1234, 1);
    CU_ASSERT_TRUE(out[0] == 0x34 && out[1] == 7);
    bytes_put_big(out, 0x1234, 1);
    CU_ASSERT_TRUE(out[0] == 0x34 && out[1] == 7);
}

static const struct unit_test tests[] = {
    { "the least byte comes first", the_least_byte_comes_first },
    { "or the greatest", or_the_greatest },
    { "what does not fit is left away", what_does_not_fit_is_left_away },
    { NULL, NULL }
};

const struct unit_suite suite_bytes = { "bytes", tests };
