/* config/written.c - see include/config/written.h */
#include "config/written.h"

#include <string.h>

#include "config/units.h"

/* ${ may stand in single quotes alone; otherwise double quotes are what people expect. */
static enum sp_err
add_quoted(struct buf *out, const char *text)
{
    char quote = strstr(text, "${") == NULL ? '"' : '\'';
    enum sp_err rc = buf_add(out, &quote, 1);

    for (; *text != '\0' && rc == SP_OK; text++) {
        if (*text == '\\' || *text == quote)
            rc = buf_add(out, "\\", 1);
        if (rc == SP_OK)
            rc = buf_add(out, text, 1);
    }
    return rc == SP_OK ? buf_add(out, &quote, 1) : rc;
}

static enum sp_err
add_list(struct buf *out, const struct text_list *list)
{
    enum sp_err rc = buf_add_text(out, "{");

    for (size_t i = 0; i < list->count && rc == SP_OK; i++) {
        if (i > 0)
            rc = buf_add_text(out, ", ");
        if (rc == SP_OK)
            rc = add_quoted(out, list->texts[i]);
    }
    return rc == SP_OK ? buf_add_text(out, "}") : rc;
}

static enum sp_err
add_measure(struct buf *out, enum units_kind kind, const struct setting_row *row, int64_t n)
{
    char text[UNITS_TEXT_MAX];

    return n == 0 ? buf_add_text(out, "0")
                  : add_quoted(out, units_text(kind, row->unit, n, text));
}

enum sp_err
written_value(struct buf *out, struct settings *s, const struct setting_row *row)
{
    const void *member = setting_member(s, row);

    switch (row->type) {
    case SETTING_BOOL:
        return buf_add_text(out, *(const bool *)member ? "true" : "false");
    case SETTING_NUMBER:
        return buf_printf(out, "%lld", (long long)*(const int64_t *)member);
    case SETTING_SIZE:
        return add_measure(out, UNITS_SIZE, row, *(const int64_t *)member);
    case SETTING_TIME:
        return add_measure(out, UNITS_TIME, row, *(const int64_t *)member);
    case SETTING_OCTAL:
        return buf_printf(out, "\"%03llo\"",
                          (unsigned long long)*(const int64_t *)member);
    case SETTING_TEXT:
        return add_quoted(out, *(char *const *)member);
    case SETTING_LIST:
        return add_list(out, member);
    }
    return SP_INPUT;
}

/* Into a comment, which ends with the line. */
static enum sp_err
add_file_name(struct buf *out, const char *name)
{
    enum sp_err rc = SP_OK;

    for (; *name != '\0' && rc == SP_OK; name++)
        rc = buf_add(out, (unsigned char)*name < 0x20 || *name == 0x7f ? "?" : name, 1);
    return rc;
}

static enum sp_err
add_setting(struct buf *out, struct settings *s, const struct setting_row *row)
{
    unsigned line = setting_place(s, row->name)->line;
    enum sp_err rc = buf_printf(out, "%s%s = ", line == 0 ? "#" : "", row->name);

    if (rc == SP_OK)
        rc = written_value(out, s, row);
    if (rc == SP_OK && line != 0 && (rc = buf_add_text(out, "    # ")) == SP_OK
        && (rc = add_file_name(out, s->file == NULL ? "" : s->file)) == SP_OK)
        rc = buf_printf(out, ":%u", line);
    return rc == SP_OK ? buf_add_text(out, "\n") : rc;
}

enum sp_err
written_file(struct buf *out, struct settings *s)
{
    enum sp_err rc = SP_OK;

    for (const struct setting_row *row = setting_rows(); row->name != NULL && rc == SP_OK; row++)
        rc = add_setting(out, s, row);
    return rc;
}
