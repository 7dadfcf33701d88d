/* tests/unit/test_message.c - src/wire/message.c */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suites.h"
#include "wire/message.h"

static void
numbers_outside_of_the_table_have_no_row(void)
{
    static const unsigned outside[] = { MSG_NONE, MSG_COUNT, MSG_COUNT + 1, 0xffff };

    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        CU_ASSERT_PTR_NULL(message_row(outside[i]));
        CU_ASSERT_STRING_EQUAL(message_name(outside[i]), "?");
    }
}

static void
each_row_says_who_may_send_what_to_whom_and_when(void)
{
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        const struct message_row *row = message_row(type);

        CU_ASSERT_PTR_NOT_NULL_FATAL(row);
        CU_ASSERT_PTR_NOT_NULL_FATAL(row->name);
        CU_ASSERT_STRING_EQUAL(message_name(type), row->name);
        CU_ASSERT_NOT_EQUAL(row->sender, 0);
        CU_ASSERT_NOT_EQUAL(row->receiver, 0);
        CU_ASSERT_EQUAL(row->sender & row->receiver, 0);
        CU_ASSERT_NOT_EQUAL(row->states, 0);
        CU_ASSERT_EQUAL(row->states & ~(unsigned)ST_ANY, 0);
        CU_ASSERT(row->fds <= MESSAGE_FDS);
        CU_ASSERT(row->least <= row->most);
        CU_ASSERT(row->most <= MESSAGE_MAX);
    }
}

static void
a_worker_cannot_send_descriptors(void)
{
    /* Who may pass one makes the receiver work on it: the monitor and the broker take
     * none from a worker, so there is none to be misled by. */
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++)
        if ((message_row(type)->sender & WORKER) != 0)
            CU_ASSERT_EQUAL(message_row(type)->fds, 0);
}

static void
no_two_rows_have_the_same_name(void)
{
    for (unsigned a = MSG_NONE + 1; a < MSG_COUNT; a++)
        for (unsigned b = a + 1; b < MSG_COUNT; b++)
            CU_ASSERT_STRING_NOT_EQUAL(message_name(a), message_name(b));
}

static void
each_kind_of_process_has_a_name(void)
{
    static const struct { unsigned peer; const char *name; } rows[] = {
        { MONITOR, "monitor" }, { WORKER, "worker" }, { BROKER, "broker" },
        { LOGIN, "login" },
        { KEYHOLDER, "keyholder" }, { TEMPLATE, "template" }, { ADMIN, "admin" },
        { 0, "?" },
        { 1u << 9, "?" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_STRING_EQUAL(peer_name(rows[i].peer), rows[i].name);
}

static void
clearing_closes_what_nobody_took_and_taking_leaves_nothing(void)
{
    static struct message m;
    int pair[2] = { -1, -1 };
    int taken = -1;

    CU_ASSERT_EQUAL_FATAL(pipe(pair), 0);
    message_init(&m);
    m.fds[0] = pair[0];
    m.fds[1] = pair[1];
    m.nfds = 2;
    taken = message_take_fd(&m, 0);
    CU_ASSERT_EQUAL(taken, pair[0]);
    CU_ASSERT_EQUAL(m.fds[0], -1);
    message_clear(&m);
    CU_ASSERT_EQUAL(m.nfds, 0);
    CU_ASSERT_EQUAL(close(pair[1]), -1);    /* closed already */
    CU_ASSERT_EQUAL(close(taken), 0);
}

static void
wiping_overwrites_the_whole_body(void)
{
    static struct message m;
    size_t left = 0;

    message_init(&m);
    memset(m.body, 'p', sizeof m.body);
    m.len = 8;
    message_wipe(&m);
    for (size_t i = 0; i < sizeof m.body; i++)
        left += m.body[i] != 0;
    CU_ASSERT_EQUAL(left, 0);
    CU_ASSERT_EQUAL(m.len, 0);
}

static void
wiping_what_was_used_misses_nothing(void)
{
    static struct message m;
    static const size_t at[] = { 0, 1, 1023, 1024, 2047, 8191, MESSAGE_MAX - 1024,
                                 MESSAGE_MAX - 1 };
    size_t left = 0;

    message_init(&m);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        m.body[at[i]] = (unsigned char)('a' + i);
        if (i % 3 == 0)
            continue;           /* alone, and several at once */
        message_wipe_used(&m);
        for (size_t k = 0; k < sizeof m.body; k++)
            left += m.body[k] != 0;
    }
    memset(m.body, 'p', sizeof m.body);
    message_wipe_used(&m);
    for (size_t k = 0; k < sizeof m.body; k++)
        left += m.body[k] != 0;
    CU_ASSERT_EQUAL(left, 0);
}

static const struct unit_test tests[] = {
    { "numbers outside of the table have no row",
      numbers_outside_of_the_table_have_no_row },
    { "each row says who may send what to whom and when",
      each_row_says_who_may_send_what_to_whom_and_when },
    { "a worker cannot send descriptors", a_worker_cannot_send_descriptors },
    { "no two rows have the same name", no_two_rows_have_the_same_name },
    { "each kind of process has a name", each_kind_of_process_has_a_name },
    { "clearing closes what nobody took, and taking leaves nothing",
      clearing_closes_what_nobody_took_and_taking_leaves_nothing },
    { "wiping overwrites the whole body", wiping_overwrites_the_whole_body },
    { "wiping what was used misses nothing", wiping_what_was_used_misses_nothing },
    { NULL, NULL }
};
const struct unit_suite suite_message = { "message", tests };
