/* config/inspect.c - see inspect.h */
#include "config/inspect.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/privilege.h"

void
inspect_begin(struct inspect *i, struct settings *s, config_fault *fault, void *context)
{
    *i = (struct inspect){
        .s = s, .root = privilege_is_root(),
        .report = { s->file == NULL ? "settings" : s->file, fault, context, 0 }
    };
}

__attribute__((format(printf, 4, 0))) static void
say(struct inspect *i, enum config_weight weight, const char *key, const char *format,
    va_list args)
{
    struct setting_place none = { 0, false, false };
    struct setting_place *place = key == NULL ? &none : setting_place(i->s, key);
    char what[REPORT_TEXT_MAX] = "";

    if (place->faulty)
        return;
    (void)vsnprintf(what, sizeof what, format, args);
    if (weight == CONFIG_FAULT)
        place->told = true;
    if (weight == CONFIG_WARNING)
        report_warning(&i->report, place->line, key, "%s", what);
    else
        report(&i->report, place->line, key, "%s", what);
}

void
inspect_fault(struct inspect *i, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(i, CONFIG_FAULT, key, format, args);
    va_end(args);
}

void
inspect_warning(struct inspect *i, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(i, CONFIG_WARNING, key, format, args);
    va_end(args);
}

void
config_tell(struct settings *s, config_fault *fault, void *context, enum config_weight weight,
            const char *key, const char *text)
{
    struct inspect i;

    inspect_begin(&i, s, fault, context);
    if (weight == CONFIG_WARNING)
        inspect_warning(&i, key, "%s", text);
    else
        inspect_fault(&i, key, "%s", text);
}
