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
#include "tests/peers/forge.h"
#include "wire/grant.h"
#include "wire/pack.h"

/* Fills out, which is said where a->in came from; no type: nothing is said. */
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
        forge_message(out, "LOGIN_REFUSED %u", a->plan->refuse_login);
    } else if (a->plan->question != NULL && a->in->type == MSG_LOGIN) {
        forge_message(out, "LOGIN_QUESTION %s", a->plan->question);
        channel_enter(&a->monitor, ST_QUESTION);
    } else {
        log_in(a, out);
    }
}

static void
answer_logout(struct around *a, struct message *out)
{
    channel_clear(&a->broker);
    forge_message(out, "LOGGED_OUT");
}

/* A Unix socket without a name gets one from the kernel that nobody else has. */
static void
listen_on(struct around *a, struct message *out)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr *at = (struct sockaddr *)&a->listening;
    bool local = a->plan->local_sockets;
    int fd = socket(local ? AF_UNIX : AF_INET,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

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
    forge_message(out, "LISTENING %u", a->port);
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
        forge_message(out, "DATA_FAILED %d", EAGAIN);
    else
        listen_on(a, out);
}

static void
answer_connect(struct around *a, struct message *out)
{
    int ends[2] = { -1, -1 };

    SP_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends)
              == 0);
    fd_close(&a->active);
    a->active = ends[0];
    forge_message(out, "CONNECTING");
    give(out, ends[1]);
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

    forge_message(out, "OPENED %zu", file_size(a));
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
    forge_message(out, "LISTING");
    give(out, ends[0]);
    around_say(&a->broker, out);
    forge_message(out, "LISTED 1");
}

static void
answer_status(struct around *a, struct message *out)
{
    msg_status_pack(out, &(struct msg_status){
        .size = file_size(a), .mtime = 1700000000, .mode = 0644 });
}

static void
answer_done(struct around *a, struct message *out)
{
    a->commits += a->in->type == MSG_COMMIT;
    a->abandons += a->in->type == MSG_ABANDON;
    forge_message(out, "DONE");
}

/* ---- both -------------------------------------------------------------------------- */

/*
 * What a worker may ask, and what it is answered: by a function, or always in these words.
 * state: the one that the played side enters before, 0: it stays. What is not here wants no
 * answer of the monitor; of the broker, it is done.
 */
static const struct answer {
    answer_function *by;
    const char *words;
    unsigned state;
} answers[MSG_COUNT] = {
    [MSG_LOGIN] = { .by = answer_login, .state = ST_CLEAR },
    [MSG_LOGIN_ANSWER] = { .by = answer_login, .state = ST_CLEAR },
    [MSG_LOGIN_CANCEL] = { .words = "LOGIN_REFUSED 1", .state = ST_CLEAR },
    [MSG_LOGOUT] = { .by = answer_logout, .state = ST_CLEAR },
    [MSG_LISTEN] = { .by = answer_listen },
    [MSG_CONNECT] = { .by = answer_connect },
    [MSG_TRANSFER] = { .by = answer_transfer },
    [MSG_SIGN] = { .words = "SIGN_REFUSED" },
    [MSG_ASK_CLEAR] = { .words = "MAY_CLEAR 0" },
    [MSG_TICKETS_OF] = { .words = "NO_TICKETS 0" },

    [MSG_OPEN_READ] = { .by = answer_open_read },
    [MSG_OPEN_RESUMED] = { .by = answer_open_read },
    [MSG_OPEN_RESTART] = { .by = answer_open_read },
    [MSG_OPEN_WRITE] = { .by = answer_open_write, .state = ST_UPLOAD },
    [MSG_LIST] = { .by = answer_list },
    [MSG_FACTS] = { .words = "FACT_LINE type=file;size=99; /one" },
    [MSG_STATUS_OF] = { .by = answer_status },
    [MSG_SIZE_OF] = { .by = answer_status },
    [MSG_SPACE] = { .words = "AVAILABLE 1048576" },
};
static const struct answer done = { .by = answer_done, .state = ST_USER };

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
has_answer(unsigned type)
{
    return answers[type].by != NULL || answers[type].words != NULL;
}

static void
answer(struct around *a, struct channel *c, struct message *out)
{
    const struct answer *by = has_answer(a->in->type) ? &answers[a->in->type] : &done;

    if (by->state != 0)
        channel_enter(c, by->state);
    if (by->by != NULL)
        by->by(a, out);
    else
        forge_message(out, "%s", by->words);
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
    a->in = &m;
    if (c == &a->broker)
        note_question(a, &m);
    else
        wants = m.type == MSG_TRANSFER ? note_transfer(a, &m) : has_answer(m.type);
    message_init(&out);
    if (wants && (a->script == NULL || !a->script(a, c, &out)))
        answer(a, c, &out);
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
