/*
 * tests/fuzz/fuzz_message.c - bodies of messages, and of settings (wire/pack.h)
 *
 * Input: the number of the message, then its body; number 255: a kind of process, then
 * the settings it is sent.
 * Holds: a body is accepted if and only if a loop over its row of messages.def accepts
 * it; what was accepted is packed into the same bytes.
 */
#include "wire/pack.h"

#include "config/settings.h"
#include "fuzz.h"

/* A copy of a body in memory that ends with it, but for the fixed size of a message. */
static struct message m, again;

static bool
take(struct fuzz_input *in, unsigned bytes, uint64_t *v)
{
    if (in->len < bytes)
        return false;
    *v = fuzz_number(in, bytes);
    return true;
}

static bool
field_fits(struct fuzz_input *in, const struct field *f)
{
    static const unsigned widths[] = { [FIELD_U8] = 1, [FIELD_U16] = 2, [FIELD_U32] = 4,
                                       [FIELD_U64] = 8, [FIELD_I64] = 8 };
    struct slice s = SLICE_EMPTY;
    uint64_t v = 0;

    if (f->type <= FIELD_I64)
        return take(in, widths[f->type], &v) && (f->type == FIELD_I64 || v <= f->bound);
    if (!take(in, 2, &v) || v > f->bound || v > in->len)
        return false;
    s = fuzz_bytes(in, (size_t)v);
    for (size_t i = 0; i < s.len && f->type != FIELD_BYTES; i++)
        if (s.at[i] == '\0'
            || (f->type == FIELD_TEXT && (s.at[i] == '\r' || s.at[i] == '\n')))
            return false;
    return f->type != FIELD_PATH || (s.len > 0 && *s.at == '/');
}

static bool
row_fits(const struct message_row *row)
{
    struct fuzz_input in = { m.body, m.len };

    for (const struct field *f = row->fields; f->name != NULL; f++)
        if (!field_fits(&in, f))
            return false;
    return in.len == 0;
}

#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) \
    static void \
    check_##name(void) \
    { \
        struct msg_##name v; \
        enum sp_err rc; \
        memset(&v, 0x5a, sizeof v); \
        rc = msg_##name##_unpack(&m, &v); \
        FUZZ_HOLDS(rc == SP_OK || rc == SP_INPUT); \
        FUZZ_HOLDS((rc == SP_OK) \
                   == (m.type == MSG_##NAME && row_fits(message_row(m.type)))); \
        if (rc != SP_OK) \
            return; \
        FUZZ_HOLDS(m.len >= message_row(m.type)->least \
                   && m.len <= message_row(m.type)->most); \
        msg_##name##_pack(&again, &v); \
        FUZZ_HOLDS(again.type == m.type && again.len == m.len \
                   && memcmp(again.body, m.body, m.len) == 0); \
    }
#include "wire/messages.def"

static void
check_blob_of_settings(struct fuzz_input *in)
{
    unsigned receiver = 1u << fuzz_u8(in) % 6;
    struct slice blob = fuzz_bytes(in, in->len);
    unsigned char *memory = fuzz_copy(blob);
    struct settings s;
    struct buf packed = BUF_EMPTY(1 << 20);

    blob.at = memory;
    FUZZ_HOLDS(settings_init(&s) == SP_OK);
    if (settings_unpack(&s, receiver, blob) == SP_OK) {
        FUZZ_HOLDS(settings_pack(&s, receiver, &packed) == SP_OK);
        FUZZ_HOLDS(slice_equal(buf_slice(&packed), blob));
    } else {
        /* nothing of it was taken */
        struct settings fresh;
        struct buf expected = BUF_EMPTY(1 << 20);

        FUZZ_HOLDS(settings_init(&fresh) == SP_OK);
        FUZZ_HOLDS(settings_pack(&s, receiver, &packed) == SP_OK);
        FUZZ_HOLDS(settings_pack(&fresh, receiver, &expected) == SP_OK);
        FUZZ_HOLDS(slice_equal(buf_slice(&packed), buf_slice(&expected)));
        settings_clear(&fresh);
        buf_free(&expected);
    }
    settings_clear(&s);
    buf_free(&packed);
    free(memory);
}

static void
check_blob(struct slice s)
{
    struct unpacker u = { s.at, s.len };
    struct slice out = SLICE_EMPTY;
    uint32_t v = 0;

    while (get_bytes(&u, &out) == SP_OK)
        FUZZ_HOLDS(out.at >= s.at && out.at + out.len <= s.at + s.len);
    while (get_u32(&u, &v) == SP_OK)
        continue;
    FUZZ_HOLDS(u.left < 4);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    unsigned number = fuzz_u8(&in);
    struct slice body = SLICE_EMPTY;

    if (number == 255) {
        check_blob_of_settings(&in);
        return 0;
    }
    message_init(&m);
    m.type = (uint16_t)number;
    body = fuzz_bytes(&in, sizeof m.body);
    m.len = body.len;
    if (body.len > 0)
        memcpy(m.body, body.at, body.len);
#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) check_##name();
#include "wire/messages.def"
    check_blob(slice_from(m.body, m.len));
    return 0;
}
