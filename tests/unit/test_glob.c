/* tests/unit/test_glob.c - src/ftp/glob.c */
#include <stdio.h>

#include "ftp/glob.h"
#include "suites_ftp.h"

static void
names_match_patterns(void)
{
    static const struct { const char *pattern, *name; bool matches; } rows[] = {
        { "", "", true }, { "", "a", false }, { "a", "", false }, { "*", "", true },
        { "a", "a", true }, { "a", "A", false }, { "a", "ab", false },
        { "ab", "a", false },
        { "*", "abc", true }, { "**", "abc", true }, { "*c", "abc", true },
        { "a*", "abc", true }, { "a*c", "abc", true }, { "a*d", "abc", false },
        { "*b*", "abc", true }, { "a*b*c", "axbxbxc", true }, { "*.txt", "a.txt", true },
        { "*.txt", "a.txt.gz", false }, { "*ab", "aab", true }, { "*aab", "aaaab", true },
        { "?", "a", true }, { "?", "", false }, { "?", "ab", false },
        { "??", "ab", true },
        { "?*", "a", true }, { "*?", "a", true }, { "*?*?", "a", false },
        { "[abc]", "b", true }, { "[abc]", "d", false }, { "[a-c]", "b", true },
        { "[a-c]", "d", false }, { "[c-a]", "b", false }, { "[!a]", "b", true },
        { "[!a]", "a", false }, { "[^a]", "b", true }, { "[^a]", "a", false },
        { "[]]", "]", true }, { "[]a]", "a", true }, { "[!]]", "a", true },
        { "[!]]", "]", false }, { "[a-]", "-", true }, { "[-a]", "-", true },
        { "[a-]", "b", false }, { "[\\]]", "]", true }, { "[\\-z]", "-", true },
        { "[a\\-c]", "b", false }, { "[!a-c]x", "dx", true }, { "[a", "[a", true },
        { "[", "[", true }, { "[!", "[!", true }, { "[]", "[]", true },
        { "[]", "]", false },
        { "[a-", "[a-", true }, { "[a\\", "[a\\", true },
        { "*[0-9][0-9]", "img07", true },
        { "a\\*b", "a*b", true }, { "a\\*b", "axb", false }, { "\\?", "?", true },
        { "\\\\", "\\", true }, { "a\\", "a\\", true }, { "\\a", "a", true },
        { "\\[a]", "[a]", true }, { "[*?]", "*", true }, { "[*?]", "x", false },
        { "a b", "a b", true }, { "*-*", "-rf", true }, { "100%*", "100% sure", true },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        if (glob_match(slice_of(rows[i].pattern),
                       slice_of(rows[i].name)) != rows[i].matches) {
            printf("\n    %s with %s\n", rows[i].pattern, rows[i].name);
            CU_FAIL("matches otherwise");
        }
}

static void
a_hidden_name_needs_a_dot(void)
{
    static const struct { const char *pattern, *name; bool matches; } rows[] = {
        { "*", ".a", false }, { ".*", ".a", true }, { "?a", ".a", false },
        { "[.]a", ".a", false }, { "[!x]a", ".a", false }, { "\\.a", ".a", true },
        { ".a", ".a", true }, { "*.a", ".a", false }, { "*", "a.b", true },
        { "{.a,b}", ".a", true }, { "{*,b}", ".a", false }, { ".", ".", true },
        { "", ".", false }, { "\\", ".", false },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(glob_match(slice_of(rows[i].pattern), slice_of(rows[i].name)),
                        rows[i].matches);
}

static void
a_character_is_one_of_utf_8_or_a_byte(void)
{
    static const struct { const char *pattern, *name; bool matches; } rows[] = {
        { "?", "\303\274", true }, { "??", "\303\274", false },
        { "?", "\360\237\230\200", true },
        { "?", "\342\202\254", true }, { "?", "\374", true }, { "??", "\374\374", true },
        { "?", "\303", true }, { "??", "\300\200", true }, { "?", "\300\200", false },
        { "???", "\355\240", false }, { "[\303\244-\303\274]", "\303\266", true },
        { "[\303\244-\303\274]", "z", false }, { "[!a]", "\303\274", true },
        { "[!\303\274]", "\303\274", false }, { "[\374]", "\374", true },
        { "[\374]", "\303\274", false }, { "*\274", "\303\274", false },
        { "*\303\274*", "gr\303\274n", true }, { "??", "\360\237\230", false },
        { "???", "\360\237\230", true }, { "????", "\364\220\200\200", true },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        if (glob_match(slice_of(rows[i].pattern),
                       slice_of(rows[i].name)) != rows[i].matches) {
            printf("\n    row %zu\n", i);
            CU_FAIL("matches otherwise");
        }
}

static void
braces_are_alternatives(void)
{
    static const struct { const char *pattern, *name; bool matches; } rows[] = {
        { "*.{jpg,png}", "a.png", true }, { "*.{jpg,png}", "a.gif", false },
        { "{a,b}{1,2}", "b1", true }, { "{a,b}{1,2}", "a2", true },
        { "{a,b}{1,2}", "ab", false }, { "x{,y}", "x", true }, { "x{,y}", "xy", true },
        { "x{,y}", "x{,y}", false }, { "{a*,b?}", "axx", true },
        { "{a*,b?}", "bx", true },
        { "{a,b", "{a,b", true }, { "{a}", "{a}", true }, { "{}", "{}", true },
        { "a,b}", "a,b}", true }, { "\\{a,b}", "{a,b}", true },
        { "{a\\,b,c}", "a,b", true },
        { "{a\\,b,c}", "c", true }, { "{a\\},c}", "a}", true },
        { "{{a,b},c}", "{a,c}", true },
        { "{,,}", "", true }, { "{[ab],c}d", "bd", true }, { "{a,b}", "{a,b}", false },
        { "{a,b\\", "{a,b\\", true }, { "{\\,,x}", ",", true },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        if (glob_match(slice_of(rows[i].pattern),
                       slice_of(rows[i].name)) != rows[i].matches) {
            printf("\n    %s with %s\n", rows[i].pattern, rows[i].name);
            CU_FAIL("matches otherwise");
        }
}

static void
too_many_alternatives_stand_for_themselves(void)
{
    const char *most = "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}";
    const char *more = "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}";

    CU_ASSERT_TRUE(glob_match(slice_of(most), slice_of("bababb")));
    CU_ASSERT_FALSE(glob_match(slice_of(most), slice_of("bababc")));
    CU_ASSERT_FALSE(glob_match(slice_of(more), slice_of("bababba")));
    CU_ASSERT_TRUE(glob_match(slice_of(more), slice_of(more)));
}

static void
work_for_one_name_is_bounded(void)
{
    static char pattern[GLOB_PATTERN_MOST + 1], name[256];
    size_t len = 0;

    memset(name, 'a', 255);
    /* each star could take any number of characters: exponential, done naively */
    while (len + 3 < sizeof pattern) {
        memcpy(pattern + len, "*a", 2);
        len += 2;
    }
    pattern[len++] = 'b';
    for (unsigned i = 0; i < 10000; i++)
        CU_ASSERT_FALSE_FATAL(glob_match(slice_from(pattern, len),
                                         slice_from(name, 255)));
    memset(pattern, 'a', 200);
    pattern[0] = '*';
    pattern[199] = 'b';
    for (unsigned i = 0; i < 10000; i++)
        CU_ASSERT_FALSE_FATAL(glob_match(slice_from(pattern, 200),
                                         slice_from(name, 255)));
    /* a bracket that is read again for every character */
    memset(pattern, 'b', 1000);
    memcpy(pattern, "*[", 2);
    pattern[998] = ']';
    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_FALSE_FATAL(glob_match(slice_from(pattern, 999),
                                         slice_from(name, 255)));
    CU_ASSERT_FALSE(glob_match(slice_from(pattern, GLOB_PATTERN_MOST + 1), SLICE("a")));
}

static void
a_pattern_is_told_from_a_name(void)
{
    static const struct { const char *text; bool magic; } rows[] = {
        { "", false }, { "a", false }, { "/a/b c", false }, { "*", true },
        { "/a/?", true },
        { "a[b", true }, { "a{b", true }, { "a]b}", false }, { "\\*", false },
        { "\\\\*", true }, { "\\", false }, { "a\\?b*", true },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(glob_has_magic(slice_of(rows[i].text)), rows[i].magic);
    CU_ASSERT_FALSE(glob_has_magic(SLICE("a\0b")));
    CU_ASSERT_FALSE(glob_has_magic(slice_from(NULL, 0)));
}

static void
backslashes_are_taken_out(void)
{
    static const struct { struct slice in, out; } rows[] = {
        { BYTES(""), BYTES("") }, { BYTES("a\\*b"), BYTES("a*b") },
        { BYTES("\\\\"), BYTES("\\") }, { BYTES("a\\"), BYTES("a\\") },
        { BYTES("\\[x\\]"), BYTES("[x]") }, { BYTES("plain"), BYTES("plain") },
    };
    unsigned char text[16];

    for (size_t i = 0; i < ROWS(rows); i++) {
        memcpy(text, rows[i].in.at, rows[i].in.len);
        CU_ASSERT(bytes_are(slice_from(text,
                                       glob_unescape(slice_from(text, rows[i].in.len),
                                                           text)), rows[i].out));
    }
}

static void
any_pattern_is_survived(void)
{
    static const unsigned char likely[] = "*?[]{},\\-!^ab\303\274\360.";
    unsigned char text[64];
    unsigned state = 7;

    for (unsigned round = 0; round < 200000; round++) {
        size_t pattern = 0, name = 0;

        for (size_t i = 0; i < sizeof text; i++) {
            state = state * 1103515245 + 12345;
            text[i] = likely[(state >> 16) % (sizeof likely - 1)];
        }
        pattern = state >> 8 & 31;
        name = state >> 16 & 31;
        (void)glob_match(slice_from(text, pattern), slice_from(text + 32, name));
        (void)glob_has_magic(slice_from(text, pattern));
    }
}

static const struct unit_test tests[] = {
    { "names match patterns", names_match_patterns },
    { "a hidden name needs a dot", a_hidden_name_needs_a_dot },
    { "a character is one of UTF-8 or a byte", a_character_is_one_of_utf_8_or_a_byte },
    { "braces are alternatives", braces_are_alternatives },
    { "too many alternatives stand for themselves",
      too_many_alternatives_stand_for_themselves },
    { "work for one name is bounded", work_for_one_name_is_bounded },
    { "a pattern is told from a name", a_pattern_is_told_from_a_name },
    { "backslashes are taken out", backslashes_are_taken_out },
    { "any pattern is survived", any_pattern_is_survived },
    { NULL, NULL }
};

const struct unit_suite suite_glob = { "glob", tests };
