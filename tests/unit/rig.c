/* tests/unit/rig.c - see rig.h */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "wire/fail.h"
#include "wire/pack.h"
#include "worker/ask_monitor.h"
#include "worker/worker.h"

#define PATIENCE_MS 10000

static char text_of_reply[65536];
static _Atomic int64_t *clock_ahead_ms;         /* set in the worker alone */

/* The program is linked with --wrap=clock_gettime. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_clock_gettime(clockid_t clock, struct timespec *now);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = __real_clock_gettime(clock, now);

    if (rc == 0 && clock_ahead_ms != NULL && clock == CLOCK_MONOTONIC)
        now->tv_sec += *clock_ahead_ms / 1000;
    return rc;
}

void
rig_advance(struct rig *r, int64_t milliseconds)
{
    *r->ahead_ms += milliseconds;
}

static void
quiet(void *context, enum log_level level, const char *line)
{
    (void)context;
    (void)level;
    (void)line;
}

/* A connected pair of TCP sockets on 127.0.0.1. */
static bool
tcp_pair(int *client, int *server)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fine = listener != -1 && bind(listener, (struct sockaddr *)&a, len) == 0
        && listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&a, &len) == 0
        && (*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) != -1
        && connect(*client, (struct sockaddr *)&a, sizeof a) == 0
        && (*server = accept(listener, NULL, NULL)) != -1;

    if (listener != -1)
        (void)close(listener);
    return fine;
}

static void
run_worker(const struct rig_plan *plan, int client, int channel)
{
    static struct worker w;
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    (void)sigaction(SIGPIPE, &ignore, NULL);
    log_set_sink(quiet, NULL);
    if (settings_init(&w.settings) != SP_OK || fd_set_nonblocking(client, true) != SP_OK)
        _exit(3);
    w.settings.tls_required = plan->tls_required;
    if (plan->idle_seconds > 0)
        w.settings.idle_timeout = plan->idle_seconds;
    if (plan->login_seconds > 0)
        w.settings.login_timeout = plan->login_seconds;
    w.settings.data_connect_timeout = 2;
    channel_init(&w.broker, -1, WORKER, BROKER, ST_END);
    channel_init(&w.monitor, channel, WORKER, MONITOR, ST_START);
    control_init(&w.control, client);
    data_init(&w.data);
    ahead_init(&w.ahead);
    transfer_init(&w.transfer);
    w.held = (struct buf)BUF_EMPTY(LINE_MOST);
    if (ask_session(&w) != SP_OK)
        _exit(4);
    _exit(worker_serve(&w));
}

static bool
send_session(struct rig *r)
{
    struct net_addr loopback = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    unsigned char packed[NET_PACKED];
    struct message m;

    net_pack(&loopback, packed);
    msg_session_pack(&m, &(struct msg_session){
        .id = slice_of("TEST-1"), .peer = slice_from(packed, sizeof packed),
        .local = slice_from(packed, sizeof packed) });
    return channel_send(&r->monitor, &m) == SP_OK;
}

bool
rig_start(struct rig *r, const struct rig_plan *plan)
{
    int client = -1, server = -1, ours = -1, theirs = -1;

    memset(r, 0, sizeof *r);
    r->plan = plan;
    r->upload = -1;
    r->ahead_ms = mmap(NULL, sizeof *r->ahead_ms, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r->ahead_ms == MAP_FAILED)
        return false;
    channel_init(&r->broker, -1, BROKER, WORKER, ST_USER);
    if (!tcp_pair(&client, &server) || channel_pair(&ours, &theirs) != SP_OK)
        return false;
    if ((r->worker = fork()) == 0) {
        (void)close(client);
        (void)close(ours);
        clock_ahead_ms = r->ahead_ms;
        run_worker(plan, server, theirs);
    }
    (void)close(server);
    (void)close(theirs);
    r->client = client;
    channel_init(&r->monitor, ours, MONITOR, WORKER, ST_CLEAR);
    return r->worker > 0 && send_session(r) && rig_reply(r) == 220;
}

void
rig_stop(struct rig *r)
{
    fd_close(&r->client);
    channel_clear(&r->monitor);
    channel_clear(&r->broker);
    fd_close(&r->upload);
    if (r->worker > 0) {
        (void)rig_play(r, 0);
        (void)kill(r->worker, SIGKILL);
        (void)waitpid(r->worker, NULL, 0);
    }
    r->worker = 0;
    (void)munmap(r->ahead_ms, sizeof *r->ahead_ms);
}

/* ---- the monitor ------------------------------------------------------------------------- */

static void
grant(struct rig *r)
{
    int ours = -1, theirs = -1;
    struct message m;

    if (channel_pair(&ours, &theirs) != SP_OK)
        return;
    channel_init(&r->broker, ours, BROKER, WORKER, ST_USER);
    msg_logged_in_pack(&m, &(struct msg_logged_in){
        .user = slice_of("guest"), .backend = slice_of("users"), .start = slice_of("/"),
        .permits = PERMIT_ALL, .umask = 022 });
    m.fds[0] = theirs;
    m.nfds = 1;
    SP_IGNORE(channel_send(&r->monitor, &m));
    message_clear(&m);
    channel_enter(&r->monitor, ST_USER);
}

static void
answer_login(struct rig *r, bool asked)
{
    struct message m;

    if (r->plan->refuse_login != 0) {
        msg_login_refused_pack(&m, &(struct msg_login_refused){
            .reason = (uint8_t)r->plan->refuse_login, .text = slice_of("no") });
        SP_IGNORE(channel_send(&r->monitor, &m));
    } else if (r->plan->question != NULL && !asked) {
        msg_login_question_pack(&m, &(struct msg_login_question){
            .text = slice_of(r->plan->question) });
        SP_IGNORE(channel_send(&r->monitor, &m));
        channel_enter(&r->monitor, ST_QUESTION);
    } else {
        grant(r);
    }
}

static void
answer_listen(struct rig *r)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    struct message m;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1 || bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 4) != 0
        || getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return;
    r->port = ntohs(a.sin_port);
    msg_listening_pack(&m, &(struct msg_listening){ .port = r->port });
    m.fds[0] = fd;
    m.nfds = 1;
    SP_IGNORE(channel_send(&r->monitor, &m));
    message_clear(&m);
}

static void
answer_ahead(struct rig *r)
{
    struct message m;

    r->aheads++;
    if (!r->plan->no_spare) {
        answer_listen(r);
        return;
    }
    msg_data_failed_pack(&m, &(struct msg_data_failed){ .error = EAGAIN });
    SP_IGNORE(channel_send(&r->monitor, &m));
}

static void
play_monitor(struct rig *r)
{
    struct msg_transfer transfer = { 0 };
    struct message m;

    if (channel_receive(&r->monitor, &m) != SP_OK)
        return;
    switch (m.type) {
    case MSG_LOGIN: answer_login(r, false); break;
    case MSG_LOGIN_ANSWER: answer_login(r, true); break;
    case MSG_LISTEN: r->listens++; answer_listen(r); break;
    case MSG_TRANSFER:
        if (msg_transfer_unpack(&m, &transfer) == SP_OK) {
            r->transfers++;
            r->transfer_reply = transfer.reply;
            r->transfer_bytes = transfer.bytes;
            if (transfer.next == 1)
                answer_ahead(r);
        }
        break;
    case MSG_LOGOUT:
        channel_clear(&r->broker);
        msg_logged_out_pack(&m, &(struct msg_logged_out){ 0 });
        SP_IGNORE(channel_send(&r->monitor, &m));
        channel_enter(&r->monitor, ST_CLEAR);
        break;
    default: break;
    }
}

/* ---- the broker -------------------------------------------------------------------------- */

static int
memory_file(const char *content)
{
    int fd = memfd_create("rig", MFD_CLOEXEC);

    if (fd != -1 && content != NULL && fd_write_all(fd, content, strlen(content)) == SP_OK)
        (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

static void
send_listing(struct rig *r)
{
    static const char text[] = "-rw-r--r-- 1 a b 3 Jan  1  2024 one\r\n";
    int ends[2] = { -1, -1 };
    struct message m;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    msg_listing_pack(&m, &(struct msg_listing){ 0 });
    m.fds[0] = ends[0];
    m.nfds = 1;
    SP_IGNORE(channel_send(&r->broker, &m));
    message_clear(&m);
    SP_IGNORE(fd_write_all(ends[1], text, sizeof text - 1));
    (void)close(ends[1]);
    msg_listed_pack(&m, &(struct msg_listed){ .entries = 1 });
    SP_IGNORE(channel_send(&r->broker, &m));
}

/* The same file, but only to be written. */
static int
unreadable(int fd)
{
    char path[64];
    int got = -1;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    got = open(path, O_WRONLY | O_CLOEXEC);
    (void)close(fd);
    return got;
}

static void
send_file(struct rig *r)
{
    const char *content = r->plan->content == NULL ? "" : r->plan->content;
    struct message m;

    msg_opened_pack(&m, &(struct msg_opened){ .size = strlen(content) });
    m.fds[0] = memory_file(content);
    if (r->plan->unreadable)
        m.fds[0] = unreadable(m.fds[0]);
    m.nfds = 1;
    SP_IGNORE(channel_send(&r->broker, &m));
    message_clear(&m);
}

static void
take_upload(struct rig *r, const struct message *in)
{
    struct msg_open_write ask = { 0 };
    struct message m;
    int ends[2] = { -1, -1 };

    if (msg_open_write_unpack(in, &ask) != SP_OK)
        return;
    fd_close(&r->upload);
    if (r->plan->slow_file) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
            return;
        r->upload = ends[0];
    } else {
        r->upload = memory_file(NULL);
        ends[1] = dup(r->upload);
    }
    msg_uploading_pack(&m, &(struct msg_uploading){
        .path = ask.how == 2 ? slice_of("/unique.1") : ask.path, .offset = ask.offset });
    m.fds[0] = ends[1];
    m.nfds = 1;
    SP_IGNORE(channel_send(&r->broker, &m));
    message_clear(&m);
    channel_enter(&r->broker, ST_UPLOAD);
}

static void
send_done(struct rig *r)
{
    struct message m;

    msg_done_pack(&m, &(struct msg_done){ 0 });
    SP_IGNORE(channel_send(&r->broker, &m));
}

/* A sync takes its time; the client may leave in it. */
static void
answer_commit(struct rig *r)
{
    struct pollfd p = { .fd = r->broker.fd, .events = POLLRDHUP };
    struct message m;

    r->commits++;
    if (r->plan->silent_at_commit) {
        channel_clear(&r->broker);
        return;
    }
    channel_enter(&r->broker, ST_USER);
    if (r->plan->quits_at_commit)
        rig_send(r, "QUIT\r\n", 6);
    if (r->plan->quits_at_commit || r->plan->dies_at_commit)
        (void)shutdown(r->client, SHUT_WR);
    if (r->plan->dies_at_commit && poll(&p, 1, PATIENCE_MS) == 1) {
        r->withdrawn++;
        msg_failed_pack(&m, &(struct msg_failed){ .code = FAIL_UNWANTED });
        SP_IGNORE(channel_send(&r->broker, &m));
    } else {
        send_done(r);
    }
}

static void
play_broker(struct rig *r)
{
    struct msg_chdir path = { 0 };
    struct message m, out;

    if (channel_receive(&r->broker, &m) != SP_OK)
        return;
    r->last_question = m.type;
    m.type = m.type == MSG_OPEN_READ || m.type == MSG_CHDIR || m.type == MSG_MKDIR
        || m.type == MSG_RMDIR || m.type == MSG_DELETE || m.type == MSG_STATUS_OF
        || m.type == MSG_SIZE_OF || m.type == MSG_OPEN_RESUMED
        || m.type == MSG_OPEN_RESTART
        ? MSG_CHDIR : m.type;
    if (m.type == MSG_CHDIR && msg_chdir_unpack(&m, &path) == SP_OK)
        SP_IGNORE(slice_to_text(path.path, r->last_path, sizeof r->last_path));
    if (r->plan->vanish_broker && r->last_question != MSG_CHDIR) {
        channel_clear(&r->broker);
        return;
    }
    if (r->plan->fail_broker != 0 && r->last_question != MSG_ABANDON
        && !(r->last_question == MSG_CHDIR && strcmp(r->last_path, "/") == 0)) {
        channel_enter(&r->broker, ST_USER);
        msg_failed_pack(&out, &(struct msg_failed){ .code = (uint8_t)r->plan->fail_broker,
                                                    .error = (uint32_t)r->plan->fail_error });
        SP_IGNORE(channel_send(&r->broker, &out));
        return;
    }
    switch (r->last_question) {
    case MSG_OPEN_READ:
    case MSG_OPEN_RESUMED:
    case MSG_OPEN_RESTART: send_file(r); break;
    case MSG_OPEN_WRITE: take_upload(r, &m); break;
    case MSG_LIST: send_listing(r); break;
    case MSG_COMMIT: answer_commit(r); break;
    case MSG_ABANDON: r->abandons++; channel_enter(&r->broker, ST_USER); send_done(r); break;
    case MSG_STATUS_OF:
    case MSG_SIZE_OF:
        msg_status_pack(&out, &(struct msg_status){
            .kind = 0, .size = strlen(r->plan->content == NULL ? "" : r->plan->content),
            .mtime = 1700000000, .mode = 0644 });
        SP_IGNORE(channel_send(&r->broker, &out));
        break;
    default: send_done(r); break;
    }
}

/* ---- the client -------------------------------------------------------------------------- */

void
rig_send(struct rig *r, const void *at, size_t len)
{
    SP_IGNORE(fd_write_all(r->client, at, len));
}

static bool
is_code(const char *at)
{
    return at[0] >= '1' && at[0] <= '6' && at[1] >= '0' && at[1] <= '9' && at[2] >= '0'
        && at[2] <= '9';
}

/* Cuts one whole reply off the front. */
static unsigned
take_reply(struct rig *r)
{
    char *end = r->replies;
    unsigned code = 0;

    for (;;) {
        char *line = end, *next = memchr(line, '\n', r->len - (size_t)(line - r->replies));

        if (next == NULL)
            return 0;
        end = next + 1;
        if (end - line >= 5 && is_code(line) && line[3] == ' ') {
            code = (unsigned)strtoul(line, NULL, 10);
            break;
        }
    }
    memcpy(text_of_reply, r->replies, (size_t)(end - r->replies));
    text_of_reply[end - r->replies] = '\0';
    r->len -= (size_t)(end - r->replies);
    memmove(r->replies, end, r->len);
    return code;
}

/* One round of all three. false: the worker closed the connection. */
static bool
round_of_all(struct rig *r, int timeout)
{
    struct pollfd p[3] = { { .fd = r->client, .events = POLLIN },
                           { .fd = r->monitor.fd, .events = POLLIN },
                           { .fd = r->broker.fd, .events = POLLIN } };

    if (poll(p, 3, timeout) <= 0)
        return true;
    if (p[1].revents != 0)
        play_monitor(r);
    if (p[2].revents != 0)
        play_broker(r);
    if (p[0].revents != 0) {
        ssize_t n = recv(r->client, r->replies + r->len, sizeof r->replies - r->len,
                         MSG_DONTWAIT);

        if (n == 0 || (n == -1 && errno != EAGAIN))
            return false;
        r->len += n > 0 ? (size_t)n : 0;
    }
    return true;
}

unsigned
rig_reply(struct rig *r)
{
    int64_t until = clock_ms() + PATIENCE_MS;
    unsigned code = take_reply(r);

    while (code == 0 && clock_ms() < until) {
        bool open = round_of_all(r, 100);

        code = take_reply(r);
        if (!open)
            break;
    }
    return code;
}

bool
rig_reports(struct rig *r, unsigned count)
{
    int64_t until = clock_ms() + PATIENCE_MS;

    while (r->transfers < count && clock_ms() < until)
        if (!round_of_all(r, 100))
            break;
    return r->transfers == count;
}

const char *
rig_text(const struct rig *r)
{
    (void)r;
    return text_of_reply;
}

unsigned
rig_command(struct rig *r, const char *line)
{
    rig_send(r, line, strlen(line));
    rig_send(r, "\r\n", 2);
    return rig_reply(r);
}

bool
rig_start_logged_in(struct rig *r, const struct rig_plan *plan)
{
    return rig_start(r, plan) && rig_command(r, "USER guest") == 331
        && rig_command(r, "PASS secret") == 230 && rig_command(r, "TYPE I") == 200;
}

int
rig_connect(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        fd_close(&fd);
    return fd;
}

int
rig_passive(struct rig *r)
{
    const char *at = NULL;

    if (rig_command(r, "EPSV") != 229 || (at = strstr(rig_text(r), "|||")) == NULL)
        return -1;
    return rig_connect((uint16_t)strtoul(at + 3, NULL, 10));
}

bool
rig_play(struct rig *r, int milliseconds)
{
    int64_t until = clock_ms() + milliseconds;

    do {
        if (!round_of_all(r, 20))
            return true;
    } while (clock_ms() < until);
    return false;
}
