/* tests/unit/test_template.c - src/process/template.c: this process plays the monitor */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "process/template.h"
#include "suites.h"
#include "wire/channel.h"
#include "wire/pack.h"

static struct message message;

/* What a spawned child says of itself on its first descriptor. */
struct said { uint64_t number; pid_t parent; unsigned open; };

static void
speak(uint64_t number)
{
    struct said said = { number, getppid(), 0 };

    for (int fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            said.open |= fd < 31 ? 1u << fd : 1u << 31;
    if (write(CHILD_FD, &said, sizeof said) != (ssize_t)sizeof said)
        _exit(71);
    _exit(42);
}

/* The template: exits with the code of template_serve. */
static pid_t
start(struct channel *c)
{
    int one = -1, other = -1;
    pid_t pid = -1;

    CU_ASSERT_EQUAL_FATAL(channel_pair(&one, &other), SP_OK);
    (void)fflush(NULL);
    if ((pid = fork()) == 0) {
        struct channel monitor = CHANNEL_EMPTY;
        uint64_t number = 0;
        enum sp_err rc = SP_OS;

        (void)close(one);
        /* A descriptor that is none of a session's business. */
        (void)fcntl(other, F_DUPFD, 100);
        channel_init(&monitor, other, TEMPLATE, MONITOR, ST_START);
        if ((rc = template_serve(&monitor, MSG_SPAWN_WORKER, &number)) == SP_OK)
            speak(number);
        _exit((int)rc);
    }
    CU_ASSERT_FATAL(pid > 0);
    (void)close(other);
    channel_init(c, one, MONITOR, TEMPLATE, ST_START);
    CU_ASSERT_EQUAL_FATAL(channel_wait(c, &message, UNIT_HANGS_MS), SP_OK);
    CU_ASSERT_EQUAL(message.type, MSG_READY);
    channel_enter(c, ST_READY);
    return pid;
}

static int
exit_code(pid_t pid)
{
    int status = 0;

    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void
spawn(struct channel *c, uint64_t number)
{
    struct msg_spawned spawned = {0};
    struct said said = {0};
    siginfo_t ended = {0};
    int pair[2] = { -1, -1 }, pidfd = -1, spare = -1;

    CU_ASSERT_EQUAL_FATAL(pipe2(pair, O_CLOEXEC), 0);
    CU_ASSERT_FATAL((spare = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1);
    msg_spawn_worker_pack(&message, &(struct msg_spawn_worker){ .number = number });
    message.fds[0] = fd_move(&pair[1]);
    message.fds[1] = fd_move(&spare);
    message.nfds = 2;
    CU_ASSERT_EQUAL_FATAL(channel_send(c, &message), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_wait(c, &message, UNIT_HANGS_MS), SP_OK);
    CU_ASSERT_EQUAL_FATAL(message.type, MSG_SPAWNED);
    CU_ASSERT_EQUAL_FATAL(msg_spawned_unpack(&message, &spawned), SP_OK);
    pidfd = message_take_fd(&message, 0);
    CU_ASSERT_EQUAL(spawned.number, number);

    CU_ASSERT_EQUAL(read(pair[0], &said, sizeof said), (ssize_t)sizeof said);
    CU_ASSERT_EQUAL(said.number, number);
    CU_ASSERT_EQUAL(said.parent, getpid());     /* ours, not the template's */
    CU_ASSERT_EQUAL(said.open & ~7u, 1u << CHILD_FD | 1u << (CHILD_FD + 1));
    CU_ASSERT_EQUAL(waitid(P_PIDFD, (id_t)pidfd, &ended, WEXITED), 0);
    CU_ASSERT_EQUAL(ended.si_pid, (pid_t)spawned.pid);
    CU_ASSERT_EQUAL(ended.si_status, 42);
    fd_close(&pidfd);
    fd_close(&pair[0]);
}

static void
each_session_is_a_child_of_ours_with_its_own_descriptors_only(void)
{
    struct channel c = CHANNEL_EMPTY;
    pid_t template = start(&c);

    for (uint64_t number = 1; number <= 5; number++)
        spawn(&c, number << 40 | number);
    channel_clear(&c);
    CU_ASSERT_EQUAL(exit_code(template), SP_CLOSED);
}

static void
a_template_ends_in_order_when_the_channel_closes(void)
{
    struct channel c = CHANNEL_EMPTY;
    pid_t template = start(&c);

    channel_clear(&c);
    CU_ASSERT_EQUAL(exit_code(template), SP_CLOSED);
}

static void
a_message_for_another_kind_of_template_ends_it(void)
{
    struct channel c = CHANNEL_EMPTY;
    pid_t template = start(&c);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    msg_spawn_login_pack(&message, &(struct msg_spawn_login){ .number = 1 });
    message.fds[0] = fd_move(&null);
    message.nfds = 1;
    CU_ASSERT_EQUAL(channel_send(&c, &message), SP_OK);
    CU_ASSERT_EQUAL(exit_code(template), SP_INPUT);
    channel_clear(&c);
}

static void
a_broken_message_ends_it(void)
{
    struct channel c = CHANNEL_EMPTY;
    pid_t template = start(&c);

    CU_ASSERT_EQUAL(send(c.fd, "\xff\xff", 2, MSG_NOSIGNAL), 2);
    CU_ASSERT_EQUAL(exit_code(template), SP_INPUT);
    channel_clear(&c);
}

static const struct unit_test tests[] = {
    { "each session is a child of ours, with its own descriptors only",
      each_session_is_a_child_of_ours_with_its_own_descriptors_only },
    { "a template ends in order when the channel closes",
      a_template_ends_in_order_when_the_channel_closes },
    { "a message for another kind of template ends it",
      a_message_for_another_kind_of_template_ends_it },
    { "a broken message ends it", a_broken_message_ends_it },
    { NULL, NULL }
};
const struct unit_suite suite_template = { "template", tests };
