/* monitor/dataport.c - see dataport.h */
#include "monitor/dataport.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/random.h"
#include "monitor/gate.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#define PORTS_AT_RANDOM 64      /* ports tried before there is "none free" */
#define PORTS_IN_ORDER 1024     /* behind these: a small range is searched from end to end */
#define DATA_BACKLOG 8          /* the owner's connection among some that fail the bond */
#define LEAST_PORT 1024         /* RFC 2577: no data connection to a well-known port */

/*
 * With keepalive, and Nagle's algorithm left on: segments of a transfer are to be full.
 */
static enum sp_err
data_socket(int family, int *fd)
{
    int on = 1, made = -1;

    if ((made = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
        return SP_OS;
    /*
     * SO_REUSEADDR: the ports of finished transfers wait in TIME_WAIT for a minute and
     * would run out. On Linux it does not let a second socket listen on a port that is
     * listened on, whoever owns it: of two that bound it the second listen(2) fails.
     */
    if (setsockopt(made, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == -1
        || setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1
        || (family == AF_INET6
            && setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == -1)) {
        fd_close(&made);
        return SP_OS;
    }
    *fd = made;
    return SP_OK;
}

static enum sp_err
bind_to(int fd, const struct net_addr *address, uint16_t port)
{
    struct net_addr at = *address;
    struct sockaddr_storage sa;
    socklen_t len = 0;

    at.port = port;
    if (net_to_sockaddr(&at, at.family, &sa, &len) != SP_OK) {
        errno = EAFNOSUPPORT;
        return SP_OS;
    }
    return bind(fd, (struct sockaddr *)&sa, len) == 0 ? SP_OK : SP_OS;
}

static unsigned
in_order(unsigned least, unsigned most)
{
    return most - least < PORTS_IN_ORDER ? most - least + 1 : PORTS_IN_ORDER;
}

/*
 * Binds to a random port of the range; when that has failed too often, to the next free one.
 * SP_AGAIN: as many as are tried are taken.
 */
static enum sp_err
bind_within(int fd, const struct net_addr *local, unsigned least, unsigned most,
            unsigned *tries, uint16_t *port)
{
    for (; *tries > 0; --*tries) {
        uint64_t random = 0;
        enum sp_err rc = SP_OK;

        if (*tries > in_order(least, most)) {
            if ((rc = random_u64(&random)) != SP_OK)
                return rc;
            *port = (uint16_t)(least + random % (most - least + 1));
        } else {
            *port = (uint16_t)(*port >= most ? least : *port + 1u);
        }
        if (bind_to(fd, local, *port) == SP_OK) {
            --*tries;
            return SP_OK;
        }
        if (errno != EADDRINUSE && errno != EACCES)
            return SP_OS;
    }
    return SP_AGAIN;
}

/* SP_AGAIN: somebody listens at the port that was bound to, or none was free. */
static enum sp_err
listen_within(struct gate *gate, const struct net_addr *local, const struct net_addr *peer,
              unsigned least, unsigned most, unsigned *tries, int *fd, uint16_t *port)
{
    int made = -1;
    enum sp_err rc = SP_OS;

    /* The filter comes last, as it costs most, but before anybody can connect. */
    if ((rc = data_socket(local->family, &made)) != SP_OK
        || (rc = bind_within(made, local, least, most, tries, port)) != SP_OK
        || (rc = gate_attach(gate, made, peer)) != SP_OK)
        goto out;
    if (listen(made, DATA_BACKLOG) == -1) {
        rc = errno == EADDRINUSE ? SP_AGAIN : SP_OS;
        goto out;
    }
    *fd = fd_move(&made);
    rc = SP_OK;
out:
    fd_close(&made);
    return rc;
}

enum sp_err
dataport_listen(struct gate *gate, const struct net_addr *local, const struct net_addr *peer,
                unsigned least, unsigned most, int *fd, uint16_t *port)
{
    unsigned tries = 0;
    enum sp_err rc = SP_AGAIN;

    if (local->family != peer->family || least == 0 || most > UINT16_MAX
        || least > most) {
        errno = EINVAL;
        return SP_OS;
    }
    tries = PORTS_AT_RANDOM + in_order(least, most);
    while (rc == SP_AGAIN && tries > 0)
        rc = listen_within(gate, local, peer, least, most, &tries, fd, port);
    if (rc == SP_AGAIN) {
        errno = EADDRINUSE;
        rc = SP_OS;
    }
    return rc;
}

static enum sp_err
connect_from(const struct net_addr *local, const struct net_addr *peer, uint16_t port,
             uint16_t from_port, int *fd)
{
    struct net_addr to = *peer;
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int made = -1, on = 1;
    enum sp_err rc = SP_OS;

    to.port = port;
    if ((rc = data_socket(local->family, &made)) != SP_OK)
        goto out;
    rc = SP_OS;
    /* the kernel then chooses by the whole connection, not by the local port alone */
    if (from_port == 0
        && setsockopt(made, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == -1)
        goto out;
    if (bind_to(made, local, from_port) != SP_OK)
        goto out;
    if (net_to_sockaddr(&to, to.family, &sa, &len) != SP_OK) {
        errno = EAFNOSUPPORT;
        goto out;
    }
    if (connect(made, (struct sockaddr *)&sa, len) == -1 && errno != EINPROGRESS)
        goto out;
    *fd = fd_move(&made);
    rc = SP_OK;
out:
    fd_close(&made);
    return rc;
}

enum sp_err
dataport_connect(const struct net_addr *local, const struct net_addr *peer, uint16_t port,
                 unsigned from_port, int *fd)
{
    enum sp_err rc = SP_OK;

    if (local->family != peer->family || from_port > UINT16_MAX) {
        errno = EINVAL;
        return SP_OS;
    }
    if (port < LEAST_PORT) {
        errno = EACCES;
        return SP_REFUSED;
    }
    rc = connect_from(local, peer, port, (uint16_t)from_port, fd);
    /* Taken, not ours to take, or this very connection is still in TIME_WAIT. */
    if (rc == SP_OS && from_port != 0
        && (errno == EADDRINUSE || errno == EADDRNOTAVAIL || errno == EACCES
            || errno == EPERM))
        rc = connect_from(local, peer, port, 0, fd);
    return rc;
}
