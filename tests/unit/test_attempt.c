/* tests/unit/test_attempt.c - auth/attempt.c, with this process as the monitor */
#include <string.h>

#include "auth_fixture.h"
#include "unit.h"
#include "wire/pack.h"

static struct message message;

static void
send_attempt(struct fixture *f, struct slice user, struct slice password)
{
    unsigned char peer[NET_PACKED];
    struct net_addr from = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL(net_parse(&from, slice_of("2001:db8::7")), SP_OK);
    net_pack(&from, peer);
    msg_attempt_pack(&message, &(struct msg_attempt){
        .session = slice_of("K3F9-12"), .user = user, .password = password,
        .peer = slice_from(peer, sizeof peer) });
    CU_ASSERT_EQUAL_FATAL(channel_send(&f->monitor, &message), SP_OK);
}

static void
received(void)
{
    struct fixture f;
    char peer[NET_TEXT_MAX] = "";

    fixture_begin(&f);
    send_attempt(&f, slice_of("bob"), slice_of("open sesame"));
    CU_ASSERT_EQUAL(attempt_receive(&f.attempt, 1000), SP_OK);
    CU_ASSERT_TRUE(f.attempt.well_formed);
    CU_ASSERT_STRING_EQUAL(f.attempt.user, "bob");
    CU_ASSERT_STRING_EQUAL(secret_text(&f.attempt.password), "open sesame");
    CU_ASSERT_STRING_EQUAL(net_text(&f.attempt.peer, peer), "2001:db8::7");
    CU_ASSERT_EQUAL(attempt_receive(&f.attempt, 0), SP_AGAIN);
    attempt_clear(&f.attempt);
    CU_ASSERT_EQUAL(f.attempt.password.len, 0);
    CU_ASSERT_STRING_EQUAL(secret_text(&f.attempt.password), "");
    channel_clear(&f.monitor);
    CU_ASSERT_EQUAL(attempt_receive(&f.attempt, 1000), SP_CLOSED);
    fixture_end(&f);
}

static void
malformed(void)
{
    static const struct { struct slice user, password; } cases[] = {
        { { (const unsigned char *)"", 0 }, { (const unsigned char *)"x", 1 } },
        { { (const unsigned char *)"..", 2 }, { (const unsigned char *)"x", 1 } },
        { { (const unsigned char *)"a/b", 3 }, { (const unsigned char *)"x", 1 } },
        { { (const unsigned char *)"a\tb", 3 }, { (const unsigned char *)"x", 1 } },
        { { (const unsigned char *)"bob", 3 }, { (const unsigned char *)"x\0y", 3 } },
    };
    struct fixture f;

    fixture_begin(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        attempt_init(&f.attempt, &f.settings, &f.login, &f.slots);
        attempt_set(&f.attempt, cases[i].user, cases[i].password);
        CU_ASSERT_FALSE(f.attempt.well_formed);
        CU_ASSERT_STRING_EQUAL(f.attempt.user, "");
        attempt_clear(&f.attempt);
    }
    fixture_end(&f);
}

static void
asked(void)
{
    struct fixture f;
    struct msg_question q = { 0 };
    struct secret answer;

    fixture_begin(&f);
    secret_init(&answer);
    channel_enter(&f.login, ST_LOGIN);
    /* the answer lies ready before the question is asked */
    msg_answer_pack(&message, &(struct msg_answer){ .answer = slice_of("123456") });
    CU_ASSERT_EQUAL_FATAL(channel_send(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(attempt_ask(&f.attempt, "Code\r\n\x1b[2J?", &answer), SP_OK);
    CU_ASSERT_STRING_EQUAL(secret_text(&answer), "123456");
    CU_ASSERT_EQUAL(f.login.state, ST_LOGIN);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(message.type, MSG_QUESTION);
    CU_ASSERT_EQUAL(msg_question_unpack(&message, &q), SP_OK);
    CU_ASSERT_TRUE(slice_equal(q.text, slice_of("Code   [2J?")));
    channel_clear(&f.monitor);
    CU_ASSERT_EQUAL(attempt_ask(&f.attempt, "Again?", &answer), SP_CLOSED);
    secret_clear(&answer);
    fixture_end(&f);
}

static void
a_place(void)
{
    struct fixture f;

    fixture_begin(&f);
    channel_enter(&f.login, ST_LOGIN);
    msg_place_pack(&message, &(struct msg_place){ 0 });
    CU_ASSERT_EQUAL_FATAL(channel_send(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(attempt_await_place(&f.attempt), SP_OK);
    CU_ASSERT_EQUAL(f.login.state, ST_LOGIN);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(message.type, MSG_PLACE_WANTED);
    /* an answer to what was not asked is no place */
    msg_end_login_pack(&message, &(struct msg_end_login){ 0 });
    CU_ASSERT_EQUAL_FATAL(channel_send(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(attempt_await_place(&f.attempt), SP_INPUT);
    channel_clear(&f.monitor);
    CU_ASSERT_EQUAL(attempt_await_place(&f.attempt), SP_CLOSED);
    fixture_end(&f);
}

static void
long_prompt(void)
{
    static char prompt[5000];
    struct fixture f;
    struct msg_question q = { 0 };
    struct secret answer;

    fixture_begin(&f);
    secret_init(&answer);
    memset(prompt, 'x', sizeof prompt - 1);
    channel_enter(&f.login, ST_LOGIN);
    msg_answer_pack(&message, &(struct msg_answer){ .answer = slice_from("a\0b", 3) });
    CU_ASSERT_EQUAL_FATAL(channel_send(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(attempt_ask(&f.attempt, prompt, &answer), SP_INPUT);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&f.monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(msg_question_unpack(&message, &q), SP_OK);
    CU_ASSERT_EQUAL(q.text.len, 1024);
    secret_clear(&answer);
    fixture_end(&f);
}

static void
abandoned(void)
{
    struct fixture f;

    fixture_begin(&f);
    CU_ASSERT_FALSE(attempt_abandoned(&f.attempt));
    channel_clear(&f.monitor);
    CU_ASSERT_TRUE(attempt_abandoned(&f.attempt));
    fixture_end(&f);
}

static const struct unit_test tests[] = {
    { "an attempt is taken, and its password wiped", received },
    { "a malformed name or password is remembered, not kept", malformed },
    { "a question goes out as one line and its answer comes back", asked },
    { "a long prompt is cut, a NUL in the answer refused", long_prompt },
    { "a place in PAM is waited for", a_place },
    { "an attempt that nobody waits for is seen", abandoned },
    { NULL, NULL }
};
const struct unit_suite suite_attempt = { "attempt", tests };
