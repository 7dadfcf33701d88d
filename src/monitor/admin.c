/* monitor/admin.c - see admin.h */
#include "monitor/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "monitor/admin_verbs.h"
#include "monitor/monitor.h"
#include "monitor/prepare.h"
#include "wire/pack.h"

#define CLIENTS_MOST 8          /* at the same time; others wait in the kernel's queue */
#define QUEUE 64
#define REQUEST_SECONDS 10      /* from the connection to the request                  */
#define READ_SECONDS 30         /* without a row that the tool has read                */
#define VERDICT_SECONDS 150     /* a reload that waits for one before it               */
#define RESUME_SECONDS 1        /* after an accept that failed                         */
#define ANSWER_MOST (32u << 20) /* bytes of one answer: 100,000 rows of a list         */

struct admin_client {
    TAILQ_ENTRY(admin_client) entry;
    struct admin *admin;
    struct channel channel;
    struct event readable, writable, deadline;
    struct buf rows;            /* of each: type, length (4 bytes each), body */
    size_t sent;                /* bytes of rows */
    uid_t uid;
    bool ended;                 /* the last row is among them */
    bool failed;                /* there was no memory for a row: no answer is better */
    bool faulted;               /* a fault of its reload is among them */
    struct reload_wait reload;
};

/* ---- a client ------------------------------------------------------------------------ */

static void
accept_again(struct admin *a)
{
    if (a->fd != -1 && event_add(&a->readable, NULL) == -1)
        log_event(EVENT_ADMIN_FAILED, "fault=\"no memory for a timer\"");
}

static void
free_client(struct admin_client *c)
{
    struct admin *a = c->admin;

    (void)event_del(&c->readable);
    (void)event_del(&c->writable);
    (void)event_del(&c->deadline);
    reload_forget(&c->reload);
    channel_clear(&c->channel);
    buf_free(&c->rows);
    TAILQ_REMOVE(&a->clients, c, entry);
    a->count--;
    free(c);
    accept_again(a);
}

static bool
set_deadline(struct admin_client *c, int seconds)
{
    const struct timeval after = { seconds, 0 };

    return event_add(&c->deadline, &after) == 0;
}

static void
on_deadline_event(evutil_socket_t fd, short what, void *context)
{
    struct admin_client *c = context;

    (void)fd;
    (void)what;
    log_event(EVENT_ADMIN_TIMEOUT, "uid=%lu", (unsigned long)c->uid);
    free_client(c);
}

static void
hear(struct admin_client *c)
{
    struct message m;
    unsigned type = MSG_NONE;
    const char *fault = "malformed";
    enum sp_err rc = channel_receive(&c->channel, &m);

    if (rc == SP_INPUT)
        fault = c->channel.fault;
    type = m.type;
    if (rc == SP_OK) {
        channel_enter(&c->channel, ST_END);     /* one request, and no other */
        (void)event_del(&c->deadline);
        rc = admin_verb(c, &m);
    }
    message_clear(&m);
    if (rc == SP_OK || rc == SP_AGAIN)
        return;
    if (rc == SP_INPUT)
        log_event(EVENT_BREACH, "side=admin uid=%lu message=%s fault=%s",
                  (unsigned long)c->uid, message_name(type), fault);
    free_client(c);
}

static void
on_readable_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    hear(context);
}

static uint32_t
number_at(const struct buf *b, size_t at)
{
    uint32_t n = 0;

    memcpy(&n, b->at + at, sizeof n);
    return n;
}

/* As many rows as the tool's socket takes. SP_OK: all that there are. */
static enum sp_err
send_rows(struct admin_client *c)
{
    struct message m;
    enum sp_err rc = SP_OK;

    message_init(&m);
    while (rc == SP_OK && c->sent < c->rows.len) {
        m.type = (uint16_t)number_at(&c->rows, c->sent);
        m.len = number_at(&c->rows, c->sent + 4);
        memcpy(m.body, c->rows.at + c->sent + 8, m.len);
        if ((rc = channel_send(&c->channel, &m)) == SP_OK)
            c->sent += 8 + m.len;
    }
    return rc;
}

static void
on_writable_event(evutil_socket_t fd, short what, void *context)
{
    struct admin_client *c = context;
    enum sp_err rc = c->failed ? SP_NOMEM : send_rows(c);

    (void)fd;
    (void)what;
    if (rc == SP_AGAIN && event_add(&c->writable, NULL) == 0
        && set_deadline(c, READ_SECONDS))
        return;
    if (rc == SP_OK && !c->ended) {
        buf_consume(&c->rows, c->sent);
        c->sent = 0;
        (void)set_deadline(c, VERDICT_SECONDS);
        return;
    }
    if (rc != SP_OK && rc != SP_CLOSED)
        log_event(EVENT_ADMIN_UNANSWERED, "uid=%lu fault=\"%s\"", (unsigned long)c->uid,
                  sp_err_text(rc));
    free_client(c);
}

struct monitor *
admin_monitor(const struct admin_client *c)
{
    return c->admin->monitor;
}

uid_t
admin_uid(const struct admin_client *c)
{
    return c->uid;
}

void
admin_row(struct admin_client *c, const struct message *m)
{
    uint32_t head[2] = { m->type, (uint32_t)m->len };

    SP_ASSERT(!c->ended && m->nfds == 0);
    if (c->failed || buf_reserve(&c->rows, sizeof head + m->len) != SP_OK
        || buf_add(&c->rows, head, sizeof head) != SP_OK
        || buf_add(&c->rows, m->body, m->len) != SP_OK)
        c->failed = true;
    /* sent from the loop: whoever calls still has the client in its hands */
    if (event_add(&c->writable, NULL) == -1)
        event_active(&c->writable, EV_WRITE, 0);
}

void
admin_done(struct admin_client *c, uint64_t count)
{
    struct message m;

    msg_admin_done_pack(&m, &(struct msg_admin_done){ .count = count });
    admin_row(c, &m);
    c->ended = true;
}

void
admin_refuse(struct admin_client *c, enum admin_refusal reason)
{
    struct message m;

    msg_admin_refused_pack(&m, &(struct msg_admin_refused){ .reason = (uint8_t)reason });
    admin_row(c, &m);
    c->ended = true;
}

/* ---- who connects --------------------------------------------------------------------- */

static bool
may_ask(int fd, uid_t *uid)
{
    struct ucred who = { .uid = (uid_t)-1 };
    socklen_t len = sizeof who;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1)
        return false;
    *uid = who.uid;
    return who.uid == 0 || who.uid == geteuid();
}

/* *fd is moved if there is room for it. */
static enum sp_err
add_client(struct admin *a, int *fd, uid_t uid)
{
    struct event_base *loop = a->monitor->loop;
    struct admin_client *c = calloc(1, sizeof *c);

    if (c == NULL)
        return SP_NOMEM;
    c->admin = a;
    c->uid = uid;
    c->rows = (struct buf)BUF_EMPTY(ANSWER_MOST);
    if (event_assign(&c->readable, loop, *fd, EV_READ | EV_PERSIST, on_readable_event, c)
            == -1
        || event_assign(&c->writable, loop, *fd, EV_WRITE, on_writable_event, c) == -1
        || event_assign(&c->deadline, loop, -1, 0, on_deadline_event, c) == -1
        || event_add(&c->readable, NULL) == -1 || !set_deadline(c, REQUEST_SECONDS)) {
        (void)event_del(&c->readable);
        free(c);
        return SP_NOMEM;
    }
    channel_init(&c->channel, fd_move(fd), MONITOR, ADMIN, ST_READY);
    TAILQ_INSERT_TAIL(&a->clients, c, entry);
    a->count++;
    return SP_OK;
}

static void
accept_later(struct admin *a)
{
    const struct timeval after = { RESUME_SECONDS, 0 };

    (void)event_del(&a->readable);
    if (event_add(&a->resume, &after) == -1)
        log_event(EVENT_ADMIN_FAILED, "fault=\"no memory for a timer\"");
}

static void
on_accept_event(evutil_socket_t fd, short what, void *context)
{
    struct admin *a = context;
    uid_t uid = (uid_t)-1;
    /* cppcheck-suppress nullPointer; accept(2): nobody asks for the address */
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    enum sp_err rc = SP_OK;

    (void)what;
    if (client == -1) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            accept_later(a);
        return;
    }
    if (!may_ask(client, &uid))
        log_event(EVENT_ADMIN_REFUSED, "uid=%lu", (unsigned long)uid);
    else if ((rc = add_client(a, &client, uid)) != SP_OK)
        log_event(EVENT_ADMIN_FAILED, "fault=\"%s\"", sp_err_text(rc));
    fd_close(&client);
    if (a->count >= CLIENTS_MOST)
        (void)event_del(&a->readable);
}

static void
on_resume_event(evutil_socket_t fd, short what, void *context)
{
    struct admin *a = context;

    (void)fd;
    (void)what;
    if (a->count < CLIENTS_MOST)
        accept_again(a);
}

/* ---- the socket ----------------------------------------------------------------------- */

void
admin_init(struct admin *a, struct monitor *m)
{
    *a = (struct admin){ .monitor = m, .fd = -1, .directory = -1 };
    TAILQ_INIT(&a->clients);
}

static bool
is_our_file(const struct admin *a)
{
    struct stat st;

    return fstatat(a->directory, ADMIN_SOCKET, &st, AT_SYMLINK_NOFOLLOW) == 0
           && st.st_dev == a->device && st.st_ino == a->inode;
}

static void
stop_listening(struct admin *a)
{
    if (a->fd == -1)
        return;
    (void)event_del(&a->readable);
    (void)event_del(&a->resume);
    if (is_our_file(a) && unlinkat(a->directory, ADMIN_SOCKET, 0) == -1)
        log_event(EVENT_ADMIN_FAILED, "fault=\"%s\"", strerror(errno));
    fd_close(&a->fd);
    fd_close(&a->directory);
}

/*
 * From inside the directory: a whole path may be longer than an address can be. What a
 * server that was killed left there goes.
 */
static enum sp_err
bind_in(int directory, int fd)
{
    const struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = ADMIN_SOCKET };
    int error = 0;

    if (fchdir(directory) == -1)
        return SP_OS;
    if ((unlink(ADMIN_SOCKET) == -1 && errno != ENOENT)
        || bind(fd, (const struct sockaddr *)&at, sizeof at) == -1
        || chmod(ADMIN_SOCKET, 0600) == -1 || listen(fd, QUEUE) == -1)
        error = errno;
    if (chdir("/") == -1 && error == 0)
        error = errno;
    errno = error;
    return error == 0 ? SP_OK : SP_OS;
}

/* True: the directory that is there now has our socket in it. */
static bool
listens_in(const struct admin *a, const char *path)
{
    struct stat there, ours;

    return a->fd != -1 && stat(path, &there) == 0 && fstat(a->directory, &ours) == 0
           && there.st_dev == ours.st_dev && there.st_ino == ours.st_ino
           && is_our_file(a);
}

void
admin_listen(struct admin *a, const char *run_directory)
{
    char path[PREPARE_PATH];
    struct stat st;
    int directory = -1, fd = -1;

    if (!text_printf(path, sizeof path, "%s/" ADMIN_DIRECTORY, run_directory)
        || listens_in(a, path))
        return;
    if (prepare_private_directory(path, &directory) != SP_OK)
        return;                                 /* it is in the log */
    stop_listening(a);
    if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1
        || bind_in(directory, fd) != SP_OK
        || fstatat(directory, ADMIN_SOCKET, &st, AT_SYMLINK_NOFOLLOW) == -1
        || event_assign(&a->readable, a->monitor->loop, fd, EV_READ | EV_PERSIST,
                        on_accept_event, a)
               == -1
        || event_assign(&a->resume, a->monitor->loop, -1, 0, on_resume_event, a) == -1
        || event_add(&a->readable, NULL) == -1) {
        log_event(EVENT_ADMIN_FAILED, "directory=%s fault=\"%s\"", path, strerror(errno));
        fd_close(&fd);
        fd_close(&directory);
        return;
    }
    a->fd = fd;
    a->directory = directory;
    a->device = st.st_dev;
    a->inode = st.st_ino;
}

void
admin_clear(struct admin *a)
{
    struct admin_client *c = NULL;

    stop_listening(a);
    while ((c = TAILQ_FIRST(&a->clients)) != NULL)
        free_client(c);
}

/* ---- reload --------------------------------------------------------------------------- */

static void
send_fault(struct admin_client *c, const char *text)
{
    struct slice line = slice_of(text);
    struct message m;

    if (line.len > FAULT_BYTES)
        line.len = FAULT_BYTES;
    msg_fault_pack(&m, &(struct msg_fault){ .text = line });
    admin_row(c, &m);
    c->faulted = true;
}

static void
on_verdict(void *owner, bool accepted, const char *text)
{
    struct admin_client *c = owner;

    if (!accepted && !c->faulted)
        send_fault(c, text);
    if (accepted)
        admin_done(c, 0);
    else
        admin_refuse(c, ADMIN_REFUSAL_RELOAD);
}

void
admin_await_reload(struct admin_client *c)
{
    (void)set_deadline(c, VERDICT_SECONDS);
    reload_ask(c->admin->monitor, &c->reload, on_verdict, c);
}

void
admin_reload_fault(struct admin *a, const char *text)
{
    struct admin_client *c = NULL;

    TAILQ_FOREACH(c, &a->clients, entry)
        if (c->reload.in == &a->monitor->reload.now)
            send_fault(c, text);
}
