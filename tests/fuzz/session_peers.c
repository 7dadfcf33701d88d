/* tests/fuzz/session_peers.c - see session_peers.h */
#include "session_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/net.h"
#include "tests/peers/forge.h"
#include "wire/fail.h"
#include "wire/pack.h"

#define LONG_FILE 300000

/* ---- what both have ---------------------------------------------------------------- */

static int
memory_file(size_t size)
{
    static const char text[] = "one line\r\nand another\n";
    int fd = memfd_create("file", MFD_CLOEXEC);

    FUZZ_HOLDS(fd != -1);
    for (size_t i = 0; i < size && i < 4; i++)
        FUZZ_HOLDS(fd_write_all(fd, text, sizeof text - 1) == SP_OK);
    FUZZ_HOLDS(ftruncate(fd, (off_t)size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* A descriptor of a kind that the real peer would hardly pass. */
static int
some_descriptor(unsigned kind)
{
    int ends[2] = { -1, -1 };

    switch (kind % 4) {
    case 0:
        return memory_file(100);
    case 1:
        FUZZ_HOLDS(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        (void)close(ends[1]);
        return ends[0];
    case 2:
        FUZZ_HOLDS(fuzz_pair(SOCK_STREAM, ends));
        (void)close(ends[1]);
        return ends[0];
    default:
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

/* The worker's end may be gone, or full because it does not look. */
static void
tell(struct channel *c, struct message *m)
{
    if (c->fd != -1)
        SP_IGNORE(channel_send(c, m));
    message_clear(m);
}

static void
plan(struct peers *p, struct planned *planned, struct fuzz_input *in)
{
    struct slice s = SLICE_EMPTY;

    p->fair = false;
    planned->set = true;
    planned->type = fuzz_u8(in) % (MSG_COUNT + 1);
    planned->fd_kind = fuzz_u8(in);
    planned->raw = (planned->fd_kind & 0x80) != 0;
    planned->fds = (planned->fd_kind >> 4) % (MESSAGE_FDS + 1);
    s = fuzz_bytes(in, fuzz_u8(in));
    planned->len = s.len;
    if (s.len > 0)
        memcpy(planned->body, s.at, s.len);
}

/*
 * Raw: as the bytes are. Else with the descriptors that the type has, so that it arrives.
 */
static void
send_planned(struct channel *c, struct planned *planned)
{
    unsigned char bytes[MESSAGE_HEADER + PLANNED_MOST] = { (unsigned char)planned->type };
    const struct message_row *row = message_row(planned->type);
    unsigned count = planned->raw || row == NULL ? planned->fds : row->fds;
    int fds[MESSAGE_FDS] = { -1, -1 };

    planned->set = false;
    memcpy(bytes + MESSAGE_HEADER, planned->body, planned->len);
    for (unsigned i = 0; i < count; i++)
        fds[i] = some_descriptor(planned->fd_kind + i);
    (void)forge_record(c->fd, slice_from(bytes, MESSAGE_HEADER + planned->len), fds, count,
                       MSG_DONTWAIT);
    for (unsigned i = 0; i < MESSAGE_FDS; i++)
        fd_close(&fds[i]);
}

/* ---- the monitor ------------------------------------------------------------------- */

static void
say_session(struct peers *p)
{
    struct net_addr loopback = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    unsigned char packed[NET_PACKED];
    struct message m;

    net_pack(&loopback, packed);
    msg_session_pack(&m, &(struct msg_session){
        .id = slice_of("FUZZ-1"), .peer = slice_from(packed, sizeof packed),
        .local = slice_from(packed, sizeof packed),
        .cleartext_allowed = (p->flags & 0x80) != 0 });
    tell(&p->monitor, &m);
}

static void
say_logged_in(struct peers *p)
{
    int ours = -1, theirs = -1;
    struct message m;
    uint32_t flags = 0;

    flags |= (p->flags & PEER_CCC) != 0 ? ACCOUNT_CCC : 0;
    flags |= (p->flags & PEER_CLEAR_DATA) != 0 ? ACCOUNT_CLEAR_DATA : 0;
    FUZZ_HOLDS(channel_pair(&ours, &theirs) == SP_OK);
    channel_clear(&p->broker);
    channel_init(&p->broker, ours, BROKER, WORKER, ST_USER);
    msg_logged_in_pack(&m, &(struct msg_logged_in){
        .user = slice_of("guest"), .backend = slice_of("users"), .start = slice_of("/"),
        .permits = (p->flags & PEER_READ_ONLY) != 0 ? PERMIT_READ_ONLY : PERMIT_ALL,
        .flags = flags, .umask = 022 });
    m.fds[0] = theirs;
    m.nfds = 1;
    tell(&p->monitor, &m);
    channel_enter(&p->monitor, ST_USER);
}

static void
say_listening(struct peers *p)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct message m;

    p->listening = (struct sockaddr_un){ .sun_family = AF_UNIX };
    p->listening_len = sizeof p->listening.sun_family;
    /* without a name the kernel gives one that nobody else has */
    FUZZ_HOLDS(fd != -1
               && bind(fd, (struct sockaddr *)&p->listening, p->listening_len) == 0
               && listen(fd, 4) == 0);
    p->listening_len = sizeof p->listening;
    FUZZ_HOLDS(getsockname(fd, (struct sockaddr *)&p->listening, &p->listening_len) == 0);
    msg_listening_pack(&m, &(struct msg_listening){ .port = 50000 });
    m.fds[0] = fd;
    m.nfds = 1;
    tell(&p->monitor, &m);
}

static void
say_connecting(struct peers *p)
{
    int ends[2] = { -1, -1 };
    struct message m;

    FUZZ_HOLDS(fuzz_pair(SOCK_STREAM, ends));
    fd_close(&p->active);
    p->active = ends[0];
    msg_connecting_pack(&m, &(struct msg_connecting){ 0 });
    m.fds[0] = ends[1];
    m.nfds = 1;
    tell(&p->monitor, &m);
}

/* True: it wants a listener for the next one. */
static bool
take_transfer(struct peers *p, const struct message *m)
{
    struct msg_transfer in = { 0 };

    FUZZ_HOLDS(msg_transfer_unpack(m, &in) == SP_OK);
    if (in.reply / 100 == 2 && (slice_equal(in.verb, slice_of("STOR"))
                                || slice_equal(in.verb, slice_of("APPE"))
                                || slice_equal(in.verb, slice_of("STOU")))) {
        p->uploads_told++;
        FUZZ_HOLDS(!p->fair || p->uploads_told <= p->commits);
    }
    return in.next == 1;
}

static void
answer_as_monitor(struct peers *p, const struct message *in)
{
    struct message m;

    switch (in->type) {
    case MSG_LOGIN:
        channel_enter(&p->monitor, ST_LOGIN);
        if ((p->flags & PEER_ASKS) == 0) {
            say_logged_in(p);
            break;
        }
        msg_login_question_pack(&m, &(struct msg_login_question){
            .text = slice_of("Code:") });
        tell(&p->monitor, &m);
        channel_enter(&p->monitor, ST_QUESTION);
        break;
    case MSG_LOGIN_ANSWER:
        say_logged_in(p);
        break;
    case MSG_LOGIN_CANCEL:
        msg_login_refused_pack(&m, &(struct msg_login_refused){
            .reason = REFUSE_CREDENTIALS, .text = slice_of("no") });
        tell(&p->monitor, &m);
        channel_enter(&p->monitor, ST_CLEAR);
        break;
    case MSG_LOGOUT:
        channel_clear(&p->broker);
        msg_logged_out_pack(&m, &(struct msg_logged_out){ 0 });
        tell(&p->monitor, &m);
        channel_enter(&p->monitor, ST_CLEAR);
        break;
    case MSG_LISTEN:
        say_listening(p);
        break;
    case MSG_CONNECT:
        say_connecting(p);
        break;
    default:
        break;
    }
}

/* Those that want an answer. */
static bool
is_question(unsigned type)
{
    return type == MSG_LOGIN || type == MSG_LOGIN_ANSWER || type == MSG_LOGIN_CANCEL
        || type == MSG_LOGOUT || type == MSG_LISTEN || type == MSG_CONNECT
        || type == MSG_SIGN;
}

static bool
hear_worker(struct peers *p, struct channel *c, struct message *m)
{
    enum sp_err rc = c->fd == -1 ? SP_CLOSED : channel_receive(c, m);

    /* a worker that was lied to may say what is wrong now: then the session would end */
    FUZZ_HOLDS(rc != SP_INPUT || !p->fair);
    return rc == SP_OK;
}

static bool
answer_monitor(struct peers *p)
{
    struct message m;
    bool next = false;

    if (!hear_worker(p, &p->monitor, &m))
        return false;
    if (m.type == MSG_TRANSFER)
        next = take_transfer(p, &m);
    if (p->monitor_plan.set && (next || is_question(m.type))) {
        send_planned(&p->monitor, &p->monitor_plan);
        channel_enter(&p->monitor, ST_ANY);
    } else if (next) {
        say_listening(p);
    } else {
        answer_as_monitor(p, &m);
    }
    message_clear(&m);
    return true;
}

/* ---- the broker -------------------------------------------------------------------- */

static size_t
file_size(const struct peers *p)
{
    if ((p->flags & PEER_LONG_FILE) != 0)
        return LONG_FILE;
    return (p->flags & PEER_EMPTY) != 0 ? 0 : 99;
}

static void
say_listing(struct peers *p)
{
    static const char line[] = "-rw-r--r-- 1 a b 3 Jan  1  2024 one\r\n";
    int ends[2] = { -1, -1 };
    struct message m;

    FUZZ_HOLDS(pipe2(ends, O_CLOEXEC) == 0);
    for (unsigned i = 0; i < ((p->flags & PEER_LONG_FILE) != 0 ? 1000u : 1u); i++)
        FUZZ_HOLDS(fd_write_all(ends[1], line, sizeof line - 1) == SP_OK);
    (void)close(ends[1]);
    msg_listing_pack(&m, &(struct msg_listing){ 0 });
    m.fds[0] = ends[0];
    m.nfds = 1;
    tell(&p->broker, &m);
    msg_listed_pack(&m, &(struct msg_listed){ .entries = 1 });
    tell(&p->broker, &m);
}

static void
say_uploading(struct peers *p, const struct message *in)
{
    struct msg_open_write ask = { 0 };
    struct message m;

    FUZZ_HOLDS(msg_open_write_unpack(in, &ask) == SP_OK);
    fd_close(&p->upload);
    p->upload = memory_file(0);
    msg_uploading_pack(&m, &(struct msg_uploading){
        .path = ask.how == 2 ? slice_of("/unique.1") : ask.path, .offset = ask.offset });
    m.fds[0] = fcntl(p->upload, F_DUPFD_CLOEXEC, 0);
    m.nfds = 1;
    tell(&p->broker, &m);
    channel_enter(&p->broker, ST_UPLOAD);
}

static void
answer_as_broker(struct peers *p, const struct message *in)
{
    struct message m;

    switch (in->type) {
    case MSG_OPEN_READ:
    case MSG_OPEN_RESUMED:
    case MSG_OPEN_RESTART:
        msg_opened_pack(&m, &(struct msg_opened){ .size = file_size(p) });
        m.fds[0] = memory_file(file_size(p));
        m.nfds = 1;
        break;
    case MSG_OPEN_WRITE:
        say_uploading(p, in);
        return;
    case MSG_LIST:
        say_listing(p);
        return;
    case MSG_FACTS:
        msg_fact_line_pack(&m, &(struct msg_fact_line){
            .line = slice_of("type=file;size=99; /one") });
        break;
    case MSG_STATUS_OF:
    case MSG_SIZE_OF:
        msg_status_pack(&m, &(struct msg_status){
            .size = file_size(p), .mtime = 1700000000, .mode = 0644 });
        break;
    case MSG_SPACE:
        msg_available_pack(&m, &(struct msg_available){ .bytes = 1 << 20 });
        break;
    default:
        p->commits += in->type == MSG_COMMIT;
        channel_enter(&p->broker, ST_USER);
        msg_done_pack(&m, &(struct msg_done){ 0 });
        break;
    }
    tell(&p->broker, &m);
}

static bool
answer_broker(struct peers *p)
{
    struct message m;

    if (!hear_worker(p, &p->broker, &m))
        return false;
    if (!p->broker_plan.set) {
        answer_as_broker(p, &m);
    } else {
        send_planned(&p->broker, &p->broker_plan);
        channel_enter(&p->broker, ST_ANY);
    }
    message_clear(&m);
    return true;
}

/* ---- both -------------------------------------------------------------------------- */

void
peers_init(struct peers *p, int *channel, unsigned flags)
{
    int ours = -1;

    *p = (struct peers){ .fair = true, .flags = flags, .active = -1, .upload = -1,
                         .broker = CHANNEL_EMPTY };
    FUZZ_HOLDS(channel_pair(&ours, channel) == SP_OK);
    channel_init(&p->monitor, ours, MONITOR, WORKER, ST_CLEAR);
    say_session(p);
}

bool
peers_answer(struct peers *p)
{
    bool monitor = answer_monitor(p), broker = answer_broker(p);

    return monitor || broker;
}

/* The type 0 is said at once, by whoever is asked: nobody waits for it. */
void
peers_plan_monitor(struct peers *p, struct fuzz_input *in)
{
    plan(p, &p->monitor_plan, in);
    if (p->monitor_plan.type == MSG_NONE && p->monitor.fd != -1)
        send_planned(&p->monitor, &p->monitor_plan);
}

void
peers_plan_broker(struct peers *p, struct fuzz_input *in)
{
    plan(p, &p->broker_plan, in);
    if (p->broker_plan.type == MSG_NONE && p->broker.fd != -1)
        send_planned(&p->broker, &p->broker_plan);
}

void
peers_shutdown(struct peers *p)
{
    struct message m;

    msg_shutdown_pack(&m, &(struct msg_shutdown){
        .text = slice_of("The server stops.") });
    tell(&p->monitor, &m);
}

void
peers_vanish(struct peers *p)
{
    channel_clear(&p->monitor);
    channel_clear(&p->broker);
}

void
peers_clear(struct peers *p)
{
    peers_vanish(p);
    fd_close(&p->active);
    fd_close(&p->upload);
}

/* ---- replies ----------------------------------------------------------------------- */

static bool
is_code(const unsigned char *at)
{
    return at[0] >= '1' && at[0] <= '6' && at[1] >= '0' && at[1] <= '9' && at[2] >= '0'
        && at[2] <= '9';
}

static void
check_line(struct replies *r)
{
    unsigned char *at = r->line;
    unsigned code = 0;

    FUZZ_HOLDS(r->len >= 2 && at[r->len - 2] == '\r');
    for (size_t i = 0; i < r->len - 2; i++)
        FUZZ_HOLDS(at[i] >= 0x20 && at[i] != 0x7f);
    if (r->len >= 6 && is_code(at) && (at[3] == ' ' || at[3] == '-'))
        code = (at[0] - (unsigned)'0') * 100 + (at[1] - (unsigned)'0') * 10 + at[2] - '0';
    if (r->inside == 0) {
        FUZZ_HOLDS(code != 0);
        r->inside = at[3] == '-' ? code : 0;
    } else if (code != 0) {
        FUZZ_HOLDS(code == r->inside && at[3] == ' ');
        r->inside = 0;
    }
    r->len = 0;
}

void
replies_take(struct replies *r, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        FUZZ_HOLDS(r->len < sizeof r->line);
        r->line[r->len++] = s.at[i];
        /* a refusal of a Telnet option stands before a reply, never in one */
        if (r->len == 3 && r->line[0] == 0xff && r->line[1] != 0xff)
            r->len = 0;
        else if (s.at[i] == '\n')
            check_line(r);
    }
}
