/*
 * tests/fuzz/fuzz_config.c - the configuration file (config/load.h). Input: the file
 *
 * Holds: either settings within the bounds of settings.def, which reach every process
 * whole, or faults that each begin with the file and a line of it; never both.
 */
#include "config/load.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"

struct seen { const char *file; unsigned faults; unsigned long lines; };

static void
see_fault(void *context, enum config_weight weight, const char *text)
{
    struct seen *s = context;
    size_t len = strlen(s->file);
    char *end = NULL;

    (void)weight;
    s->faults++;
    FUZZ_HOLDS(strncmp(text, s->file, len) == 0 && text[len] == ':');
    if (text[len + 1] != ' ') {
        unsigned long line = strtoul(text + len + 1, &end, 10);

        FUZZ_HOLDS(*end == ':' && line >= 1 && line <= s->lines);
    }
    for (; *text != '\0'; text++)      /* a tab may stand in a value */
        FUZZ_HOLDS(((unsigned char)*text >= 0x20 && *text != 0x7f) || *text == '\t');
}

static void
check_row(struct settings *s, const struct setting_row *row)
{
    const struct text_list *list = NULL;
    const char *text = NULL;
    int64_t n = 0;

    switch (row->type) {
    case SETTING_BOOL:
        break;
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_TIME:
    case SETTING_OCTAL:
        n = *(int64_t *)setting_member(s, row);
        FUZZ_HOLDS(n >= row->least && n <= row->most);
        break;
    case SETTING_TEXT:
        text = *(char **)setting_member(s, row);
        FUZZ_HOLDS(text != NULL && (int64_t)strlen(text) >= row->least
                   && (int64_t)strlen(text) <= row->most);
        FUZZ_HOLDS(!slice_has_line_break(slice_of(text)));
        break;
    case SETTING_LIST:
        list = setting_member(s, row);
        FUZZ_HOLDS((int64_t)list->count >= row->least
                   && (int64_t)list->count <= row->most);
        break;
    }
}

static void
check_settings(struct settings *s)
{
    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++)
        check_row(s, row);
    for (unsigned kind = MONITOR; kind <= TEMPLATE; kind <<= 1) {
        struct buf one = BUF_EMPTY(1 << 24), two = BUF_EMPTY(1 << 24);
        struct settings arrived;

        FUZZ_HOLDS(settings_init(&arrived) == SP_OK);
        FUZZ_HOLDS(settings_pack(s, kind, &one) == SP_OK);
        FUZZ_HOLDS(settings_unpack(&arrived, kind, buf_slice(&one)) == SP_OK);
        FUZZ_HOLDS(settings_pack(&arrived, kind, &two) == SP_OK);
        FUZZ_HOLDS(slice_equal(buf_slice(&one), buf_slice(&two)));
        settings_clear(&arrived);
        buf_free(&one);
        buf_free(&two);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char file[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    struct seen seen = { .file = file, .lines = 1 };
    struct settings s = { .file = NULL };
    enum sp_err rc = SP_OK;

    FUZZ_HOLDS(fd != -1 && text_printf(file, sizeof file, "/proc/self/fd/%d", fd));
    FUZZ_HOLDS(fd_write_all(fd, data, size) == SP_OK);
    for (size_t i = 0; i < size; i++)
        seen.lines += data[i] == '\n';
    rc = config_load(&s, file, see_fault, &seen);
    FUZZ_HOLDS(rc == SP_OK || rc == SP_INPUT);
    FUZZ_HOLDS((rc == SP_OK) == (seen.faults == 0));
    if (rc == SP_OK)
        check_settings(&s);
    else
        FUZZ_HOLDS(s.file == NULL && s.banner == NULL);
    settings_clear(&s);
    fd_close(&fd);
    return 0;
}
