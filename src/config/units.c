/* config/units.c - see include/config/units.h */
#include "config/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/number.h"

#define NUMBER_MOST UINT64_C(999999999999999)

/* From small to large. worth: in milliseconds or bytes. */
struct unit { const char *name; int64_t worth; };

static const struct unit times[] = {
    { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 }
};
static const struct unit sizes[] = {
    { "B", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 },
    { "TiB", INT64_C(1) << 40 }
};

/* What else people write. "m" could be a month, too, and "MB" 1000000 bytes. */
static const struct { const char *written, *meant; } habits[] = {
    { "m", "min" }, { "mins", "min" }, { "minute", "min" }, { "minutes", "min" },
    { "sec", "s" }, { "secs", "s" }, { "second", "s" }, { "seconds", "s" },
    { "msec", "ms" }, { "millisecond", "ms" }, { "milliseconds", "ms" },
    { "hr", "h" }, { "hour", "h" }, { "hours", "h" }, { "day", "d" }, { "days", "d" },
    { "byte", "B" }, { "bytes", "B" }, { "k", "KiB" }, { "kb", "KiB" }, { "kib", "KiB" },
    { "mb", "MiB" }, { "mib", "MiB" }, { "g", "GiB" }, { "gb", "GiB" }, { "gib", "GiB" },
    { "t", "TiB" }, { "tb", "TiB" }, { "tib", "TiB" }, { "m", "MiB" }, { "b", "B" },
};

struct scale { const struct unit *units; size_t count; const char *noun, *all, *example; };

static const struct scale scales[] = {
    [UNITS_SIZE] = { sizes, sizeof sizes / sizeof *sizes, "size", UNITS_ALL_SIZE, "64 MiB" },
    [UNITS_TIME] = { times, sizeof times / sizeof *times, "time", UNITS_ALL_TIME, "15 min" },
};

static const struct unit *
unit_named(const struct scale *scale, const char *name)
{
    for (size_t i = 0; i < scale->count; i++)
        if (strcmp(scale->units[i].name, name) == 0)
            return &scale->units[i];
    return NULL;
}

/* NULL: no unit of this scale is known by that word. */
static const struct unit *
unit_meant(const struct scale *scale, const char *word)
{
    const struct unit *meant = NULL;

    for (size_t i = 0; i < scale->count; i++)
        if (slice_equal_nocase(slice_of(word), scale->units[i].name))
            return &scale->units[i];
    for (size_t i = 0; i < sizeof habits / sizeof *habits && meant == NULL; i++)
        if (slice_equal_nocase(slice_of(word), habits[i].written))
            meant = unit_named(scale, habits[i].meant);
    return meant;
}

const char *
units_text(enum units_kind kind, const char *unit, int64_t number, char out[UNITS_TEXT_MAX])
{
    const struct scale *scale = &scales[kind];
    const struct unit *own = unit_named(scale, unit), *best = own;

    SP_ASSERT(own != NULL);
    if (number == 0) {
        (void)text_copy(out, UNITS_TEXT_MAX, "0");
        return out;
    }
    for (const struct unit *u = own; u < scale->units + scale->count; u++)
        if (number % (u->worth / own->worth) == 0)
            best = u;
    (void)text_printf(out, UNITS_TEXT_MAX, "%lld %s",
                      (long long)(number / (best->worth / own->worth)), best->name);
    return out;
}

/* ---- what is wrong with a text ---------------------------------------------------------- */

static void
say_form(const struct scale *scale, const char *text, char why[UNITS_WHY_MAX])
{
    (void)text_printf(why, UNITS_WHY_MAX, "\"%.60s\" is not a %s; write a whole number and "
                      "its unit (%s), for example \"%s\"", text, scale->noun, scale->all,
                      scale->example);
}

static void
say_no_unit(enum units_kind kind, const char *unit, const char *text, int64_t number,
            char why[UNITS_WHY_MAX])
{
    char likely[UNITS_TEXT_MAX];

    (void)text_printf(why, UNITS_WHY_MAX, "\"%.60s\" has no unit; did you mean \"%s\"? "
                      "Otherwise use %s", text, units_text(kind, unit, number, likely),
                      scales[kind].all);
}

static void
say_unknown(const struct scale *scale, const char *text, int64_t number, const char *word,
            char why[UNITS_WHY_MAX])
{
    const struct unit *meant = unit_meant(scale, word);

    if (meant != NULL)
        (void)text_printf(why, UNITS_WHY_MAX, "unknown unit in \"%.60s\"; did you mean "
                          "\"%lld %s\"? Otherwise use %s", text, (long long)number,
                          meant->name, scale->all);
    else
        (void)text_printf(why, UNITS_WHY_MAX, "unknown unit in \"%.60s\"; use %s", text,
                          scale->all);
}

enum sp_err
units_parse(enum units_kind kind, const char *unit, const char *text, int64_t *number,
            char why[UNITS_WHY_MAX])
{
    const struct scale *scale = &scales[kind];
    const struct unit *own = unit_named(scale, unit), *given = NULL;
    size_t digits = strspn(text, "0123456789");
    const char *word = text + digits + strspn(text + digits, " ");
    uint64_t parsed = 0;
    int64_t n = 0, worth = 0;

    SP_ASSERT(own != NULL);
    if (number_parse(slice_from(text, digits), NUMBER_MOST, &parsed) != SP_OK
        || strpbrk(word, "0123456789.,") != NULL) {
        say_form(scale, text, why);
        return SP_INPUT;
    }
    n = (int64_t)parsed;
    if (*word == '\0' && n == 0) {
        *number = 0;
        return SP_OK;
    }
    if (*word == '\0') {
        say_no_unit(kind, unit, text, n, why);
        return SP_INPUT;
    }
    if ((given = unit_named(scale, word)) == NULL) {
        say_unknown(scale, text, n, word, why);
        return SP_INPUT;
    }
    if (__builtin_mul_overflow(n, given->worth, &worth)) {
        (void)text_printf(why, UNITS_WHY_MAX, "\"%.60s\" is too large", text);
        return SP_INPUT;
    }
    if (worth % own->worth != 0) {
        (void)text_printf(why, UNITS_WHY_MAX, "\"%.60s\" is too fine; the smallest step here is "
                          "1 %s", text, own->name);
        return SP_INPUT;
    }
    *number = worth / own->worth;
    return SP_OK;
}
