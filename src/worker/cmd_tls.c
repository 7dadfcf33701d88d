/* worker/cmd_tls.c - AUTH PBSZ PROT CCC (RFC 2228 section 3, RFC 4217) */
#include "base/log.h"
#include "ftp/number.h"
#include "ftp/reply.h"
#include "wire/fail.h"
#include "worker/ask_monitor.h"
#include "worker/commands.h"
#include "worker/worker.h"

enum sp_err
cmd_auth(struct worker *w, const struct command *c, struct buf *out)
{
    struct slice mechanism = c->trimmed;
    /* RFC 4217 section 2.1: TLS-P (and its old name SSL) ask for protected data as well */
    bool private = slice_equal_nocase(mechanism, "TLS-P")
        || slice_equal_nocase(mechanism, "SSL");

    if (!private && !slice_equal_nocase(mechanism, "TLS")
        && !slice_equal_nocase(mechanism, "TLS-C"))
        return reply_line(out, 504, "Only AUTH TLS is served.");
    if (w->tls == NULL)
        return reply_line(out, 534, "This server has no certificate.");
    if (w->control.tls != NULL)
        return reply_line(out, 503, "TLS is on already.");
    if (w->account.active)
        return reply_line(out, 503, "AUTH comes before the login; REIN first.");
    if (control_has_injected(&w->control)) {
        log_warning("tls.injection reason=bytes-behind-auth");
        w->quitting = true;
        return reply_line(out, 503, "Nothing may follow AUTH before the handshake; goodbye.");
    }
    /* half a login in clear is forgotten with the clear: there is one state to begin TLS in */
    if (w->pending.question && ask_login_cancel(w) != SP_OK)
        return SP_CLOSED;
    if (reply_line(out, 234, "Begin the TLS handshake.") != SP_OK
        || control_flush(&w->control) != SP_OK || control_secure(w) != SP_OK)
        return SP_CLOSED;
    w->pending = (struct pending){ 0 };
    w->protection = private ? PROTECTION_PRIVATE : PROTECTION_CLEAR;
    w->pbsz_given = false;
    return SP_OK;
}

enum sp_err
cmd_pbsz(struct worker *w, const struct command *c, struct buf *out)
{
    uint64_t size = 0;

    if (number_parse(c->trimmed, UINT32_MAX, &size) != SP_OK)
        return reply_line(out, 501, "PBSZ takes a number.");
    w->pbsz_given = true;
    return reply_line(out, 200, "PBSZ=0");
}

enum sp_err
cmd_prot(struct worker *w, const struct command *c, struct buf *out)
{
    if (!w->pbsz_given)
        return reply_line(out, 503, "PBSZ 0 first.");
    if (slice_equal_nocase(c->trimmed, "P")) {
        w->protection = PROTECTION_PRIVATE;
        return reply_line(out, 200, "Data connections are protected.");
    }
    if (slice_equal_nocase(c->trimmed, "C")) {
        if (w->account.active && !command_clear_data_allowed(w))
            return reply_line(out, 534, "Data connections have to be protected here.");
        w->protection = PROTECTION_CLEAR;
        return reply_line(out, 200, "Data connections are in clear.");
    }
    if (slice_equal_nocase(c->trimmed, "S") || slice_equal_nocase(c->trimmed, "E"))
        return reply_line(out, 536, "TLS knows the levels C and P only.");
    return reply_line(out, 504, "The levels are C and P.");
}

enum sp_err
cmd_ccc(struct worker *w, const struct command *c, struct buf *out)
{
    (void)c;
    if ((w->account.flags & ACCOUNT_CCC) == 0)
        return reply_line(out, 534, "Commands stay protected for this account.");
    if (line_unread(&w->control.in) > 0) {
        w->quitting = true;
        return reply_line(out, 503, "Nothing may follow CCC before its reply; goodbye.");
    }
    if (reply_line(out, 200, "Commands in clear from here on.") != SP_OK
        || control_flush(&w->control) != SP_OK)
        return SP_CLOSED;
    return control_unsecure(w);
}
