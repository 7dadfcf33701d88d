/*
 * tests/unit/test_manual.c - the manual pages against settings.def and log.def
 *
 * Every setting stands in the page with its default and its range; nothing else does; and
 * every example in it is a configuration that loads. The list of events of sallyportd(8)
 * is the table of events, word for word.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "config/load.h"
#include "config/units.h"
#include "unit.h"

#define PAGE_MAX 262144
#define ITEM "\n.It Ic "

/* The page as a text: buf with a NUL behind it. */
static void
read_source(const char *name, struct buf *page)
{
    const char *root = getenv("srcdir");
    char path[4096] = "";
    int fd = -1;

    (void)snprintf(path, sizeof path, "%s/%s", root == NULL ? "." : root, name);
    CU_ASSERT_FATAL((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1);
    CU_ASSERT_EQUAL_FATAL(buf_read_all(page, fd), SP_OK);
    CU_ASSERT_EQUAL_FATAL(buf_add(page, "", 1), SP_OK);
    fd_close(&fd);
}

/* Where the entry of a setting begins; NULL: the page has none. *len: up to the next. */
static const char *
entry_of(const char *page, const char *name, size_t *len)
{
    char start[128] = "";
    const char *at = NULL, *end = NULL;

    (void)snprintf(start, sizeof start, ITEM "%s\n", name);
    if ((at = strstr(page, start)) == NULL)
        return NULL;
    end = strstr(at + 1, ITEM);
    *len = end == NULL ? strlen(at) : (size_t)(end - at);
    return at;
}

static bool
has(const char *at, size_t len, const char *words)
{
    return memmem(at, len, words, strlen(words)) != NULL;
}

/* A default as the page has it: directories are those of a distribution's build. */
static void
add_default(struct buf *out, const char *text)
{
    static const struct { const char *built, *packaged; } directories[] = {
        { SP_LIBEXECDIR, "/usr/libexec/sallyport" },
        { SP_RUNSTATEDIR "/sallyport", "/run/sallyport" },
        { SP_LOCALSTATEDIR "/lib/sallyport", "/var/lib/sallyport" },
    };

    CU_ASSERT_EQUAL(buf_add_text(out, "\\(dq"), SP_OK);
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        size_t len = strlen(directories[i].built);

        if (strncmp(text, directories[i].built, len) == 0) {
            CU_ASSERT_EQUAL(buf_add_text(out, directories[i].packaged), SP_OK);
            text += len;
            break;
        }
    }
    CU_ASSERT_EQUAL(buf_printf(out, "%s\\(dq", text), SP_OK);
}

static const char *
measure(const struct setting_row *row, int64_t number, char out[UNITS_TEXT_MAX])
{
    return units_text(row->type == SETTING_SIZE ? UNITS_SIZE : UNITS_TIME, row->unit, number,
                      out);
}

/* The line of the default, whole. */
static void
default_line(struct buf *out, const struct setting_row *row)
{
    char text_of_measure[UNITS_TEXT_MAX];
    const char *text = row->text;
    bool first = true;

    CU_ASSERT_EQUAL(buf_add_text(out, "\nDefault:\n.Li "), SP_OK);
    switch (row->type) {
    case SETTING_BOOL:
        CU_ASSERT_EQUAL(buf_add_text(out, row->number != 0 ? "true" : "false"), SP_OK);
        break;
    case SETTING_NUMBER:
        CU_ASSERT_EQUAL(buf_printf(out, "%lld", (long long)row->number), SP_OK);
        break;
    case SETTING_SIZE:
    case SETTING_TIME:
        if (row->number != 0) {
            add_default(out, measure(row, row->number, text_of_measure));
            break;
        }
        CU_ASSERT_EQUAL(buf_add_text(out, "0"), SP_OK);
        break;
    case SETTING_OCTAL:
        CU_ASSERT_EQUAL(buf_printf(out, "%03llo", (unsigned long long)row->number), SP_OK);
        break;
    case SETTING_TEXT:
        add_default(out, text);
        break;
    case SETTING_LIST:
        CU_ASSERT_EQUAL(buf_add_text(out, "{"), SP_OK);
        for (; *text != '\0'; text += strcspn(text, ",") + (strchr(text, ',') != NULL)) {
            char entry[256] = "";

            (void)snprintf(entry, sizeof entry, "%.*s", (int)strcspn(text, ","), text);
            CU_ASSERT_EQUAL(buf_add_text(out, first ? "" : ", "), SP_OK);
            add_default(out, entry);
            first = false;
        }
        CU_ASSERT_EQUAL(buf_add_text(out, "}"), SP_OK);
        break;
    }
    CU_ASSERT_EQUAL(buf_add(out, "\n", 2), SP_OK);
}

static void
range_words(char *out, size_t room, const struct setting_row *row)
{
    char least[UNITS_TEXT_MAX], most[UNITS_TEXT_MAX];

    *out = '\0';
    if (row->type == SETTING_SIZE || row->type == SETTING_TIME)
        (void)snprintf(out, room, ".Em %s\nfrom %s to %s.",
                       row->type == SETTING_SIZE ? "Size" : "Time",
                       measure(row, row->least, least), measure(row, row->most, most));
    else if (row->type == SETTING_NUMBER)
        (void)snprintf(out, room, "(%s) from %lld to %lld.", row->unit, (long long)row->least,
                       (long long)row->most);
    else if (row->type == SETTING_OCTAL)
        (void)snprintf(out, room, "from %03llo to %03llo.", (unsigned long long)row->least,
                       (unsigned long long)row->most);
    else if (row->type == SETTING_LIST)
        (void)snprintf(out, room, "of up to %lld (%s).", (long long)row->most, row->unit);
}

static void
every_setting_is_in_the_page_with_its_default(void)
{
    struct buf page = BUF_EMPTY(PAGE_MAX);

    read_source("src/config/sallyport.conf.5", &page);
    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++) {
        struct buf expected = BUF_EMPTY(4096);
        char range[256] = "", example[128] = "";
        size_t len = 0;
        const char *at = entry_of((const char *)page.at, row->name, &len);
        bool good = false;

        default_line(&expected, row);
        range_words(range, sizeof range, row);
        (void)snprintf(example, sizeof example, "\n.Dl %s = ", row->name);
        good = at != NULL && has(at, len, (const char *)expected.at) && has(at, len, range)
            && has(at, len, example);
        if (!good)
            printf("\n%s: the page must have%s%s and an example\n", row->name,
                   (const char *)expected.at, range);
        CU_ASSERT_TRUE(good);
        buf_free(&expected);
    }
    buf_free(&page);
}

static void
every_setting_of_the_page_is_one(void)
{
    struct buf page = BUF_EMPTY(PAGE_MAX);
    size_t count = 0, rows = 0;

    read_source("src/config/sallyport.conf.5", &page);
    for (const char *at = strstr((const char *)page.at, ITEM); at != NULL;
         at = strstr(at + 1, ITEM))
        count++;
    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++)
        rows++;
    CU_ASSERT_EQUAL(count, rows);
    buf_free(&page);
}

static void
say(void *context, enum config_weight weight, const char *text)
{
    (void)context;
    (void)weight;
    printf("\n%s\n", text);
}

static enum sp_err
load_text(const char *text, size_t len)
{
    char path[] = "/tmp/sallyport-manual-XXXXXX";
    int fd = mkstemp(path);
    struct settings s;
    enum sp_err rc = SP_OS;

    CU_ASSERT_FATAL(fd != -1);
    CU_ASSERT_EQUAL(fd_write_all(fd, text, len), SP_OK);
    fd_close(&fd);
    rc = config_load(&s, path, say, NULL);
    (void)unlink(path);
    settings_clear(&s);
    return rc;
}

/* Each alone; two of them need their other half. */
static void
every_example_line_of_the_page_loads(void)
{
    static const char mark[] = "\n.Dl ";
    struct buf page = BUF_EMPTY(PAGE_MAX);

    read_source("src/config/sallyport.conf.5", &page);
    for (const char *at = strstr((const char *)page.at, ITEM); at != NULL;) {
        struct buf text = BUF_EMPTY(65536);
        const char *line = NULL;

        if ((at = strstr(at + 1, mark)) == NULL)
            break;
        line = at + strlen(mark);
        for (const char *c = line; *c != '\n' && *c != '\0'; c++) {
            bool quote = strncmp(c, "\\(dq", 4) == 0;

            CU_ASSERT_EQUAL(buf_add(&text, quote ? "\"" : c, 1), SP_OK);
            c += quote ? 3 : 0;
        }
        if (strncmp(line, "certificate = ", 14) == 0)
            CU_ASSERT_EQUAL(buf_add_text(&text, "\ncertificate_key = /key"), SP_OK);
        if (strncmp(line, "certificate_key = ", 18) == 0)
            CU_ASSERT_EQUAL(buf_add_text(&text, "\ncertificate = /certificate"), SP_OK);
        CU_ASSERT_EQUAL(load_text((const char *)text.at, text.len), SP_OK);
        buf_free(&text);
    }
    buf_free(&page);
}

static void
the_whole_example_of_the_page_loads(void)
{
    struct buf page = BUF_EMPTY(PAGE_MAX);
    const char *from = NULL, *to = NULL;

    read_source("src/config/sallyport.conf.5", &page);
    from = strstr((const char *)page.at, "\n.Bd -literal");
    CU_ASSERT_PTR_NOT_NULL_FATAL(from);
    from = strchr(from + 1, '\n');
    CU_ASSERT_PTR_NOT_NULL_FATAL(from);
    to = strstr(from, "\n.Ed");
    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    CU_ASSERT_EQUAL(load_text(from, (size_t)(to - from)), SP_OK);
    buf_free(&page);
}

static void
the_example_file_loads(void)
{
    struct buf text = BUF_EMPTY(PAGE_MAX);

    read_source("etc/sallyport.conf.example", &text);
    CU_ASSERT_EQUAL(load_text((const char *)text.at, text.len - 1), SP_OK);
    buf_free(&text);
}

/* ---- sallyportd(8) ------------------------------------------------------------------- */

#define EVENTS_FROM ".\\\" The table of events begins; it is made from include/base/log.def.\n"
#define EVENTS_TO ".\\\" The table of events ends.\n"

/* As the page wants it: a sentence begins a line. */
static void
add_sentences(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        bool end = (*text == '.' || *text == '?') && text[1] == ' ';

        CU_ASSERT_EQUAL(buf_add(out, text, 1), SP_OK);
        if (end) {
            CU_ASSERT_EQUAL(buf_add(out, "\n", 1), SP_OK);
            text++;
        }
    }
    CU_ASSERT_EQUAL(buf_add(out, "\n", 1), SP_OK);
}

static void
add_events(struct buf *out)
{
    static const struct { const char *name; enum log_level level; const char *fields, *meaning; }
        rows[] = {
#define EVENT(NAME, name, level, senders, fields, meaning) \
            { name, LOG_LEVEL_##level, fields, meaning },
#include "base/log.def"
        };

    CU_ASSERT_EQUAL(buf_add_text(out, EVENTS_FROM), SP_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(buf_printf(out, ".It Li %s Pq %s\n", rows[i].name,
                                   log_level_text(rows[i].level)), SP_OK);
        add_sentences(out, rows[i].meaning);
        if (rows[i].fields[0] != '\0') {
            CU_ASSERT_EQUAL(buf_add_text(out, "Fields:\n.Li "), SP_OK);
            for (const char *at = rows[i].fields; *at != '\0'; at++)
                CU_ASSERT_EQUAL(buf_add(out, *at == ' ' ? " , " : at, *at == ' ' ? 3 : 1),
                                SP_OK);
            CU_ASSERT_EQUAL(buf_add_text(out, " .\n"), SP_OK);
        }
    }
    CU_ASSERT_EQUAL(buf_add_text(out, EVENTS_TO), SP_OK);
}

static void
the_page_has_every_event(void)
{
    struct buf page = BUF_EMPTY(PAGE_MAX), events = BUF_EMPTY(PAGE_MAX);
    int fd = -1;

    read_source("src/monitor/sallyportd.8", &page);
    add_events(&events);
    if (memmem(page.at, page.len, events.at, events.len) == NULL) {
        printf("\nsallyportd.8: its table of events must be as in ./events.mdoc\n");
        CU_FAIL("the table of events in sallyportd.8 differs from log.def");
        fd = open("events.mdoc", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        CU_ASSERT_EQUAL(fd_write_all(fd, events.at, events.len), SP_OK);
        fd_close(&fd);
    }
    buf_free(&events);
    buf_free(&page);
}

static const struct unit_test tests[] = {
    { "the page has every event", the_page_has_every_event },
    { "every setting is in the page with its default",
      every_setting_is_in_the_page_with_its_default },
    { "every setting of the page is one", every_setting_of_the_page_is_one },
    { "every example line of the page loads", every_example_line_of_the_page_loads },
    { "the whole example of the page loads", the_whole_example_of_the_page_loads },
    { "the example file loads", the_example_file_loads },
    { NULL, NULL }
};
const struct unit_suite suite_manual = { "manual", tests };
