/* admin/ask.c - see admin/ask.h */
#include "admin/ask.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "admin/say.h"
#include "auth/password.h"

#define RANDOM_LENGTH 20

enum sp_err
ask_check(const struct secret *s)
{
    if (s->len < PASSWORD_LEAST) {
        say("the password is too short: it has %zu bytes; at least %d are required", s->len,
            PASSWORD_LEAST);
        return SP_INPUT;
    }
    for (size_t i = 0; i < s->len; i++)
        if (s->bytes[i] < 0x20 || s->bytes[i] == 0x7f) {
            say("the password contains a control character, which FTP clients cannot "
                "send");
            return SP_INPUT;
        }
    return SP_OK;
}

/* One line, without its end, read byte by byte: what comes behind it is not ours. */
static enum sp_err
read_line(int fd, struct secret *out)
{
    unsigned char line[SECRET_MAX + 2] = { 0 };
    size_t len = 0;
    ssize_t got = 0;
    enum sp_err rc = SP_OK;

    while (len < sizeof line && (got = read(fd, line + len, 1)) == 1 && line[len] != '\n')
        len++;
    if (got == -1)
        rc = errno == EINTR ? SP_CLOSED : SP_OS;
    else if (got == 0 && len == 0)
        rc = SP_CLOSED;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (rc == SP_OK && (rc = secret_set(out, slice_from(line, len))) != SP_OK)
        say("the password is too long: at most %d bytes are allowed", SECRET_MAX);
    wipe(line, sizeof line);
    return rc;
}

/* Only has to interrupt read(2), so that the echo comes back before we end. */
static void
interrupted(int number)
{
    (void)number;
}

static enum sp_err
read_hidden(const char *prompt, struct secret *out)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
    struct sigaction act = { .sa_handler = interrupted }, before[5];
    struct termios shown = { 0 }, hidden = { 0 };
    enum sp_err rc = SP_OS;

    _Static_assert(sizeof before / sizeof *before == sizeof numbers / sizeof *numbers,
                   "");
    if (tcgetattr(STDIN_FILENO, &shown) == -1)
        return SP_OS;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], &act, &before[i]) == -1)
            return SP_OS;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    hidden.c_lflag |= ICANON | ISIG;
    fputs(prompt, stderr);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0) {
        rc = read_line(STDIN_FILENO, out);
        if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown) == -1)
            say("cannot turn the terminal's echo on again; run `stty echo`");
    }
    (void)putc('\n', stderr);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigaction(numbers[i], &before[i], NULL);
    return rc;
}

static enum sp_err
ask_twice(struct secret *out)
{
    struct secret again;
    enum sp_err rc = SP_OK;

    secret_init(&again);
    if ((rc = read_hidden("New password: ", out)) != SP_OK
        || (rc = ask_check(out)) != SP_OK
        || (rc = read_hidden("Retype new password: ", &again)) != SP_OK)
        goto out;
    if (again.len != out->len || sodium_memcmp(again.bytes, out->bytes, out->len) != 0) {
        say("the passwords do not match; nothing was changed");
        rc = SP_INPUT;
    }
out:
    secret_clear(&again);
    return rc;
}

enum sp_err
ask_password(struct secret *out, bool from_input)
{
    enum sp_err rc = SP_OK;

    if (!from_input && isatty(STDIN_FILENO))
        rc = ask_twice(out);
    else if ((rc = read_line(STDIN_FILENO, out)) == SP_OK)
        rc = ask_check(out);
    if (rc == SP_CLOSED)
        say("no password was given; nothing was changed");
    else if (rc == SP_OS)
        say("cannot read the password: %s", strerror(errno));
    return rc;
}

enum sp_err
ask_random(struct secret *out)
{
    static const char letters[] =
        "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    unsigned char made[RANDOM_LENGTH] = { 0 };
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < sizeof made; i++)
        made[i] = (unsigned char)letters[randombytes_uniform(sizeof letters - 1)];
    rc = secret_set(out, slice_from(made, sizeof made));
    wipe(made, sizeof made);
    return rc;
}
