/* tests/unit/test_dataport.c - monitor/dataport.c, on the loopback addresses */
#include "monitor/dataport.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "monitor/gate.h"
#include "suites_monitor.h"

#define LEAST 40000
#define MOST 41999
#define SOON 10000              /* milliseconds of its own for what has to happen */
#define NEVER 300               /* milliseconds to see that something does not  */

static struct net_addr
address(const char *text)
{
    struct net_addr a = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL_FATAL(net_parse(&a, slice_of(text)), SP_OK);
    return a;
}

/* Starts a connection; the socket is the caller's. */
static int
dial(const char *from, const char *to, uint16_t port)
{
    struct net_addr a = address(from), b = address(to);
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int fd = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    CU_ASSERT_TRUE_FATAL(fd != -1);
    CU_ASSERT_EQUAL_FATAL(net_to_sockaddr(&a, a.family, &sa, &len), SP_OK);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&sa, len), 0);
    b.port = port;
    CU_ASSERT_EQUAL_FATAL(net_to_sockaddr(&b, b.family, &sa, &len), SP_OK);
    if (connect(fd, (struct sockaddr *)&sa, len) == -1)
        CU_ASSERT_EQUAL_FATAL(errno, EINPROGRESS);
    return fd;
}

static bool
becomes(int fd, short events, int timeout)
{
    return unit_wait(fd, events, timeout);
}

static int
option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    CU_ASSERT_EQUAL(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static bool
has_ipv6(void)
{
    struct net_addr a = address("::1");
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd != -1 && net_to_sockaddr(&a, AF_INET6, &sa, &len) == SP_OK
        && bind(fd, (struct sockaddr *)&sa, len) == 0;

    fd_close(&fd);
    if (!has)
        puts("    (no IPv6 here: skipped)");
    return has;
}

/* A listener that shares nothing with any other one. */
static enum sp_err
listen_for(const struct net_addr *local, const struct net_addr *peer, unsigned least,
           unsigned most, int *fd, uint16_t *port)
{
    struct gate gate = GATE_EMPTY;
    enum sp_err rc = dataport_listen(&gate, local, peer, least, most, fd, port);

    gate_clear(&gate);
    return rc;
}

/* Without filters (rootless, on some kernels) the worker alone tells peers apart. */
static bool
has_filters(void)
{
    if (!gate_possible())
        puts("    (no socket filters without root here: skipped)");
    return gate_possible();
}

/* Does a connection from that address reach a listener that is for peer? */
static void
try_one(struct gate *gate, const char *local, const char *peer, const char *from,
        bool reaches)
{
    struct net_addr l = address(local), p = address(peer);
    uint16_t port = 0;
    int listener = -1, client = -1, accepted = -1;

    CU_ASSERT_EQUAL_FATAL(dataport_listen(gate, &l, &p, LEAST, MOST, &listener, &port),
                          SP_OK);
    CU_ASSERT_TRUE(port >= LEAST && port <= MOST);
    CU_ASSERT_TRUE((fcntl(listener, F_GETFL) & O_NONBLOCK) != 0);
    client = dial(from, local, port);
    CU_ASSERT_EQUAL(becomes(listener, POLLIN, reaches ? SOON : NEVER), reaches);
    CU_ASSERT_EQUAL(becomes(client, POLLOUT, 0), reaches);
    accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CU_ASSERT_EQUAL(accepted != -1, reaches);
    if (accepted != -1) {
        int zero = 0;
        char byte = 0;

        /* what a captured worker would try */
        CU_ASSERT_EQUAL(
            setsockopt(accepted, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof zero), -1);
        CU_ASSERT_EQUAL(
            setsockopt(listener, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof zero), -1);
        CU_ASSERT_EQUAL(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
        CU_ASSERT_EQUAL(option(accepted, IPPROTO_TCP, TCP_NODELAY), 0);
        CU_ASSERT_EQUAL(write(client, "x", 1), 1);
        CU_ASSERT_EQUAL(read(accepted, &byte, 1), 1);
        CU_ASSERT_EQUAL(byte, 'x');
    }
    fd_close(&accepted);
    fd_close(&client);
    fd_close(&listener);
}

/* A session's first listeners have filters of their own, the others share the gate. */
static void
try_listener(const char *local, const char *peer, const char *from, bool reaches)
{
    struct gate gate = GATE_EMPTY;

    for (unsigned i = 0; i < GATE_FROM + 2; i++) {
        CU_ASSERT_TRUE(i < GATE_FROM ? gate.program == -1 : gate.refused || i == GATE_FROM
                       || gate.program != -1);
        try_one(&gate, local, peer, from, reaches);
    }
    gate_clear(&gate);
    CU_ASSERT_EQUAL(gate.program, -1);
}

static void
listener_hears_its_peer_only(void)
{
    if (!has_filters())
        return;
    try_listener("127.0.0.1", "127.0.0.1", "127.0.0.1", true);
    try_listener("127.0.0.1", "127.0.0.2", "127.0.0.2", true);
    try_listener("127.0.0.1", "127.0.0.1", "127.0.0.2", false);
    try_listener("127.0.0.1", "127.0.0.2", "127.0.0.1", false);
}

static void
listener_hears_its_ipv6_peer_only(void)
{
    /* each has one word that differs from ::1 */
    static const char *const others[] = { "2001::1", "::2001:0:0:0:1", "::1:0:1", "::2" };

    if (!has_ipv6() || !has_filters())
        return;
    try_listener("::1", "::1", "::1", true);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        try_listener("::1", others[i], "::1", false);
}

static void
port_is_not_shared(void)
{
    struct net_addr l = address("127.0.0.1"), any = address("0.0.0.0");
    struct sockaddr_storage sa;
    socklen_t len = 0;
    uint16_t port = 0;
    int listener = -1, other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    CU_ASSERT_EQUAL_FATAL(listen_for(&l, &l, LEAST, MOST, &listener, &port), SP_OK);
    CU_ASSERT_EQUAL(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    any.port = port;
    CU_ASSERT_EQUAL(net_to_sockaddr(&any, AF_INET, &sa, &len), SP_OK);
    CU_ASSERT_EQUAL(bind(other, (struct sockaddr *)&sa, len), -1);
    CU_ASSERT_EQUAL(errno, EADDRINUSE);
    fd_close(&other);
    fd_close(&listener);
}

/* A port that nobody uses now, as a range of one. */
static uint16_t
single_port(void)
{
    struct net_addr l = address("127.0.0.1");
    uint16_t port = 0;
    int fd = -1;

    CU_ASSERT_EQUAL_FATAL(listen_for(&l, &l, LEAST, MOST, &fd, &port), SP_OK);
    fd_close(&fd);
    return port;
}

static void
no_port_left(void)
{
    struct net_addr l = address("127.0.0.1");
    uint16_t range = single_port(), port = 0;
    int one = -1, other = -1;

    CU_ASSERT_EQUAL(listen_for(&l, &l, range, range, &one, &port), SP_OK);
    CU_ASSERT_EQUAL(port, range);
    CU_ASSERT_EQUAL(listen_for(&l, &l, range, range, &other, &port), SP_OS);
    CU_ASSERT_EQUAL(errno, EADDRINUSE);
    CU_ASSERT_EQUAL(other, -1);
    fd_close(&one);
}

/* Otherwise a thousand transfers a second would use up every range within seconds. */
static void
a_used_port_serves_again(void)
{
    struct net_addr l = address("127.0.0.1");
    uint16_t range = single_port(), port = 0;

    for (unsigned i = 0; i < 3; i++) {
        int listener = -1, client = -1, accepted = -1;
        char byte = 0;

        CU_ASSERT_EQUAL_FATAL(listen_for(&l, &l, range, range, &listener, &port),
                              SP_OK);
        client = dial("127.0.0.1", "127.0.0.1", port);
        CU_ASSERT_TRUE(becomes(listener, POLLIN, SOON));
        CU_ASSERT_TRUE_FATAL((accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC))
                             != -1);
        fd_close(&listener);
        fd_close(&accepted);       /* the server's side closes first: TIME_WAIT is here */
        CU_ASSERT_TRUE(becomes(client, POLLIN, SOON));
        CU_ASSERT_EQUAL(read(client, &byte, 1), 0);
        fd_close(&client);
    }
}

static void
wrong_arguments(void)
{
    struct net_addr v4 = address("127.0.0.1"), v6 = address("::1");
    uint16_t port = 0;
    int fd = -1;

    CU_ASSERT_EQUAL(listen_for(&v4, &v6, LEAST, MOST, &fd, &port), SP_OS);
    CU_ASSERT_EQUAL(listen_for(&v4, &v4, MOST, LEAST, &fd, &port), SP_OS);
    CU_ASSERT_EQUAL(listen_for(&v4, &v4, LEAST, 70000, &fd, &port), SP_OS);
    CU_ASSERT_EQUAL(dataport_connect(&v4, &v6, 2000, 0, &fd), SP_OS);
    CU_ASSERT_EQUAL(dataport_connect(&v4, &v4, 1023, 0, &fd), SP_REFUSED);
    CU_ASSERT_EQUAL(dataport_connect(&v4, &v4, 0, 0, &fd), SP_REFUSED);
    CU_ASSERT_EQUAL(fd, -1);
}

static uint16_t
remote_port(int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct net_addr a = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL(getpeername(fd, (struct sockaddr *)&sa, &len), 0);
    CU_ASSERT_EQUAL(net_from_sockaddr(&a, (struct sockaddr *)&sa, len), SP_OK);
    return a.port;
}

/*
 * Connects from local:from_port to a client that listens; returns the port it came from.
 */
static uint16_t
connect_active(unsigned from_port)
{
    struct net_addr local = address("127.0.0.3"), peer = address("127.0.0.1");
    uint16_t port = 0, came_from = 0;
    int listener = -1, made = -1, accepted = -1;

    CU_ASSERT_EQUAL_FATAL(listen_for(&peer, &local, LEAST, MOST, &listener, &port),
                          SP_OK);
    CU_ASSERT_EQUAL_FATAL(dataport_connect(&local, &peer, port, from_port, &made), SP_OK);
    CU_ASSERT_TRUE((fcntl(made, F_GETFL) & O_NONBLOCK) != 0);
    CU_ASSERT_TRUE(becomes(listener, POLLIN, SOON));
    CU_ASSERT_TRUE_FATAL((accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) != -1);
    CU_ASSERT_TRUE(becomes(made, POLLOUT, SOON));
    CU_ASSERT_EQUAL(option(made, SOL_SOCKET, SO_ERROR), 0);
    CU_ASSERT_EQUAL(option(made, SOL_SOCKET, SO_KEEPALIVE), 1);
    came_from = remote_port(accepted);
    fd_close(&listener);
    fd_close(&accepted);
    fd_close(&made);
    return came_from;
}

static void
active_from_its_port(void)
{
    CU_ASSERT_EQUAL(connect_active(39998), 39998);
    CU_ASSERT_EQUAL(connect_active(39998), 39998);  /* again, the last one in TIME_WAIT */
    CU_ASSERT_NOT_EQUAL(connect_active(0), 0);
}

static void
active_when_its_port_is_taken(void)
{
    struct net_addr local = address("127.0.0.3");
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    local.port = 39997;
    CU_ASSERT_EQUAL(net_to_sockaddr(&local, AF_INET, &sa, &len), SP_OK);
    CU_ASSERT_EQUAL_FATAL(bind(taken, (struct sockaddr *)&sa, len), 0);
    CU_ASSERT_EQUAL_FATAL(listen(taken, 1), 0);
    CU_ASSERT_NOT_EQUAL(connect_active(39997), 39997);
    fd_close(&taken);
}

static const struct unit_test tests[] = {
    { "a listener hears its peer and nobody else", listener_hears_its_peer_only },
    { "a listener hears its IPv6 peer and nobody else",
      listener_hears_its_ipv6_peer_only },
    { "nobody can listen on the same port", port_is_not_shared },
    { "a range without a free port is an error", no_port_left },
    { "a port serves again at once", a_used_port_serves_again },
    { "well-known ports and mixed families are refused", wrong_arguments },
    { "an active connection comes from its port", active_from_its_port },
    { "an active connection comes from another port if it must",
      active_when_its_port_is_taken },
    { NULL, NULL }
};
const struct unit_suite suite_dataport = { "dataport", tests };
