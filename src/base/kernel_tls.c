/* base/kernel_tls.c - see base/kernel_tls.h */
#include "base/kernel_tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/fd.h"

static int
join(int fd)
{
    return setsockopt(fd, SOL_TCP, TCP_ULP, "tls", sizeof "tls");
}

bool
kernel_tls_available(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = false;

    if (fd == -1)               /* a kernel without IPv4 */
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* it takes connected sockets only, and what is not there says so first (ENOENT) */
    there = fd != -1 && (join(fd) == 0 || errno == ENOTCONN);
    fd_close(&fd);
    return there;
}

enum sp_err
kernel_tls_join(int fd)
{
    if (join(fd) == 0)
        return SP_OK;
    return errno == ENOENT || errno == ENOTCONN || errno == EOPNOTSUPP || errno == ENOPROTOOPT
        ? SP_REFUSED : SP_OS;
}
