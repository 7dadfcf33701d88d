/* worker/commands.c - see commands.h */
#include "worker/commands.h"

#include <string.h>

#include "base/log.h"
#include "ftp/listing.h"
#include "ftp/reply.h"
#include "wire/grant.h"
#include "worker/ask_broker.h"
#include "worker/fail_reply.h"
#include "worker/worker.h"

#define U NEED_USER
#define P NEED_PARAMETER
#define N NEED_NONE

const struct command_row command_rows[] = {
    /* access control: RFC 959 section 4.1.1 */
    { "USER", cmd_user, P, "USER <name>" },
    { "PASS", cmd_pass, 0, "PASS <password>" },
    { "ACCT", cmd_acct, 0, "ACCT <answer to reply 332>" },
    { "REIN", cmd_rein, N, "REIN" },
    { "QUIT", cmd_quit, N, "QUIT" },
    { "CWD", cmd_cwd, U, "CWD <directory>" },
    { "XCWD", cmd_cwd, U | HIDDEN, "XCWD <directory>" },
    { "CDUP", cmd_cdup, N | U, "CDUP" },
    { "XCUP", cmd_cdup, N | U | HIDDEN, "XCUP" },
    { "PWD", cmd_pwd, N | U, "PWD" },
    { "XPWD", cmd_pwd, N | U | HIDDEN, "XPWD" },
    /* TLS: RFC 2228, RFC 4217 */
    { "AUTH", cmd_auth, P, "AUTH TLS" },
    { "PBSZ", cmd_pbsz, P | NEED_TLS, "PBSZ 0" },
    { "PROT", cmd_prot, P | NEED_TLS, "PROT C | P" },
    { "CCC", cmd_ccc, N, "CCC" },
    { "ADAT", NULL, HIDDEN, "ADAT" },
    { "MIC", NULL, HIDDEN, "MIC" },
    { "CONF", NULL, HIDDEN, "CONF" },
    { "ENC", NULL, HIDDEN, "ENC" },
    /* transfer parameters: RFC 959 section 4.1.2, RFC 2428 */
    { "TYPE", cmd_type, P | U, "TYPE A [N] | I | L 8" },
    { "STRU", cmd_stru, P | U, "STRU F" },
    { "MODE", cmd_mode, P | U, "MODE S" },
    { "PORT", cmd_port, P | U, "PORT h1,h2,h3,h4,p1,p2" },
    { "EPRT", cmd_eprt, P | U, "EPRT |1 or 2|<address>|<port>|" },
    { "PASV", cmd_pasv, N | U, "PASV" },
    { "EPSV", cmd_epsv, U, "EPSV [1 | 2 | ALL]" },
    { "REST", cmd_rest, P | U, "REST <offset>" },
    { "ALLO", cmd_allo, P | U, "ALLO <bytes> [R <bytes>]" },
    /* transfers */
    { "RETR", cmd_retr, P | U | ENDS_REST, "RETR <file>" },
    { "STOR", cmd_stor, P | U | ENDS_REST, "STOR <file>" },
    { "STOU", cmd_stou, U | ENDS_REST, "STOU [<file>]" },
    { "APPE", cmd_appe, P | U | ENDS_REST, "APPE <file>" },
    { "LIST", cmd_list, U | ENDS_REST, "LIST [<options>] [<name or pattern>]" },
    { "NLST", cmd_nlst, U | ENDS_REST, "NLST [<options>] [<name or pattern>]" },
    { "MLSD", cmd_mlsd, U | ENDS_REST, "MLSD [<directory>]" },
    { "ABOR", cmd_abor, N | NEED_NOW | ENDS_REST, "ABOR" },
    { "STAT", cmd_stat, NEED_NOW, "STAT [<name>]" },
    /* files: RFC 959, RFC 3659, draft-somers-ftp-mfxx */
    { "RNFR", cmd_rnfr, P | U, "RNFR <name>" },
    { "RNTO", cmd_rnto, P | U, "RNTO <new name>" },
    { "DELE", cmd_dele, P | U, "DELE <file>" },
    { "RMD", cmd_rmd, P | U, "RMD <directory>" },
    { "XRMD", cmd_rmd, P | U | HIDDEN, "XRMD <directory>" },
    { "MKD", cmd_mkd, P | U, "MKD <directory>" },
    { "XMKD", cmd_mkd, P | U | HIDDEN, "XMKD <directory>" },
    { "SIZE", cmd_size, P | U, "SIZE <file>" },
    { "MDTM", cmd_mdtm, P | U, "MDTM [<time>] <file>" },
    { "MFMT", cmd_mfmt, P | U, "MFMT <time> <file>" },
    { "MLST", cmd_mlst, U, "MLST [<name>]" },
    { "SITE", cmd_site, P, "SITE CHMOD | UTIME | UMASK | IDLE | HELP" },
    /* the rest */
    { "SYST", cmd_syst, N, "SYST" },
    { "FEAT", cmd_feat, N, "FEAT" },
    { "OPTS", cmd_opts, P, "OPTS UTF8 ON | MLST <facts>" },
    { "CLNT", cmd_clnt, 0, "CLNT <client name>" },
    { "HELP", cmd_help, 0, "HELP [<command>]" },
    { "NOOP", cmd_noop, N | NEED_NOW, "NOOP" },
    { "SMNT", NULL, HIDDEN, "SMNT" },
    { NULL, NULL, 0, NULL }
};

const struct command_row *
command_find(const char *verb)
{
    for (const struct command_row *row = command_rows; row->verb != NULL; row++)
        if (strcmp(row->verb, verb) == 0)
            return row;
    return NULL;
}

bool
command_is_immediate(struct slice line)
{
    struct command c;
    const struct command_row *row = NULL;

    if (parse_command(line, &c) != SP_OK || (row = command_find(c.verb)) == NULL)
        return false;
    /* STAT of a name needs the broker, which may be busy with the transfer */
    return (row->needs & NEED_NOW) != 0
        && !(strcmp(row->verb, "STAT") == 0 && c.trimmed.len > 0);
}

/* The needs of a row. SP_REFUSED: the reply is put. */
static enum sp_err
check_needs(struct worker *w, const struct command_row *row, const struct command *c,
            struct buf *out)
{
    enum sp_err rc = SP_OK;

    if ((row->needs & NEED_USER) != 0 && !w->account.active)
        rc = reply_line(out, 530, "Please log in with USER and PASS.");
    else if ((row->needs & NEED_TLS) != 0 && w->control.tls == NULL)
        rc = reply_line(out, 503, "Send AUTH TLS first.");
    else if (((row->needs & NEED_PARAMETER) != 0 && c->parameter.len == 0)
             || ((row->needs & NEED_NONE) != 0 && c->trimmed.len > 0))
        rc = reply_line(out, 501, "Syntax: %s", row->syntax);
    else
        return SP_OK;
    return rc == SP_OK ? SP_REFUSED : SP_CLOSED;
}

static enum sp_err
serve_row(struct worker *w, const struct command_row *row, const struct command *c,
          struct buf *out)
{
    enum sp_err rc = SP_OK;

    if (row->run == NULL)
        return reply_line(out, 502, "%s is not supported.", c->verb);
    rc = check_needs(w, row, c, out);
    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    rc = row->run(w, c, out);
    /* whatever became of it: also one that nobody had asked for */
    if (row->run == cmd_pass || row->run == cmd_acct)
        line_forget(&w->control.in);
    return rc;
}

/* ---- refusals in the log ----------------------------------------------------------------- */

#define SHOWN_MOST 512          /* of a parameter */
#define WHY_MOST 160
#define REFUSED_SHOWN 50        /* before a login */

/* A command as it is before it runs: what it asks of others takes the place of its line. */
struct asked { const struct command_row *row; struct slice parameter; char room[SHOWN_MOST]; };

/* Those whose parameter is one path. */
static bool
is_of_a_path(const struct command_row *row)
{
    static command_run *const all[] = { cmd_cwd, cmd_retr, cmd_stor, cmd_stou, cmd_appe, cmd_mlsd,
                                        cmd_rnfr, cmd_rnto, cmd_dele, cmd_rmd, cmd_mkd,
                                        cmd_size, cmd_mlst };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (row->run == all[i])
            return true;
    return false;
}

static void
remember(struct asked *a, const struct command_row *row, const struct command *c)
{
    size_t len = 0;

    a->row = row;
    if (c->parameter.len > 0 && row != NULL && row->run != cmd_pass && row->run != cmd_acct) {
        len = c->parameter.len < sizeof a->room ? c->parameter.len : sizeof a->room;
        memcpy(a->room, c->parameter.at, len);
    }
    a->parameter = slice_from(a->room, len);
}

/* "/a: Not a directory." -> "Not a directory.": the text behind a name, and no field of ours. */
static void
copy_why(struct slice line, char out[WHY_MOST])
{
    size_t len = 0;

    for (size_t i = 0; i + 1 < line.len; i++)
        if (line.at[i] == ':' && line.at[i + 1] == ' ')
            len = i + 2;
    line = slice_from(line.at + len, line.len - len);
    for (len = 0; len < line.len && len < WHY_MOST - 1 && line.at[len] != '\r'; len++) {
        unsigned char c = line.at[len];

        out[len] = '?';
        if (c >= ' ' && c < 0x7f && strchr("='\"\\", c) == NULL)
            out[len] = (char)c;
    }
    out[len] = '\0';
}

/* Before a login nothing is anybody's: what comes in floods there is counted. */
static bool
has_a_line(struct worker *w)
{
    if (w->account.active || w->refused < REFUSED_SHOWN) {
        w->refused += !w->account.active;
        return true;
    }
    w->unsaid++;
    return false;
}

void
command_tell_unsaid(struct worker *w)
{
    if (w->unsaid > 0)
        log_event(EVENT_COMMAND_FLOOD, "count=%u", w->unsaid);
    w->unsaid = 0;
}

/*
 * A line for a reply of 4yz or 5yz. Not where the monitor has said it (a login), or will say
 * it (a transfer, whose first reply is 150, or which ends by ABOR).
 */
static void
note_refusal(struct worker *w, const struct asked *a, struct slice reply)
{
    struct log_escaped shown;
    struct path path;
    char why[WHY_MOST];
    bool login = a->row != NULL && (a->row->run == cmd_pass || a->row->run == cmd_acct);
    unsigned code = 0;

    if (reply.len < 4 || (reply.at[0] != '4' && reply.at[0] != '5'))
        return;
    for (size_t i = 0; i < 3; i++)
        code = code * 10 + (unsigned)(reply.at[i] - '0');
    if ((login && code != 501 && code != 503)
        || (a->row != NULL && a->row->run == cmd_abor) || !has_a_line(w))
        return;
    if (a->row == NULL) {               /* what it says may be a password */
        log_event(EVENT_COMMAND_REFUSED, "reply=%u", code);
        return;
    }
    copy_why(slice_from(reply.at + 4, reply.len - 4), why);
    if (is_of_a_path(a->row) && w->account.active
        && path_join(&path, path_slice(&w->cwd), a->parameter) == SP_OK)
        log_event(EVENT_COMMAND_REFUSED, "reply=%u verb=%s path=%s why=\"%s\"", code,
                  a->row->verb, log_text(path_slice(&path), &shown), why);
    else
        log_event(EVENT_COMMAND_REFUSED, "reply=%u verb=%s argument=%s why=\"%s\"", code,
                  a->row->verb, log_text(a->parameter, &shown), why);
}

/*
 * RNTO has to follow RNFR directly. REST's offset stays until a transfer, a listing or ABOR,
 * as all servers have it, though RFC 959 wants the transfer next: a client that was told 350
 * and whose file then came, or was replaced, as a whole would splice it in the wrong place.
 */
enum sp_err
command_serve(struct worker *w, struct slice line, struct buf *out)
{
    struct command c;
    struct asked asked;
    const struct command_row *row = NULL;
    size_t before = out->len;
    enum sp_err rc = SP_OK;

    if (parse_is_http(line)) {
        log_event(EVENT_CONTROL_HTTP, "reason=cross-protocol");
        w->quitting = true;
        return reply_line(out, 421, "This is an FTP server; closing connection.");
    }
    if (parse_command(line, &c) != SP_OK)
        return command_unreadable(w, "Command not understood.", out);
    row = command_find(c.verb);
    remember(&asked, row, &c);
    if (row == NULL || row->run != cmd_rnto)
        w->pending.rename_given = false;
    if (row == NULL) {
        rc = reply_line(out, 500, "Unknown command %s.", c.verb);
        note_refusal(w, &asked, slice_from(out->at + before, out->len - before));
        return rc;
    }
    if (row->run == cmd_rest)
        w->pending.restart = 0;     /* also by one that is refused */
    rc = serve_row(w, row, &c, out);
    if ((row->needs & ENDS_REST) != 0)
        w->pending.restart = w->pending.size = 0;
    /* out may have been flushed meanwhile: then it is as short as before, or shorter */
    if (rc == SP_OK && out->len > before)
        note_refusal(w, &asked, slice_from(out->at + before, out->len - before));
    return rc;
}

enum sp_err
command_unreadable(struct worker *w, const char *why, struct buf *out)
{
    w->pending.rename_given = false;
    w->pending.restart = w->pending.size = 0;   /* it may have been the transfer */
    if (has_a_line(w))
        log_event(EVENT_COMMAND_REFUSED, "reply=500 why=\"%s\"", why);
    return reply_line(out, 500, "%s", why);
}

enum sp_err
command_path(struct worker *w, struct slice parameter, struct path *out, struct buf *reply)
{
    enum sp_err rc = path_join(out, path_slice(&w->cwd), parameter);

    if (rc == SP_OK)
        return SP_OK;
    return reply_line(reply, 553, "File name too long.") == SP_OK
        ? SP_REFUSED : SP_CLOSED;
}

/* Is there something of this name? */
static enum sp_err
exists(struct worker *w, struct slice name, bool *found)
{
    struct path p;
    struct fail fail = { 0 };
    struct file_status status = { 0 };
    enum sp_err rc = SP_OK;

    *found = false;
    if (path_join(&p, path_slice(&w->cwd), name) != SP_OK)
        return SP_OK;
    rc = ask_status(w, p.text, &status, &fail);
    *found = rc == SP_OK;
    return rc == SP_REFUSED ? SP_OK : rc;
}

/* "-l -a" as "-l" and "-a". False: it is one word. */
static bool
cut_last_option(struct slice s, struct slice *before, struct slice *last)
{
    for (size_t i = s.len; i > 1; i--)
        if (s.at[i - 1] == '-' && s.at[i - 2] == ' ') {
            *before = slice_from(s.at, i - 2);
            *last = slice_from(s.at + i - 1, s.len - i + 1);
            return true;
        }
    return false;
}

enum sp_err
command_listed(struct worker *w, struct slice parameter, unsigned *options, struct slice *name)
{
    struct slice before = SLICE_EMPTY, last = SLICE_EMPTY, none = SLICE_EMPTY;
    bool found = false;
    enum sp_err rc = SP_OK;

    listing_options(parameter, options, name);
    if (name->len == parameter.len)
        return SP_OK;               /* nothing was taken for an option */
    if ((rc = exists(w, parameter, &found)) != SP_OK)
        return rc;
    if (found) {
        *options = 0;
        *name = parameter;
        return SP_OK;
    }
    if (name->len > 0 || !cut_last_option(parameter, &before, &last))
        return SP_OK;
    if ((rc = exists(w, last, &found)) != SP_OK || !found)
        return rc;
    *options = 0;
    listing_options(before, options, &none);
    *name = last;
    return SP_OK;
}

enum sp_err
command_failed(enum sp_err rc, const struct fail *fail, struct slice name, struct buf *out)
{
    unsigned code = 0;

    return rc == SP_REFUSED ? fail_reply(out, fail, TRIED_FILE, name, &code) : SP_CLOSED;
}

struct slice
command_keep(struct slice parameter, char room[LINE_MOST])
{
    SP_ASSERT(parameter.len <= LINE_MOST);
    if (parameter.len > 0)
        memcpy(room, parameter.at, parameter.len);
    return slice_from(room, parameter.len);
}

bool
command_clear_data_allowed(const struct worker *w)
{
    return !w->account.in_tls || !w->settings.data_protection_required
        || w->session.cleartext_allowed || (w->account.flags & ACCOUNT_CLEAR_DATA) != 0;
}
