/* tests/unit/test_settings.c - src/config/settings.c */
#include <stdint.h>
#include <string.h>

#include "config/settings.h"
#include "unit.h"

#define BLOB_MAX 262144

static const unsigned receivers[] = { MONITOR, WORKER, BROKER, LOGIN, KEYHOLDER };

static void
defaults_are_those_of_the_table(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    CU_ASSERT_EQUAL(s.listen.count, 2);
    CU_ASSERT_STRING_EQUAL(s.listen.texts[0], "0.0.0.0:21");
    CU_ASSERT_STRING_EQUAL(s.listen.texts[1], "[::]:21");
    CU_ASSERT_EQUAL(s.listen_implicit.count, 0);
    CU_ASSERT_STRING_EQUAL(s.tls_minimum, "1.2");
    CU_ASSERT_TRUE(s.tls_required);
    CU_ASSERT_FALSE(s.jail_create);
    CU_ASSERT_EQUAL(s.umask, 022);
    CU_ASSERT_EQUAL(s.max_sessions, 2000);
    CU_ASSERT_PTR_NULL(s.file);
    settings_clear(&s);
}

static void
every_default_is_in_its_own_range(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++) {
        if (row->type != SETTING_BOOL && row->text == NULL)
            CU_ASSERT(row->number >= row->least && row->number <= row->most);
        if (row->type == SETTING_TEXT)
            CU_ASSERT(strlen(row->text) >= (size_t)row->least &&
                      strlen(row->text) <= (size_t)row->most);
        if (row->type == SETTING_LIST) {
            const struct text_list *list = setting_member(&s, row);

            CU_ASSERT(list->count >= (size_t)row->least && list->count <= (size_t)row->most);
        }
        CU_ASSERT_NOT_EQUAL(row->receivers, 0);
        CU_ASSERT_PTR_NOT_NULL(row->help);
    }
    settings_clear(&s);
}

static void
clearing_twice_is_harmless(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    settings_clear(&s);
    settings_clear(&s);
    CU_ASSERT_PTR_NULL(s.banner);
}

static void
what_is_packed_is_unpacked_the_same(void)
{
    for (size_t i = 0; i < sizeof receivers / sizeof *receivers; i++) {
        struct buf one = BUF_EMPTY(BLOB_MAX), other = BUF_EMPTY(BLOB_MAX);
        struct settings from, to;

        CU_ASSERT_EQUAL_FATAL(settings_init(&from), SP_OK);
        CU_ASSERT_EQUAL_FATAL(settings_init(&to), SP_OK);
        CU_ASSERT_EQUAL(setting_text(&from.banner, slice_of("")), SP_OK);
        CU_ASSERT_EQUAL(setting_text(&from.log_level, slice_of("debug")), SP_OK);
        CU_ASSERT_EQUAL(text_list_add(&from.cleartext_users, slice_of("scanner")), SP_OK);
        CU_ASSERT_EQUAL(text_list_add(&from.auth, slice_of("pam")), SP_OK);
        from.umask = 077;
        from.tls_required = false;
        from.system_user_least_uid = 4294967294;
        CU_ASSERT_EQUAL(settings_pack(&from, receivers[i], &one), SP_OK);
        CU_ASSERT_EQUAL(settings_unpack(&to, receivers[i], buf_slice(&one)), SP_OK);
        CU_ASSERT_EQUAL(settings_pack(&to, receivers[i], &other), SP_OK);
        CU_ASSERT_TRUE(slice_equal(buf_slice(&one), buf_slice(&other)));
        CU_ASSERT_STRING_EQUAL(to.log_level, "debug");      /* that one everybody is sent */
        settings_clear(&from);
        settings_clear(&to);
        buf_free(&one);
        buf_free(&other);
    }
}

static void
a_process_is_sent_its_own_part_only(void)
{
    struct buf blob = BUF_EMPTY(BLOB_MAX);
    struct settings from, to;

    CU_ASSERT_EQUAL_FATAL(settings_init(&from), SP_OK);
    CU_ASSERT_EQUAL_FATAL(settings_init(&to), SP_OK);
    CU_ASSERT_EQUAL(setting_text(&from.users_database, slice_of("/secret")), SP_OK);
    CU_ASSERT_EQUAL(settings_pack(&from, WORKER, &blob), SP_OK);
    CU_ASSERT_PTR_NULL(memmem(blob.at, blob.len, "/secret", 7));
    CU_ASSERT_EQUAL(settings_unpack(&to, WORKER, buf_slice(&blob)), SP_OK);
    CU_ASSERT_STRING_NOT_EQUAL(to.users_database, "/secret");
    settings_clear(&from);
    settings_clear(&to);
    buf_free(&blob);
}

static void
every_cut_of_a_blob_is_refused(void)
{
    struct buf blob = BUF_EMPTY(BLOB_MAX);
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    CU_ASSERT_EQUAL_FATAL(settings_pack(&s, MONITOR, &blob), SP_OK);
    for (size_t len = 0; len < blob.len; len++)
        CU_ASSERT_EQUAL(settings_unpack(&s, MONITOR, slice_from(blob.at, len)), SP_INPUT);
    CU_ASSERT_EQUAL(buf_add(&blob, "", 1), SP_OK);
    CU_ASSERT_EQUAL(settings_unpack(&s, MONITOR, buf_slice(&blob)), SP_INPUT);
    CU_ASSERT_EQUAL(s.listen.count, 2);         /* nothing of it was taken */
    settings_clear(&s);
    buf_free(&blob);
}

static void
no_changed_byte_does_harm(void)
{
    struct buf blob = BUF_EMPTY(BLOB_MAX);
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    CU_ASSERT_EQUAL_FATAL(settings_pack(&s, LOGIN, &blob), SP_OK);
    for (size_t i = 0; i < blob.len; i++) {
        unsigned char was = blob.at[i];

        blob.at[i] = 0xff;
        (void)!settings_unpack(&s, LOGIN, buf_slice(&blob));
        CU_ASSERT(s.umask >= 0 && s.umask <= 0777);
        CU_ASSERT(s.argon2_memory >= 8192 && s.argon2_memory <= 4194304);
        blob.at[i] = was;
    }
    settings_clear(&s);
    buf_free(&blob);
}

static void
values_out_of_their_range_are_refused(void)
{
    struct buf blob = BUF_EMPTY(BLOB_MAX);
    struct settings s, to;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    CU_ASSERT_EQUAL_FATAL(settings_init(&to), SP_OK);
    s.max_sessions = 0;
    CU_ASSERT_EQUAL(settings_pack(&s, MONITOR, &blob), SP_OK);
    CU_ASSERT_EQUAL(settings_unpack(&to, MONITOR, buf_slice(&blob)), SP_INPUT);
    CU_ASSERT_EQUAL(to.max_sessions, 2000);
    buf_free(&blob);
    s.max_sessions = 1;
    CU_ASSERT_EQUAL(setting_text(&s.banner, slice_of("two\r\nlines")), SP_OK);
    CU_ASSERT_EQUAL(settings_pack(&s, WORKER, &blob), SP_OK);
    CU_ASSERT_EQUAL(settings_unpack(&to, WORKER, buf_slice(&blob)), SP_INPUT);
    buf_free(&blob);
    settings_clear(&s);
    settings_clear(&to);
}

static void
a_list_knows_its_own_entries_only(void)
{
    struct text_list list = TEXT_LIST_EMPTY;

    CU_ASSERT_FALSE(text_list_has(&list, slice_of("anna")));
    CU_ASSERT_EQUAL(text_list_add(&list, slice_of("anna")), SP_OK);
    CU_ASSERT_TRUE(text_list_has(&list, slice_of("anna")));
    CU_ASSERT_FALSE(text_list_has(&list, slice_of("Anna")));
    CU_ASSERT_FALSE(text_list_has(&list, slice_of("ann")));
    CU_ASSERT_FALSE(text_list_has(&list, slice_of("")));
    text_list_clear(&list);
    CU_ASSERT_EQUAL(list.count, 0);
}

static const struct unit_test tests[] = {
    { "defaults are those of the table", defaults_are_those_of_the_table },
    { "every default is in its own range", every_default_is_in_its_own_range },
    { "clearing twice is harmless", clearing_twice_is_harmless },
    { "what is packed is unpacked the same", what_is_packed_is_unpacked_the_same },
    { "a process is sent its own part only", a_process_is_sent_its_own_part_only },
    { "every cut of a blob is refused", every_cut_of_a_blob_is_refused },
    { "no changed byte does harm", no_changed_byte_does_harm },
    { "values out of their range are refused", values_out_of_their_range_are_refused },
    { "a list knows its own entries only", a_list_knows_its_own_entries_only },
    { NULL, NULL }
};
const struct unit_suite suite_settings = { "settings", tests };
