/* tests/unit/test_utf8.c - src/base/utf8.c */
#include "base/utf8.h"
#include "suites.h"

static void
characters_have_their_length_and_number(void)
{
    static const struct { struct slice text; size_t len; uint32_t number; } rows[] = {
        { BYTES("a"), 1, 'a' }, { BYTES("\0"), 1, 0 }, { BYTES("\x7f\x80"), 1, 0x7f },
        { BYTES("\xc2\x80"), 2, 0x80 }, { BYTES("\xdf\xbfx"), 2, 0x7ff },
        { BYTES("\xe0\xa0\x80"), 3, 0x800 }, { BYTES("\xef\xbf\xbf"), 3, 0xffff },
        { BYTES("\xf0\x90\x80\x80"), 4, 0x10000 }, { BYTES("\xf4\x8f\xbf\xbf"), 4, 0x10ffff },
        { BYTES("\xed\xa0\x80"), 3, 0xd800 },     /* a surrogate */
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        uint32_t number = 42;

        CU_ASSERT_EQUAL(utf8_character(rows[i].text, &number), rows[i].len);
        CU_ASSERT_EQUAL(number, rows[i].number);
    }
}

static void
what_is_no_character_has_none(void)
{
    static const struct slice rows[] = {
        BYTES("\x80"), BYTES("\xbf\x80"), BYTES("\xc0\x80"), BYTES("\xc1\xbf"),
        BYTES("\xc2"), BYTES("\xc2" "a"), BYTES("\xe0\x9f\xbf"), BYTES("\xe2\x82"),
        BYTES("\xe2\x82" "a"), BYTES("\xf0\x8f\xbf\xbf"), BYTES("\xf0\x90\x80"),
        BYTES("\xf4\x90\x80\x80"), BYTES("\xf5\x80\x80\x80"), BYTES("\xff"),
    };
    uint32_t number = 42;

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(utf8_character(rows[i], &number), 0);
    CU_ASSERT_EQUAL(number, 42);
}

static const struct unit_test tests[] = {
    { "characters have their length and number", characters_have_their_length_and_number },
    { "what is no character has none", what_is_no_character_has_none },
    { NULL, NULL }
};

const struct unit_suite suite_utf8 = { "utf8", tests };
