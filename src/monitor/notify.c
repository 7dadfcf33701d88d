/* monitor/notify.c - see notify.h */
#include "monitor/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define TEXT_ROOM 1024

void
notify_init(struct notify *n, const char *address)
{
    size_t len = address == NULL ? 0 : strlen(address);

    *n = (struct notify){ .to = { .sun_family = AF_UNIX } };
    if (len < 2 || len >= sizeof n->to.sun_path
        || (address[0] != '/' && address[0] != '@'))
        return;
    memcpy(n->to.sun_path, address, len);
    if (address[0] == '@')
        n->to.sun_path[0] = '\0';       /* an abstract name has no end but its length */
    n->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void
notify_send(const struct notify *n, const char *text)
{
    int fd = -1;

    if (n->len == 0)
        return;
    if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1
        || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
                  n->len)
               == -1)
        log_event(EVENT_NOTIFY_FAILED, "fault=\"%s\"", strerror(errno));
    fd_close(&fd);
}

void
notify_ready(const struct notify *n, const char *status)
{
    char text[TEXT_ROOM];

    /* the pid: a server that went to the background is not the process that was started */
    (void)snprintf(text, sizeof text, "READY=1\nMAINPID=%ld\nSTATUS=%s", (long)getpid(),
                   status);
    notify_send(n, text);
}

void
notify_reloading(const struct notify *n)
{
    char text[TEXT_ROOM];

    (void)snprintf(text, sizeof text,
                   "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reading the configuration",
                   (long long)clock_us());
    notify_send(n, text);
}

void
notify_stopping(const struct notify *n)
{
    notify_send(n, "STOPPING=1\nSTATUS=Ending");
}
