/* wire/channel.c - see include/wire/channel.h */
#include "wire/channel.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "wire/pack.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83        /* Linux 6.16; the same on x86-64 and arm64 */
#endif

/* Room for one descriptor more than any row has: a surplus is seen, not silently cut. */
union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int) * (MESSAGE_FDS + 1))];
};

enum sp_err
channel_pair(int *one, int *other)
{
    int pair[2] = { -1, -1 };

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return SP_OS;
    *one = pair[0];
    *other = pair[1];
    return SP_OK;
}

void
channel_init(struct channel *c, int fd, unsigned self, unsigned peer, unsigned state)
{
    const int off = 0;

    *c = (struct channel){ .fd = fd, .self = self, .peer = peer, .state = state,
                           .takes_fds = message_passes_fds(peer, self) };
    /* an older kernel does not know it (ENOPROTOOPT), and receive() holds alone */
    if (fd != -1 && !c->takes_fds)
        (void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
}

void
channel_enter(struct channel *c, unsigned state)
{
    c->state = state;
}

void
channel_clear(struct channel *c)
{
    fd_close(&c->fd);
    c->state = ST_END;
}

/* Every descriptor that came, also those past our room in the message: owned from here. */
static bool
take_fds(struct msghdr *h, struct message *m)
{
    bool fits = true;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        size_t count = 0;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            fits = false;
            continue;
        }
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd = -1;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (m->nfds < MESSAGE_FDS) {
                m->fds[m->nfds++] = fd;
            } else {
                fd_close(&fd);
                fits = false;
            }
        }
    }
    return fits;
}

static enum sp_err
breach(struct channel *c, struct message *m, const char *fault)
{
    uint16_t type = m->type;

    message_clear(m);
    m->type = type;             /* for the log */
    c->fault = fault;
    return SP_INPUT;
}

static enum sp_err
receive(struct channel *c, struct message *m, int flags)
{
    union control control;
    struct iovec part = { m->frame, sizeof m->frame };
    struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1 };
    const struct message_row *row = NULL;
    ssize_t got = 0;
    bool fits = true, reset = false;

    message_init(m);
    c->fault = NULL;
    if (c->takes_fds) {
        memset(&control, 0, sizeof control);
        h.msg_control = control.room;
        h.msg_controllen = sizeof control.room;
    }
    /* A peer that ended without reading all is told once, before what it had still said. */
    while ((got = recvmsg(c->fd, &h, MSG_CMSG_CLOEXEC | flags)) == -1
           && (errno == EINTR || (errno == ECONNRESET && !reset)))
        reset = reset || errno == ECONNRESET;
    if (got == -1)
        return errno == EAGAIN ? SP_AGAIN
            : errno == ECONNRESET || errno == EPIPE ? SP_CLOSED : SP_OS;
    fits = !c->takes_fds || take_fds(&h, m);
    if (got == 0 && m->nfds == 0 && fits && (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
        return SP_CLOSED;
    if (got < MESSAGE_HEADER)
        return breach(c, m, "no-type");
    m->type = (uint16_t)bytes_get_little(m->header, MESSAGE_HEADER);
    m->len = (size_t)got - MESSAGE_HEADER;
    if ((h.msg_flags & MSG_TRUNC) != 0)
        return breach(c, m, "cut-data");
    if ((h.msg_flags & MSG_CTRUNC) != 0 || !fits)
        return breach(c, m, "cut-descriptors");
    if ((row = message_row(m->type)) == NULL)
        return breach(c, m, "unknown-message");
    if ((row->sender & c->peer) == 0 || (row->receiver & c->self) == 0)
        return breach(c, m, "wrong-sender");
    if ((row->states & c->state) == 0)
        return breach(c, m, "wrong-state");
    if (m->len < row->least || m->len > row->most)
        return breach(c, m, "wrong-size");
    if (m->nfds != row->fds)
        return breach(c, m, "wrong-descriptors");
    return SP_OK;
}

enum sp_err
channel_receive(struct channel *c, struct message *m)
{
    return receive(c, m, MSG_DONTWAIT);
}

/* Waits for events on fd; deadline in clock_ms, or -1. */
static enum sp_err
wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = { .fd = fd, .events = events };

    for (;;) {
        int64_t left = deadline == -1 ? -1 : deadline - clock_ms();
        int ready = 0;

        if (deadline != -1 && left < 0)
            left = 0;
        ready = poll(&p, 1, (int)left);
        if (ready > 0)
            return SP_OK;
        if (ready == 0)
            return SP_AGAIN;
        if (errno != EINTR)
            return SP_OS;
    }
}

enum sp_err
channel_wait(struct channel *c, struct message *m, int timeout_ms)
{
    int64_t deadline = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
    enum sp_err rc = SP_OK;

    /* one system call where we would wait for ever and the socket itself blocks */
    while ((rc = receive(c, m, timeout_ms < 0 ? 0 : MSG_DONTWAIT)) == SP_AGAIN) {
        if ((rc = wait_for(c->fd, POLLIN, deadline)) != SP_OK) {
            message_init(m);
            return rc;
        }
    }
    return rc;
}

/* sendmsg(2) is for descriptors alone: who has none to pass needs not be able to. */
static ssize_t
send_fds(int fd, const struct message *m, int flags)
{
    union control control = { .room = { 0 } };
    struct iovec part = { 0 };
    struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
                        .msg_controllen = CMSG_SPACE(sizeof(int) * m->nfds) };
    struct cmsghdr *head = CMSG_FIRSTHDR(&h);
    const unsigned char *frame = m->frame;

    memcpy(&part.iov_base, &frame, sizeof frame);       /* it is only read */
    part.iov_len = MESSAGE_HEADER + m->len;
    SP_ASSERT(head != NULL);            /* there is room: h says so */
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * m->nfds);
    memcpy(CMSG_DATA(head), m->fds, sizeof(int) * m->nfds);
    return sendmsg(fd, &h, flags);
}

static enum sp_err
send_flags(struct channel *c, struct message *m, int flags)
{
    const struct message_row *row = message_row(m->type);
    ssize_t put = 0;

    SP_ASSERT(row != NULL);
    SP_ASSERT((row->sender & c->self) != 0 && (row->receiver & c->peer) != 0);
    SP_ASSERT(m->nfds == row->fds && m->len >= row->least && m->len <= row->most);
    bytes_put_little(m->header, m->type, MESSAGE_HEADER);
    do {
        put = m->nfds > 0 ? send_fds(c->fd, m, MSG_NOSIGNAL | flags)
            : send(c->fd, m->frame, MESSAGE_HEADER + m->len, MSG_NOSIGNAL | flags);
    } while (put == -1 && errno == EINTR);
    if (put == -1)
        return errno == EAGAIN || errno == ENOBUFS ? SP_AGAIN
            : errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? SP_CLOSED : SP_OS;
    message_clear_fds(m);
    return SP_OK;
}

enum sp_err
channel_send(struct channel *c, struct message *m)
{
    return send_flags(c, m, MSG_DONTWAIT);
}

enum sp_err
channel_send_wait(struct channel *c, struct message *m)
{
    enum sp_err rc = SP_OK;

    while ((rc = send_flags(c, m, 0)) == SP_AGAIN)
        if ((rc = wait_for(c->fd, POLLOUT, -1)) != SP_OK)
            break;
    return rc;
}

bool
channel_has_unread(const struct channel *c)
{
    int bytes = 0;

    return ioctl(c->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

void
channel_log(void *context, enum log_event event, const char *line)
{
    struct channel *c = context;
    struct message m;

    /* the monitor knows the name by its number */
    line += strlen(log_event_name(event));
    line += *line == ' ';
    msg_log_pack(&m, &(struct msg_log){ .event = (uint16_t)event, .text = slice_of(line) });
    /* the monitor may let a session that says much wait, and then no line is to be lost */
    SP_IGNORE(channel_send_wait(c, &m));
}
