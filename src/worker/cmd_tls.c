/* worker/cmd_tls.c - AUTH PBSZ PROT CCC (RFC 2228 section 3, RFC 4217) */
#include "base/log.h"
#include "base/number.h"
#include "ftp/reply.h"
#include "wire/grant.h"
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
        return reply_line(out, 504, "Unsupported mechanism; use AUTH TLS.");
    if (w->tls == NULL)
        return reply_line(out, 534, "TLS is not available: no certificate is configured.");
    if (w->control.tls != NULL)
        return reply_line(out, 503, "TLS is already active.");
    if (w->account.active)
        return reply_line(out, 503, "AUTH must come before login; send REIN first.");
    if (control_has_injected(&w->control)) {
        log_event(EVENT_TLS_INJECTION, "reason=bytes-behind-auth");
        w->quitting = true;
        return reply_line(out, 503, "Data arrived between AUTH and the TLS handshake;"
                          " closing connection.");
    }
    /* half a login in clear is forgotten with the clear: there is one state to begin TLS in */
    if (w->pending.question && ask_login_cancel(w) != SP_OK)
        return SP_CLOSED;
    if (reply_line(out, 234, "Proceed with the TLS handshake.") != SP_OK
        || control_flush(&w->control) != SP_OK || control_secure(w) != SP_OK)
        return SP_CLOSED;
    w->pending = (struct pending){ 0 };
    w->protection = private ? PROTECTION_PRIVATE : PROTECTION_CLEAR;
    w->pbsz_given = w->prot_given = false;
    return SP_OK;
}

enum sp_err
cmd_pbsz(struct worker *w, const struct command *c, struct buf *out)
{
    uint64_t size = 0;

    if (number_parse(c->trimmed, UINT32_MAX, &size) != SP_OK)
        return reply_line(out, 501, "Syntax: PBSZ 0");
    w->pbsz_given = true;
    return reply_line(out, 200, "PBSZ=0");
}

/*
 * P was only implied, by AUTH SSL or by the port, and C was asked for. curl --ftp-ssl-control
 * goes on in clear as if it were granted, and would wait behind 150 for bytes, and we for its
 * handshake: so nothing holds any more, and a transfer is 521 until PROT P.
 */
static enum sp_err
refuse_clear(struct worker *w, struct buf *out)
{
    if (!w->prot_given)
        w->protection = PROTECTION_CLEAR;
    return reply_line(out, 534, "Data connections must be encrypted; use PROT P.");
}

enum sp_err
cmd_prot(struct worker *w, const struct command *c, struct buf *out)
{
    if (!w->pbsz_given)
        return reply_line(out, 503, "Send PBSZ 0 first.");
    if (slice_equal_nocase(c->trimmed, "P")) {
        w->protection = PROTECTION_PRIVATE;
        w->prot_given = true;
        return reply_line(out, 200, "Protection level set to P (private).");
    }
    if (slice_equal_nocase(c->trimmed, "C")) {
        if (w->account.active && !command_clear_data_allowed(w))
            return refuse_clear(w, out);
        w->protection = PROTECTION_CLEAR;
        w->prot_given = true;
        return reply_line(out, 200, "Protection level set to C (clear).");
    }
    if (slice_equal_nocase(c->trimmed, "S") || slice_equal_nocase(c->trimmed, "E"))
        return reply_line(out, 536, "TLS does not support this level; use C or P.");
    return reply_line(out, 504, "Unknown protection level; use C or P.");
}

enum sp_err
cmd_ccc(struct worker *w, const struct command *c, struct buf *out)
{
    (void)c;
    /* RFC 2228 section 4: there is no protection to end, whoever asks */
    if (w->control.tls == NULL)
        return reply_line(out, 533, "The control connection is not encrypted.");
    if (!w->account.active)
        return reply_line(out, 530, "Please log in with USER and PASS.");
    if ((w->account.flags & ACCOUNT_CCC) == 0)
        return reply_line(out, 534, "CCC is not allowed for this account.");
    if (line_unread(&w->control.in) > 0) {
        w->quitting = true;
        return reply_line(out, 503, "Data arrived between CCC and its reply; closing "
                          "connection.");
    }
    if (reply_line(out, 200, "The control connection is no longer encrypted.") != SP_OK
        || control_flush(&w->control) != SP_OK)
        return SP_CLOSED;
    return control_unsecure(w);
}
