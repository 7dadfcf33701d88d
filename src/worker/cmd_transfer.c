/*
 * worker/cmd_transfer.c - RETR STOR STOU APPE LIST NLST MLSD ABOR (RFC 959 section 4.1.3,
 * RFC 1123 section 4.1.2, RFC 3659)
 *
 * What can be refused for good is refused with 5xx before 150: clients try again whatever
 * fails behind it.
 */
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "ftp/listing.h"
#include "ftp/reply.h"
#include "worker/ask_broker.h"
#include "worker/commands.h"
#include "worker/counted.h"
#include "worker/fail_reply.h"
#include "worker/worker.h"

/* Is a data connection agreed upon, and one that may be used? SP_REFUSED: the reply is put. */
static enum sp_err
check_data(struct worker *w, struct buf *out)
{
    const char *text = NULL;
    unsigned code = 0;
    enum sp_err rc = SP_OK;

    if (w->data.mode == DATA_NONE)
        rc = reply_line(out, 425, "Send PASV, EPSV, PORT or EPRT first.");
    else if (data_is_given_up(&w->data))
        rc = reply_line(out, 425, "The data port was closed: no connection within %lld seconds, "
                        "or another session needed it. Send PASV or EPSV again.",
                        (long long)w->settings.data_connect_timeout);
    else if (w->protection == PROTECTION_CLEAR && !command_clear_data_allowed(w))
        rc = reply_line(out, 521, "Data connections must be encrypted; send PROT P first.");
    else if (data_has_failed(w)) {
        code = data_failure_reply(&w->data, &text);
        data_reset(&w->data);
        rc = reply_line(out, code, "%s", text);
    } else
        return SP_OK;
    return rc == SP_OK ? SP_REFUSED : SP_CLOSED;
}

/* A refusal before 150. The data connection that was agreed upon is forgotten with it. */
static enum sp_err
refused(struct worker *w, enum sp_err rc, const struct fail *fail, enum tried tried,
        struct slice name, struct buf *out)
{
    unsigned code = 0;

    if (rc != SP_REFUSED)
        return SP_CLOSED;
    data_reset(&w->data);
    return fail_reply(out, fail, tried, name, &code);
}

/* 150 first, then what may fail; the handshake comes when the client has read it. */
static enum sp_err
start(struct worker *w, const struct transfer_begin *b)
{
    if (transfer_begin(w, b) != SP_OK)
        return SP_CLOSED;
    return data_begin(w) == SP_CLOSED ? SP_CLOSED : SP_OK;
}

enum sp_err
cmd_retr(struct worker *w, const struct command *c, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    struct reply_escaped shown;
    int fd = -1;
    uint64_t size = 0;
    uint64_t offset = w->pending.restart;
    enum sp_err rc = check_data(w, out);

    if (rc == SP_OK)
        rc = command_path(w, c->parameter, &p, out);
    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    if ((rc = ask_open_read(w, p.text, &fd, &size, &fail)) != SP_OK)
        return refused(w, rc, &fail, TRIED_FILE, c->parameter, out);
    /*
     * In ASCII an offset counts octets as sent: those are made, and dropped. No byte is more
     * than two of them; what is less far beyond the end is found there.
     */
    if ((w->ascii ? offset / 2 : offset) > size) {
        fd_close(&fd);
        data_reset(&w->data);
        return reply_line(out, 554, "REST offset is beyond the end of the file.");
    }
    rc = reply_line(out, 150, "Sending %s (%llu bytes).", reply_text(c->parameter, &shown),
                    (unsigned long long)(size - (w->ascii ? 0 : offset)));
    if (rc != SP_OK) {
        fd_close(&fd);
        return SP_CLOSED;
    }
    return start(w, &(struct transfer_begin){
        .kind = TRANSFER_SEND_FILE, .verb = c->verb, .path = p.text, .file = fd,
        .offset = w->ascii ? 0 : offset, .size = size, .ascii = w->ascii,
        .skip = w->ascii ? offset : 0 });
}

static enum sp_err
receive(struct worker *w, const struct command *c, struct upload_ask *how, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    struct upload_answer answer = { .fd = -1 };
    struct reply_escaped shown;
    char kept[LINE_MOST];
    struct slice name = c->parameter;
    enum sp_err rc = check_data(w, out);

    if (rc == SP_OK)
        rc = command_path(w, c->parameter, &p, out);
    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    how->size = w->pending.size;
    if (how->offset > 0 && w->ascii) {
        name = command_keep(name, kept);
        rc = counted_offset(w, p.text, &how->offset, &fail);
    }
    if (rc == SP_OK)
        rc = ask_open_write(w, p.text, how, &answer, &fail);
    if (rc != SP_OK)
        return refused(w, rc, &fail, TRIED_STORE, name, out);
    /* RFC 1123 section 4.1.2.9: the name in this form */
    if (how->how == UPLOAD_UNIQUE)
        rc = reply_line(out, 150, "FILE: %s",
                        reply_text(path_name(slice_of(answer.path)), &shown));
    else
        rc = reply_line(out, 150, "Ready to store %s.", reply_text(name, &shown));
    if (rc != SP_OK) {
        fd_close(&answer.fd);
        return SP_CLOSED;
    }
    return start(w, &(struct transfer_begin){
        .kind = TRANSFER_RECEIVE_FILE, .verb = c->verb, .path = answer.path,
        .file = answer.fd, .offset = answer.offset, .size = how->size, .ascii = w->ascii });
}

enum sp_err
cmd_stor(struct worker *w, const struct command *c, struct buf *out)
{
    return receive(w, c, &(struct upload_ask){ .how = UPLOAD_STORE,
                                               .offset = w->pending.restart }, out);
}

enum sp_err
cmd_appe(struct worker *w, const struct command *c, struct buf *out)
{
    /* REST before APPE: the end is where APPE goes; a client that says otherwise is told */
    if (w->pending.restart > 0)
        return cmd_stor(w, c, out);
    return receive(w, c, &(struct upload_ask){ .how = UPLOAD_APPEND }, out);
}

enum sp_err
cmd_stou(struct worker *w, const struct command *c, struct buf *out)
{
    return receive(w, c, &(struct upload_ask){ .how = UPLOAD_UNIQUE }, out);
}

static enum sp_err
list(struct worker *w, const struct command *c, enum listing_kind kind, struct buf *out)
{
    struct path p;
    struct fail fail = { 0 };
    struct slice name = c->parameter;
    struct list_ask what = { .kind = kind, .facts = w->facts, .shown = "" };
    char shown[CWD_MAX + 1] = "";
    int fd = -1;
    enum sp_err rc = check_data(w, out);

    if (rc == SP_OK && kind != LISTING_MLSD)
        rc = command_listed(w, c->parameter, &what.options, &name);
    if (rc == SP_OK)
        rc = command_path(w, name, &p, out);
    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    if (slice_has_line_break(name) || slice_to_text(name, shown, sizeof shown) != SP_OK)
        shown[0] = '\0';
    what.path = p.text;
    what.shown = shown;
    if ((rc = ask_list(w, &what, &fd, &fail)) != SP_OK)
        return refused(w, rc, &fail, kind == LISTING_MLSD ? TRIED_MLSD : TRIED_FILE, name, out);
    if (reply_line(out, 150, "Here comes the directory listing.") != SP_OK) {
        fd_close(&fd);
        return SP_CLOSED;
    }
    return start(w, &(struct transfer_begin){
        .kind = TRANSFER_SEND_LISTING, .verb = c->verb, .path = p.text, .file = fd });
}

enum sp_err
cmd_list(struct worker *w, const struct command *c, struct buf *out)
{
    return list(w, c, LISTING_LIST, out);
}

enum sp_err
cmd_nlst(struct worker *w, const struct command *c, struct buf *out)
{
    return list(w, c, LISTING_NLST, out);
}

enum sp_err
cmd_mlsd(struct worker *w, const struct command *c, struct buf *out)
{
    return list(w, c, LISTING_MLSD, out);
}

enum sp_err
cmd_abor(struct worker *w, const struct command *c, struct buf *out)
{
    (void)c;
    if (transfer_runs(&w->transfer)) {
        if (transfer_abort(w, out) != SP_OK)
            return SP_CLOSED;
        return reply_line(out, 226, "Abort successful.");
    }
    if (w->data.mode == DATA_NONE)
        return reply_line(out, 226, "No transfer to abort.");
    data_reset(&w->data);
    return reply_line(out, 225, "Abort successful; data connection closed.");
}
