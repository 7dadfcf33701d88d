/*
 * config/load.c - see include/config/load.h
 *
 * libconfuse parses; every option is a text to it, so that each value arrives here with its
 * line and a wrong one does not end the parse: all faults are told, not only the first.
 */
#include "config/load.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/number.h"
#include "config/meaning.h"
#include "config/report.h"
#include "config/source.h"
#include "config/units.h"

struct reader;

/*
 * One option. libconfuse keeps a pointer to the slot and hands it to our callback: it must
 * stay the first member. row is NULL for a key that is no setting.
 */
struct entry {
    char *slot;                 /* libconfuse's copy of the last value; freed here */
    struct reader *reader;
    const struct setting_row *row;
    struct text_list list;      /* the values of a LIST so far                     */
};

struct reader {
    struct report report;
    struct source source;
    struct settings *settings;
    struct entry *entries;
    cfg_opt_t *options;         /* ends with an empty one                          */
    size_t count;
    bool whole;                 /* read to its end */
    enum sp_err rc;
};

/* ---- single values ---------------------------------------------------------------------- */

static bool
take_bool(struct entry *e, unsigned line, const char *value)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };
    const char *nearest = NULL;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_equal_nocase(slice_of(value), words[i])) {
            *(bool *)setting_member(e->reader->settings, e->row) = i % 2 == 1;
            return true;
        }
    nearest = nearest_of(value, words, sizeof words / sizeof *words);
    report(&e->reader->report, line, e->row->name, "\"%.100s\" is not a valid value; %s%s%suse "
           "true or false", value, nearest == NULL ? "" : "did you mean ",
           nearest == NULL ? "" : nearest, nearest == NULL ? "" : "? Otherwise ");
    return false;
}

static bool
within(const struct setting_row *row, int64_t n)
{
    return n >= row->least && n <= row->most;
}

/* No longer than any number here is. */
static bool
parse_digits(const char *value, unsigned base, int64_t *number)
{
    uint64_t n = 0;

    if (strlen(value) > 15 || number_parse_base(slice_of(value), base, INT64_MAX, &n) != SP_OK)
        return false;
    *number = (int64_t)n;
    return true;
}

static bool
take_number(struct entry *e, unsigned line, const char *value)
{
    const struct setting_row *row = e->row;
    int64_t n = 0;

    if (!parse_digits(value, 10, &n)) {
        report(&e->reader->report, line, row->name, "\"%.100s\" is not a number; use a number "
               "from %lld to %lld (%s)", value, (long long)row->least,
               (long long)row->most, row->unit);
        return false;
    }
    if (!within(row, n)) {
        report(&e->reader->report, line, row->name, "%lld is out of range; use a number from "
               "%lld to %lld (%s)", (long long)n, (long long)row->least, (long long)row->most,
               row->unit);
        return false;
    }
    *(int64_t *)setting_member(e->reader->settings, row) = n;
    return true;
}

static bool
take_measure(struct entry *e, unsigned line, const char *value, enum units_kind kind)
{
    const struct setting_row *row = e->row;
    char why[UNITS_WHY_MAX], least[UNITS_TEXT_MAX], most[UNITS_TEXT_MAX];
    int64_t n = 0;

    if (units_parse(kind, row->unit, value, &n, why) != SP_OK) {
        report(&e->reader->report, line, row->name, "%s", why);
        return false;
    }
    if (!within(row, n)) {
        report(&e->reader->report, line, row->name, "\"%.100s\" is out of range; use a value "
               "from %s to %s", value, units_text(kind, row->unit, row->least, least),
               units_text(kind, row->unit, row->most, most));
        return false;
    }
    *(int64_t *)setting_member(e->reader->settings, row) = n;
    return true;
}

static bool
take_octal(struct entry *e, unsigned line, const char *value)
{
    const struct setting_row *row = e->row;
    int64_t n = 0;

    if (!parse_digits(value, 8, &n) || !within(row, n)) {
        report(&e->reader->report, line, row->name, "\"%.100s\" is not a valid %s; use an octal "
               "number from \"%03llo\" to \"%03llo\"", value, row->unit,
               (unsigned long long)row->least, (unsigned long long)row->most);
        return false;
    }
    *(int64_t *)setting_member(e->reader->settings, row) = n;
    return true;
}

static bool
means_something(struct entry *e, unsigned line, const char *value)
{
    char why[MEANING_WHY_MAX] = "";

    if (meaning_holds(e->row->name, value, why))
        return true;
    report(&e->reader->report, line, e->row->name, "%s", why);
    return false;
}

static bool
take_text(struct entry *e, unsigned line, const char *value)
{
    const struct setting_row *row = e->row;
    size_t len = strlen(value);

    /* first what a word may be: "write from 5 to 7 bytes" would help nobody who writes one */
    if (!means_something(e, line, value))
        return false;
    if (len < (size_t)row->least) {
        report(&e->reader->report, line, row->name, "must not be empty");
        return false;
    }
    if (len > (size_t)row->most) {
        report(&e->reader->report, line, row->name, "is too long: %zu bytes; at most %lld are "
               "allowed", len, (long long)row->most);
        return false;
    }
    if (setting_text(setting_member(e->reader->settings, row), slice_of(value)) != SP_OK)
        e->reader->rc = SP_NOMEM;
    return true;
}

static bool
take_list_entry(struct entry *e, unsigned line, const char *value)
{
    const char *name = e->row->name;

    if (*value == '\0') {
        report(&e->reader->report, line, name, "has an empty entry; remove it (an empty list "
               "is {})");
        return false;
    }
    if (!means_something(e, line, value))
        return false;
    if (text_list_has(&e->list, slice_of(value))) {
        report(&e->reader->report, line, name, "\"%.100s\" is in the list twice; remove one", value);
        return false;
    }
    if (text_list_add(&e->list, slice_of(value)) != SP_OK)
        e->reader->rc = SP_NOMEM;
    return true;
}

static void
take_value(struct entry *e, unsigned line, const char *value)
{
    bool taken = false;

    switch (e->row->type) {
    case SETTING_BOOL:
        taken = take_bool(e, line, value);
        break;
    case SETTING_NUMBER:
        taken = take_number(e, line, value);
        break;
    case SETTING_SIZE:
        taken = take_measure(e, line, value, UNITS_SIZE);
        break;
    case SETTING_TIME:
        taken = take_measure(e, line, value, UNITS_TIME);
        break;
    case SETTING_OCTAL:
        taken = take_octal(e, line, value);
        break;
    case SETTING_TEXT:
        taken = take_text(e, line, value);
        break;
    case SETTING_LIST:
        taken = take_list_entry(e, line, value);
        break;
    }
    if (!taken)
        setting_place(e->reader->settings, e->row->name)->faulty = true;
}

/* ---- between libconfuse and us ----------------------------------------------------------- */

static unsigned
line_of(const cfg_t *cfg)
{
    return cfg->line < 0 ? 0 : (unsigned)cfg->line;
}

static int
on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct entry *e = (struct entry *)(void *)opt->simple_value.string;

    if (e->row != NULL)
        take_value(e, line_of(cfg), value);
    *(const char **)result = value;
    return 0;
}

__attribute__((format(printf, 2, 0))) static void
on_error(cfg_t *cfg, const char *format, va_list args)
{
    struct entry *first = (struct entry *)(void *)cfg->opts[0].simple_value.string;
    struct reader *r = first->reader;
    const struct source_key *key = source_key_at(&r->source, line_of(cfg));
    char what[256] = "";

    (void)vsnprintf(what, sizeof what, format, args);
    report(&r->report, line_of(cfg), key == NULL ? NULL : key->name, "syntax error here or "
           "just before (%s); write a setting as name = value, and a list as "
           "name = {\"a\", \"b\"}", what);
}

/* ---- keys -------------------------------------------------------------------------------- */

static const struct setting_row *
row_named(const char *name)
{
    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

static const char *
nearest_name(const char *name)
{
    struct nearest n;

    nearest_begin(&n, name);
    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++)
        nearest_try(&n, row->name);
    return n.best;
}

static void
report_unknown(struct reader *r, const struct source_key *key)
{
    const char *nearest = nearest_name(key->name);

    if (nearest != NULL) {
        setting_place(r->settings, nearest)->faulty = true;     /* it was given, after all */
        report(&r->report, key->line, key->name, "unknown setting; did you mean %s?",
               nearest);
    } else {
        report(&r->report, key->line, key->name, "unknown setting; see "
               "sallyport.conf(5) for a list");
    }
}

/* Every key is a setting and given once; the places of those are noted. */
static void
check_keys(struct reader *r)
{
    for (size_t i = 0; i < r->source.count; i++) {
        const struct source_key *key = &r->source.keys[i];
        const struct source_key *first = source_key_named(&r->source, key->name);

        if (first == key && row_named(key->name) != NULL)
            setting_place(r->settings, key->name)->line = key->line;
        if (first != key)
            report(&r->report, key->line, key->name, "is set a second time (first on line "
                   "%u); remove one of them", first->line);
        else if (row_named(key->name) == NULL)
            report_unknown(r, key);
    }
}

/* ---- the table of options, from settings.def and what else the file has ------------------- */

static void
add_option(struct reader *r, const char *name, const struct setting_row *row)
{
    struct entry *e = &r->entries[r->count];
    bool list = row == NULL || row->type == SETTING_LIST;   /* an unknown key may be either */

    *e = (struct entry){ .reader = r, .row = row };
    r->options[r->count] = (cfg_opt_t){
        .name = name, .type = CFGT_STR, .flags = list ? CFGF_LIST : CFGF_NONE,
        .simple_value.string = &e->slot, .parsecb = on_value
    };
    r->count++;
}

static enum sp_err
make_options(struct reader *r)
{
    size_t most = r->source.count + 1;

    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++)
        most++;
    r->entries = calloc(most, sizeof *r->entries);
    r->options = calloc(most, sizeof *r->options);
    if (r->entries == NULL || r->options == NULL)
        return SP_NOMEM;
    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++)
        add_option(r, row->name, row);
    for (size_t i = 0; i < r->source.count; i++) {
        const char *name = r->source.keys[i].name;

        if (row_named(name) == NULL && source_key_named(&r->source, name) == &r->source.keys[i])
            add_option(r, name, NULL);
    }
    return SP_OK;
}

static enum sp_err
parse(struct reader *r)
{
    cfg_t *cfg = NULL;
    enum sp_err rc = SP_OK;
    unsigned before = r->report.faults;

    if ((cfg = cfg_init(r->options, CFGF_NONE)) == NULL)
        return SP_NOMEM;
    (void)cfg_set_error_function(cfg, on_error);
    if (cfg_parse_buf(cfg, (const char *)r->source.text.at) != CFG_SUCCESS) {
        if (r->report.faults == before)
            report(&r->report, line_of(cfg), NULL, "syntax error here or just before");
        rc = SP_INPUT;
    }
    (void)cfg_free(cfg);
    return r->rc != SP_OK ? r->rc : rc;
}

/* Lists that were given, an empty one too, take the place of their defaults. */
static void
take_lists(struct reader *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct entry *e = &r->entries[i];
        const struct source_key *key = NULL;
        struct text_list *to = NULL;

        if (e->row == NULL || e->row->type != SETTING_LIST)
            continue;
        if ((key = source_key_named(&r->source, e->row->name)) == NULL)
            continue;
        if (e->list.count > (size_t)e->row->most) {
            setting_place(r->settings, key->name)->faulty = true;
            report(&r->report, key->line, key->name, "has %zu entries; at most %lld are allowed",
                   e->list.count, (long long)e->row->most);
            continue;
        }
        if (e->list.count < (size_t)e->row->least) {
            if (!setting_place(r->settings, key->name)->faulty)
                report(&r->report, key->line, key->name, "has %zu entries; at least %lld required",
                       e->list.count, (long long)e->row->least);
            setting_place(r->settings, key->name)->faulty = true;
            continue;
        }
        to = setting_member(r->settings, e->row);
        text_list_clear(to);
        *to = e->list;
        e->list = (struct text_list)TEXT_LIST_EMPTY;
    }
}

/* ---- what two settings say together ------------------------------------------------------- */

/* The first of the two that the file has; line 0 where it has neither. */
static const struct source_key *
either_key(const struct source *s, const char *one, const char *other)
{
    static const struct source_key none = { "", 0 };
    const struct source_key *key = source_key_named(s, one);

    if (key == NULL)
        key = source_key_named(s, other);
    return key == NULL ? &none : key;
}

/* A setting that could not be taken has its default, which nobody has written. */
static bool
both_taken(const struct reader *r, const char *one, const char *other)
{
    return !setting_place(r->settings, one)->faulty && !setting_place(r->settings, other)->faulty;
}

static void
check_together(struct reader *r)
{
    const struct settings *s = r->settings;
    const struct source_key *key = NULL;

    if (s->certificate.count != s->certificate_key.count
        && both_taken(r, "certificate", "certificate_key")) {
        key = either_key(&r->source, "certificate_key", "certificate");
        report(&r->report, key->line, "certificate_key", "there are %zu keys for %zu "
               "certificates; list one key for each, in the same order (list a file that "
               "contains both in both)", s->certificate_key.count, s->certificate.count);
    }
    if (s->passive_port_least > s->passive_port_most
        && both_taken(r, "passive_port_least", "passive_port_most")) {
        key = either_key(&r->source, "passive_port_least", "passive_port_most");
        report(&r->report, key->line, "passive_port_least", "%lld is greater than passive_port_most, "
               "%lld; change one of them", (long long)s->passive_port_least,
               (long long)s->passive_port_most);
    }
    for (size_t i = 0; i < s->listen_implicit.count; i++)
        if (text_list_has(&s->listen, slice_of(s->listen_implicit.texts[i]))) {
            key = either_key(&r->source, "listen_implicit", "listen");
            report(&r->report, key->line, "listen_implicit", "%s is also in listen; a port "
                   "has either explicit or implicit TLS, not both", s->listen_implicit.texts[i]);
        }
}

static enum sp_err
read_all(struct reader *r)
{
    enum sp_err rc = SP_OK;

    if ((rc = setting_text(&r->settings->file, slice_of(r->report.file))) != SP_OK)
        return rc;
    if ((rc = source_read(&r->source, r->report.file, &r->report)) != SP_OK)
        return rc;
    check_keys(r);
    if ((rc = make_options(r)) != SP_OK || (rc = parse(r)) != SP_OK)
        return rc;
    r->whole = true;
    take_lists(r);
    check_together(r);
    return r->report.faults == 0 ? SP_OK : SP_INPUT;
}

/* What is left in *s where the file has faults. */
enum remainder { NOTHING, SOUND_FORM, ANYTHING };

static enum sp_err
load(struct settings *s, const char *file, config_fault *fault, void *context,
     enum remainder left)
{
    struct reader r = { .report = { file, fault, context, 0 }, .source = SOURCE_EMPTY,
                        .settings = s, .rc = SP_OK };
    enum sp_err rc = settings_init(s);

    if (rc == SP_OK)
        rc = read_all(&r);
    for (size_t i = 0; i < r.count; i++) {
        free(r.entries[i].slot);
        text_list_clear(&r.entries[i].list);
    }
    free(r.entries);
    free(r.options);
    source_clear(&r.source);
    if (rc == SP_INPUT && left == ANYTHING)
        return SP_OK;
    if (rc != SP_OK && !(rc == SP_INPUT && left == SOUND_FORM && r.whole))
        settings_clear(s);
    return rc;
}

enum sp_err
config_load(struct settings *s, const char *file, config_fault *fault, void *context)
{
    return load(s, file, fault, context, NOTHING);
}

enum sp_err
config_load_all(struct settings *s, const char *file, config_fault *fault, void *context)
{
    return load(s, file, fault, context, SOUND_FORM);
}

static void
pass_over(void *context, enum config_weight weight, const char *text)
{
    (void)context;
    (void)weight;
    (void)text;
}

enum sp_err
config_load_readable(struct settings *s, const char *file, config_fault *unreadable,
                     void *context)
{
    enum sp_err rc = load(s, file, pass_over, NULL, ANYTHING);

    /* once more, for the words */
    return rc == SP_OS ? load(s, file, unreadable, context, ANYTHING) : rc;
}
