/* tests/unit/test_timeval.c - src/ftp/timeval.c */
#include "ftp/timeval.h"
#include "suites_ftp.h"

static void
a_time_is_read(void)
{
    static const struct { const char *text; int64_t seconds; uint32_t nanos; } rows[] = {
        { "19700101000000", 0, 0 }, { "19700101000001", 1, 0 },
        { "19691231235959", -1, 0 }, { "20000229120000", 951825600, 0 },
        { "20261121073338", 1795246418, 0 }, { "20380119031408", 2147483648, 0 },
        { "99991231235959", 253402300799, 0 }, { "00010101000000", -62135596800, 0 },
        { "19700101000000.5", 0, 500000000 }, { "19700101000000.123", 0, 123000000 },
        { "19700101000000.000000001", 0, 1 },
        { "19700101000000.1234567899", 0, 123456789 },
        { "19981105043560", 910240560, 0 }, { "20161231235960", 1483228800, 0 },
        { "21000228000000", 4107456000, 0 }, { "20240229000000", 1709164800, 0 },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct timeval_utc when = { 77, 77 };

        CU_ASSERT_EQUAL(timeval_parse(slice_of(rows[i].text), &when), SP_OK);
        CU_ASSERT_EQUAL(when.seconds, rows[i].seconds);
        CU_ASSERT_EQUAL(when.nanos, rows[i].nanos);
    }
}

static void
what_is_no_time_is_refused(void)
{
    static const struct slice rows[] = {
        { NULL, 0 }, BYTES(""), BYTES("2026112107333"), BYTES("202611210733380"),
        BYTES("20261121073338."), BYTES("20261121073338,5"), BYTES("20261121073338.5x"),
        BYTES("20261121073338.-5"), BYTES("20261321073338"), BYTES("20260021073338"),
        BYTES("20260100073338"), BYTES("20260132073338"), BYTES("20260431073338"),
        BYTES("20260229000000"), BYTES("21000229000000"), BYTES("20261121243338"),
        BYTES("20261121076038"), BYTES("20261121073361"), BYTES("00000101000000"),
        BYTES(" 2026112107333"), BYTES("2026112107333 "), BYTES("2026-11-21 07:"),
        BYTES("+0261121073338"), BYTES("20261121073338\0"), BYTES("2026112107333\0"),
        BYTES("202611210733"),
    };
    struct timeval_utc when = { 77, 77 };

    for (size_t i = 0; i < ROWS(rows); i++)
        CU_ASSERT_EQUAL(timeval_parse(rows[i], &when), SP_INPUT);
    CU_ASSERT(when.seconds == 77 && when.nanos == 77);
}

static void
a_time_is_written(void)
{
    static const struct {
        struct timeval_utc when;
        unsigned digits;
        const char *text;
    } rows[] = {
        { { 0, 0 }, 0, "19700101000000" }, { { 0, 999999999 }, 0, "19700101000000" },
        { { 1795246418, 123456789 }, 3, "20261121073338.123" },
        { { 1795246418, 123456789 }, 6, "20261121073338.123456" },
        { { 1795246418, 123456789 }, 9, "20261121073338.123456789" },
        { { 1795246418, 45000000 }, 3, "20261121073338.045" },
        { { 1795246418, 999999 }, 3, "20261121073338" },
        { { -1, 0 }, 3, "19691231235959" },
        { { INT64_MAX, 0 }, 0, "99991231235959" },
        { { INT64_MIN, 0 }, 0, "00000101000000" },
        { { -62135596801, 0 }, 0, "00001231235959" },
    };
    char text[TIMEVAL_TEXT_MAX];

    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t len = timeval_text(&rows[i].when, rows[i].digits, text);

        CU_ASSERT_STRING_EQUAL(text, rows[i].text);
        CU_ASSERT_EQUAL(len, strlen(rows[i].text));
    }
}

static void
every_day_of_ten_thousand_years_is_read_as_it_is_written(void)
{
    char text[TIMEVAL_TEXT_MAX];

    for (int64_t day = -719162; day <= 2932896; day++) {
        struct timeval_utc when = { day * 86400 + (day & 0xffff), 0 }, back = { 0, 0 };

        if (timeval_parse(slice_from(text, timeval_text(&when, 0, text)), &back) != SP_OK
            || back.seconds != when.seconds)
            CU_FAIL_FATAL("the way back leads elsewhere");
    }
}

static void
a_time_before_a_name_is_told_from_a_name(void)
{
    static const struct {
        struct slice in;
        int64_t seconds;
        struct slice name;
    } rows[] = {
        { BYTES("19700101000001 a"), 1, BYTES("a") },
        { BYTES("19700101000001 a b "), 1, BYTES("a b ") },
        { BYTES("19700101000001  a"), 1, BYTES(" a") },
        { BYTES("19700101000001.5 20260101000000"), 1, BYTES("20260101000000") },
    };
    static const struct slice names[] = {
        { NULL, 0 }, BYTES(""), BYTES("19700101000001"), BYTES("19700101000001 "),
        BYTES("19701301000001 a"), BYTES("197001010000 a"), BYTES("a 19700101000001"),
        BYTES("19700101000001\ta"), BYTES(" 19700101000001 a"),
        BYTES("19700101000001a b"),
    };
    struct timeval_utc when = { 0, 0 };
    struct slice name = SLICE_EMPTY;

    for (size_t i = 0; i < ROWS(rows); i++) {
        CU_ASSERT_EQUAL(timeval_parse_named(rows[i].in, &when, &name), SP_OK);
        CU_ASSERT_EQUAL(when.seconds, rows[i].seconds);
        CU_ASSERT(bytes_are(name, rows[i].name));
    }
    name = SLICE("kept");
    for (size_t i = 0; i < ROWS(names); i++)
        CU_ASSERT_EQUAL(timeval_parse_named(names[i], &when, &name), SP_INPUT);
    CU_ASSERT(bytes_are(name, SLICE("kept")));
}

static void
utime_has_two_forms(void)
{
    static const struct {
        struct slice in;
        int64_t seconds;
        struct slice name;
    } rows[] = {
        { BYTES("197001010001 a"), 60, BYTES("a") },
        { BYTES("19700101000001 a b"), 1, BYTES("a b") },
        { BYTES("19700101000001  a"), 1, BYTES(" a") },
        { BYTES("a 19700101000001 19700101000002 19700101000003 UTC"), 2, BYTES("a") },
        { BYTES("a b  19700101000001 19700101000002 19700101000003 utc"), 2,
          BYTES("a b ") },
        { BYTES("a 197001010001 197001010002 197001010003 UTC"), 120, BYTES("a") },
        { BYTES("20260101000000 19700101000001 19700101000002 19700101000003 UTC"), 2,
          BYTES("20260101000000") },
        /* a name that ends like the second form, but is not of it */
        { BYTES("19700101000001 x UTC"), 1, BYTES("x UTC") },
        { BYTES("19700101000001 19700101000002 19700101000003 UTC"), 1,
          BYTES("19700101000002 19700101000003 UTC") },
    };
    static const struct slice bad[] = {
        { NULL, 0 }, BYTES(""), BYTES("a"), BYTES("19700101000001"),
        BYTES("19700101000001 "),
        BYTES("UTC"), BYTES(" UTC"), BYTES("a UTC"), BYTES("a 19700101000001 UTC"),
        BYTES("a 19700101000001 19700101000002 19700101000003 CET"),
        BYTES("a 19700101000001 19701301000002 19700101000003 UTC"),
        BYTES("a  19700101000001 19700101000002  19700101000003 UTC"),
        BYTES("19700101000001.5 a"), BYTES("19700132000001 a"), BYTES("a 19700101000001"),
        BYTES("    "),
    };
    struct timeval_utc when = { 0, 0 };
    struct slice name = SLICE_EMPTY;

    for (size_t i = 0; i < ROWS(rows); i++) {
        CU_ASSERT_EQUAL(timeval_parse_utime(rows[i].in, &when, &name), SP_OK);
        CU_ASSERT_EQUAL(when.seconds, rows[i].seconds);
        CU_ASSERT(bytes_are(name, rows[i].name));
    }
    for (size_t i = 0; i < ROWS(bad); i++)
        CU_ASSERT_EQUAL(timeval_parse_utime(bad[i], &when, &name), SP_INPUT);
}

static const struct unit_test tests[] = {
    { "a time is read", a_time_is_read },
    { "what is no time is refused", what_is_no_time_is_refused },
    { "a time is written", a_time_is_written },
    { "every day of ten thousand years is read as it is written",
      every_day_of_ten_thousand_years_is_read_as_it_is_written },
    { "a time before a name is told from a name",
      a_time_before_a_name_is_told_from_a_name },
    { "UTIME has two forms", utime_has_two_forms },
    { NULL, NULL }
};

const struct unit_suite suite_timeval = { "timeval", tests };
