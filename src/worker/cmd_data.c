/*
 * worker/cmd_data.c - TYPE STRU MODE REST ALLO PORT EPRT PASV EPSV (RFC 959 sections 4.1.2 and
 * 3.2, RFC 2428, RFC 3659 section 5)
 */
#include "base/log.h"
#include "base/number.h"
#include "ftp/hostport.h"
#include "ftp/reply.h"
#include "worker/ask_broker.h"
#include "worker/ask_monitor.h"
#include "worker/commands.h"
#include "worker/worker.h"

#define PORT_LEAST 1024         /* RFC 2577 section 3 */

/* Letter and, behind a blank, an argument; both upper or lower case. */
static bool
is_type(struct slice text, const char *form)
{
    return slice_equal_nocase(text, form);
}

enum sp_err
cmd_type(struct worker *w, const struct command *c, struct buf *out)
{
    struct slice t = c->trimmed;

    if (is_type(t, "A") || is_type(t, "A N")) {
        w->ascii = true;
        return reply_line(out, 200, "Type set to A.");
    }
    if (is_type(t, "I") || is_type(t, "L 8") || is_type(t, "L8")) {
        w->ascii = false;
        return reply_line(out, 200, "Type set to I.");
    }
    return reply_line(out, 504, "Unsupported TYPE; use A, I or L 8.");
}

enum sp_err
cmd_stru(struct worker *w, const struct command *c, struct buf *out)
{
    (void)w;
    if (slice_equal_nocase(c->trimmed, "F"))
        return reply_line(out, 200, "Structure set to F.");
    return reply_line(out, 504, "Unsupported STRU; use F.");
}

enum sp_err
cmd_mode(struct worker *w, const struct command *c, struct buf *out)
{
    (void)w;
    if (slice_equal_nocase(c->trimmed, "S"))
        return reply_line(out, 200, "Mode set to S.");
    return reply_line(out, 504, "Unsupported MODE; use S.");
}

enum sp_err
cmd_rest(struct worker *w, const struct command *c, struct buf *out)
{
    uint64_t offset = 0;

    if (number_parse(c->trimmed, INT64_MAX, &offset) != SP_OK)
        return reply_line(out, 501, "Syntax: REST <offset>");
    w->pending.restart = offset;
    return reply_line(out, 350, "Restarting at %llu. Send RETR, STOR or APPE next.",
                      (unsigned long long)offset);
}

/* The next word is cut off rest, with the blanks behind it. */
static struct slice
cut_word(struct slice *rest)
{
    const unsigned char *at = rest->at;
    size_t i = 0, len = 0;

    while (len < rest->len && at[len] != ' ')
        len++;
    for (i = len; i < rest->len && at[i] == ' '; i++)
        continue;
    *rest = slice_from(at + i, rest->len - i);
    return slice_from(at, len);
}

/* "n" or "n R m": bytes, and the size of a record or page, which is of no use here. */
static enum sp_err
parse_allo(struct slice text, uint64_t *bytes)
{
    uint64_t record = 0;

    if (number_parse(cut_word(&text), INT64_MAX, bytes) != SP_OK)
        return SP_INPUT;
    if (text.len == 0)
        return SP_OK;
    return slice_equal_nocase(cut_word(&text), "R")
        ? number_parse(text, INT64_MAX, &record) : SP_INPUT;
}

/* Is there room? Said before the upload, not after; the upload takes what it was promised. */
enum sp_err
cmd_allo(struct worker *w, const struct command *c, struct buf *out)
{
    struct fail fail = { 0 };
    uint64_t bytes = 0, space = 0;
    enum sp_err rc = SP_OK;

    w->pending.size = 0;
    if (parse_allo(c->trimmed, &bytes) != SP_OK)
        return reply_line(out, 501, "Syntax: ALLO <bytes> [R <bytes>]");
    rc = ask_space(w, w->cwd.text, &space, &fail);
    if (rc == SP_CLOSED)
        return rc;
    if (rc == SP_OK && bytes > space)
        return reply_line(out, 552, "Only %llu bytes are free.", (unsigned long long)space);
    w->pending.size = bytes;
    return reply_line(out, 200, "ALLO accepted.");
}

static enum sp_err
set_active(struct worker *w, const struct net_addr *a, struct buf *out)
{
    if (!w->settings.active)
        return reply_line(out, 502, "Active mode is disabled; use PASV or EPSV.");
    if (!net_same(a, &w->session.peer))
        return reply_line(out, 501, "The address must be your own address.");
    if (a->port < PORT_LEAST)
        return reply_line(out, 501, "Ports below 1024 are not allowed.");
    data_set_active(&w->data, a->port);
    w->control.ticket = true;
    return reply_line(out, 200, "Data address accepted.");
}

enum sp_err
cmd_port(struct worker *w, const struct command *c, struct buf *out)
{
    struct net_addr a = NET_ADDR_EMPTY;

    if (w->extended_only)
        return reply_line(out, 503, "EPSV ALL was given: only EPSV from now on.");
    if (hostport_parse_port(c->trimmed, &a) != SP_OK)
        return reply_line(out, 501, "Syntax: PORT h1,h2,h3,h4,p1,p2");
    return set_active(w, &a, out);
}

enum sp_err
cmd_eprt(struct worker *w, const struct command *c, struct buf *out)
{
    struct net_addr a = NET_ADDR_EMPTY;
    enum sp_err rc = SP_OK;

    if (w->extended_only)
        return reply_line(out, 503, "EPSV ALL was given: only EPSV from now on.");
    rc = hostport_parse_eprt(c->trimmed, &a);
    if (rc == SP_REFUSED || (rc == SP_OK && a.family != w->session.peer.family))
        return reply_line(out, 522, "Network protocol not supported, use (%s)",
                          w->session.peer.family == AF_INET ? "1" : "2");
    if (rc != SP_OK)
        return reply_line(out, 501, "Syntax: EPRT |1 or 2|<address>|<port>|");
    return set_active(w, &a, out);
}

/* What PASV announces: a configured address (of the client's network), else our own end. */
static struct net_addr
announced(const struct worker *w)
{
    const struct text_list *list = &w->settings.passive_address;
    struct net_addr found = w->session.local, a = NET_ADDR_EMPTY;

    for (size_t i = 0; i < list->count; i++) {
        struct slice text = slice_of(list->texts[i]), network = SLICE_EMPTY;
        struct net_network n = { 0 };

        for (size_t k = 0; k < text.len; k++) {
            if (text.at[k] == '=') {
                network = slice_from(text.at, k);
                text = slice_from(text.at + k + 1, text.len - k - 1);
                break;
            }
        }
        if (network.len > 0 && (net_parse_network(&n, network) != SP_OK
                                || !net_contains(&n, &w->session.peer)))
            continue;
        if (net_parse(&a, text) == SP_OK && a.family == AF_INET) {
            found = a;
            break;
        }
    }
    return found;
}

/* A client from outside cannot reach it: once a session, with the remedy. */
static void
warn_private(struct worker *w, const struct net_addr *a)
{
    char text[NET_TEXT_MAX];

    if (w->private_warned || !net_is_private(a) || net_is_private(&w->session.peer))
        return;
    w->private_warned = true;
    log_event(EVENT_PASV_PRIVATE,
              "address=%s remedy=\"set passive_address to the public address\"",
              net_text(a, text));
}

/* A listener in place, or the reply that says why not (SP_REFUSED). */
static enum sp_err
listen_for(struct worker *w, uint16_t *port, struct buf *out)
{
    int fd = -1;
    enum sp_err rc = ahead_take(w, &fd, port);

    if (rc == SP_OK && fd == -1)
        rc = ask_listen(w, &fd, port);
    if (rc == SP_REFUSED)
        return reply_line(out, 425, "No data port is available; try again later.") == SP_OK
            ? SP_REFUSED : SP_CLOSED;
    if (rc == SP_OK) {
        data_set_passive(w, fd);
        w->control.ticket = true;
    }
    return rc;
}

enum sp_err
cmd_pasv(struct worker *w, const struct command *c, struct buf *out)
{
    struct net_addr a = NET_ADDR_EMPTY;
    char text[HOSTPORT_TEXT_MAX];
    uint16_t port = 0;
    enum sp_err rc = SP_OK;

    (void)c;
    if (w->extended_only)
        return reply_line(out, 503, "EPSV ALL was given: only EPSV from now on.");
    if (w->session.local.family != AF_INET)
        return reply_line(out, 425, "PASV requires IPv4; use EPSV.");
    if ((rc = listen_for(w, &port, out)) != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    a = announced(w);
    a.port = port;
    warn_private(w, &a);
    return reply_line(out, 227, "Entering Passive Mode (%s).", hostport_text(&a, text));
}

enum sp_err
cmd_epsv(struct worker *w, const struct command *c, struct buf *out)
{
    enum hostport_epsv what = EPSV_ANY;
    char text[HOSTPORT_TEXT_MAX];
    uint16_t port = 0;
    enum sp_err rc = hostport_parse_epsv(c->trimmed, &what);

    if (rc == SP_REFUSED || (what == EPSV_IPV4 && w->session.peer.family != AF_INET)
        || (what == EPSV_IPV6 && w->session.peer.family != AF_INET6))
        return reply_line(out, 522, "Network protocol not supported, use (%s)",
                          w->session.peer.family == AF_INET ? "1" : "2");
    if (rc != SP_OK)
        return reply_line(out, 501, "Syntax: EPSV [1 | 2 | ALL]");
    if (what == EPSV_ALL) {
        w->extended_only = true;
        return reply_line(out, 200, "EPSV ALL accepted.");
    }
    if ((rc = listen_for(w, &port, out)) != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;
    return reply_line(out, 229, "Entering Extended Passive Mode (%s)",
                      hostport_text_extended(port, text));
}
