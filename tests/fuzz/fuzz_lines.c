/*
 * tests/fuzz/fuzz_lines.c - text from outside in replies, logs and listings
 * (ftp/reply.h, base/log.h, ftp/listing.h)
 *
 * Holds: whatever a name has in it, one call makes one line; nobody takes an inner line
 * for the end of a reply; a log line is printable.
 */
#include "fuzz.h"

#include "ftp/listing.h"
#include "ftp/reply.h"
#include "wire/grant.h"

/* One line with CRLF at its end alone. strict: no control character in it at all. */
static void
check_one_line(struct slice s, bool strict)
{
    FUZZ_HOLDS(s.len >= 2 && s.at[s.len - 2] == '\r' && s.at[s.len - 1] == '\n');
    for (size_t i = 0; i < s.len - 2; i++) {
        FUZZ_HOLDS(s.at[i] != '\r' && s.at[i] != '\n' && s.at[i] != '\0');
        FUZZ_HOLDS(!strict || (s.at[i] >= 0x20 && s.at[i] != 0x7f));
    }
}

/* Telnet sees each 0xFF twice, or not at all. */
static void
check_telnet(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == 0xff)
            FUZZ_HOLDS(i + 1 < s.len && s.at[++i] == 0xff);
}

static void
check_reply(struct buf *out, bool inner)
{
    struct slice s = buf_slice(out);

    check_one_line(s, true);
    check_telnet(s);
    if (inner)
        FUZZ_HOLDS(s.len < 4 || s.at[0] < '0' || s.at[0] > '9' || s.at[1] < '0'
                   || s.at[1] > '9' || s.at[2] < '0' || s.at[2] > '9');
    else
        FUZZ_HOLDS(s.len >= 6 && memcmp(s.at, "250", 3) == 0
                   && (s.at[3] == ' ' || s.at[3] == '-'));
    out->len = 0;
}

static void
check_replies(struct slice s)
{
    static struct reply_escaped text;
    struct buf out = BUF_EMPTY(1 << 20);
    char plain[2048];
    size_t len = s.len < sizeof plain - 1 ? s.len : sizeof plain - 1;

    if (len > 0)
        memcpy(plain, s.at, len);
    plain[len] = '\0';
    FUZZ_HOLDS(reply_line(&out, 250, "%s", plain) == SP_OK);
    check_reply(&out, false);
    FUZZ_HOLDS(reply_line(&out, 250, "\"%s\" is it.", reply_text(s, &text)) == SP_OK);
    FUZZ_HOLDS(strnlen(text.text, sizeof text.text) < sizeof text.text);
    check_reply(&out, false);
    FUZZ_HOLDS(reply_open(&out, 250, "%s", plain) == SP_OK);
    check_reply(&out, false);
    FUZZ_HOLDS(reply_inner(&out, "%s", plain) == SP_OK);
    check_reply(&out, true);
    FUZZ_HOLDS(reply_inner_slice(&out, s) == SP_OK);
    check_reply(&out, true);
    FUZZ_HOLDS(reply_close(&out, 250, "%s", plain) == SP_OK);
    check_reply(&out, false);
    buf_free(&out);
}

static void
check_log(struct slice s)
{
    struct log_escaped e;
    size_t len = 0;

    (void)log_text(s, &e);
    len = strnlen(e.text, sizeof e.text);
    FUZZ_HOLDS(len < sizeof e.text);
    for (size_t i = 0; i < len; i++)
        FUZZ_HOLDS((unsigned char)e.text[i] > 0x20 && e.text[i] != 0x7f
                   && strchr("\"'", e.text[i]) == NULL);
    log_event(EVENT_CLIENT, "name=%s", e.text);
    /* a caller that forgot log_text still makes one printable line */
    if (s.len < 3000) {
        char *copy = calloc(1, s.len + 1);

        FUZZ_HOLDS(copy != NULL);
        if (s.len > 0)
            memcpy(copy, s.at, s.len);
        log_event(EVENT_CLIENT, "name=%s", copy);
        free(copy);
    }
}

static void
check_listing(struct fuzz_input *in, int64_t now)
{
    char owner[32] = "", group[32] = "";
    struct slice text = fuzz_bytes(in, fuzz_u8(in) % 31);
    unsigned options = (unsigned)fuzz_number(in, 2), facts = (unsigned)fuzz_number(in, 2);
    struct entry e = {
        .kind = (enum file_kind)(fuzz_u8(in) % 4), .mode = (uint32_t)fuzz_number(in, 4),
        .links = fuzz_number(in, 8), .size = fuzz_number(in, 8),
        .uid = (uint32_t)fuzz_number(in, 4), .gid = (uint32_t)fuzz_number(in, 4),
        .modified = (int64_t)fuzz_number(in, 8), .created = (int64_t)fuzz_number(in, 8),
        .device = fuzz_number(in, 8), .inode = fuzz_number(in, 8), .permits = PERMIT_ALL,
        .parent_writable = true, .readable = true, .writable = true, .searchable = true };
    struct buf out = BUF_EMPTY(1 << 16);
    size_t space = 0;

    if (text.len > 0)
        memcpy(owner, text.at, text.len);
    memcpy(group, owner, sizeof group);
    e.owner = owner[0] == 'N' ? NULL : owner;
    e.group = group;
    e.link = (e.mode & 1) != 0;
    e.target = fuzz_until(in, '/');
    e.name = fuzz_bytes(in, in->len > 255 ? 255 : in->len);
    FUZZ_HOLDS(listing_line(&out, &e, now, options) == SP_OK);
    check_one_line(buf_slice(&out), true);
    out.len = 0;
    FUZZ_HOLDS(listing_name(&out, slice_of("sub/"), &e, options) == SP_OK);
    check_one_line(buf_slice(&out), false);
    out.len = 0;
    FUZZ_HOLDS(listing_facts(&out, &e, facts & FACT_ALL) == SP_OK);
    FUZZ_HOLDS(buf_add_text(&out, "\r\n") == SP_OK);
    check_one_line(buf_slice(&out), false);
    /* "facts;" then one space, then the name: a client cuts at the first space */
    while (space < out.len && out.at[space] != ' ')
        space++;
    FUZZ_HOLDS(out.len - 2 - space - 1 == e.name.len);
    FUZZ_HOLDS(space == 0 || out.at[space - 1] == ';');
    for (size_t i = 0; i < space; i++)
        FUZZ_HOLDS(out.at[i] > 0x20 && out.at[i] != 0x7f);
    buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    unsigned char *memory = fuzz_copy(slice_from(data, size));

    log_set_sink(fuzz_log_line, NULL);
    check_replies(slice_from(memory, size));
    check_log(slice_from(memory, size));
    check_listing(&in, 1700000000);
    free(memory);
    return 0;
}
