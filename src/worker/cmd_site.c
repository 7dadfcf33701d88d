/* worker/cmd_site.c - SITE CHMOD UTIME UMASK IDLE HELP, as practice has them */
#include <string.h>

#include "base/number.h"
#include "ftp/reply.h"
#include "ftp/timeval.h"
#include "worker/ask_broker.h"
#include "worker/commands.h"
#include "worker/worker.h"

#define IDLE_LEAST 10           /* seconds */

static enum sp_err
site_chmod(struct worker *w, const struct command *c, struct buf *out)
{
    struct slice mode = c->parameter, name = SLICE_EMPTY;
    struct path p;
    struct fail fail = { 0 };
    uint32_t bits = 0;
    enum sp_err rc = SP_OK;

    while (mode.len > 0 && mode.at[0] == ' ')
        mode = slice_from(mode.at + 1, mode.len - 1);
    for (size_t i = 0; i < mode.len; i++) {
        if (mode.at[i] == ' ') {
            name = slice_from(mode.at + i + 1, mode.len - i - 1);
            mode.len = i;
        }
    }
    if (name.len == 0 || number_parse_octal(mode, &bits) != SP_OK)
        return reply_line(out, 501, "Syntax: SITE CHMOD <octal mode> <name>");
    if (bits > 0777)
        return reply_line(out, 550, "Setuid, setgid and sticky bits cannot be set.");
    if ((rc = command_path(w, name, &p, out)) != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    rc = ask_chmod(w, p.text, bits, &fail);
    if (rc != SP_OK)
        return command_failed(rc, &fail, name, out);
    return reply_line(out, 200, "Mode changed.");
}

static enum sp_err
site_utime(struct worker *w, const struct command *c, struct buf *out)
{
    struct timeval_utc when = { 0 };
    struct slice name = SLICE_EMPTY;
    struct path p;
    struct fail fail = { 0 };
    enum sp_err rc = SP_OK;

    if (timeval_parse_utime(c->parameter, &when, &name) != SP_OK)
        return reply_line(out, 501, "Syntax: SITE UTIME YYYYMMDDhhmm[ss] <name>");
    if ((rc = command_path(w, name, &p, out)) != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    rc = ask_utime(w, p.text, when.seconds, when.nanos, &fail);
    if (rc != SP_OK)
        return command_failed(rc, &fail, name, out);
    return reply_line(out, 200, "Modification time changed.");
}

static enum sp_err
site_umask(struct worker *w, const struct command *c, struct buf *out)
{
    struct fail fail = { 0 };
    uint32_t mask = 0;
    enum sp_err rc = SP_OK;

    if (c->trimmed.len == 0)
        return reply_line(out, 200, "The umask is %03o.", (unsigned)w->umask);
    if (number_parse_octal(c->trimmed, &mask) != SP_OK || mask > 0777)
        return reply_line(out, 501, "Syntax: SITE UMASK [<octal mask>]");
    rc = ask_umask(w, mask, &fail);
    if (rc != SP_OK)
        return command_failed(rc, &fail, (struct slice)SLICE_EMPTY, out);
    w->umask = mask;
    return reply_line(out, 200, "The umask is now %03o.", (unsigned)mask);
}

static enum sp_err
site_idle(struct worker *w, const struct command *c, struct buf *out)
{
    uint64_t seconds = 0;

    if (c->trimmed.len == 0)
        return reply_line(out, 200, "The idle timeout is %lld seconds; at most %lld.",
                          (long long)w->idle_seconds,
                          (long long)w->settings.idle_timeout_most);
    if (number_parse(c->trimmed, (uint64_t)w->settings.idle_timeout_most, &seconds) != SP_OK
        || seconds < IDLE_LEAST)
        return reply_line(out, 501, "The idle timeout must be %d to %lld seconds.", IDLE_LEAST,
                          (long long)w->settings.idle_timeout_most);
    w->idle_seconds = (int64_t)seconds;
    return reply_line(out, 200, "The idle timeout is now %llu seconds.",
                      (unsigned long long)seconds);
}

static enum sp_err site_help(struct worker *w, const struct command *c, struct buf *out);

static const struct site_row {
    const char *verb;
    command_run *run;
    bool user;                  /* only for who is logged in */
    const char *syntax;
} rows[] = {
    { "CHMOD", site_chmod, true, "SITE CHMOD <octal mode> <name>" },
    { "UTIME", site_utime, true, "SITE UTIME YYYYMMDDhhmm[ss] <name>" },
    { "UMASK", site_umask, true, "SITE UMASK [<octal mask>]" },
    { "IDLE", site_idle, true, "SITE IDLE [<seconds>]" },
    { "HELP", site_help, false, "SITE HELP" },
};

#define ROWS (sizeof rows / sizeof rows[0])

static enum sp_err
site_help(struct worker *w, const struct command *c, struct buf *out)
{
    enum sp_err rc = reply_open(out, 214, "The following SITE commands are supported:");

    (void)w;
    (void)c;
    for (size_t i = 0; rc == SP_OK && i < ROWS; i++)
        rc = reply_inner(out, " %s", rows[i].syntax);
    return rc == SP_OK ? reply_close(out, 214, "End") : rc;
}

enum sp_err
cmd_site(struct worker *w, const struct command *c, struct buf *out)
{
    struct command site;

    if (parse_command(c->parameter, &site) == SP_OK) {
        for (size_t i = 0; i < ROWS; i++) {
            if (strcmp(rows[i].verb, site.verb) != 0)
                continue;
            if (rows[i].user && !w->account.active)
                return reply_line(out, 530, "Please log in with USER and PASS.");
            return rows[i].run(w, &site, out);
        }
    }
    return reply_line(out, 504, "Unknown SITE command; send SITE HELP for a list.");
}
