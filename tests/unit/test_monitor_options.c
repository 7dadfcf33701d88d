/* tests/unit/test_monitor_options.c - monitor/options.c */
#include "monitor/options.h"

#include <string.h>

#include "suites_monitor.h"

#define ARGS_MAX 6

static enum sp_err
parse(const char *const *args, struct options *o, char *complaint, size_t room)
{
    char copies[ARGS_MAX][64] = { "sallyportd" };
    char *argv[ARGS_MAX + 1] = { copies[0] };
    int argc = 1;
    FILE *to = fmemopen(complaint, room, "w");
    enum sp_err rc = SP_OK;

    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    for (; args[argc - 1] != NULL; argc++) {
        (void)snprintf(copies[argc], sizeof copies[argc], "%s", args[argc - 1]);
        argv[argc] = copies[argc];
    }
    rc = options_parse(o, argc, argv, to);
    (void)fclose(to);
    if (rc == SP_OK)            /* the text is that of argv, which ends here */
        o->file = strcmp(o->file, OPTIONS_FILE) == 0 ? "default" : "given";
    return rc;
}

static void
good_lines(void)
{
    static const struct {
        const char *args[ARGS_MAX];
        enum options_what what;
        bool foreground;
        const char *file;
    } cases[] = {
        { { NULL }, OPTIONS_RUN, false, "default" },
        { { "-F", NULL }, OPTIONS_RUN, true, "default" },
        { { "--foreground", "--config", "x", NULL }, OPTIONS_RUN, true, "given" },
        { { "-t", "-c", "x", NULL }, OPTIONS_CHECK, false, "given" },
        { { "--test", "--config=x", NULL }, OPTIONS_CHECK, false, "given" },
        { { "-tcx", NULL }, OPTIONS_CHECK, false, "given" },
        { { "-V", NULL }, OPTIONS_VERSION, false, "default" },
        { { "--version", NULL }, OPTIONS_VERSION, false, "default" },
        { { "-h", NULL }, OPTIONS_HELP, false, "default" },
        { { "--help", NULL }, OPTIONS_HELP, false, "default" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o = { OPTIONS_RUN, false, NULL };
        char complaint[256] = "";

        CU_ASSERT_EQUAL_FATAL(parse(cases[i].args, &o, complaint, sizeof complaint),
                              SP_OK);
        CU_ASSERT_EQUAL(o.what, cases[i].what);
        CU_ASSERT_EQUAL(o.foreground, cases[i].foreground);
        CU_ASSERT_STRING_EQUAL(o.file, cases[i].file);
        CU_ASSERT_STRING_EQUAL(complaint, "");
    }
}

static void
bad_lines(void)
{
    static const struct { const char *args[ARGS_MAX]; const char *says; } cases[] = {
        { { "-x", NULL }, "-x" },
        { { "--nonsense", NULL }, "--nonsense" },
        { { "-c", NULL }, "-c requires a value" },
        { { "file.conf", NULL }, "file.conf" },
        { { "-F", "more", NULL }, "more" },
        { { "-c", "", NULL }, "-c requires a file name" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o = { OPTIONS_RUN, false, NULL };
        char complaint[256] = "";

        CU_ASSERT_EQUAL(parse(cases[i].args, &o, complaint, sizeof complaint), SP_INPUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(complaint, cases[i].says));
        CU_ASSERT_PTR_NULL(o.file);
    }
}

static const struct unit_test tests[] = {
    { "every option has a short and a long form", good_lines },
    { "a wrong command line is refused and explained", bad_lines },
    { NULL, NULL }
};
const struct unit_suite suite_monitor_options = { "monitor options", tests };
