/* config/report.c - see report.h */
#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"

__attribute__((format(printf, 5, 0))) static void
tell(struct report *r, enum config_weight weight, unsigned line, const char *key,
     const char *format, va_list args)
{
    char what[REPORT_TEXT_MAX] = "", where[32] = "", text[REPORT_TEXT_MAX] = "";

    (void)vsnprintf(what, sizeof what, format, args);
    if (line > 0)
        (void)text_printf(where, sizeof where, ":%u", line);
    /* a text that is cut still names file, line and key: they stand first */
    (void)text_printf(text, sizeof text, "%s%s: %s%s%s%s", r->file, where,
                      key == NULL ? "" : key, key == NULL ? "" : ": ",
                      weight == CONFIG_WARNING ? "warning: " : "", what);
    if (weight == CONFIG_FAULT)
        r->faults++;
    if (r->fault != NULL)
        r->fault(r->context, weight, text);
}

void
report(struct report *r, unsigned line, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(r, CONFIG_FAULT, line, key, format, args);
    va_end(args);
}

void
report_warning(struct report *r, unsigned line, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(r, CONFIG_WARNING, line, key, format, args);
    va_end(args);
}
