/* src/ftp/parse.c - see ftp/parse.h */
#include "ftp/parse.h"

#include <string.h>

#include "base/secret.h"

/* RFC 854 */
enum telnet_byte {
    TELNET_SE = 240, TELNET_DM = 242, TELNET_IP = 244, TELNET_SB = 250,
    TELNET_WILL = 251, TELNET_WONT = 252, TELNET_DO = 253, TELNET_DONT = 254,
    TELNET_IAC = 255
};

/* Where in a sequence the bytes so far have ended. */
enum telnet_place {
    PLACE_DATA, PLACE_IAC, PLACE_OPTION, PLACE_SUB, PLACE_SUB_IAC
};

void
line_reader_init(struct line_reader *r)
{
    *r = (struct line_reader){ .start = 0 };
}

/* Moves the unread bytes to the front. No copy stays behind: it may be a password. */
static void
compact(struct line_reader *r)
{
    size_t unread = r->len - r->start;

    r->taken = 0;
    if (r->start == 0)
        return;
    memmove(r->bytes, r->bytes + r->start, unread);
    wipe(r->bytes + unread, r->len - unread);
    r->seen -= r->start;
    r->len = unread;
    r->start = 0;
}

static void
refuse_option(struct line_reader *r, unsigned char request, unsigned char option)
{
    unsigned char answer = request == TELNET_WILL ? TELNET_DONT : TELNET_WONT;

    /* An answer to WONT or DONT could go round in circles; one that finds no room belongs
     * to a client that offers without end, and is dropped. */
    if (request != TELNET_WILL && request != TELNET_DO)
        return;
    if (sizeof r->answers - r->answers_len < 3)
        return;
    r->answers[r->answers_len++] = TELNET_IAC;
    r->answers[r->answers_len++] = answer;
    r->answers[r->answers_len++] = option;
}

/* The byte behind an IAC. False: it needs room that is not there. */
static bool
take_command(struct line_reader *r, unsigned char c, bool *used)
{
    *used = true;
    switch (c) {
    case TELNET_IAC:
        break;
    case TELNET_WILL:
    case TELNET_WONT:
    case TELNET_DO:
    case TELNET_DONT:
        r->option = c;
        r->telnet = PLACE_OPTION;
        return true;
    case TELNET_SB:
        r->telnet = PLACE_SUB;
        return true;
    case TELNET_IP:
    case TELNET_DM:
        r->interrupt = true;
        r->telnet = PLACE_DATA;
        return true;
    default:
        if (c >= TELNET_SE) {
            r->telnet = PLACE_DATA;
            return true;
        }
        *used = false;          /* the 0xFF was a byte of its own, and this is the next */
        break;
    }
    if (r->len == LINE_ROOM) {
        *used = false;
        return false;
    }
    r->bytes[r->len++] = TELNET_IAC;
    r->telnet = PLACE_DATA;
    return true;
}

size_t
line_feed(struct line_reader *r, const void *at, size_t len)
{
    const unsigned char *in = at;
    const unsigned char *iac = NULL;
    size_t i = 0, run = 0;
    bool used = false;

    compact(r);
    while (i < len) {
        switch ((enum telnet_place)r->telnet) {
        case PLACE_DATA:
            iac = memchr(in + i, TELNET_IAC, len - i);
            run = iac == NULL ? len - i : (size_t)(iac - in) - i;
            if (run > LINE_ROOM - r->len)
                run = LINE_ROOM - r->len;
            memcpy(r->bytes + r->len, in + i, run);
            r->len += run;
            i += run;
            if (i < len && in[i] != TELNET_IAC)
                return i;       /* full */
            if (i < len) {
                r->telnet = PLACE_IAC;
                i++;
            }
            break;
        case PLACE_IAC:
            if (!take_command(r, in[i], &used))
                return i;
            i += used;
            break;
        case PLACE_OPTION:
            refuse_option(r, r->option, in[i++]);
            r->telnet = PLACE_DATA;
            break;
        case PLACE_SUB:
            iac = memchr(in + i, TELNET_IAC, len - i);
            if (iac == NULL)
                return len;
            i = (size_t)(iac - in) + 1;
            r->telnet = PLACE_SUB_IAC;
            break;
        case PLACE_SUB_IAC:
            r->telnet = in[i++] == TELNET_SE ? PLACE_DATA : PLACE_SUB;
            break;
        }
    }
    return i;
}

size_t
line_room(const struct line_reader *r)
{
    size_t room = LINE_ROOM - (r->len - r->start);

    /* an IAC that is held back may turn out to be a byte of its own */
    return r->telnet == PLACE_IAC && room > 0 ? room - 1 : room;
}

/*
 * RFC 854, RFC 2640 section 2.1: a CR that is no line end comes as CR NUL. False: a NUL that
 * has no CR before it.
 */
static bool
undo_cr_nul(unsigned char *at, size_t *len)
{
    size_t kept = 0;

    for (size_t i = 0; i < *len; i++) {
        if (at[i] != '\0')
            at[kept++] = at[i];
        else if (i == 0 || at[i - 1] != '\r')
            return false;
    }
    *len = kept;
    return true;
}

enum line_kind
line_next(struct line_reader *r, struct slice *line)
{
    const unsigned char *end = NULL;
    unsigned char *at = r->bytes + r->start;
    size_t len = 0;

    r->taken = 0;
    if (r->seen < r->len)
        end = memchr(r->bytes + r->seen, '\n', r->len - r->seen);
    if (end == NULL) {
        r->seen = r->len;
        /* one byte over: it may be the CR of the line's end */
        if (!r->skipping && r->len - r->start <= LINE_MOST + 1)
            return LINE_NONE;
        r->skipping = true;
        r->start = r->len;
        return LINE_NONE;
    }
    len = (size_t)(end - at);
    r->taken = len + 1;
    r->start += r->taken;
    r->seen = r->start;
    if (len > 0 && at[len - 1] == '\r')
        len--;
    if (r->skipping || len > LINE_MOST) {
        r->skipping = false;
        return LINE_TOO_LONG;
    }
    if (len > 0 && memchr(at, '\0', len) != NULL && !undo_cr_nul(at, &len))
        return LINE_HAS_NUL;
    *line = slice_from(at, len);
    return LINE_READY;
}

size_t
line_unread(const struct line_reader *r)
{
    return r->len - r->start + (r->telnet != PLACE_DATA || r->skipping);
}

void
line_forget(struct line_reader *r)
{
    wipe(r->bytes + r->start - r->taken, r->taken);
    r->taken = 0;
}

bool
line_interrupted(struct line_reader *r)
{
    bool was = r->interrupt;

    r->interrupt = false;
    return was;
}

bool
line_has_abort(const struct line_reader *r)
{
    const unsigned char *at = r->bytes + r->start;
    const unsigned char *last = r->bytes + r->len;
    const unsigned char *end = NULL;
    struct command c;
    struct slice line = SLICE_EMPTY;
    bool whole = !r->skipping;

    while (at < last && (end = memchr(at, '\n', (size_t)(last - at))) != NULL) {
        line = slice_from(at, (size_t)(end - at));
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        if (whole && parse_command(line, &c) == SP_OK && strcmp(c.verb, "ABOR") == 0
            && c.trimmed.len == 0)
            return true;
        whole = true;
        at = end + 1;
    }
    return false;
}

struct slice
line_answers(struct line_reader *r)
{
    struct slice out = slice_from(r->answers, r->answers_len);

    r->answers_len = 0;
    return out;
}

static bool
is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

/* What is left of a Telnet sequence whose urgent byte the kernel took out. */
static bool
is_torn_telnet(unsigned char c)
{
    return c == TELNET_IAC || c == TELNET_DM || c == TELNET_IP;
}

static struct slice
trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    while (s.len > 0 && is_blank(*s.at)) {
        s.at++;
        s.len--;
    }
    return s;
}

static bool
is_letter(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

enum sp_err
parse_command(struct slice line, struct command *out)
{
    struct command c = { .given = false };
    size_t i = 0, n = 0;

    while (i < line.len && (is_blank(line.at[i]) || is_torn_telnet(line.at[i])))
        i++;
    for (; i < line.len && !is_blank(line.at[i]); i++) {
        unsigned char b = line.at[i];

        if (n == VERB_MOST || !(is_letter(b) || (b >= '0' && b <= '9')))
            return SP_INPUT;
        c.verb[n++] = (char)(is_letter(b) ? b & ~0x20 : b);
    }
    if (n == 0)
        return SP_INPUT;
    if (i < line.len) {
        c.given = true;
        c.parameter = slice_from(line.at + i + 1, line.len - i - 1);
        c.trimmed = trim(c.parameter);
    }
    *out = c;
    return SP_OK;
}

static bool
begins_with(struct slice s, const char *text)
{
    size_t len = strlen(text);

    return s.len >= len && slice_equal_nocase((struct slice){ s.at, len }, text);
}

bool
parse_is_http(struct slice line)
{
    static const char *const requests[] = {
        "GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ",
        "PATCH ", "PRI ", "PROPFIND ",
    };
    /* a request line over LINE_MOST bytes was skipped: its headers give it away */
    static const char *const headers[] = {
        "Host", "User-Agent", "Content-Length", "Content-Type", "Accept", "Origin",
        "Referer", "Connection", "Cookie", "Cache-Control", "Sec-Fetch-Mode",
    };
    const unsigned char *colon = NULL;

    if (line.len == 0)
        return false;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        if (begins_with(line, requests[i]))
            return true;
    if ((colon = memchr(line.at, ':', line.len)) == NULL)
        return false;
    line.len = (size_t)(colon - line.at);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (slice_equal_nocase(line, headers[i]))
            return true;
    return false;
}
