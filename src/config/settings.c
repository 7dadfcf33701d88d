/* config/settings.c - see include/config/settings.h */
#include "config/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_TEXT_MAX 4096      /* bytes of one entry of a list */

/* A row's default is a number or a text, by its type. */
#define ROW_BOOL(preset) SETTING_BOOL, (preset), NULL
#define ROW_NUMBER(preset) SETTING_NUMBER, (preset), NULL
#define ROW_SIZE(preset) SETTING_SIZE, (preset), NULL
#define ROW_TIME(preset) SETTING_TIME, (preset), NULL
#define ROW_OCTAL(preset) SETTING_OCTAL, (preset), NULL
#define ROW_TEXT(preset) SETTING_TEXT, 0, preset
#define ROW_LIST(preset) SETTING_LIST, 0, preset

static const struct setting_row rows[] = {
#define SETTING(TYPE, name, preset, least, most, receivers, unit, help) \
    { #name, ROW_##TYPE(preset), least, most, receivers, unit, help, \
      offsetof(struct settings, name) },
#include "config/settings.def"
    { NULL, SETTING_BOOL, 0, NULL, 0, 0, 0, NULL, NULL, 0 }
};

const struct setting_row *
setting_rows(void)
{
    return rows;
}

bool
settings_reporting(const struct settings *s)
{
    return strcmp(s->sandbox, "report") == 0;
}

void
settings_fit_machine(struct settings *s)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    if (s->cached_file_most != 0)
        return;
    s->cached_file_most = pages > 0 && page > 0 ? pages / 2 * page / (1 << 20) : 0;
    if (s->cached_file_most == 0)
        s->cached_file_most = 1;
}

/* ---- members by row: the one place that turns an offset into a pointer ----------------- */

void *
setting_member(struct settings *s, const struct setting_row *row)
{
    return (unsigned char *)s + row->offset;
}

struct setting_place *
setting_place(struct settings *s, const char *name)
{
    size_t i = 0;

    while (rows[i].name != NULL && strcmp(rows[i].name, name) != 0)
        i++;
    SP_ASSERT(i < SETTING_COUNT);
    return &s->places[i];
}

static const void *
member_const(const struct settings *s, const struct setting_row *row)
{
    return (const unsigned char *)s + row->offset;
}

/* ---- texts and lists ------------------------------------------------------------------- */

void
text_list_clear(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->texts[i]);
    free(list->texts);
    *list = (struct text_list)TEXT_LIST_EMPTY;
}

enum sp_err
setting_text(char **text, struct slice from)
{
    char *copy = malloc(from.len + 1);

    if (copy == NULL)
        return SP_NOMEM;
    if (from.len > 0)
        memcpy(copy, from.at, from.len);
    copy[from.len] = '\0';
    free(*text);
    *text = copy;
    return SP_OK;
}

enum sp_err
text_list_add(struct text_list *list, struct slice text)
{
    char **texts = realloc(list->texts, (list->count + 1) * sizeof *texts);
    enum sp_err rc = SP_NOMEM;

    if (texts == NULL)
        return SP_NOMEM;
    list->texts = texts;
    texts[list->count] = NULL;
    if ((rc = setting_text(&texts[list->count], text)) == SP_OK)
        list->count++;
    return rc;
}

/* The default of a list: entries parted by commas; an empty text is an empty list. */
static enum sp_err
text_list_split(struct text_list *list, const char *text)
{
    enum sp_err rc = SP_OK;

    while (*text != '\0' && rc == SP_OK) {
        size_t len = strcspn(text, ",");

        rc = text_list_add(list, slice_from(text, len));
        text += len + (text[len] == ',' ? 1 : 0);
    }
    return rc;
}

bool
text_list_has(const struct text_list *list, struct slice text)
{
    for (size_t i = 0; i < list->count; i++)
        if (slice_equal(slice_of(list->texts[i]), text))
            return true;
    return false;
}

/* ---- defaults -------------------------------------------------------------------------- */

static enum sp_err
set_default(struct settings *s, const struct setting_row *row)
{
    switch (row->type) {
    case SETTING_BOOL:
        *(bool *)setting_member(s, row) = row->number != 0;
        return SP_OK;
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_TIME:
    case SETTING_OCTAL:
        *(int64_t *)setting_member(s, row) = row->number;
        return SP_OK;
    case SETTING_TEXT:
        return setting_text(setting_member(s, row), slice_of(row->text));
    case SETTING_LIST:
        return text_list_split(setting_member(s, row), row->text);
    }
    return SP_INPUT;
}

enum sp_err
settings_init(struct settings *s)
{
    enum sp_err rc = SP_OK;

    *s = (struct settings){0};
    for (const struct setting_row *row = rows; row->name != NULL && rc == SP_OK; row++)
        rc = set_default(s, row);
    if (rc != SP_OK)
        settings_clear(s);
    return rc;
}

void
settings_clear(struct settings *s)
{
    for (const struct setting_row *row = rows; row->name != NULL; row++) {
        if (row->type == SETTING_TEXT)
            free(*(char **)setting_member(s, row));
        else if (row->type == SETTING_LIST)
            text_list_clear(setting_member(s, row));
    }
    free(s->file);
    *s = (struct settings){0};
}

/* ---- the way to another process --------------------------------------------------------- */

/*
 * In the order of settings.def, each setting that the receiver is sent: BOOL one byte, 0 or
 * 1; numbers eight bytes, little-endian; TEXT its length in four bytes and its bytes;
 * LIST its count in four bytes and its texts. No names: both ends are made from the
 * same table, and a different one is noticed by the length.
 */

static enum sp_err
add_number(struct buf *out, uint64_t v, unsigned bytes)
{
    unsigned char at[8];

    for (unsigned i = 0; i < bytes; i++)
        at[i] = (unsigned char)(v >> (8 * i));
    return buf_add(out, at, bytes);
}

static enum sp_err
add_text(struct buf *out, const char *text)
{
    struct slice s = slice_of(text);
    enum sp_err rc = add_number(out, s.len, 4);

    return rc == SP_OK ? buf_add(out, s.at, s.len) : rc;
}

static enum sp_err
add_row(struct buf *out, const struct settings *s, const struct setting_row *row)
{
    const struct text_list *list = NULL;
    enum sp_err rc = SP_INPUT;

    switch (row->type) {
    case SETTING_BOOL:
        return add_number(out, *(const bool *)member_const(s, row), 1);
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_TIME:
    case SETTING_OCTAL:
        return add_number(out, (uint64_t)*(const int64_t *)member_const(s, row), 8);
    case SETTING_TEXT:
        return add_text(out, *(char *const *)member_const(s, row));
    case SETTING_LIST:
        list = member_const(s, row);
        rc = add_number(out, list->count, 4);
        for (size_t i = 0; i < list->count && rc == SP_OK; i++)
            rc = add_text(out, list->texts[i]);
        break;
    }
    return rc;
}

enum sp_err
settings_pack(const struct settings *s, unsigned receiver, struct buf *out)
{
    enum sp_err rc = SP_OK;

    for (const struct setting_row *row = rows; row->name != NULL && rc == SP_OK; row++)
        if ((row->receivers & receiver) != 0)
            rc = add_row(out, s, row);
    return rc;
}

static enum sp_err
take_number(struct slice *in, unsigned bytes, uint64_t *v)
{
    uint64_t number = 0;

    if (in->len < bytes)
        return SP_INPUT;
    for (unsigned i = 0; i < bytes; i++)
        number |= (uint64_t)in->at[i] << (8 * i);
    *in = slice_from(in->at + bytes, in->len - bytes);
    *v = number;
    return SP_OK;
}

static enum sp_err
take_text(struct slice *in, uint64_t least, uint64_t most, struct slice *text)
{
    uint64_t len = 0;
    enum sp_err rc = take_number(in, 4, &len);

    if (rc != SP_OK)
        return rc;
    if (len < least || len > most || len > in->len)
        return SP_INPUT;
    *text = slice_from(in->at, (size_t)len);
    if (slice_has_line_break(*text))
        return SP_INPUT;
    *in = slice_from(in->at + len, in->len - (size_t)len);
    return SP_OK;
}

/* One list out of the blob; into *list unless that is NULL (the checking pass). */
static enum sp_err
take_list(struct slice *in, const struct setting_row *row, struct text_list *list)
{
    struct text_list fresh = TEXT_LIST_EMPTY;
    struct slice text = SLICE_EMPTY;
    uint64_t count = 0;
    enum sp_err rc = take_number(in, 4, &count);

    if (rc != SP_OK)
        return rc;
    if (count < (uint64_t)row->least || count > (uint64_t)row->most)
        return SP_INPUT;
    for (uint64_t i = 0; i < count && rc == SP_OK; i++) {
        rc = take_text(in, 0, LIST_TEXT_MAX, &text);
        if (rc == SP_OK && list != NULL)
            rc = text_list_add(&fresh, text);
    }
    if (rc == SP_OK && list != NULL) {
        text_list_clear(list);
        *list = fresh;
    } else {
        text_list_clear(&fresh);
    }
    return rc;
}

/* One setting out of the blob; into *s unless that is NULL (the checking pass). */
static enum sp_err
take_row(struct slice *in, const struct setting_row *row, struct settings *s)
{
    void *to = s == NULL ? NULL : setting_member(s, row);
    struct slice text = SLICE_EMPTY;
    uint64_t v = 0;
    enum sp_err rc = SP_INPUT;

    switch (row->type) {
    case SETTING_BOOL:
        if ((rc = take_number(in, 1, &v)) != SP_OK)
            return rc;
        if (v > 1)
            return SP_INPUT;
        if (to != NULL)
            *(bool *)to = v == 1;
        return SP_OK;
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_TIME:
    case SETTING_OCTAL:
        if ((rc = take_number(in, 8, &v)) != SP_OK)
            return rc;
        if (v < (uint64_t)row->least || v > (uint64_t)row->most)
            return SP_INPUT;
        if (to != NULL)
            *(int64_t *)to = (int64_t)v;
        return SP_OK;
    case SETTING_TEXT:
        rc = take_text(in, (uint64_t)row->least, (uint64_t)row->most, &text);
        return rc == SP_OK && to != NULL ? setting_text(to, text) : rc;
    case SETTING_LIST:
        return take_list(in, row, to);
    }
    return rc;
}

/* The whole blob, twice: once to see that it is whole, once to take it. */
static enum sp_err
take_all(struct settings *s, unsigned receiver, struct slice blob)
{
    enum sp_err rc = SP_OK;

    for (const struct setting_row *row = rows; row->name != NULL && rc == SP_OK; row++)
        if ((row->receivers & receiver) != 0)
            rc = take_row(&blob, row, s);
    if (rc == SP_OK && blob.len != 0)
        return SP_INPUT;
    return rc;
}

enum sp_err
settings_unpack(struct settings *s, unsigned receiver, struct slice blob)
{
    enum sp_err rc = take_all(NULL, receiver, blob);

    return rc == SP_OK ? take_all(s, receiver, blob) : rc;
}
