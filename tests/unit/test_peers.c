/* tests/unit/test_peers.c - tests/peers, by every row of messages.def */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suites.h"
#include "tests/peers/around.h"
#include "tests/peers/forge.h"
#include "tests/peers/sides.h"
#include "wire/channel.h"

static struct forged forged;
static struct message message;

/* One of what a worker may ask; descriptors of the answer are closed. true: it came. */
static bool
is_answered(struct around *a, struct channel *worker, bool (*play)(struct around *),
            struct channel *played, unsigned type)
{
    bool came = false;

    forge_least(message_row(type), &forged);
    channel_enter(played, message_row(type)->states & -message_row(type)->states);
    CU_ASSERT(forge_send(worker->fd, type, forged.body, forged.len, 0, 0));
    CU_ASSERT(play(a));
    CU_ASSERT_FALSE(a->wrong);
    while (channel_receive(worker, &message) == SP_OK) {
        came = true;
        message_clear(&message);
    }
    CU_ASSERT_PTR_NULL(worker->fault);
    return came;
}

static void
each_question_of_a_worker_is_answered_by_the_rows(void)
{
    static const struct around_plan plan = { .content = "x", .local_sockets = true };
    static struct around a;
    struct channel monitor = CHANNEL_EMPTY, broker = CHANNEL_EMPTY;
    size_t before = open_descriptors(), answered = 0;
    int fd = -1, pair[2] = { -1, -1 };

    around_init(&a, &plan, &fd);
    channel_init(&monitor, fd, WORKER, MONITOR, ST_ANY);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(message.type, MSG_SESSION);
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        if ((message_row(type)->sender & WORKER) == 0)
            continue;
        if (message_row(type)->receiver == MONITOR) {
            answered += is_answered(&a, &monitor, around_play_monitor, &a.monitor, type);
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(channel_pair(&pair[0], &pair[1]), SP_OK);
        channel_clear(&a.broker);
        channel_init(&a.broker, pair[0], BROKER, WORKER, ST_USER);
        channel_init(&broker, pair[1], WORKER, BROKER, ST_ANY);
        if (!is_answered(&a, &broker, around_play_broker, &a.broker, type))
            CU_FAIL("a broker that says nothing");
        answered++;
        channel_clear(&broker);
    }
    CU_ASSERT(answered > 20);
    around_clear(&a);
    channel_clear(&monitor);
    CU_ASSERT_EQUAL(open_descriptors(), before);
}

/* What an honest side says keeps to the rows, too. */
static void
each_side_answers_its_monitor_by_the_rows(void)
{
    static const unsigned kinds[] = { TEMPLATE, BROKER, LOGIN, KEYHOLDER, LEDGER };
    static struct message out[SIDE_ANSWERS];
    size_t answered = 0;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
            unsigned count = 0;

            if (message_row(type)->sender != MONITOR
                || (message_row(type)->receiver & kinds[i]) == 0)
                continue;
            forge_least(message_row(type), &forged);
            message_init(&message);
            message.type = (uint16_t)type;
            message.len = forged.len;
            memcpy(message.body, forged.body, forged.len);
            count = side_answer(kinds[i], &message, out);
            for (unsigned k = 0; k < count; k++) {
                const struct message_row *row = message_row(out[k].type);

                CU_ASSERT((row->sender & kinds[i]) != 0 && row->receiver == MONITOR);
                CU_ASSERT(out[k].len >= row->least && out[k].len <= row->most);
                answered++;
            }
        }
    CU_ASSERT_EQUAL(answered, 9);       /* READY thrice, KEY_LOADED; one for each other */
}

static void
a_message_is_said_in_words(void)
{
    static const struct { const char *words, *told; } rows[] = {
        { "login alice right", "LOGIN alice" }, { "LISTENING 2121", "LISTENING 2121" },
        { "FAILED 4 13", "FAILED 4 13" }, { "rename /a", "RENAME /a" },
        { "SHUTDOWN It stops now.", "SHUTDOWN It stops now." }, { "DONE", "DONE" },
        { "SIGN 0 2052 a b", "SIGN 0 2052 a b" }, { "logged_in", "LOGGED_IN " },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char told[256] = "";

        forge_message(&message, "%s", rows[i].words);
        forge_tell(&message, told, sizeof told);
        CU_ASSERT_STRING_EQUAL(told, rows[i].told);
    }
    CU_ASSERT_EQUAL(forge_words((char[]){ "nothing of ours" }, &forged), MSG_NONE);
}

static const struct unit_test tests[] = {
    { "each question of a worker is answered by the rows",
      each_question_of_a_worker_is_answered_by_the_rows },
    { "each side answers its monitor by the rows",
      each_side_answers_its_monitor_by_the_rows },
    { "a message is said in words", a_message_is_said_in_words },
    { NULL, NULL }
};
const struct unit_suite suite_peers = { "peers", tests };
