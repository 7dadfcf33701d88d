/* worker/cmd_info.c - SYST FEAT HELP NOOP OPTS CLNT STAT (RFC 959, RFC 2389, RFC 2640) */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ftp/listing.h"
#include "ftp/reply.h"
#include "tls/stream.h"
#include "worker/ask_broker.h"
#include "worker/commands.h"
#include "worker/worker.h"

/* More than that is a listing for the data connection (FileZilla: 10,000 lines and it leaves). */
#define STAT_BYTES 524288u
#define STAT_LINES 5000u

enum sp_err
cmd_syst(struct worker *w, const struct command *c, struct buf *out)
{
    (void)w;
    (void)c;
    return reply_line(out, 215, "UNIX Type: L8");
}

enum sp_err
cmd_noop(struct worker *w, const struct command *c, struct buf *out)
{
    (void)w;
    (void)c;
    return reply_line(out, 200, "NOOP OK.");
}

enum sp_err
cmd_clnt(struct worker *w, const struct command *c, struct buf *out)
{
    struct log_escaped name;

    (void)w;
    log_event(EVENT_CLIENT, "name=%s", log_text(c->trimmed, &name));
    return reply_line(out, 200, "CLNT OK.");
}

enum sp_err
cmd_feat(struct worker *w, const struct command *c, struct buf *out)
{
    static const char *const always[] = { "CLNT", "EPRT", "EPSV", "MDTM", "MFMT", "PASV",
                                          "REST STREAM", "SIZE", "TVFS", "UTF8" };
    enum sp_err rc = reply_open(out, 211, "Features:");

    (void)c;
    if (rc == SP_OK && w->tls != NULL)
        rc = buf_add_text(out, " AUTH TLS\r\n PBSZ\r\n PROT\r\n");
    if (rc == SP_OK && (rc = buf_add_text(out, " MLST ")) == SP_OK
        && (rc = listing_feature(out, w->facts)) == SP_OK)
        rc = buf_add_text(out, "\r\n");
    for (size_t i = 0; rc == SP_OK && i < sizeof always / sizeof always[0]; i++)
        rc = buf_printf(out, " %s\r\n", always[i]);
    return rc == SP_OK ? reply_close(out, 211, "End") : rc;
}

enum sp_err
cmd_help(struct worker *w, const struct command *c, struct buf *out)
{
    char verb[VERB_MOST + 1] = "";
    const struct command_row *row = NULL;
    struct command asked;
    char line[80] = "";
    enum sp_err rc = SP_OK;

    (void)w;
    if (c->trimmed.len > 0) {
        if (parse_command(c->trimmed, &asked) == SP_OK)
            (void)text_copy(verb, sizeof verb, asked.verb);
        if ((row = command_find(verb)) == NULL)
            return reply_line(out, 501, "Unknown command; send HELP for a list.");
        if (row->run == NULL)
            return reply_line(out, 502, "%s is not supported.", row->verb);
        return reply_line(out, 214, "Syntax: %s", row->syntax);
    }
    rc = reply_open(out, 214, "The following commands are supported:");
    for (row = command_rows; rc == SP_OK && row->verb != NULL; row++) {
        size_t used = strlen(line);

        if ((row->needs & HIDDEN) != 0)
            continue;
        if (used + 6 > 60) {
            rc = reply_inner(out, "%s", line);
            line[0] = '\0';
            used = 0;
        }
        (void)text_printf(line + used, sizeof line - used, " %-5s", row->verb);
    }
    if (rc == SP_OK && line[0] != '\0')
        rc = reply_inner(out, "%s", line);
    return rc == SP_OK ? reply_close(out, 214, "Send HELP <command> for its syntax.") : rc;
}

enum sp_err
cmd_opts(struct worker *w, const struct command *c, struct buf *out)
{
    struct command opt;
    enum sp_err rc = SP_OK;

    /* names are bytes, whatever the client chooses */
    if (slice_equal_nocase(c->trimmed, "UTF-8 ON") || slice_equal_nocase(c->trimmed, "UTF8 ON")
        || slice_equal_nocase(c->trimmed, "UTF8") || slice_equal_nocase(c->trimmed, "UTF-8"))
        return reply_line(out, 200, "UTF8 is on.");
    if (slice_equal_nocase(c->trimmed, "UTF8 OFF")
        || slice_equal_nocase(c->trimmed, "UTF-8 OFF"))
        return reply_line(out, 200, "UTF8 is off; file names are sent unchanged.");
    if (parse_command(c->trimmed, &opt) != SP_OK || strcmp(opt.verb, "MLST") != 0)
        return reply_line(out, 501, "OPTS supports only UTF8 and MLST.");
    w->facts = listing_parse_facts(opt.trimmed);
    /* RFC 3659 section 7.9: the reply lists those that are on now, without stars */
    if ((rc = buf_add_text(out, "200 MLST OPTS ")) != SP_OK)
        return rc;
    rc = listing_chosen(out, w->facts);
    return rc == SP_OK ? buf_add_text(out, "\r\n") : rc;
}

/* The session in a few lines. */
static enum sp_err
stat_session(struct worker *w, struct buf *out)
{
    char peer[NET_TEXT_MAX], doing[512];
    enum sp_err rc = reply_open(out, 211, "Status of this session:");

    if (rc == SP_OK)
        rc = reply_inner(out, " Connected from %s for %lld seconds",
                         net_text(&w->session.peer, peer),
                         (long long)((clock_ms() - w->begun) / 1000));
    if (rc == SP_OK && w->account.active)
        rc = reply_inner(out, " Logged in as %s", w->account.user);
    else if (rc == SP_OK)
        rc = reply_inner(out, " Not logged in");
    if (rc == SP_OK && w->control.tls != NULL)
        rc = reply_inner(out, " Control connection encrypted with %s, %s",
                         tls_stream_version(w->control.tls), tls_stream_cipher(w->control.tls));
    else if (rc == SP_OK)
        rc = reply_inner(out, " Control connection not encrypted");
    if (rc == SP_OK)
        rc = reply_inner(out, " Data connections %s", w->protection == PROTECTION_PRIVATE
                         ? "encrypted" : "not encrypted");
    if (rc == SP_OK)
        rc = reply_inner(out, " TYPE %s, STRU F, MODE S", w->ascii ? "A" : "I");
    if (rc == SP_OK)
        rc = reply_inner(out, " %llu files, %llu bytes transferred",
                         (unsigned long long)w->files, (unsigned long long)w->bytes);
    if (rc == SP_OK && transfer_runs(&w->transfer)) {
        transfer_describe(w, doing, sizeof doing);
        rc = reply_inner(out, " Transfer: %s", doing);
    }
    return rc == SP_OK ? reply_close(out, 211, "End") : rc;
}

/* The listing behind fd as inner lines. *more: it was longer than we show. */
static enum sp_err
copy_listing(int fd, struct buf *out, bool *more)
{
    struct buf text = BUF_EMPTY(STAT_BYTES);
    enum sp_err rc = buf_read_all(&text, fd);
    size_t lines = 0;

    *more = rc == SP_NOMEM;
    if (rc == SP_NOMEM)
        rc = SP_OK;
    for (size_t at = 0; rc == SP_OK && at < text.len; lines++) {
        const unsigned char *end = memchr(text.at + at, '\n', text.len - at);
        size_t len = end == NULL ? text.len - at : (size_t)(end - (text.at + at)) + 1;

        if (end == NULL || lines == STAT_LINES) {
            *more = true;
            break;
        }
        rc = reply_inner_slice(out, slice_from(text.at + at, len));
        at += len;
    }
    buf_free(&text);
    return rc;
}

static enum sp_err
stat_path(struct worker *w, struct slice parameter, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    struct slice name = SLICE_EMPTY;
    struct list_ask what = { .kind = LISTING_STAT, .shown = "" };
    struct reply_escaped shown;
    uint64_t entries = 0;
    int fd = -1;
    bool more = false;
    size_t begin = out->len;
    enum sp_err rc = SP_OK;

    if ((rc = command_listed(w, parameter, &what.options, &name)) != SP_OK)
        return rc;
    if ((rc = command_path(w, name, &p, out)) != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    what.path = p.text;
    if ((rc = ask_list(w, &what, &fd, &fail)) != SP_OK)
        return command_failed(rc, &fail, name, out);
    rc = reply_open(out, 213, "Status of %s:", reply_text(name, &shown));
    if (rc == SP_OK)
        rc = copy_listing(fd, out, &more);
    fd_close(&fd);
    if (rc != SP_OK)
        return SP_CLOSED;
    if ((rc = ask_listed(w, &entries, &fail)) != SP_OK) {
        out->len = begin;               /* half a status is none */
        return command_failed(rc, &fail, name, out);
    }
    return reply_close(out, 213, more ? "Listing truncated; use LIST for all of it." : "End");
}

enum sp_err
cmd_stat(struct worker *w, const struct command *c, struct buf *out)
{
    if (c->trimmed.len == 0)
        return stat_session(w, out);
    if (!w->account.active)
        return reply_line(out, 530, "Please log in with USER and PASS.");
    return stat_path(w, c->parameter, out);
}
