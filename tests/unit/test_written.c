/* tests/unit/test_written.c - src/config/written.c */
#include "config/written.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/load.h"
#include "unit.h"

#define TEXT_MAX 1000000

static void
say(void *context, enum config_weight weight, const char *text)
{
    (void)context;
    (void)weight;
    printf("\n%s\n", text);
}

static void
load(struct settings *s, char path[], const void *text, size_t len)
{
    int fd = mkstemp(path);

    CU_ASSERT_FATAL(fd != -1);
    CU_ASSERT_EQUAL(fd_write_all(fd, text, len), SP_OK);
    fd_close(&fd);
    CU_ASSERT_EQUAL_FATAL(config_load(s, path, say, NULL), SP_OK);
    (void)unlink(path);
}

static bool
same(const struct settings *a, const struct settings *b)
{
    struct buf one = BUF_EMPTY(TEXT_MAX), two = BUF_EMPTY(TEXT_MAX);
    bool equal = false;

    CU_ASSERT_EQUAL(settings_pack(a, MONITOR | WORKER | BROKER | LOGIN, &one), SP_OK);
    CU_ASSERT_EQUAL(settings_pack(b, MONITOR | WORKER | BROKER | LOGIN, &two), SP_OK);
    equal = slice_equal(buf_slice(&one), buf_slice(&two));
    buf_free(&one);
    buf_free(&two);
    return equal;
}

/* Whatever a value may contain that a quote, a comment or a list could trip over. */
static const char awkward[] =
    "# first\nbanner = \"say \\\"hi\\\" \\\\ # { } = , * 'x' // y\"\n"
    "anonymous_root = '/srv/${HOME}/it\\'s \\\\'\nauth = {\"users\",\n \"pam\"}\nlisten = {}\n"
    "listen_implicit = \"[::1]:990\"\ncleartext_users = {'a\"b', \"c'd\", \"e, f\"}\n"
    "umask = 077\njail_create = yes\nidle_timeout = 90s\nlogin_failure_delay = 0\n"
    "cached_file_most = \"3 GiB\"\nargon2_memory = 10000KiB\nascii_size_most = 1000B\n";

static void
it_is_read_back_to_the_same(void)
{
    static const char *const texts[] = { "", awkward };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char first[] = "/tmp/sallyport-written-XXXXXX", second[] = "/tmp/sallyport-again-XXXXXX";
        struct buf out = BUF_EMPTY(TEXT_MAX);
        struct settings a, b;

        load(&a, first, texts[i], strlen(texts[i]));
        CU_ASSERT_EQUAL(written_file(&out, &a), SP_OK);
        load(&b, second, out.at, out.len);
        CU_ASSERT_TRUE(same(&a, &b));
        settings_clear(&a);
        settings_clear(&b);
        buf_free(&out);
    }
}

static void
defaults_are_comments_that_are_read_back_too(void)
{
    char path[] = "/tmp/sallyport-written-XXXXXX";
    struct buf out = BUF_EMPTY(TEXT_MAX);
    struct settings a, b;
    unsigned lines = 0;

    CU_ASSERT_EQUAL_FATAL(settings_init(&a), SP_OK);
    CU_ASSERT_EQUAL(written_file(&out, &a), SP_OK);
    for (size_t i = 0; i < out.len; i++)
        if (i == 0 || out.at[i - 1] == '\n') {
            lines++;
            CU_ASSERT_EQUAL(out.at[i], '#');
            out.at[i] = ' ';
        }
    CU_ASSERT_EQUAL(lines, SETTING_COUNT);
    load(&b, path, out.at, out.len);
    CU_ASSERT_TRUE(same(&a, &b));
    settings_clear(&a);
    settings_clear(&b);
    buf_free(&out);
}

static void
each_says_where_it_was_set(void)
{
    static const char text[] = "\nauth = {\n \"pam\"}\nidle_timeout = 90s\n";
    char path[] = "/tmp/sallyport-written-XXXXXX", expected[128];
    struct buf out = BUF_EMPTY(TEXT_MAX);
    struct settings s;

    load(&s, path, text, strlen(text));
    CU_ASSERT_EQUAL(written_file(&out, &s), SP_OK);
    CU_ASSERT_EQUAL(buf_add(&out, "", 1), SP_OK);
    (void)snprintf(expected, sizeof expected, "\nauth = {\"pam\"}    # %s:2\n", path);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)out.at, expected));
    (void)snprintf(expected, sizeof expected, "\nidle_timeout = \"90 s\"    # %s:4\n", path);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)out.at, expected));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)out.at, "\n#umask = \"022\"\n"));
    settings_clear(&s);
    buf_free(&out);
}

static const struct unit_test tests[] = {
    { "it is read back to the same", it_is_read_back_to_the_same },
    { "defaults are comments that are read back, too",
      defaults_are_comments_that_are_read_back_too },
    { "each says where it was set", each_says_where_it_was_set },
    { NULL, NULL }
};
const struct unit_suite suite_written = { "written", tests };
