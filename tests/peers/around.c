/* tests/peers/around.c - see around.h */
#include "around.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/net.h"
#include "wire/fail.h"
#include "wire/pack.h"

/* Fills out, which is said on the channel that a->in came from; no type: nothing is said. */
typedef void answer_function(struct around *a, struct message *out);

void
around_say(struct channel *c, struct message *m)
{
    if (c->fd != -1)
        SP_IGNORE(channel_send(c, m));
    message_clear(m);
}

/* The descriptor goes with it. */
static void
give(struct message *m, int fd)
{
    SP_ASSERT(fd != -1);
    m->fds[0] = fd;
    m->nfds = 1;
}

/* ---- the monitor ------------------------------------------------------------------- */

static void
say_session(struct around *a)
{
    struct net_addr loopback = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    unsigned char packed[NET_PACKED];
    struct message m;

    net_pack(&loopback, packed);
    msg_session_pack(&m, &(struct msg_session){
        .id = slice_of("TEST-1"), .peer = slice_from(packed, sizeof packed),
        .local = slice_from(packed, sizeof packed),
        .cleartext_allowed = a->plan->cleartext_allowed });
    around_say(&a->monitor, &m);
}

static void
refuse(struct around *a, unsigned reason, struct message *out)
{
    msg_login_refused_pack(out, &(struct msg_login_refused){
        .reason = (uint8_t)reason, .text = slice_of("no") });
    channel_enter(&a->monitor, ST_CLEAR);
}

static void
log_in(struct around *a, struct message *out)
{
    const struct around_plan *p = a->plan;
    int ours = -1, theirs = -1;

    SP_ASSERT(channel_pair(&ours, &theirs) == SP_OK);
    channel_clear(&a->broker);
    channel_init(&a->broker, ours, BROKER, WORKER, ST_USER);
    msg_logged_in_pack(out, &(struct msg_logged_in){
        .user = slice_of("guest"), .backend = slice_of("users"), .start = slice_of("/"),
        .permits = p->permits != 0 ? p->permits : PERMIT_ALL, .flags = p->account_flags,
        .umask = 022 });
    give(out, theirs);
    channel_enter(&a->monitor, ST_USER);
}

static void
answer_login(struct around *a, struct message *out)
{
    if (a->plan->refuse_login != 0) {
        refuse(a, a->plan->refuse_login, out);
    } else if (a->plan->question != NULL && a->in->type == MSG_LOGIN) {
        msg_login_question_pack(out, &(struct msg_login_question){
            .text = slice_of(a->plan->question) });
        channel_enter(&a->monitor, ST_QUESTION);
    } else {
        log_in(a, out);
    }
}

static void
answer_cancel(struct around *a, struct message *out)
{
    refuse(a, REFUSE_CREDENTIALS, out);
}

static void
answer_logout(struct around *a, struct message *out)
{
    channel_clear(&a->broker);
    msg_logged_out_pack(out, &(struct msg_logged_out){ 0 });
    channel_enter(&a->monitor, ST_CLEAR);
}

/* A Unix socket without a name gets one from the kernel that nobody else has. */
static void
listen_on(struct around *a, struct message *out)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr *at = (struct sockaddr *)&a->listening;
    bool local = a->plan->local_sockets;
    int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memset(&a->listening, 0, sizeof a->listening);
    a->listening_len = local ? (socklen_t)sizeof at->sa_family : (socklen_t)sizeof in;
    at->sa_family = AF_UNIX;
    if (!local)
        memcpy(at, &in, sizeof in);
    SP_ASSERT(fd != -1 && bind(fd, at, a->listening_len) == 0 && listen(fd, 4) == 0);
    a->listening_len = sizeof a->listening;
    SP_ASSERT(getsockname(fd, at, &a->listening_len) == 0);
    memcpy(&in, at, sizeof in);
    a->port = local ? 50000 : ntohs(in.sin_port);
    msg_listening_pack(out, &(struct msg_listening){ .port = a->port });
    give(out, fd);
}

static void
answer_listen(struct around *a, struct message *out)
{
    a->listens++;
    listen_on(a, out);
}

/* Only where it wants a listener for the next one. */
static void
answer_transfer(struct around *a, struct message *out)
{
    a->aheads++;
    if (a->plan->no_spare)
        msg_data_failed_pack(out, &(struct msg_data_failed){ .error = EAGAIN });
    else
        listen_on(a, out);
}

static void
answer_connect(struct around *a, struct message *out)
{
    int ends[2] = { -1, -1 };

    SP_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    fd_close(&a->active);
    a->active = ends[0];
    msg_connecting_pack(out, &(struct msg_connecting){ 0 });
    give(out, ends[1]);
}

static void
answer_sign(struct around *a, struct message *out)
{
    (void)a;
    msg_sign_refused_pack(out, &(struct msg_sign_refused){ 0 });
}

/* ---- the broker -------------------------------------------------------------------- */

int
around_file(const char *text, size_t size)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    size_t len = text == NULL ? 0 : strlen(text);

    SP_ASSERT(fd != -1);
    for (size_t i = 0; i < 4 && len > 0 && i * len < size; i++)
        SP_ASSERT(fd_write_all(fd, text, len) == SP_OK);
    SP_ASSERT(ftruncate(fd, (off_t)size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static size_t
file_size(const struct around *a)
{
    if (a->plan->content == NULL)
        return 0;
    return a->plan->size != 0 ? a->plan->size : strlen(a->plan->content);
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
answer_open_read(struct around *a, struct message *out)
{
    int fd = around_file(a->plan->content, file_size(a));

    msg_opened_pack(out, &(struct msg_opened){ .size = file_size(a) });
    give(out, a->plan->unreadable ? unreadable(fd) : fd);
}

static void
answer_open_write(struct around *a, struct message *out)
{
    struct msg_open_write ask = { 0 };
    int ends[2] = { -1, -1 };

    SP_ASSERT(msg_open_write_unpack(a->in, &ask) == SP_OK);
    fd_close(&a->upload);
    if (a->plan->slow_file) {
        SP_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    } else {
        ends[0] = around_file(NULL, 0);
        ends[1] = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
    }
    a->upload = ends[0];
    msg_uploading_pack(out, &(struct msg_uploading){
        .path = ask.how == 2 ? slice_of("/unique.1") : ask.path, .offset = ask.offset });
    give(out, ends[1]);
    channel_enter(&a->broker, ST_UPLOAD);
}

static void
answer_list(struct around *a, struct message *out)
{
    static const char line[] = "-rw-r--r-- 1 a b 3 Jan  1  2024 one\r\n";
    int ends[2] = { -1, -1 };

    SP_ASSERT(pipe2(ends, O_CLOEXEC) == 0);
    for (unsigned i = 0; i < a->plan->entries || i < 1; i++)
        SP_ASSERT(fd_write_all(ends[1], line, sizeof line - 1) == SP_OK);
    (void)close(ends[1]);
    msg_listing_pack(out, &(struct msg_listing){ 0 });
    give(out, ends[0]);
    around_say(&a->broker, out);
    msg_listed_pack(out, &(struct msg_listed){ .entries = 1 });
}

static void
answer_facts(struct around *a, struct message *out)
{
    (void)a;
    msg_fact_line_pack(out, &(struct msg_fact_line){
        .line = slice_of("type=file;size=99; /one") });
}

static void
answer_status(struct around *a, struct message *out)
{
    msg_status_pack(out, &(struct msg_status){
        .size = file_size(a), .mtime = 1700000000, .mode = 0644 });
}

static void
answer_space(struct around *a, struct message *out)
{
    (void)a;
    msg_available_pack(out, &(struct msg_available){ .bytes = 1 << 20 });
}

static void
answer_done(struct around *a, struct message *out)
{
    a->commits += a->in->type == MSG_COMMIT;
    a->abandons += a->in->type == MSG_ABANDON;
    channel_enter(&a->broker, ST_USER);
    msg_done_pack(out, &(struct msg_done){ 0 });
}

/* ---- both -------------------------------------------------------------------------- */

/*
 * What a worker may ask. A message of the monitor's that is not here wants no answer; what
 * is not here and is the broker's is done.
 */
static answer_function *const answers[MSG_COUNT] = {
    [MSG_LOGIN] = answer_login, [MSG_LOGIN_ANSWER] = answer_login,
    [MSG_LOGIN_CANCEL] = answer_cancel, [MSG_LOGOUT] = answer_logout,
    [MSG_LISTEN] = answer_listen, [MSG_CONNECT] = answer_connect,
    [MSG_TRANSFER] = answer_transfer, [MSG_SIGN] = answer_sign,

    [MSG_OPEN_READ] = answer_open_read, [MSG_OPEN_RESUMED] = answer_open_read,
    [MSG_OPEN_RESTART] = answer_open_read,
    [MSG_OPEN_WRITE] = answer_open_write, [MSG_LIST] = answer_list,
    [MSG_FACTS] = answer_facts, [MSG_STATUS_OF] = answer_status,
    [MSG_SIZE_OF] = answer_status, [MSG_SPACE] = answer_space,
};

void
around_init(struct around *a, const struct around_plan *plan, int *worker_end)
{
    int ours = -1;

    memset(a, 0, sizeof *a);
    a->plan = plan;
    a->upload = a->active = -1;
    a->broker = (struct channel)CHANNEL_EMPTY;
    SP_ASSERT(channel_pair(&ours, worker_end) == SP_OK);
    channel_init(&a->monitor, ours, MONITOR, WORKER, ST_CLEAR);
    say_session(a);
}

/* True: it wants a listener for the next one. */
static bool
note_transfer(struct around *a, const struct message *in)
{
    struct msg_transfer t = { 0 };

    SP_ASSERT(msg_transfer_unpack(in, &t) == SP_OK);
    a->transfers++;
    a->transfer_reply = t.reply;
    a->transfer_bytes = t.bytes;
    a->uploads_told += t.reply / 100 == 2 && (slice_equal(t.verb, slice_of("STOR"))
                                              || slice_equal(t.verb, slice_of("APPE"))
                                              || slice_equal(t.verb, slice_of("STOU")));
    return t.next == 1;
}

/* The path by its row: two bytes of length, then its own. */
static void
note_question(struct around *a, const struct message *in)
{
    size_t len = in->len < 2 ? 0 : (size_t)(in->body[0] | in->body[1] << 8);

    a->last_question = in->type;
    if (message_row(in->type)->fields[0].type == FIELD_PATH && len < in->len - 1)
        SP_IGNORE(slice_to_text(slice_from(in->body + 2, len), a->last_path,
                                sizeof a->last_path));
}

static bool
play(struct around *a, struct channel *c)
{
    struct message m, out;
    enum sp_err rc = c->fd == -1 ? SP_CLOSED : channel_receive(c, &m);
    bool wants = true;

    a->wrong = a->wrong || rc == SP_INPUT;
    if (rc != SP_OK)
        return false;
    if (c == &a->broker)
        note_question(a, &m);
    else
        wants = m.type == MSG_TRANSFER ? note_transfer(a, &m) : answers[m.type] != NULL;
    message_init(&out);
    a->in = &m;
    if (wants && (a->script == NULL || !a->script(a, c, &out)))
        (answers[m.type] != NULL ? answers[m.type] : answer_done)(a, &out);
    if (out.type != MSG_NONE)
        around_say(c, &out);
    message_clear(&m);
    return true;
}

bool
around_play_monitor(struct around *a)
{
    return play(a, &a->monitor);
}

bool
around_play_broker(struct around *a)
{
    return play(a, &a->broker);
}

bool
around_wait(struct around *a, int other, int timeout_ms)
{
    struct pollfd p[3] = { { other, POLLIN, 0 }, { a->monitor.fd, POLLIN, 0 },
                           { a->broker.fd, POLLIN, 0 } };

    if (poll(p, 3, timeout_ms) <= 0)
        return false;
    if (p[1].revents != 0)
        (void)around_play_monitor(a);
    if (p[2].revents != 0)
        (void)around_play_broker(a);
    return p[0].revents != 0;
}

void
around_vanish(struct around *a)
{
    channel_clear(&a->monitor);
    channel_clear(&a->broker);
}

void
around_clear(struct around *a)
{
    around_vanish(a);
    fd_close(&a->active);
    fd_close(&a->upload);
}
