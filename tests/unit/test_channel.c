/* tests/unit/test_channel.c - src/wire/channel.c, by every row of messages.def */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "suites.h"
#include "tests/peers/forge.h"
#include "wire/channel.h"
#include "wire/pack.h"

static struct forged forged;
static struct message message;

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/*
 * A channel (self, peer, state) and the bare socket at its other end. A kernel that would
 * keep descriptors away itself is told not to: what an older one lets pass is our business.
 */
static void
set_up(struct channel *c, int *other, unsigned self, unsigned peer, unsigned state)
{
    int one = -1, on = 1;

    CU_ASSERT_EQUAL_FATAL(channel_pair(&one, other), SP_OK);
    channel_init(c, one, self, peer, state);
    (void)setsockopt(one, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on);
}

static void
tear_down(struct channel *c, int *other)
{
    channel_clear(c);
    fd_close(other);
}

static void
expect_fault(struct channel *c, const char *fault)
{
    size_t before = open_descriptors();

    CU_ASSERT_EQUAL(channel_receive(c, &message), SP_INPUT);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c->fault);
    if (strcmp(c->fault, fault) != 0)
        printf("%s: %s, not %s\n", message_name(message.type), c->fault, fault);
    CU_ASSERT_STRING_EQUAL(c->fault, fault);
    CU_ASSERT_EQUAL(message.nfds, 0);
    CU_ASSERT_EQUAL(open_descriptors(), before);
}

/* The lowest bit of a set of kinds or states. */
static unsigned
one_of(unsigned set)
{
    return set & -set;
}

static void
each_message_is_taken_from_its_sender_in_its_states_and_nowhere_else(void)
{
    size_t taken = 0;

    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        const struct message_row *row = message_row(type);

        forge_least(row, &forged);
        for (unsigned self = MONITOR; self <= TEMPLATE; self <<= 1)
            for (unsigned peer = MONITOR; peer <= TEMPLATE; peer <<= 1) {
                struct channel c = CHANNEL_EMPTY;
                int other = -1;

                set_up(&c, &other, self, peer, ST_START);
                for (unsigned state = ST_START; state <= ST_END; state <<= 1) {
                    bool direction = (row->sender & peer) != 0
                        && (row->receiver & self) != 0;

                    channel_enter(&c, state);
                    CU_ASSERT(forge_send(other, type, forged.body, forged.len, row->fds,
                                         0));
                    if (row->fds > 0 && !message_passes_fds(peer, self)) {
                        expect_fault(&c, "cut-descriptors");
                    } else if (!direction) {
                        expect_fault(&c, "wrong-sender");
                    } else if ((row->states & state) == 0) {
                        expect_fault(&c, "wrong-state");
                    } else {
                        CU_ASSERT_EQUAL(channel_receive(&c, &message), SP_OK);
                        CU_ASSERT_EQUAL(message.type, type);
                        CU_ASSERT_EQUAL(message.nfds, row->fds);
                        message_clear(&message);
                        taken++;
                    }
                }
                tear_down(&c, &other);
            }
    }
    CU_ASSERT(taken >= MSG_COUNT - 1);
}

static void
each_message_of_a_wrong_size_is_refused(void)
{
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        const struct message_row *row = message_row(type);
        struct channel c = CHANNEL_EMPTY;
        int other = -1;

        set_up(&c, &other, one_of(row->receiver), one_of(row->sender),
               one_of(row->states));
        forge_most(row, &forged);
        if (row->least > 0) {
            CU_ASSERT(forge_send(other, type, forged.body, row->least - 1, row->fds, 0));
            expect_fault(&c, "wrong-size");
        }
        if (row->most < MESSAGE_MAX) {
            CU_ASSERT(forge_send(other, type, forged.body, row->most + 1, row->fds, 0));
            expect_fault(&c, "wrong-size");
        }
        CU_ASSERT(forge_send(other, type, forged.body, MESSAGE_MAX + 1, row->fds, 0));
        expect_fault(&c, "cut-data");
        tear_down(&c, &other);
    }
}

static void
each_message_with_a_wrong_count_of_descriptors_is_refused_and_they_are_closed(void)
{
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        const struct message_row *row = message_row(type);
        struct channel c = CHANNEL_EMPTY;
        int other = -1;

        set_up(&c, &other, one_of(row->receiver), one_of(row->sender),
               one_of(row->states));
        forge_least(row, &forged);
        for (unsigned count = 0; count <= FORGE_FDS; count++) {
            if (count == row->fds)
                continue;
            CU_ASSERT(forge_send(other, type, forged.body, forged.len, count, 0));
            expect_fault(&c, count > MESSAGE_FDS || (count > 0 && !c.takes_fds)
                         ? "cut-descriptors" : "wrong-descriptors");
        }
        tear_down(&c, &other);
    }
}

/* The monitor hears nobody but templates pass one, and a broker takes none at all. */
static void
who_has_none_to_pass_passes_none(void)
{
    static const unsigned peers[] = { WORKER, BROKER, LOGIN, KEYHOLDER };
    struct channel c = CHANNEL_EMPTY;
    int one = -1, other = -1, off = -1;
    socklen_t len = sizeof off;

    CU_ASSERT_TRUE(message_passes_fds(TEMPLATE, MONITOR));
    CU_ASSERT_TRUE(message_passes_fds(BROKER, WORKER));
    CU_ASSERT_FALSE(message_passes_fds(WORKER, BROKER));
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        CU_ASSERT_FALSE(message_passes_fds(peers[i], MONITOR));
        CU_ASSERT_EQUAL_FATAL(channel_pair(&one, &other), SP_OK);
        channel_init(&c, one, MONITOR, peers[i], ST_ANY);
        CU_ASSERT_FALSE(c.takes_fds);
        if (getsockopt(one, SOL_SOCKET, SO_PASSRIGHTS, &off, &len) == -1) {
            CU_ASSERT_EQUAL(errno, ENOPROTOOPT);        /* before Linux 6.16 */
            CU_ASSERT(forge_send(other, MSG_LOG, NULL, 0, 1, 0));
            expect_fault(&c, "cut-descriptors");
        } else {
            CU_ASSERT_EQUAL(off, 0);
            CU_ASSERT_FALSE(forge_send(other, MSG_LOG, NULL, 0, 1, 0));
            CU_ASSERT_EQUAL(errno, EPERM);
        }
        tear_down(&c, &other);
    }
}

static void
an_unknown_number_is_refused(void)
{
    static const unsigned numbers[] = { MSG_NONE, MSG_COUNT, MSG_COUNT + 1, 0x7fff,
                                        0xffff };
    struct channel c = CHANNEL_EMPTY;
    int other = -1;

    set_up(&c, &other, MONITOR, WORKER, ST_USER);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        CU_ASSERT(forge_send(other, numbers[i], "x", 1, 0, 0));
        expect_fault(&c, "unknown-message");
    }
    tear_down(&c, &other);
}

static void
a_record_too_short_for_a_number_is_refused(void)
{
    struct channel c = CHANNEL_EMPTY;
    int other = -1;

    set_up(&c, &other, MONITOR, WORKER, ST_USER);
    CU_ASSERT_EQUAL(send(other, "x", 1, 0), 1);
    expect_fault(&c, "no-type");
    tear_down(&c, &other);
}

static void
nothing_yet_is_not_the_end_and_the_end_is(void)
{
    struct channel c = CHANNEL_EMPTY;
    int other = -1;
    int64_t start = 0;

    set_up(&c, &other, MONITOR, WORKER, ST_USER);
    CU_ASSERT_EQUAL(channel_receive(&c, &message), SP_AGAIN);
    start = clock_ms();
    CU_ASSERT_EQUAL(channel_wait(&c, &message, 30), SP_AGAIN);
    CU_ASSERT(clock_ms() - start >= 29);
    fd_close(&other);
    CU_ASSERT_EQUAL(channel_receive(&c, &message), SP_CLOSED);
    CU_ASSERT_EQUAL(channel_wait(&c, &message, -1), SP_CLOSED);
    tear_down(&c, &other);
    CU_ASSERT_EQUAL(c.fd, -1);
    CU_ASSERT_EQUAL(c.state, ST_END);
}

static void
what_was_sent_before_the_end_still_arrives(void)
{
    struct channel c = CHANNEL_EMPTY;
    int other = -1;

    set_up(&c, &other, MONITOR, WORKER, ST_USER);
    CU_ASSERT(forge_send(other, MSG_LOGOUT, NULL, 0, 0, 0));
    fd_close(&other);
    CU_ASSERT_EQUAL(channel_receive(&c, &message), SP_OK);
    CU_ASSERT_EQUAL(message.type, MSG_LOGOUT);
    CU_ASSERT_EQUAL(channel_receive(&c, &message), SP_CLOSED);
    tear_down(&c, &other);
}

static void
nor_is_it_lost_where_the_peer_did_not_read_all(void)
{
    struct channel c = CHANNEL_EMPTY;
    int other = -1;

    set_up(&c, &other, MONITOR, WORKER, ST_USER);
    CU_ASSERT(forge_send(other, MSG_LOGOUT, NULL, 0, 0, 0));
    msg_sign_refused_pack(&message, &(struct msg_sign_refused){ 0 });
    CU_ASSERT_EQUAL(channel_send(&c, &message), SP_OK);
    fd_close(&other);
    CU_ASSERT_EQUAL(channel_receive(&c, &message), SP_OK);
    CU_ASSERT_EQUAL(message.type, MSG_LOGOUT);
    CU_ASSERT_EQUAL(channel_receive(&c, &message), SP_CLOSED);
    tear_down(&c, &other);
}

static void
a_descriptor_moves_into_the_message_and_arrives_close_on_exec(void)
{
    struct channel monitor = CHANNEL_EMPTY, worker = CHANNEL_EMPTY;
    int one = -1, other = -1, passed[2] = { -1, -1 };
    int sent = -1;
    char byte = 0;

    CU_ASSERT_EQUAL_FATAL(channel_pair(&one, &other), SP_OK);
    CU_ASSERT_EQUAL(fcntl(one, F_GETFD), FD_CLOEXEC);
    channel_init(&monitor, one, MONITOR, WORKER, ST_USER);
    channel_init(&worker, other, WORKER, MONITOR, ST_USER);
    CU_ASSERT_EQUAL_FATAL(pipe(passed), 0);
    msg_listening_pack(&message, &(struct msg_listening){ .port = 2021 });
    message.fds[0] = sent = passed[0];
    message.nfds = 1;
    CU_ASSERT_EQUAL(channel_send(&monitor, &message), SP_OK);
    CU_ASSERT_EQUAL(message.fds[0], -1);
    CU_ASSERT_EQUAL(fcntl(sent, F_GETFD), -1);
    CU_ASSERT_EQUAL(channel_wait(&worker, &message, UNIT_HANGS_MS), SP_OK);
    passed[0] = message_take_fd(&message, 0);
    CU_ASSERT_EQUAL(fcntl(passed[0], F_GETFD), FD_CLOEXEC);
    CU_ASSERT_EQUAL(write(passed[1], "k", 1), 1);
    CU_ASSERT_EQUAL(read(passed[0], &byte, 1), 1);
    CU_ASSERT_EQUAL(byte, 'k');
    message_clear(&message);
    CU_ASSERT_EQUAL(close(passed[0]), 0);
    CU_ASSERT_EQUAL(close(passed[1]), 0);
    channel_clear(&monitor);
    channel_clear(&worker);
}

static void
a_lent_descriptor_arrives_and_stays(void)
{
    struct channel broker = CHANNEL_EMPTY, worker = CHANNEL_EMPTY;
    const struct msg_uploading uploading = { .path = slice_of("/a") };
    int one = -1, other = -1, arrived = -1, file = memfd_create("lent", MFD_CLOEXEC);
    size_t before = 0;

    CU_ASSERT_EQUAL_FATAL(channel_pair(&one, &other), SP_OK);
    channel_init(&broker, one, BROKER, WORKER, ST_USER);
    channel_init(&worker, other, WORKER, BROKER, ST_USER);
    before = open_descriptors();
    for (bool sent = false;; sent = true) {
        msg_uploading_pack(&message, &uploading);
        CU_ASSERT_FALSE(message.lent);
        message.fds[0] = file;
        message.nfds = 1;
        message.lent = true;
        if (!sent)                      /* given up */
            message_clear(&message);
        else
            CU_ASSERT_EQUAL(channel_send(&broker, &message), SP_OK);
        CU_ASSERT_EQUAL(message.fds[0], -1);
        CU_ASSERT_EQUAL(message.nfds, 0);
        CU_ASSERT_FALSE(message.lent);
        CU_ASSERT_EQUAL(fcntl(file, F_GETFD), FD_CLOEXEC);
        if (sent)
            break;
    }
    CU_ASSERT_EQUAL(channel_wait(&worker, &message, UNIT_HANGS_MS), SP_OK);
    arrived = message_take_fd(&message, 0);
    CU_ASSERT_EQUAL(write(arrived, "k", 1), 1);
    CU_ASSERT_EQUAL(lseek(file, 0, SEEK_CUR), 1);       /* the same file, one offset */
    CU_ASSERT_EQUAL(close(arrived), 0);
    CU_ASSERT_EQUAL(open_descriptors(), before);
    CU_ASSERT_EQUAL(close(file), 0);
    channel_clear(&broker);
    channel_clear(&worker);
}

static void
sending_to_one_who_does_not_read_never_waits_and_keeps_the_descriptors(void)
{
    struct channel monitor = CHANNEL_EMPTY;
    int other = -1, null = -1;
    enum sp_err rc = SP_OK;
    size_t sent = 0;

    set_up(&monitor, &other, MONITOR, WORKER, ST_USER);
    while (sent < 100000) {
        if (null == -1)
            CU_ASSERT_FATAL((null = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1);
        msg_listening_pack(&message, &(struct msg_listening){ .port = 2021 });
        message.fds[0] = fd_move(&null);
        message.nfds = 1;
        if ((rc = channel_send(&monitor, &message)) != SP_OK)
            break;
        sent++;
    }
    CU_ASSERT_EQUAL(rc, SP_AGAIN);
    CU_ASSERT(message.fds[0] != -1);
    CU_ASSERT(sent > 0);
    message_clear(&message);
    tear_down(&monitor, &other);
}

static void
it_can_be_told_whether_all_was_read(void)
{
    struct channel c = CHANNEL_EMPTY, peer = CHANNEL_EMPTY;
    int other = -1;

    set_up(&c, &other, MONITOR, WORKER, ST_USER);
    channel_init(&peer, fd_move(&other), WORKER, MONITOR, ST_USER);
    CU_ASSERT_FALSE(channel_has_unread(&c));
    for (unsigned i = 0; i < 2; i++) {
        msg_data_failed_pack(&message, &(struct msg_data_failed){ .error = EAGAIN });
        CU_ASSERT_EQUAL(channel_send(&c, &message), SP_OK);
    }
    CU_ASSERT_TRUE(channel_has_unread(&c));
    CU_ASSERT_EQUAL(channel_receive(&peer, &message), SP_OK);
    CU_ASSERT_TRUE(channel_has_unread(&c));
    CU_ASSERT_EQUAL(channel_receive(&peer, &message), SP_OK);
    CU_ASSERT_FALSE(channel_has_unread(&c));
    channel_clear(&peer);
    CU_ASSERT_FALSE(channel_has_unread(&c));
    channel_clear(&c);
}

static void
sending_to_one_who_is_gone_says_so(void)
{
    struct channel monitor = CHANNEL_EMPTY;
    int other = -1;

    set_up(&monitor, &other, MONITOR, WORKER, ST_USER);
    fd_close(&other);
    msg_sign_refused_pack(&message, &(struct msg_sign_refused){ 0 });
    CU_ASSERT_EQUAL(channel_send(&monitor, &message), SP_CLOSED);
    CU_ASSERT_EQUAL(channel_send_wait(&monitor, &message), SP_CLOSED);
    tear_down(&monitor, &other);
}

static void
a_log_line_arrives_with_its_event(void)
{
    struct channel worker = CHANNEL_EMPTY, monitor = CHANNEL_EMPTY;
    struct msg_log got = {0};
    int one = -1, other = -1;

    CU_ASSERT_EQUAL_FATAL(channel_pair(&one, &other), SP_OK);
    channel_init(&monitor, one, MONITOR, WORKER, ST_CLEAR);
    channel_init(&worker, other, WORKER, MONITOR, ST_CLEAR);
    log_set_sink(channel_log, &worker);
    log_event(EVENT_WALL_MISSING, "what=%d", 7);
    log_set_sink(NULL, NULL);
    CU_ASSERT_EQUAL_FATAL(channel_receive(&monitor, &message), SP_OK);
    CU_ASSERT_EQUAL_FATAL(msg_log_unpack(&message, &got), SP_OK);
    CU_ASSERT_EQUAL(got.event, EVENT_WALL_MISSING);
    CU_ASSERT(slice_equal(got.text, slice_of("what=7")));
    channel_clear(&monitor);
    channel_clear(&worker);
}

/* The reader takes its time; the writer waits, and no line is lost. */
static void
a_log_line_waits_for_room(void)
{
    struct channel worker = CHANNEL_EMPTY, monitor = CHANNEL_EMPTY;
    const unsigned lines = 5000;
    unsigned heard = 0;
    int one = -1, other = -1, status = 0;
    pid_t writer = -1;

    CU_ASSERT_EQUAL_FATAL(channel_pair(&one, &other), SP_OK);
    channel_init(&monitor, one, MONITOR, WORKER, ST_CLEAR);
    channel_init(&worker, other, WORKER, MONITOR, ST_CLEAR);
    CU_ASSERT_FATAL((writer = fork()) != -1);
    if (writer == 0) {
        channel_clear(&monitor);
        for (unsigned i = 0; i < lines; i++)
            channel_log(&worker, EVENT_FILE_DELETED, "file.deleted path=/");
        _exit(0);
    }
    channel_clear(&worker);
    while (channel_wait(&monitor, &message, -1) == SP_OK)
        heard++;
    CU_ASSERT_EQUAL(heard, lines);
    CU_ASSERT_EQUAL(waitpid(writer, &status, 0), writer);
    CU_ASSERT_EQUAL(status, 0);
    channel_clear(&monitor);
}

static const struct unit_test tests[] = {
    { "each message is taken from its sender in its states, and nowhere else",
      each_message_is_taken_from_its_sender_in_its_states_and_nowhere_else },
    { "each message of a wrong size is refused",
      each_message_of_a_wrong_size_is_refused },
    { "each message with a wrong count of descriptors is refused, and they are closed",
      each_message_with_a_wrong_count_of_descriptors_is_refused_and_they_are_closed },
    { "who has no descriptor to pass passes none", who_has_none_to_pass_passes_none },
    { "an unknown number is refused", an_unknown_number_is_refused },
    { "a record too short for a number is refused",
      a_record_too_short_for_a_number_is_refused },
    { "nothing yet is not the end, and the end is",
      nothing_yet_is_not_the_end_and_the_end_is },
    { "what was sent before the end still arrives",
      what_was_sent_before_the_end_still_arrives },
    { "nor is it lost where the peer did not read all",
      nor_is_it_lost_where_the_peer_did_not_read_all },
    { "a descriptor moves into the message and arrives close-on-exec",
      a_descriptor_moves_into_the_message_and_arrives_close_on_exec },
    { "a lent descriptor arrives, and stays with its owner",
      a_lent_descriptor_arrives_and_stays },
    { "sending to one who does not read never waits, and keeps the descriptors",
      sending_to_one_who_does_not_read_never_waits_and_keeps_the_descriptors },
    { "sending to one who is gone says so", sending_to_one_who_is_gone_says_so },
    { "it can be told whether all was read", it_can_be_told_whether_all_was_read },
    { "a log line arrives with its level", a_log_line_arrives_with_its_event },
    { "a log line waits for room", a_log_line_waits_for_room },
    { NULL, NULL }
};
const struct unit_suite suite_channel = { "channel", tests };
