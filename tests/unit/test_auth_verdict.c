/* tests/unit/test_auth_verdict.c - auth/verdict.c */
#include <string.h>

#include "auth_fixture.h"
#include "unit.h"
#include "wire/grant.h"
#include "wire/pack.h"

static struct message message;

static void
granted(void)
{
    struct fixture f;
    struct msg_granted in = { 0 };

    fixture_begin(&f);
    f.verdict.account = (struct account){ .backend = "users",
                                          .user = "bob",
                                          .group = "staff",
                                          .uid = 1000,
                                          .gid = 50,
                                          .groups = { 50, 0x01020304 },
                                          .group_count = 2,
                                          .jail = "/srv/bob",
                                          .start = "/in",
                                          .permits = PERMIT_READ_ONLY,
                                          .flags = ACCOUNT_CCC,
                                          .umask = 027,
                                          .session_limit = 3 };
    verdict_grant(&f.verdict);
    CU_ASSERT_EQUAL(verdict_send(&f.verdict, &f.login), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL_FATAL(msg_granted_unpack(&message, &in), SP_OK);
    CU_ASSERT_TRUE(slice_equal(in.backend, slice_of("users")));
    CU_ASSERT_TRUE(slice_equal(in.user, slice_of("bob")));
    CU_ASSERT_TRUE(slice_equal(in.group, slice_of("staff")));
    CU_ASSERT_TRUE(slice_equal(in.groups, slice_from("\x32\0\0\0\x04\x03\x02\x01", 8)));
    CU_ASSERT_TRUE(slice_equal(in.jail, slice_of("/srv/bob")));
    CU_ASSERT_TRUE(slice_equal(in.start, slice_of("/in")));
    CU_ASSERT_TRUE(in.uid == 1000 && in.gid == 50 && in.umask == 027
                   && in.session_limit == 3);
    CU_ASSERT_TRUE(in.permits == PERMIT_READ_ONLY && in.flags == ACCOUNT_CCC);
    fixture_end(&f);
}

static void
full(void)
{
    struct fixture f;
    struct msg_granted in = { 0 };
    struct account *a = &f.verdict.account;

    fixture_begin(&f);
    memset(a->jail, 'j', ACCOUNT_PATH_MAX);
    memset(a->start, 's', ACCOUNT_PATH_MAX);
    memset(a->user, 'u', ACCOUNT_NAME_MAX);
    memset(a->group, 'g', ACCOUNT_NAME_MAX);
    a->jail[0] = a->start[0] = '/';
    a->group_count = ACCOUNT_GROUPS_MAX;
    verdict_grant(&f.verdict);
    CU_ASSERT_EQUAL(verdict_send(&f.verdict, &f.login), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(msg_granted_unpack(&message, &in), SP_OK);
    CU_ASSERT_EQUAL(in.groups.len, 4 * ACCOUNT_GROUPS_MAX);
    fixture_end(&f);
}

static void
refused(void)
{
    static char text[2000];
    struct fixture f;
    struct msg_refused in = { 0 };

    fixture_begin(&f);
    verdict_refuse(&f.verdict, REFUSE_DISABLED, "line one\r\nline two\x7f %d", 7);
    CU_ASSERT_EQUAL(verdict_send(&f.verdict, &f.login), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL_FATAL(msg_refused_unpack(&message, &in), SP_OK);
    CU_ASSERT_EQUAL(in.reason, REFUSE_DISABLED);
    CU_ASSERT_TRUE(slice_equal(in.text, slice_of("line one  line two  7")));
    memset(text, 'x', sizeof text - 1);
    verdict_refuse(&f.verdict, REFUSE_ERROR, "%s", text);
    CU_ASSERT_EQUAL(verdict_send(&f.verdict, &f.login), SP_OK);
    verdict_unknown(&f.verdict);
    CU_ASSERT_EQUAL(verdict_send(&f.verdict, &f.login), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL_FATAL(msg_refused_unpack(&message, &in), SP_OK);
    CU_ASSERT_EQUAL(in.reason, REFUSE_CREDENTIALS);
    fixture_end(&f);
}

static void
count_up(void *held)
{
    ++*(int *)held;
}

static void
released_once(void)
{
    struct verdict v = { .kind = VERDICT_GRANTED };
    int count = 0;

    v.release = count_up;
    v.held = &count;
    verdict_release(&v);
    verdict_release(&v);
    CU_ASSERT_EQUAL(count, 1);
}

static const struct unit_test tests[] = {
    { "a granted account arrives whole", granted },
    { "the largest account fits", full },
    { "the text of a refusal is one short line", refused },
    { "what a verdict holds is released once", released_once },
    { NULL, NULL }
};
const struct unit_suite suite_auth_verdict = { "verdict", tests };
