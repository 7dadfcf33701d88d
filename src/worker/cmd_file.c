/*
 * worker/cmd_file.c - CWD CDUP PWD MKD RMD DELE RNFR RNTO SIZE MDTM MFMT MLST
 * (RFC 959 section 4.1.3, RFC 3659, draft-somers-ftp-mfxx)
 */
#include <string.h>

#include "ftp/listing.h"
#include "ftp/reply.h"
#include "ftp/timeval.h"
#include "wire/grant.h"
#include "worker/ask_broker.h"
#include "worker/commands.h"
#include "worker/counted.h"
#include "worker/worker.h"

static enum sp_err
change_directory(struct worker *w, const struct path *to, struct buf *out)
{
    struct fail fail = { 0 };
    enum sp_err rc = ask_chdir(w, to->text, &fail);

    if (rc != SP_OK)
        return command_failed(rc, &fail, path_slice(to), out);
    w->cwd = *to;
    return reply_line(out, 250, "Directory changed.");
}

enum sp_err
cmd_cwd(struct worker *w, const struct command *c, struct buf *out)
{
    struct path to;
    struct fail fail = { 0 };
    bool tilde = slice_equal(c->trimmed, slice_of("~"));
    enum sp_err rc = command_path(w, c->trimmed.len == 0 ? slice_of("/") : c->parameter, &to,
                                  out);

    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    /* "CWD ~" is home, as some clients mean it, unless there is a directory of that name */
    if (tilde && (rc = ask_chdir(w, to.text, &fail)) == SP_REFUSED)
        to = w->start;
    return rc == SP_CLOSED ? rc : change_directory(w, &to, out);
}

enum sp_err
cmd_cdup(struct worker *w, const struct command *c, struct buf *out)
{
    struct path to;
    enum sp_err rc = command_path(w, slice_of(".."), &to, out);

    (void)c;
    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    return change_directory(w, &to, out);
}

/* "257 "path" text": quotes doubled (RFC 959 appendix II). */
static enum sp_err
reply_257(struct buf *out, const struct path *p, const char *text)
{
    struct buf quoted = BUF_EMPTY(2 * PATH_BYTES + 2);
    enum sp_err rc = path_quote(&quoted, path_slice(p));

    if (rc == SP_OK)
        rc = reply_line(out, 257, "%.*s%s", (int)quoted.len, (const char *)quoted.at, text);
    buf_free(&quoted);
    return rc;
}

enum sp_err
cmd_pwd(struct worker *w, const struct command *c, struct buf *out)
{
    (void)c;
    return reply_257(out, &w->cwd, " is the current directory.");
}

/* The commands that are one path, one question and one reply. */
typedef enum sp_err ask_path(struct worker *w, const char *path, struct fail *fail);

static enum sp_err
one_path(struct worker *w, const struct command *c, struct buf *out, ask_path *ask,
         const char *done)
{
    struct path p;
    struct fail fail = { 0 };
    enum sp_err rc = command_path(w, c->parameter, &p, out);

    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    rc = ask(w, p.text, &fail);
    if (rc != SP_OK)
        return command_failed(rc, &fail, c->parameter, out);
    if (done == NULL)
        return reply_257(out, &p, " created.");
    return reply_line(out, 250, "%s", done);
}

enum sp_err
cmd_mkd(struct worker *w, const struct command *c, struct buf *out)
{
    return one_path(w, c, out, ask_mkdir, NULL);
}

enum sp_err
cmd_rmd(struct worker *w, const struct command *c, struct buf *out)
{
    return one_path(w, c, out, ask_rmdir, "Directory removed.");
}

enum sp_err
cmd_dele(struct worker *w, const struct command *c, struct buf *out)
{
    return one_path(w, c, out, ask_delete, "File deleted.");
}

enum sp_err
cmd_rnfr(struct worker *w, const struct command *c, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    struct file_status status = { 0 };
    enum sp_err rc = command_path(w, c->parameter, &p, out);

    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    if ((w->account.permits & PERMIT_RENAME) == 0)
        return reply_line(out, 550, "Not permitted for this account.");
    rc = ask_status(w, p.text, &status, &fail);
    if (rc != SP_OK)
        return command_failed(rc, &fail, c->parameter, out);
    memcpy(w->pending.rename_from, p.text, p.len + 1);
    w->pending.rename_given = true;
    return reply_line(out, 350, "Ready for RNTO.");
}

enum sp_err
cmd_rnto(struct worker *w, const struct command *c, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    char kept[LINE_MOST];
    struct slice name = SLICE_EMPTY;
    enum sp_err rc = SP_OK;

    if (!w->pending.rename_given)
        return reply_line(out, 503, "Send RNFR first.");
    w->pending.rename_given = false;
    rc = command_path(w, c->parameter, &p, out);
    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    name = command_keep(c->parameter, kept);
    rc = ask_rename(w, w->pending.rename_from, p.text, &fail);
    if (rc != SP_OK)
        return command_failed(rc, &fail, name, out);
    return reply_line(out, 250, "Rename successful.");
}

enum sp_err
cmd_size(struct worker *w, const struct command *c, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    struct file_status status = { 0 };
    char kept[LINE_MOST];
    struct slice name = c->parameter;
    enum sp_err rc = command_path(w, c->parameter, &p, out);

    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    rc = ask_size(w, p.text, &status, &fail);
    if (rc == SP_OK && status.kind != FILE_REGULAR)
        return reply_line(out, 550, "Not a regular file.");
    if (rc == SP_OK && w->ascii) {          /* RFC 3659 section 4 */
        name = command_keep(name, kept);
        rc = counted_size(w, p.text, &status.size, &fail);
    }
    if (rc != SP_OK)
        return command_failed(rc, &fail, name, out);
    return reply_line(out, 213, "%llu", (unsigned long long)status.size);
}

/* Sets the modification time; 213 in the form of the draft. */
static enum sp_err
set_time(struct worker *w, const struct timeval_utc *when, struct slice name, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    char shown[TIMEVAL_TEXT_MAX];
    struct reply_escaped text;
    enum sp_err rc = command_path(w, name, &p, out);

    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    rc = ask_utime(w, p.text, when->seconds, when->nanos, &fail);
    if (rc != SP_OK)
        return command_failed(rc, &fail, name, out);
    (void)timeval_text(when, 0, shown);
    return reply_line(out, 213, "Modify=%s; %s", shown, reply_text(name, &text));
}

enum sp_err
cmd_mdtm(struct worker *w, const struct command *c, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    struct file_status status = { 0 };
    struct timeval_utc when = { 0 };
    struct slice name = SLICE_EMPTY;
    char shown[TIMEVAL_TEXT_MAX];
    enum sp_err rc = command_path(w, c->parameter, &p, out);

    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    rc = ask_status(w, p.text, &status, &fail);
    /* old clients set a time by MDTM; a file that has such a name comes first */
    if (rc == SP_REFUSED && timeval_parse_named(c->parameter, &when, &name) == SP_OK)
        return set_time(w, &when, name, out);
    if (rc != SP_OK)
        return command_failed(rc, &fail, c->parameter, out);
    when = (struct timeval_utc){ .seconds = status.mtime };
    (void)timeval_text(&when, 0, shown);    /* as in the facts: no fraction */
    return reply_line(out, 213, "%s", shown);
}

enum sp_err
cmd_mfmt(struct worker *w, const struct command *c, struct buf *out)
{
    struct timeval_utc when = { 0 };
    struct slice name = SLICE_EMPTY;

    if (timeval_parse_named(c->parameter, &when, &name) != SP_OK)
        return reply_line(out, 501, "Syntax: MFMT YYYYMMDDHHMMSS <name>");
    return set_time(w, &when, name, out);
}

enum sp_err
cmd_mlst(struct worker *w, const struct command *c, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    struct reply_escaped shown;
    struct buf line = BUF_EMPTY(8192);
    enum sp_err rc = command_path(w, c->parameter, &p, out);

    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    rc = ask_facts(w, p.text, &line, &fail);
    if (rc != SP_OK) {
        rc = command_failed(rc, &fail, c->parameter, out);
    } else if ((rc = reply_open(out, 250, "Listing %s", reply_text(path_slice(&p), &shown)))
               == SP_OK
               && (rc = reply_inner(out, " %.*s", (int)line.len, (const char *)line.at))
               == SP_OK) {
        rc = reply_close(out, 250, "End");
    }
    buf_free(&line);
    return rc == SP_NOMEM ? SP_CLOSED : rc;
}
