/* admin/say.c - see admin/say.h */
#include "admin/say.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"

static void say_line(const char *format, va_list args)
    __attribute__((format(printf, 1, 0)));

/* A name may have been chosen to move the cursor of whoever lists it. */
static int
printable(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

static void
say_line(const char *format, va_list args)
{
    char text[8192] = "";

    (void)vsnprintf(text, sizeof text, format, args);
    fputs("sallyport: ", stderr);
    for (const char *c = text; *c != '\0'; c++)
        (void)putc(printable(*c), stderr);
    (void)putc('\n', stderr);
}

void
say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_line(format, args);
    va_end(args);
}

enum say_exit
say_end(enum say_exit code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_line(format, args);
    va_end(args);
    return code;
}

void
say_path(const char *path)
{
    struct slice s = slice_of(path);

    while (s.len > 0) {
        char shown[LOG_CHARACTER_MAX];
        size_t len = 1;

        if (*s.at == ' ') {             /* the one that log_text escapes and we need not */
            shown[0] = ' ';
            s.at++;
            s.len--;
        } else {
            len = log_character(&s, shown);
        }
        (void)fwrite(shown, 1, len, stdout);
    }
}

void
say_field(const char *text, int width)
{
    int put = 0;

    for (; text[put] != '\0'; put++)
        (void)putchar(printable(text[put]));
    for (; put < width; put++)
        (void)putchar(' ');
}
