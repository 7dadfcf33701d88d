/*
 * tests/fuzz/fuzz_session.c - a whole session: the real worker between a client, a
 * monitor and a broker that the input plays
 *
 * One process, one thread, no clock: where the worker would wait (poll, a blocking
 * receive), the linker's --wrap brings it here, and the next step of the input is played
 * instead. Two bytes of settings, then steps: one byte each says which (enum step), what
 * follows it there.
 *
 * Holds: every reply has the form of RFC 959; 226 for an upload comes after the broker's
 * DONE for COMMIT; the worker says nothing to monitor or broker that their rows do not
 * allow as long as these play fair; no busy loop, no descriptor and no memory left
 * behind.
 */
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"
#include "session_peers.h"
#include "worker/ask_monitor.h"
#include "worker/worker.h"

#define WAITS_MOST 20000        /* far more than any input has reason for */
#define MOMENT_MS 2             /* so short a wait takes no step of the client */
#define STEPS_MOST 200

enum step {
    STEP_LINE,                  /* to LF: a line of the client */
    STEP_BYTES,                 /* length, bytes: of the client as they are */
    STEP_LOGIN,                 /* USER, PASS: the way to everything else */
    STEP_PASSIVE,               /* EPSV, and the client connects */
    STEP_CONNECT,               /* the client connects to the last listener */
    STEP_DATA,                  /* length, bytes: on the data connection */
    STEP_DATA_END,              /* FIN */
    STEP_DATA_CLOSE,
    STEP_TIME,                  /* two bytes: so many tenths of a second go by */
    STEP_DEAF,                  /* the client stops reading, or begins again */
    STEP_LEAVE,                 /* the client closes its control connection */
    STEP_MONITOR,               /* what the monitor answers next, or says unasked */
    STEP_BROKER,                /* what the broker answers next */
    STEP_SHUTDOWN,              /* the monitor wants an end */
    STEP_COUNT
};

struct play {
    struct fuzz_input in;
    struct peers peers;
    struct replies replies;
    int client, data;
    int64_t now_us;
    unsigned waits, steps;
    bool running, deaf, uploading;
};

static struct play play;

int __real_poll(struct pollfd *p, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout);
int __wrap___poll_chk(struct pollfd *p, nfds_t n, int timeout, size_t room);
ssize_t __real_recvmsg(int fd, struct msghdr *h, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *h, int flags);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags);

/* ---- the client -------------------------------------------------------------------- */

static void
client_says(struct slice s)
{
    if (play.client != -1 && s.len > 0)
        (void)!send(play.client, s.at, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
client_reads(void)
{
    unsigned char bytes[4096];
    ssize_t n = 0;

    while (play.client != -1 && !play.deaf
           && (n = recv(play.client, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        replies_take(&play.replies, slice_from(bytes, (size_t)n));
    while (play.data != -1 && !play.deaf
           && recv(play.data, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
}

static void
client_connects(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    FUZZ_HOLDS(fd != -1);
    if (play.peers.around.listening.ss_family == AF_UNIX
        && connect(fd, (struct sockaddr *)&play.peers.around.listening,
                   play.peers.around.listening_len) == 0) {
        fd_close(&play.data);
        play.data = fd;
    } else {
        fd_close(&fd);
    }
}

static void
take_step(void)
{
    struct fuzz_input *in = &play.in;
    struct slice s = SLICE_EMPTY;
    size_t len = 0;

    play.steps++;
    switch ((enum step)(fuzz_u8(in) % STEP_COUNT)) {
    case STEP_LINE:
        client_says(fuzz_until(in, '\n'));
        client_says(slice_of("\r\n"));
        break;
    case STEP_BYTES:
        len = fuzz_u8(in);
        client_says(fuzz_bytes(in, len));
        break;
    case STEP_LOGIN:
        client_says(slice_of("USER guest\r\nPASS secret\r\n"));
        break;
    case STEP_PASSIVE:
        client_says(slice_of("EPSV\r\n"));
        play.peers.connect_next = true;
        break;
    case STEP_CONNECT:
        client_connects();
        break;
    case STEP_DATA:
        len = (size_t)fuzz_u8(in) * 4;
        s = fuzz_bytes(in, len);
        if (play.data != -1 && s.len > 0)
            (void)!send(play.data, s.at, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        break;
    case STEP_DATA_END:
        if (play.data != -1)
            (void)shutdown(play.data, SHUT_WR);
        break;
    case STEP_DATA_CLOSE:
        fd_close(&play.data);
        break;
    case STEP_TIME:
        play.now_us += (int64_t)fuzz_number(in, 2) * 100000;
        break;
    case STEP_DEAF:
        play.deaf = !play.deaf;
        break;
    case STEP_LEAVE:
        fd_close(&play.client);
        break;
    case STEP_MONITOR:
        peers_plan(&play.peers, &play.peers.around.monitor, in);
        break;
    case STEP_BROKER:
        peers_plan(&play.peers, &play.peers.around.broker, in);
        break;
    case STEP_SHUTDOWN:
        peers_shutdown(&play.peers);
        break;
    case STEP_COUNT:
        break;
    }
}

/* One of the others does something. false: there is nothing left to do. */
static bool
play_on(void)
{
    bool answered = peers_answer(&play.peers);

    if (play.peers.connect_next && play.peers.around.listening.ss_family == AF_UNIX) {
        play.peers.connect_next = false;
        client_connects();
    }
    if (play.peers.around.active != -1) {
        fd_close(&play.data);
        play.data = fd_move(&play.peers.around.active);
    }
    client_reads();
    if (answered)
        return true;
    if (play.in.len > 0 && play.steps < STEPS_MOST) {
        take_step();
        return true;
    }
    /* the end of the input is that of both connections */
    if (play.client != -1 || play.data != -1) {
        play.deaf = false;
        client_reads();
        fd_close(&play.data);
        fd_close(&play.client);
        return true;
    }
    return false;
}

/* ---- where the worker would wait --------------------------------------------------- */

int
__wrap_poll(struct pollfd *p, nfds_t n, int timeout)
{
    int ready = __real_poll(p, n, 0);
    int64_t until = play.now_us + (int64_t)timeout * 1000;

    if (!play.running || timeout == 0)
        return ready;
    FUZZ_HOLDS(++play.waits < WAITS_MOST);
    /* what the peers have not taken they take first, so that order plays no part */
    while (peers_answer(&play.peers))
        continue;
    client_reads();
    /* a moment, as before a commit: else all that the client has yet to do would fall into it */
    if (timeout > 0 && timeout <= MOMENT_MS) {
        play.now_us = until;
        return __real_poll(p, n, 0);
    }
    while ((ready = __real_poll(p, n, 0)) == 0) {
        if (timeout > 0 && play.now_us >= until)
            return 0;
        if (play_on())
            continue;
        if (timeout < 0) {      /* no answer: the real monitor ends such a session */
            around_vanish(&play.peers.around);
            return __real_poll(p, n, 0);
        }
        play.now_us = until;
        return 0;
    }
    return ready;
}

int
__wrap___poll_chk(struct pollfd *p, nfds_t n, int timeout, size_t room)
{
    (void)room;
    return __wrap_poll(p, n, timeout);
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *h, int flags)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    if (!play.running || (flags & MSG_DONTWAIT) != 0)
        return __real_recvmsg(fd, h, flags);
    FUZZ_HOLDS(++play.waits < WAITS_MOST);
    while (__real_poll(&p, 1, 0) == 0 && peers_answer(&play.peers))
        continue;
    /* no answer: the real monitor ends such a session */
    if (__real_poll(&p, 1, 0) == 0)
        around_vanish(&play.peers.around);
    return __real_recvmsg(fd, h, flags | MSG_DONTWAIT);
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!play.running)
        return __real_clock_gettime(clock, now);
    play.now_us++;
    *now = (struct timespec){ .tv_sec = 1700000000 + play.now_us / 1000000,
                              .tv_nsec = play.now_us % 1000000 * 1000 };
    return 0;
}

/* The listener is a Unix one, and who connects to it comes from the client's address. */
int
__wrap_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags)
{
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(1024),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int got = __real_accept4(fd, NULL, NULL, flags);

    if (got != -1) {
        memcpy(a, &from, sizeof from);
        *len = sizeof from;
    }
    return got;
}

/* ---- one session ------------------------------------------------------------------- */

static void
start(struct worker *w, int client, int channel)
{
    unsigned flags = fuzz_u8(&play.in);

    memset(w, 0, sizeof *w);
    FUZZ_HOLDS(settings_init(&w->settings) == SP_OK);
    w->settings.tls_required = (flags & 1) != 0;
    w->settings.login_attempts = 1 + (flags >> 1) % 4;
    channel_init(&w->broker, -1, WORKER, BROKER, ST_END);
    channel_init(&w->monitor, channel, WORKER, MONITOR, ST_START);
    control_init(&w->control, client);
    data_init(&w->data);
    ahead_init(&w->ahead);
    transfer_init(&w->transfer);
    w->held = (struct buf)BUF_EMPTY(LINE_MOST);
}

static void
clear(struct worker *w)
{
    FUZZ_HOLDS(w->control.fd == -1 && w->data.fd == -1 && w->data.listener == -1
               && w->data.count == 0 && w->data.linger.fd == -1);
    FUZZ_HOLDS(!transfer_runs(&w->transfer));
    ahead_drop(&w->ahead);      /* the end of the process closes both */
    message_clear(&w->m);
    channel_clear(&w->monitor);
    channel_clear(&w->broker);
    settings_clear(&w->settings);
    buf_free(&w->held);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct worker w;
    int client[2] = { -1, -1 }, channel = -1;
    unsigned before = fuzz_open_descriptors();

    fuzz_ignore_sigpipe();
    log_set_sink(fuzz_log_line, NULL);
    play = (struct play){ .in = { data, size }, .client = -1, .data = -1 };
    FUZZ_HOLDS(fuzz_pair(SOCK_STREAM, client));
    play.client = client[0];
    peers_init(&play.peers, &channel, fuzz_u8(&play.in));
    start(&w, client[1], channel);
    play.running = true;
    if (ask_session(&w) == SP_OK)
        FUZZ_HOLDS(worker_serve(&w) == 0);
    else
        fd_close(&w.control.fd);
    play.running = false;
    play.deaf = false;
    client_reads();
    while (peers_answer(&play.peers))
        continue;
    clear(&w);
    around_clear(&play.peers.around);
    fd_close(&play.client);
    fd_close(&play.data);
    FUZZ_HOLDS(fuzz_open_descriptors() == before);
    return 0;
}
