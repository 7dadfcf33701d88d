/* tests/unit/test_pack.c - src/wire/pack.c, by every row of messages.def */
#include <stdio.h>
#include <string.h>

#include "suites.h"
#include "tests/peers/forge.h"
#include "wire/pack.h"

/* Unpacks *m, and packs what was in it again. */
typedef enum sp_err rewrite(const struct message *m, struct message *again);

#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) \
    static enum sp_err \
    rewrite_##name(const struct message *m, struct message *again) \
    { \
        struct msg_##name v; \
        enum sp_err rc = msg_##name##_unpack(m, &v); \
        if (rc == SP_OK) \
            msg_##name##_pack(again, &v); \
        return rc; \
    }
#include "wire/messages.def"

static rewrite *const rewriters[MSG_COUNT] = {
#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) \
    [MSG_##NAME] = rewrite_##name,
#include "wire/messages.def"
};

static struct forged forged;

static void
load(struct message *m, unsigned type, size_t len)
{
    message_init(m);
    m->type = (uint16_t)type;
    m->len = len;
    memcpy(m->body, forged.body, len);
}

static bool
round_trips(unsigned type)
{
    static struct message m, again;

    load(&m, type, forged.len);
    message_init(&again);
    return rewriters[type](&m, &again) == SP_OK && again.type == type
        && again.len == forged.len && memcmp(again.body, forged.body, forged.len) == 0;
}

static bool
refused(unsigned type, size_t len)
{
    static struct message m, again;

    load(&m, type, len);
    return rewriters[type](&m, &again) == SP_INPUT;
}

/* For the report: which row it was. */
static void
expect(bool good, unsigned type, const char *what, size_t detail)
{
    if (!good)
        printf("%s: %s (%zu)\n", message_name(type), what, detail);
    CU_ASSERT(good);
}

static void
every_message_at_its_least_round_trips(void)
{
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        forge_least(message_row(type), &forged);
        expect(forged.len == message_row(type)->least, type, "least", forged.len);
        expect(round_trips(type), type, "round trip", forged.len);
    }
}

static void
every_message_at_its_most_round_trips(void)
{
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        forge_most(message_row(type), &forged);
        expect(forged.len == message_row(type)->most, type, "most", forged.len);
        expect(round_trips(type), type, "round trip", forged.len);
    }
}

static void
every_message_cut_anywhere_is_refused(void)
{
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        forge_least(message_row(type), &forged);
        for (size_t len = 0; len < forged.len; len++)
            expect(refused(type, len), type, "cut at its least", len);
        forge_most(message_row(type), &forged);
        for (size_t len = 0; len < forged.len; len += 7)
            expect(refused(type, len), type, "cut at its most", len);
    }
}

static void
a_body_with_one_byte_left_over_is_refused(void)
{
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        forge_least(message_row(type), &forged);
        forged.body[forged.len] = 0;
        expect(refused(type, forged.len + 1), type, "left over", forged.len + 1);
        forge_most(message_row(type), &forged);
        forged.body[forged.len] = 0;
        if (forged.len < MESSAGE_MAX)
            expect(refused(type, forged.len + 1), type, "left over", forged.len + 1);
    }
}

static void
every_field_with_something_wrong_is_refused(void)
{
    size_t tried = 0;

    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++)
        for (size_t field = 0; field < forge_fields(message_row(type)); field++)
            for (int fault = 0; fault < FORGE_FAULTS; fault++) {
                if (!forge_fault(message_row(type), field, (enum forge_fault)fault,
                                 &forged))
                    continue;
                if (forged.len > MESSAGE_MAX)
                    continue;
                tried++;
                expect(refused(type, forged.len), type, "a fault was taken",
                       field * 100 + (size_t)fault);
            }
    CU_ASSERT(tried > 200);
}

static void
a_message_of_another_type_is_refused(void)
{
    static struct message m;
    struct msg_ready v = { 'x' };

    message_init(&m);
    m.type = MSG_START;
    CU_ASSERT_EQUAL(msg_ready_unpack(&m, &v), SP_INPUT);
    CU_ASSERT_EQUAL(v.none, 'x');           /* untouched on failure */
}

static void
fields_keep_their_values_and_are_little_endian(void)
{
    static struct message m;
    struct msg_utime v = { .path = slice_of("/a"), .seconds = -2, .nanos = 0x01020304 };
    struct msg_utime got = {0};
    static const unsigned char wire[] = { 2, 0, '/', 'a', 0xfe, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 4, 3, 2, 1 };

    msg_utime_pack(&m, &v);
    CU_ASSERT_EQUAL(m.type, MSG_UTIME);
    CU_ASSERT_EQUAL_FATAL(m.len, sizeof wire);
    CU_ASSERT_EQUAL(memcmp(m.body, wire, sizeof wire), 0);
    CU_ASSERT_EQUAL(msg_utime_unpack(&m, &got), SP_OK);
    CU_ASSERT(slice_equal(got.path, v.path));
    CU_ASSERT_EQUAL(got.seconds, -2);
    CU_ASSERT_EQUAL(got.nanos, 0x01020304);
}

static void
a_path_may_have_a_line_break_and_a_text_may_not(void)
{
    static struct message m;
    struct msg_open_read v = { .path = slice_of("/a\nb\r") };
    struct msg_open_read got = {0};

    msg_open_read_pack(&m, &v);
    CU_ASSERT_EQUAL(msg_open_read_unpack(&m, &got), SP_OK);
    CU_ASSERT(slice_equal(got.path, v.path));
}

static void
blobs_are_written_and_read_within_their_room(void)
{
    unsigned char room[13];
    struct packer p = { room, 0, sizeof room };
    struct unpacker u = { room, sizeof room };
    struct slice s = SLICE_EMPTY;
    uint32_t n = 0;

    CU_ASSERT_EQUAL(put_u32(&p, 0xdeadbeef), SP_OK);
    CU_ASSERT_EQUAL(put_bytes(&p, "hello", 6), SP_NOMEM);
    CU_ASSERT_EQUAL(put_bytes(&p, "hello", 5), SP_OK);
    CU_ASSERT_EQUAL(p.len, 13);
    CU_ASSERT_EQUAL(put_u32(&p, 1), SP_NOMEM);
    CU_ASSERT_EQUAL(put_bytes(&p, "", 0), SP_NOMEM);
    CU_ASSERT_EQUAL(get_u32(&u, &n), SP_OK);
    CU_ASSERT_EQUAL(n, 0xdeadbeef);
    CU_ASSERT_EQUAL(get_bytes(&u, &s), SP_OK);
    CU_ASSERT(slice_equal(s, slice_of("hello")));
    CU_ASSERT_EQUAL(u.left, 0);
    CU_ASSERT_EQUAL(get_u32(&u, &n), SP_INPUT);
    CU_ASSERT_EQUAL(get_bytes(&u, &s), SP_INPUT);
}

static void
a_blob_whose_length_is_a_lie_is_refused(void)
{
    static const unsigned char lies[][8] = {
        { 5, 0, 0, 0, 'a', 'b', 'c', 'd' },
        { 0xff, 0xff, 0xff, 0xff, 'a', 'b', 'c', 'd' },
        { 0, 0, 0, 0x80, 'a', 'b', 'c', 'd' },
    };

    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct unpacker u = { lies[i], sizeof lies[i] };
        struct slice s = SLICE_EMPTY;

        CU_ASSERT_EQUAL(get_bytes(&u, &s), SP_INPUT);
        CU_ASSERT_PTR_NULL(s.at);
    }
}

static const struct unit_test tests[] = {
    { "every message at its least round-trips", every_message_at_its_least_round_trips },
    { "every message at its most round-trips", every_message_at_its_most_round_trips },
    { "every message, cut anywhere, is refused", every_message_cut_anywhere_is_refused },
    { "a body with one byte left over is refused",
      a_body_with_one_byte_left_over_is_refused },
    { "every field with something wrong is refused",
      every_field_with_something_wrong_is_refused },
    { "a message of another type is refused", a_message_of_another_type_is_refused },
    { "fields keep their values and are little-endian",
      fields_keep_their_values_and_are_little_endian },
    { "a path may have a line break, and a text may not",
      a_path_may_have_a_line_break_and_a_text_may_not },
    { "blobs are written and read within their room",
      blobs_are_written_and_read_within_their_room },
    { "a blob whose length is a lie is refused",
      a_blob_whose_length_is_a_lie_is_refused },
    { NULL, NULL }
};
const struct unit_suite suite_pack = { "pack", tests };
