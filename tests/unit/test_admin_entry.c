/* tests/unit/test_admin_entry.c - src/admin/entry.c */
#include "admin/entry.h"

#include <string.h>

#include "admin/options.h"
#include "auth/accounts.h"
#include "unit.h"

#define NOTHING \
    .writable = -1, .disabled = -1, .no_resumption = -1, .no_close_notify = -1, \
    .cleartext = -1, .ccc = -1

static enum sp_err
apply(struct accounts_entry *e, struct user_options o)
{
    char why[ENTRY_WHY_MAX] = "";
    enum sp_err rc = entry_apply(e, &o, why);

    CU_ASSERT_EQUAL(rc == SP_OK, why[0] == '\0');
    return rc;
}

static struct accounts_entry
fresh(void)
{
    struct accounts_entry e;

    entry_init(&e);
    (void)text_copy(e.name, sizeof e.name, "bob");
    return e;
}

static void
all_of_them(void)
{
    struct accounts_entry e = fresh();

    CU_ASSERT_EQUAL(apply(&e, (struct user_options){ .jail = "/srv/%u",
                                                     .start = "in",
                                                     .uid = "4321",
                                                     .gid = "4322",
                                                     .groups = "7, 8",
                                                     .umask = "027",
                                                     .expires = "2027-01-31",
                                                     .networks = "192.0.2.0/24, ::1",
                                                     .sessions = "3",
                                                     .writable = 0,
                                                     .disabled = 1,
                                                     .no_resumption = 1,
                                                     .no_close_notify = 1,
                                                     .cleartext = 1,
                                                     .ccc = 1 }),
                    SP_OK);
    CU_ASSERT_STRING_EQUAL(e.jail, "/srv/%u");
    CU_ASSERT_STRING_EQUAL(e.start, "/in");
    CU_ASSERT_TRUE(e.own_ids && e.uid == 4321 && e.gid == 4322);
    CU_ASSERT_STRING_EQUAL(e.groups, "7,8");
    CU_ASSERT_EQUAL(e.umask, 027);
    CU_ASSERT_EQUAL(e.expires, 1801440000);     /* 2027-02-01T00:00:00Z */
    CU_ASSERT_STRING_EQUAL(e.networks, "192.0.2.0/24,::1");
    CU_ASSERT_EQUAL(e.session_limit, 3);
    CU_ASSERT_TRUE(e.disabled && e.no_resumption && e.no_close_notify && e.cleartext_data
                   && e.ccc && !e.writable);
    CU_ASSERT_EQUAL(apply(&e, (struct user_options){ NOTHING }), SP_OK);
    CU_ASSERT_EQUAL(e.uid, 4321);
    CU_ASSERT_EQUAL(
        apply(&e, (struct user_options){ NOTHING, .guest = true, .networks = "",
                                         .umask = "default", .expires = "never" }),
        SP_OK);
    CU_ASSERT_FALSE(e.own_ids);
    CU_ASSERT_STRING_EQUAL(e.networks, "");
    CU_ASSERT_TRUE(e.umask == -1 && e.expires == 0);
}

static void
refused(void)
{
    static const struct user_options cases[] = {
        { NOTHING, .uid = "0", .gid = "5" },
        { NOTHING, .uid = "5", .gid = "0" },
        { NOTHING, .uid = "root" },
        { NOTHING, .uid = "no-such-user" },
        { NOTHING, .uid = "4294967295", .gid = "5" },
        { NOTHING, .uid = "-1", .gid = "5" },
        { NOTHING, .uid = "3999999999" },
        { NOTHING, .gid = "5" },
        { NOTHING, .groups = "5" },
        { NOTHING, .uid = "5", .gid = "5", .groups = "0" },
        { NOTHING, .uid = "5", .gid = "5", .groups = "no-such-group" },
        { NOTHING, .guest = true, .uid = "5" },
        { NOTHING, .jail = "relative" },
        { NOTHING, .jail = "/srv/../etc" },
        { NOTHING, .jail = "/srv/%x" },
        { NOTHING, .jail = "" },
        { NOTHING, .umask = "999" },
        { NOTHING, .umask = "1000" },
        { NOTHING, .umask = "" },
        { NOTHING, .umask = "u=rwx" },
        { NOTHING, .expires = "tomorrow" },
        { NOTHING, .expires = "2027-02-30" },
        { NOTHING, .expires = "2027-1-1" },
        { NOTHING, .expires = "2027-01-01 " },
        { NOTHING, .networks = "192.0.2.1/24" },
        { NOTHING, .networks = "example.org" },
        { NOTHING, .networks = "192.0.2.0/24," },
        { NOTHING, .sessions = "-1" },
        { NOTHING, .sessions = "many" },
        { NOTHING, .sessions = "1000001" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct accounts_entry e = fresh();

        CU_ASSERT_EQUAL(apply(&e, cases[i]), SP_INPUT);
    }
}

static void
last_days(void)
{
    static const char *const days[] = { "2027-01-31", "2028-02-29", "1999-12-31",
                                        "2106-06-06" };
    char text[32] = "";
    int64_t at = -1;

    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        CU_ASSERT_EQUAL(entry_parse_expiry(days[i], &at), SP_OK);
        CU_ASSERT_EQUAL(at % 86400, 0);
        CU_ASSERT_STRING_EQUAL(entry_expiry_text(at, text), days[i]);
    }
    CU_ASSERT_EQUAL(entry_parse_expiry("never", &at), SP_OK);
    CU_ASSERT_EQUAL(at, 0);
    CU_ASSERT_STRING_EQUAL(entry_expiry_text(0, text), "never");
}

static void
changes(void)
{
    const int64_t now = 1801440000;
    static const struct {
        struct user_options o;
        enum account_change change;
    } cases[] = {
        { { NOTHING }, CHANGED_NOTHING },
        { { NOTHING, .start = "in", .umask = "027", .sessions = "3" }, CHANGED_NOTHING },
        { { NOTHING, .expires = "2027-02-01" }, CHANGED_NOTHING },
        { { NOTHING, .expires = "2027-01-31" }, CHANGED_EXPIRED },
        { { NOTHING, .jail = "/srv/bob", .uid = "4321", .gid = "4322", .groups = "7,8",
            .networks = "192.0.2.0/24" }, CHANGED_NOTHING },
        { { .writable = 1, .disabled = 0, .no_resumption = 0, .no_close_notify = 0,
            .cleartext = 0, .ccc = 0 }, CHANGED_NOTHING },
        { { NOTHING, .jail = "/srv/%u" }, CHANGED_RIGHTS },
        { { NOTHING, .uid = "4320", .gid = "4322" }, CHANGED_RIGHTS },
        { { NOTHING, .gid = "4321" }, CHANGED_RIGHTS },
        { { NOTHING, .groups = "7" }, CHANGED_RIGHTS },
        { { NOTHING, .guest = true }, CHANGED_RIGHTS },
        { { NOTHING, .networks = "" }, CHANGED_RIGHTS },
        { { .writable = 0, .disabled = -1, .no_resumption = -1, .no_close_notify = -1,
            .cleartext = -1, .ccc = -1 }, CHANGED_RIGHTS },
        { { .writable = -1, .disabled = -1, .no_resumption = 1, .no_close_notify = -1,
            .cleartext = -1, .ccc = -1 }, CHANGED_RIGHTS },
        { { .writable = -1, .disabled = -1, .no_resumption = -1, .no_close_notify = 1,
            .cleartext = -1, .ccc = -1 }, CHANGED_RIGHTS },
        { { .writable = -1, .disabled = -1, .no_resumption = -1, .no_close_notify = -1,
            .cleartext = 1, .ccc = -1 }, CHANGED_RIGHTS },
        { { .writable = -1, .disabled = -1, .no_resumption = -1, .no_close_notify = -1,
            .cleartext = -1, .ccc = 1 }, CHANGED_RIGHTS },
        { { .writable = 0, .disabled = 1, .no_resumption = -1, .no_close_notify = -1,
            .cleartext = -1, .ccc = -1, .expires = "2020-01-31" }, CHANGED_DISABLED },
    };
    struct accounts_entry before = fresh();

    CU_ASSERT_EQUAL(apply(&before, (struct user_options){
        NOTHING, .jail = "/srv/bob", .uid = "4321", .gid = "4322", .groups = "7,8",
        .networks = "192.0.2.0/24" }), SP_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct accounts_entry after = before;

        CU_ASSERT_EQUAL(apply(&after, cases[i].o), SP_OK);
        CU_ASSERT_EQUAL(entry_change(&before, &after, now), cases[i].change);
    }
    /* what was so before is told again: the server may not have heard it */
    before.expires = now;
    CU_ASSERT_EQUAL(entry_change(&before, &before, now), CHANGED_EXPIRED);
    before.disabled = true;
    CU_ASSERT_EQUAL(entry_change(&before, &before, now), CHANGED_DISABLED);
}

static const struct unit_test tests[] = {
    { "each option changes its column and no other", all_of_them },
    { "what cannot be right is refused with a reason", refused },
    { "a date is the last day of an account", last_days },
    { "a change is told by what it means for those who are logged in", changes },
    { NULL, NULL }
};
const struct unit_suite suite_admin_entry = { "entry", tests };
