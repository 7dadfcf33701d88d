/*
 * tests/bench/limits_walls.c - small files in clear, in bare loops, by three processes
 *
 * What sallyport's walls cost before it does anything: one process talks to the client, a
 * second opens and names the files, a third makes the listeners. Each file takes the turns
 * that it takes there (one question to open, for an upload one to publish, one message for
 * report and next listener), with the client's commands and replies, and nothing else: no
 * parsing, no checks, no TLS, no filters.
 */
#include "limits.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND 12              /* bytes of a line, of a reply and of a message: as they are */
#define REPLY 48
#define MESSAGE 28

static void
tell(int channel, const void *at, size_t len, int fd)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {(void *)(uintptr_t)at, len};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd != -1) {
        struct cmsghdr *c;
        memset(&control, 0, sizeof(control));
        h.msg_control = control.room;
        h.msg_controllen = sizeof(control.room);
        c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    NEED(sendmsg(channel, &h, MSG_NOSIGNAL) == (ssize_t)len);
}

/* False: the other end is gone. *fd: -1 where none came. */
static bool
hear(int channel, void *at, size_t len, int *fd)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {at, len};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    struct cmsghdr *c;
    ssize_t n = recvmsg(channel, &h, MSG_CMSG_CLOEXEC);

    *fd = -1;
    NEED(n >= 0);
    if ((c = CMSG_FIRSTHDR(&h)) != NULL)
        memcpy(fd, CMSG_DATA(c), sizeof(*fd));
    return n > 0;
}

/* A message is the number of the file: to open it; a second time, to publish an upload. */
static void
be_broker(int channel, bool upload)
{
    char message[MESSAGE] = {0}, part[32], name[32];
    int file, none;

    while (hear(channel, message, MESSAGE, &none)) {
        snprintf(part, sizeof(part), "limit%s.part", message);
        snprintf(name, sizeof(name), "limit%s", message);
        file = upload ? open_in_dir(part, O_WRONLY | O_CREAT | O_EXCL)
                      : open_in_dir("small", O_RDONLY);
        tell(channel, message, MESSAGE, file);
        close(file);
        if (!upload)
            continue;
        NEED(hear(channel, message, MESSAGE, &none));
        char from[4096];
        snprintf(from, sizeof(from), "%s", in_dir(part));
        NEED(rename(from, in_dir(name)) == 0);
        tell(channel, message, MESSAGE, -1);
    }
}

static void
be_monitor(int channel, bool upload)
{
    char message[MESSAGE];
    struct sockaddr_in address;
    int none;

    (void)upload;               /* listeners are the same for both */
    while (hear(channel, message, MESSAGE, &none)) {
        int listener = listen_here(&address);
        tell(channel, &address, sizeof(address), listener);
        close(listener);
    }
}

static void
be_client(int control, void *argument)
{
    bool upload = *(bool *)argument;
    char line[COMMAND] = {0}, reply[REPLY];
    struct sockaddr_in address;

    for (size_t i = 0; i <= count; i++) {
        send_all(control, (unsigned char *)line, COMMAND);
        NEED(recv(control, reply, REPLY, MSG_WAITALL) == REPLY);
        memcpy(&address, reply, sizeof(address));
        int fd = dial(&address);
        send_all(control, (unsigned char *)line, COMMAND);
        NEED(recv(control, reply, REPLY, MSG_WAITALL) == REPLY);
        if (upload)
            send_all(fd, piece, SMALL);
        else
            drop_all(fd);
        close(fd);
        NEED(recv(control, reply, REPLY, MSG_WAITALL) == REPLY);
    }
}

static void
serve_one(int control, int broker, int monitor, bool upload, size_t i)
{
    unsigned char line[COMMAND], reply[REPLY] = {0};
    char message[MESSAGE] = {0};
    struct sockaddr_in address;
    int listener, fd, file, none;

    NEED(recv(control, line, COMMAND, MSG_WAITALL) == COMMAND);
    NEED(hear(monitor, &address, sizeof(address), &listener) && listener != -1);
    memcpy(reply, &address, sizeof(address));
    send_all(control, reply, REPLY);
    NEED(recv(control, line, COMMAND, MSG_WAITALL) == COMMAND);
    snprintf(message, sizeof(message), "%zu", i);
    tell(broker, message, MESSAGE, -1);
    NEED(hear(broker, message, MESSAGE, &file) && file != -1);
    send_all(control, reply, REPLY);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    NEED(fd != -1);
    close(listener);
    if (upload) {
        NEED(recv(fd, piece, SMALL, MSG_WAITALL) == SMALL && recv(fd, piece, SMALL, 0) == 0);
        NEED(write(file, piece, SMALL) == SMALL);
    } else {
        NEED(sendfile(fd, file, NULL, SMALL) == SMALL);
    }
    close(file);
    if (upload) {
        tell(broker, message, MESSAGE, -1);
        NEED(hear(broker, message, MESSAGE, &none));
    }
    close(fd);
    send_all(control, reply, REPLY);
    tell(monitor, message, MESSAGE, -1);
}

static int
begin(pid_t *child, void (*be)(int, bool), bool upload, int other)
{
    int ends[2];

    NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    if ((*child = fork()) == 0) {
        close(ends[0]);
        if (other != -1)
            close(other);
        be(ends[1], upload);
        _exit(0);
    }
    close(ends[1]);
    return ends[0];
}

double
limit_walls(unsigned with)
{
    bool upload = (with & UPLOAD) != 0;
    pid_t client, broker_pid, monitor_pid;
    char message[MESSAGE] = {0};
    struct sockaddr_in address;
    int ends[2], on = 1, listener;
    double used = 0;

    ends[0] = begin(&broker_pid, be_broker, upload, -1);
    ends[1] = begin(&monitor_pid, be_monitor, upload, ends[0]);
    tell(ends[1], message, MESSAGE, -1);
    int control = pair_with(be_client, &upload, &client);
    NEED(setsockopt(control, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    used = cpu();
    for (size_t i = 0; i <= count; i++)
        serve_one(control, ends[0], ends[1], upload, i);
    NEED(hear(ends[1], &address, sizeof(address), &listener));      /* nobody needs it */
    close(ends[0]);
    close(ends[1]);
    end_child(broker_pid);          /* theirs counts */
    end_child(monitor_pid);
    used = cpu() - used;
    close(control);
    end_child(client);
    if (upload)
        unlink_numbered(count + 1);
    return used;
}
