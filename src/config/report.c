/* config/report.c - see report.h */
#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"

void
report(struct report *r, unsigned line, const char *key, const char *format, ...)
{
    char what[REPORT_TEXT_MAX] = "", where[32] = "", text[REPORT_TEXT_MAX] = "";
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (line > 0)
        (void)text_printf(where, sizeof where, ":%u", line);
    /* a text that is cut still names file, line and key: they stand first */
    (void)text_printf(text, sizeof text, "%s%s: %s%s%s", r->file, where,
                      key == NULL ? "" : key, key == NULL ? "" : ": ", what);
    r->faults++;
    if (r->fault != NULL)
        r->fault(r->context, text);
}
