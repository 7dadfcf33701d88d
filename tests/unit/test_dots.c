/* tests/unit/test_dots.c - src/base/dots.c */
#include "base/dots.h"
#include "suites.h"

static void
two_names_mean_another_directory(void)
{
    static const struct { const char *name; bool is; } rows[] = {
        { ".", true }, { "..", true }, { "", false }, { "...", false }, { ".a", false },
        { "..a", false }, { "a.", false }, { "./", false }, { "a", false },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(dots_name(rows[i].name), rows[i].is);
}

static void
a_component_of_two_dots_climbs(void)
{
    static const struct { struct slice path; bool climbs; } rows[] = {
        { BYTES(".."), true }, { BYTES("/.."), true }, { BYTES("../a"), true },
        { BYTES("/a/../b"), true }, { BYTES("/a/.."), true }, { BYTES("/a//..//"), true },
        { BYTES("a/b/c/.."), true }, { BYTES(""), false }, { BYTES("/"), false },
        { BYTES("/a/.b"), false }, { BYTES("/a/..b/c"), false }, { BYTES("/a/b../c"), false },
        { BYTES("/.../a"), false }, { BYTES("/./a"), false }, { BYTES("..\0"), false },
        { { NULL, 0 }, false },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(dots_climb(rows[i].path), rows[i].climbs);
}

static const struct unit_test tests[] = {
    { "two names mean another directory", two_names_mean_another_directory },
    { "a component of two dots climbs", a_component_of_two_dots_climbs },
    { NULL, NULL }
};

const struct unit_suite suite_dots = { "dots", tests };
