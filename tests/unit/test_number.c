/* tests/unit/test_number.c - src/base/number.c */
#include <inttypes.h>

#include "base/number.h"
#include "suites.h"

static void
decimal_numbers_are_read_up_to_their_bound(void)
{
    static const struct { const char *text; uint64_t most, value; } rows[] = {
        { "0", 0, 0 }, { "7", 7, 7 }, { "007", 7, 7 },
        { "4294967296", UINT64_MAX, 4294967296 },
        { "18446744073709551615", UINT64_MAX, UINT64_MAX },
        { "000000000000000000000000000001", 1, 1 },
        { "9223372036854775807", INT64_MAX, INT64_MAX },
    };
    uint64_t value = 99;

    for (size_t i = 0; i < ROWS(rows); i++) {
        CU_ASSERT_EQUAL(number_parse(slice_of(rows[i].text), rows[i].most, &value),
                        SP_OK);
        CU_ASSERT_EQUAL(value, rows[i].value);
    }
}

static void
what_is_no_number_is_refused(void)
{
    static const struct { struct slice text; uint64_t most; } rows[] = {
        { { NULL, 0 }, 9 }, { BYTES(""), 9 }, { BYTES(" 1"), 9 }, { BYTES("1 "), 9 },
        { BYTES("-1"), 9 }, { BYTES("+1"), 9 }, { BYTES("0x1"), 9 }, { BYTES("1e1"), 99 },
        { BYTES("8"), 7 }, { BYTES("1\0"), 9 }, { BYTES("/"), 99 }, { BYTES(":"), 99 },
        { BYTES("18446744073709551616"), UINT64_MAX },
        { BYTES("18446744073709551625"), UINT64_MAX },
        { BYTES("99999999999999999999999"), UINT64_MAX },
        { BYTES("9223372036854775808"), INT64_MAX },
    };
    uint64_t value = 42;

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(number_parse(rows[i].text, rows[i].most, &value), SP_INPUT);
    CU_ASSERT_EQUAL(value, 42);
}

static void
a_number_is_taken_off_the_front(void)
{
    static const struct { const char *text; enum sp_err rc; uint64_t value; const char *rest; }
        rows[] = {
            { "15m", SP_OK, 15, "m" }, { "7", SP_OK, 7, "" }, { "99,t=3", SP_OK, 99, ",t=3" },
            { "100", SP_INPUT, 42, "100" }, { "m", SP_INPUT, 42, "m" },
            { "", SP_INPUT, 42, "" }, { "-1", SP_INPUT, 42, "-1" },
            { "18446744073709551616", SP_INPUT, 42, "18446744073709551616" },
        };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice text = slice_of(rows[i].text);
        uint64_t value = 42;

        CU_ASSERT_EQUAL(number_take(&text, 99, &value), rows[i].rc);
        CU_ASSERT_EQUAL(value, rows[i].value);
        CU_ASSERT_TRUE(slice_equal(text, slice_of(rows[i].rest)));
    }
}

static void
another_base_has_its_own_digits(void)
{
    static const struct { const char *text; unsigned base; enum sp_err rc; uint64_t value; }
        rows[] = {
            { "777", 8, SP_OK, 0777 }, { "0027", 8, SP_OK, 027 }, { "8", 8, SP_INPUT, 42 },
            { "78", 8, SP_INPUT, 42 }, { "101", 2, SP_OK, 5 }, { "01000", 8, SP_OK, 512 },
            { "1001", 8, SP_INPUT, 42 }, { "", 8, SP_INPUT, 42 },
        };

    for (size_t i = 0; i < ROWS(rows); i++) {
        uint64_t value = 42;

        CU_ASSERT_EQUAL(number_parse_base(slice_of(rows[i].text), rows[i].base, 512, &value),
                        rows[i].rc);
        CU_ASSERT_EQUAL(value, rows[i].value);
    }
}

static void
modes_are_octal(void)
{
    static const struct { const char *text; enum sp_err rc; uint32_t value; } rows[] = {
        { "644", SP_OK, 0644 }, { "0644", SP_OK, 0644 }, { "02775", SP_OK, 02775 },
        { "7777", SP_OK, 07777 }, { "0", SP_OK, 0 }, { "00000", SP_OK, 0 },
        { "10000", SP_INPUT, 0 }, { "000000", SP_INPUT, 0 }, { "8", SP_INPUT, 0 },
        { "", SP_INPUT, 0 }, { "u+x", SP_INPUT, 0 }, { "-1", SP_INPUT, 0 },
        { "64 4", SP_INPUT, 0 },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        uint32_t value = 0;

        CU_ASSERT_EQUAL(number_parse_octal(slice_of(rows[i].text), &value), rows[i].rc);
        CU_ASSERT_EQUAL(value, rows[i].value);
    }
}

static void
numbers_are_written(void)
{
    static const struct { uint64_t value; const char *text; } rows[] = {
        { 0, "0" }, { 9, "9" }, { 10, "10" }, { UINT64_MAX, "18446744073709551615" },
    };
    char text[NUMBER_TEXT_MAX];

    for (size_t i = 0; i < ROWS(rows); i++) {
        CU_ASSERT_EQUAL(number_text(rows[i].value, text), strlen(rows[i].text));
        CU_ASSERT_STRING_EQUAL(text, rows[i].text);
    }
}

static const struct unit_test tests[] = {
    { "decimal numbers are read up to their bound",
      decimal_numbers_are_read_up_to_their_bound },
    { "what is no number is refused", what_is_no_number_is_refused },
    { "a number is taken off the front", a_number_is_taken_off_the_front },
    { "another base has its own digits", another_base_has_its_own_digits },
    { "modes are octal", modes_are_octal },
    { "numbers are written", numbers_are_written },
    { NULL, NULL }
};

const struct unit_suite suite_number = { "number", tests };
