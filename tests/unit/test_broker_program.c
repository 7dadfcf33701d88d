/*
 * tests/unit/test_broker_program.c - the real sallyport-broker, with this test as its
 * monitor and worker
 *
 * SALLYPORT_BROKER names the program; without it, it is the one in the current directory.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/settings.h"
#include "ftp/listing.h"
#include "process/template.h"
#include "tests/peers/forge.h"
#include "tests/peers/sides.h"
#include "unit.h"
#include "wire/channel.h"
#include "wire/fail.h"
#include "wire/grant.h"
#include "wire/pack.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef SP_SANITIZERS
#define GROWTH ULONG_MAX        /* AddressSanitizer holds back what is freed */
#else
#define GROWTH 256              /* KiB */
#endif

#define USER 4242               /* nobody is that; only when the test runs as root */
#define WAIT UNIT_HANGS_MS

struct run {
    char jail[64];
    pid_t template_pid;
    pid_t pid;
    int pidfd;
    struct channel template, monitor, worker;
    struct message m;           /* the last answer */
};

/* ---- the monitor's part ------------------------------------------------------------ */

static void
start_template(struct run *r)
{
    const char *program = getenv("SALLYPORT_BROKER");
    char *const argv[] = { (char[]){ "sallyport-broker" }, NULL };
    struct settings s;
    int ours = -1;

    r->template_pid = side_execute(program != NULL ? program : "./sallyport-broker", argv,
                                   &ours);
    CU_ASSERT_FATAL(r->template_pid != -1);
    channel_init(&r->template, ours, MONITOR, TEMPLATE, ST_START);
    CU_ASSERT_FATAL(settings_init(&s) == SP_OK);
    s.durable = false;
    CU_ASSERT_FATAL(side_settings(&r->template, BROKER, &s) == SP_OK);
    forge_message(&r->m, "START");
    CU_ASSERT_FATAL(channel_send_wait(&r->template, &r->m) == SP_OK);
    CU_ASSERT_FATAL(channel_wait(&r->template, &r->m, WAIT) == SP_OK);
    CU_ASSERT_EQUAL_FATAL(r->m.type, MSG_READY);
    channel_enter(&r->template, ST_READY);
    settings_clear(&s);
}

static void
spawn(struct run *r)
{
    struct msg_spawned spawned = { 0 };
    int monitor[2] = { -1, -1 }, worker[2] = { -1, -1 };

    CU_ASSERT_FATAL(channel_pair(&monitor[0], &monitor[1]) == SP_OK);
    CU_ASSERT_FATAL(channel_pair(&worker[0], &worker[1]) == SP_OK);
    msg_spawn_broker_pack(&r->m, &(struct msg_spawn_broker){ .number = 7 });
    r->m.fds[0] = monitor[1];
    r->m.fds[1] = worker[1];
    r->m.nfds = 2;
    CU_ASSERT_FATAL(channel_send_wait(&r->template, &r->m) == SP_OK);
    CU_ASSERT_FATAL(channel_wait(&r->template, &r->m, WAIT) == SP_OK);
    CU_ASSERT_FATAL(msg_spawned_unpack(&r->m, &spawned) == SP_OK && spawned.number == 7);
    r->pid = (pid_t)spawned.pid;
    r->pidfd = message_take_fd(&r->m, 0);
    channel_init(&r->monitor, monitor[0], MONITOR, BROKER, ST_START);
    channel_init(&r->worker, worker[0], WORKER, BROKER, ST_USER);
}

static void
send_grant(struct run *r, uid_t uid, gid_t gid)
{
    const struct msg_grant grant = { .session = slice_of("TEST-1"),
                                     .user = slice_of("alice"),
                                     .group = slice_of("staff"),
                                     .uid = uid,
                                     .gid = gid,
                                     .jail = slice_of(r->jail),
                                     .permits = PERMIT_ALL,
                                     .umask = 022 };

    msg_grant_pack(&r->m, &grant);
    CU_ASSERT_FATAL(channel_send_wait(&r->monitor, &r->m) == SP_OK);
}

static void
make_jail(struct run *r)
{
    CU_ASSERT_FATAL(text_copy(r->jail, sizeof r->jail, "/tmp/sallyport-jail-XXXXXX"));
    CU_ASSERT_FATAL(mkdtemp(r->jail) != NULL);
    if (geteuid() == 0)
        CU_ASSERT_FATAL(chown(r->jail, USER, USER) == 0);
}

static uid_t
user_id(void)
{
    return geteuid() == 0 ? USER : geteuid();
}

static gid_t
group_id(void)
{
    return geteuid() == 0 ? USER : getegid();
}

static void
run_begin(struct run *r)
{
    *r = (struct run){ .pidfd = -1, .template = CHANNEL_EMPTY, .monitor = CHANNEL_EMPTY,
                       .worker = CHANNEL_EMPTY };
    message_init(&r->m);
    make_jail(r);
    start_template(r);
    spawn(r);
}

static void
run_serving(struct run *r)
{
    run_begin(r);
    send_grant(r, user_id(), group_id());
    CU_ASSERT_FATAL(channel_wait(&r->monitor, &r->m, WAIT) == SP_OK);
    CU_ASSERT_EQUAL_FATAL(r->m.type, MSG_SERVING);
    channel_enter(&r->monitor, ST_USER);
}

/* The broker's exit code; -1: it did not exit. */
static int
broker_exit(struct run *r)
{
    siginfo_t info = { .si_status = -1 };

    channel_clear(&r->worker);
    CU_ASSERT(waitid(P_PIDFD, (id_t)r->pidfd, &info, WEXITED) == 0);
    return info.si_code == CLD_EXITED ? info.si_status : -1;
}

static void
run_end(struct run *r)
{
    char command[96];
    int status = 0;

    channel_clear(&r->worker);
    channel_clear(&r->monitor);
    channel_clear(&r->template);
    fd_close(&r->pidfd);
    CU_ASSERT(waitpid(r->template_pid, &status, 0) == r->template_pid);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT(text_printf(command, sizeof command, "rm -rf '%s'", r->jail));
    CU_ASSERT(system(command) == 0);
}

/* ---- the worker's part ------------------------------------------------------------- */

/* What the broker has told its monitor: said aloud, so that a failure explains itself. */
static void
tell_why(struct run *r)
{
    struct msg_log line = { .text = SLICE_EMPTY };
    struct msg_sandbox sandbox = { 0 };

    while (channel_receive(&r->monitor, &r->m) == SP_OK) {
        if (msg_log_unpack(&r->m, &line) == SP_OK)
            printf("\n    log: event %u %.*s\n", line.event, (int)line.text.len,
                   (const char *)line.text.at);
        if (msg_sandbox_unpack(&r->m, &sandbox) == SP_OK)
            printf("\n    sandbox: system call %u\n", sandbox.call);
    }
}

/* The next message from the broker; its type. */
static unsigned
hear(struct run *r)
{
    enum sp_err rc = channel_wait(&r->worker, &r->m, WAIT);

    if (rc != SP_OK)
        tell_why(r);
    CU_ASSERT_FATAL(rc == SP_OK);
    return r->m.type;
}

/* Sends what is in r->m and waits for the answer; its type. */
static unsigned
ask(struct run *r)
{
    CU_ASSERT_FATAL(channel_send_wait(&r->worker, &r->m) == SP_OK);
    return hear(r);
}

static unsigned
upload(struct run *r, const char *path, const char *content)
{
    int fd = -1;

    msg_open_write_pack(&r->m, &(struct msg_open_write){ .path = slice_of(path) });
    if (ask(r) != MSG_UPLOADING)
        return r->m.type;
    fd = message_take_fd(&r->m, 0);
    CU_ASSERT(fd_write_all(fd, content, strlen(content)) == SP_OK);
    fd_close(&fd);
    return MSG_UPLOADING;
}

static unsigned
commit(struct run *r, uint64_t bytes)
{
    forge_message(&r->m, "COMMIT %llu", (unsigned long long)bytes);
    return ask(r);
}

static void
download(struct run *r, const char *path, const char *expect)
{
    struct buf got = BUF_EMPTY(1 << 20);
    int fd = -1;

    forge_message(&r->m, "OPEN_READ %s", path);
    CU_ASSERT_EQUAL_FATAL(ask(r), MSG_OPENED);
    fd = message_take_fd(&r->m, 0);
    CU_ASSERT(buf_read_all(&got, fd) == SP_OK);
    CU_ASSERT(slice_equal(buf_slice(&got), slice_of(expect)));
    fd_close(&fd);
    buf_free(&got);
}

/* Lists; the listing into *got. Returns the entries. */
static uint64_t
list(struct run *r, const char *path, unsigned kind, unsigned options, struct buf *got)
{
    struct msg_listed listed = { 0 };
    int fd = -1;

    msg_list_pack(&r->m, &(struct msg_list){ .path = slice_of(path),
                                             .kind = (uint8_t)kind,
                                             .options = options,
                                             .facts = FACT_PRESET });
    CU_ASSERT_EQUAL_FATAL(ask(r), MSG_LISTING);
    fd = message_take_fd(&r->m, 0);
    CU_ASSERT(fd_set_nonblocking(fd, false) == SP_OK);
    CU_ASSERT(buf_read_all(got, fd) == SP_OK);
    fd_close(&fd);
    CU_ASSERT_EQUAL(hear(r), MSG_LISTED);
    CU_ASSERT(msg_listed_unpack(&r->m, &listed) == SP_OK);
    return listed.entries;
}

/* The number behind "name:" in /proc/PID/status. */
static unsigned long
status_number(pid_t pid, const char *name, int base)
{
    char path[64], line[256];
    unsigned long number = ULONG_MAX;
    FILE *file = NULL;

    CU_ASSERT(text_printf(path, sizeof path, "/proc/%d/status", (int)pid));
    if ((file = fopen(path, "re")) == NULL)
        return number;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            number = strtoul(line + strlen(name) + 1, NULL, base);
    (void)fclose(file);
    return number;
}

static void
a_session(void)
{
    struct buf got = BUF_EMPTY(1 << 20);
    struct run r;

    run_serving(&r);
    CU_ASSERT_EQUAL(status_number(r.pid, "Seccomp", 10), 2);
    CU_ASSERT_EQUAL(status_number(r.pid, "NoNewPrivs", 10), 1);
    CU_ASSERT_EQUAL(status_number(r.pid, "CapPrm", 16), 0);
    CU_ASSERT_EQUAL(status_number(r.pid, "CapEff", 16), 0);
    CU_ASSERT_EQUAL(status_number(r.pid, "Uid", 10), user_id());
    CU_ASSERT_EQUAL(status_number(r.pid, "Gid", 10), group_id());
    forge_message(&r.m, "MKDIR /d");
    CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
    CU_ASSERT_EQUAL(upload(&r, "/d/a", "hello"), MSG_UPLOADING);
    CU_ASSERT_EQUAL(commit(&r, 5), MSG_DONE);
    download(&r, "/d/a", "hello");
    CU_ASSERT_EQUAL(list(&r, "/d", LISTING_LIST, 0, &got), 1);
    CU_ASSERT(got.len > 20 && memcmp(got.at + got.len - 3, "a\r\n", 3) == 0);
    buf_consume(&got, got.len);
    CU_ASSERT_EQUAL(list(&r, "/d", LISTING_MLSD, 0, &got), 1);
    forge_message(&r.m, "CHMOD /d/a %d", 0600);
    CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
    forge_message(&r.m, "UTIME /d/a 1");
    CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
    forge_message(&r.m, "UMASK %d", 077);
    CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
    forge_message(&r.m, "RENAME /d/a /a");
    CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
    /* within an existing file: the copy, under the sandbox */
    forge_message(&r.m, "OPEN_WRITE /a 0 2");
    CU_ASSERT_EQUAL(ask(&r), MSG_UPLOADING);
    message_clear(&r.m);
    CU_ASSERT_EQUAL(commit(&r, 0), MSG_DONE);
    download(&r, "/a", "he");
    forge_message(&r.m, "SPACE /");
    CU_ASSERT_EQUAL(ask(&r), MSG_AVAILABLE);
    forge_message(&r.m, "FACTS /a %u", FACT_PRESET);
    CU_ASSERT_EQUAL(ask(&r), MSG_FACT_LINE);
    forge_message(&r.m, "CHDIR /d");
    CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
    forge_message(&r.m, "RMDIR /d");
    CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
    forge_message(&r.m, "DELETE /a");
    CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
    forge_message(&r.m, "STATUS_OF /a");
    CU_ASSERT_EQUAL(ask(&r), MSG_FAILED);
    CU_ASSERT_EQUAL(broker_exit(&r), 0);
    buf_free(&got);
    run_end(&r);
}

static void
worker_vanishes(void)
{
    struct run r;
    struct stat st;
    char path[128];

    run_serving(&r);
    CU_ASSERT_EQUAL(upload(&r, "/a", "half"), MSG_UPLOADING);
    CU_ASSERT_EQUAL(broker_exit(&r), 0);
    CU_ASSERT(text_printf(path, sizeof path, "%s/.sp-part.a", r.jail));
    CU_ASSERT(stat(path, &st) == 0 && st.st_size == 4);
    CU_ASSERT(text_printf(path, sizeof path, "%s/a", r.jail));
    CU_ASSERT(stat(path, &st) == -1);
    run_end(&r);
}

/* Sends a record that the broker must take for a breach: it logs it, and ends with 1. */
static void
expect_breach(const void *record, size_t len, bool in_upload)
{
    struct msg_log line = { .text = SLICE_EMPTY };
    struct run r;

    run_serving(&r);
    if (in_upload)
        CU_ASSERT_EQUAL(upload(&r, "/a", "half"), MSG_UPLOADING);
    CU_ASSERT(send(r.worker.fd, record, len, 0) == (ssize_t)len);
    CU_ASSERT(channel_wait(&r.monitor, &r.m, WAIT) == SP_OK);
    CU_ASSERT(msg_log_unpack(&r.m, &line) == SP_OK);
    CU_ASSERT_EQUAL(line.event, EVENT_BREACH);
    CU_ASSERT_EQUAL(broker_exit(&r), EXIT_BREACH);
    run_end(&r);
}

static void
breaches(void)
{
    static const unsigned char commit_early[] = { MSG_COMMIT, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
    static const unsigned char second_open[] = { MSG_OPEN_READ, 0, 2, 0, '/', 'a' };
    static const unsigned char no_path[] = { MSG_OPEN_READ, 0, 2, 0, 'a', 'a' };
    static const unsigned char nul_path[] = { MSG_OPEN_READ, 0, 3, 0, '/', 0, 'a' };
    static const unsigned char left_over[] = { MSG_OPEN_READ, 0, 2, 0, '/', 'a', 'b' };
    static const unsigned char unknown[] = { 0xff, 0xff };
    static const unsigned char grant[] = { MSG_GRANT, 0 };

    expect_breach(commit_early, sizeof commit_early, false);
    expect_breach(second_open, sizeof second_open, true);
    expect_breach(no_path, sizeof no_path, false);
    expect_breach(nul_path, sizeof nul_path, false);
    expect_breach(left_over, sizeof left_over, false);
    expect_breach(unknown, sizeof unknown, false);
    expect_breach(grant, sizeof grant, false);
}

static void
root_refused(void)
{
    struct run r;

    run_begin(&r);
    send_grant(&r, 0, group_id());
    CU_ASSERT(channel_wait(&r.monitor, &r.m, WAIT) == SP_OK && r.m.type == MSG_LOG);
    CU_ASSERT_EQUAL(broker_exit(&r), 1);
    run_end(&r);
}

static void
listing_cut_short(void)
{
    struct run r;

    run_serving(&r);
    for (int i = 0; i < 3000; i++) {
        char path[128];
        int fd = -1;

        CU_ASSERT(text_printf(path, sizeof path, "%s/a-rather-long-name-of-a-file-%d",
                              r.jail, i));
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        fd_close(&fd);
    }
    msg_list_pack(&r.m,
                  &(struct msg_list){ .path = slice_of("/"), .kind = LISTING_LIST });
    CU_ASSERT_EQUAL(ask(&r), MSG_LISTING);
    message_clear(&r.m);        /* the reading end is closed without a byte read */
    CU_ASSERT_EQUAL(hear(&r), MSG_LISTED);
    CU_ASSERT_EQUAL(broker_exit(&r), 0);
    run_end(&r);
}

/* A captured worker that neither reads nor goes away does not keep the account alive. */
static void
monitor_ends_it(void)
{
    siginfo_t info = { .si_status = -1 };
    struct run r;

    run_serving(&r);
    for (int i = 0; i < 5000; i++) {     /* more lines than any pipe takes */
        char path[256];
        int fd = -1;

        CU_ASSERT(text_printf(path, sizeof path, "%s/%0180d", r.jail, i));
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        fd_close(&fd);
    }
    msg_list_pack(&r.m,
                  &(struct msg_list){ .path = slice_of("/"), .kind = LISTING_LIST });
    CU_ASSERT_EQUAL(ask(&r), MSG_LISTING);
    channel_clear(&r.monitor);
    CU_ASSERT(waitid(P_PIDFD, (id_t)r.pidfd, &info, WEXITED) == 0);
    CU_ASSERT(info.si_code == CLD_EXITED && info.si_status == 0);
    message_clear(&r.m);
    run_end(&r);
}

static void
many_requests(void)
{
    struct buf got = BUF_EMPTY(1 << 20);
    struct run r;
    unsigned long before = 0;

    run_serving(&r);
    for (int i = 0; i < 3000; i++) {
        if (i == 500)
            before = status_number(r.pid, "VmRSS", 10);
        while (channel_receive(&r.monitor, &r.m) == SP_OK)
            CU_ASSERT_EQUAL(r.m.type, MSG_LOG);     /* unread, its lines would hold it up */
        CU_ASSERT_EQUAL(upload(&r, "/a", "x"), MSG_UPLOADING);
        if (i % 2 == 0) {
            CU_ASSERT_EQUAL(commit(&r, 1), MSG_DONE);
        } else {
            forge_message(&r.m, "ABANDON");
            CU_ASSERT_EQUAL(ask(&r), MSG_DONE);
        }
        download(&r, "/a", "x");
        CU_ASSERT_EQUAL(list(&r, "/", LISTING_LIST, LISTING_RECURSIVE, &got), 1);
        CU_ASSERT_EQUAL(list(&r, "/*", LISTING_NLST, 0, &got), 1);
        buf_consume(&got, got.len);
        forge_message(&r.m, "OPEN_READ /none");
        CU_ASSERT_EQUAL(ask(&r), MSG_FAILED);
        forge_message(&r.m, "FACTS /a 1");
        CU_ASSERT_EQUAL(ask(&r), MSG_FACT_LINE);
    }
    CU_ASSERT(status_number(r.pid, "VmRSS", 10) - before < GROWTH);
    CU_ASSERT_EQUAL(broker_exit(&r), 0);
    buf_free(&got);
    run_end(&r);
}

static const struct unit_test tests[] = {
    { "a session runs as the user, under its walls", a_session },
    { "the worker vanishes: what can be resumed is kept", worker_vanishes },
    { "a worker that breaks a rule ends its session, and that is logged", breaches },
    { "a grant for root is refused", root_refused },
    { "a listing that nobody reads ends", listing_cut_short },
    { "the monitor ends a session whose worker does not", monitor_ends_it },
    { "thousands of requests leave nothing behind", many_requests },
    { NULL, NULL }
};
const struct unit_suite suite_broker_program = { "broker program", tests };
