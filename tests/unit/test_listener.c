/* tests/unit/test_listener.c - monitor/listener.c and monitor/process.c */
#include "monitor/listener.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "monitor/process.h"
#include "suites_monitor.h"

static int
option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    CU_ASSERT_EQUAL(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static uint16_t
local_port(int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct net_addr a = NET_ADDR_EMPTY;

    CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    CU_ASSERT_EQUAL(net_from_sockaddr(&a, (struct sockaddr *)&sa, len), SP_OK);
    return a.port;
}

static int
dial(uint16_t port)
{
    struct net_addr a = NET_ADDR_EMPTY;
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_EQUAL(net_parse(&a, slice_of("127.0.0.1")), SP_OK);
    a.port = port;
    CU_ASSERT_EQUAL(net_to_sockaddr(&a, AF_INET, &sa, &len), SP_OK);
    CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

static void
accepted_sockets_inherit(void)
{
    struct net_addr at = NET_ADDR_EMPTY;
    int listener = -1, client = -1, accepted = -1;

    CU_ASSERT_EQUAL(net_parse(&at, slice_of("127.0.0.1")), SP_OK);
    CU_ASSERT_EQUAL_FATAL(listener_socket(&at, 16, &listener), SP_OK);
    client = dial(local_port(listener));
    CU_ASSERT_TRUE_FATAL((accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) != -1);
    CU_ASSERT_EQUAL(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    CU_ASSERT_EQUAL(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    CU_ASSERT_EQUAL(option(accepted, SOL_SOCKET, SO_OOBINLINE), 1);
    fd_close(&accepted);
    fd_close(&client);
    fd_close(&listener);
}

/* ---- the set ----------------------------------------------------------------------- */

struct seen { unsigned count; bool implicit; struct event_base *loop; };

static void
on_accepted(void *owner, int *client, const struct net_addr *peer,
            const struct net_addr *local, bool implicit)
{
    struct seen *seen = owner;
    char text[NET_TEXT_MAX];

    CU_ASSERT_TRUE(*client != -1);      /* not moved: the listener closes it */
    CU_ASSERT_STRING_EQUAL(net_text(peer, text), "127.0.0.1");
    CU_ASSERT_STRING_EQUAL(net_text(local, text), "127.0.0.1");
    seen->count++;
    seen->implicit = implicit;
    (void)event_base_loopbreak(seen->loop);
}

static struct settings
settings_with(const char *listen, const char *implicit)
{
    struct settings s = { 0 };

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    for (size_t i = 0; i < s.listen.count; i++)
        free(s.listen.texts[i]);
    s.listen.count = 1;
    s.listen.texts[0] = strdup(listen);
    if (implicit != NULL) {
        free(s.listen_implicit.texts);
        s.listen_implicit.texts = calloc(2, sizeof *s.listen_implicit.texts);
        s.listen_implicit.texts[0] = strdup(implicit);
        s.listen_implicit.count = 1;
    }
    return s;
}

static uint16_t
free_port(void)
{
    struct net_addr at = NET_ADDR_EMPTY;
    uint16_t port = 0;
    int fd = -1;

    CU_ASSERT_EQUAL(net_parse(&at, slice_of("127.0.0.1")), SP_OK);
    CU_ASSERT_EQUAL_FATAL(listener_socket(&at, 1, &fd), SP_OK);
    port = local_port(fd);
    fd_close(&fd);
    return port;
}

static void
reload_keeps_what_is_right(void)
{
    struct event_base *loop = event_base_new();
    struct seen seen = { 0, false, loop };
    struct listeners l;
    struct settings s = { 0 };
    uint16_t one = free_port(), two = free_port();
    char first[32], second[32];
    int kept = -1, waiting = -1, client = -1;

    (void)snprintf(first, sizeof first, "127.0.0.1:%u", (unsigned)one);
    (void)snprintf(second, sizeof second, "127.0.0.1:%u", (unsigned)two);
    listeners_init(&l, loop, on_accepted, &seen);
    s = settings_with(first, NULL);
    CU_ASSERT_EQUAL_FATAL(listeners_set(&l, &s), SP_OK);
    settings_clear(&s);
    kept = TAILQ_FIRST(&l.list)->fd;
    waiting = dial(one);                /* in the kernel's queue during the change */

    s = settings_with(first, second);
    CU_ASSERT_EQUAL_FATAL(listeners_set(&l, &s), SP_OK);
    settings_clear(&s);
    CU_ASSERT_EQUAL(TAILQ_FIRST(&l.list)->fd, kept);
    (void)event_base_dispatch(loop);
    CU_ASSERT_EQUAL(seen.count, 1);
    CU_ASSERT_FALSE(seen.implicit);
    client = dial(two);
    (void)event_base_dispatch(loop);
    CU_ASSERT_EQUAL(seen.count, 2);
    CU_ASSERT_TRUE(seen.implicit);

    /* an address that is not ours: nothing changes */
    s = settings_with("192.0.2.77:2121", NULL);
    CU_ASSERT_NOT_EQUAL(listeners_set(&l, &s), SP_OK);
    settings_clear(&s);
    CU_ASSERT_EQUAL(TAILQ_FIRST(&l.list)->fd, kept);
    CU_ASSERT_PTR_NOT_NULL(TAILQ_NEXT(TAILQ_FIRST(&l.list), entry));

    listeners_clear(&l);
    fd_close(&waiting);
    fd_close(&client);
    event_base_free(loop);
}

struct set {
    struct event_base *loop;
    struct seen seen;
    struct listeners l;
    uint16_t port;
};

static void
set_open(struct set *t)
{
    *t = (struct set){ .loop = event_base_new(), .port = free_port() };
    t->seen.loop = t->loop;
    listeners_init(&t->l, t->loop, on_accepted, &t->seen);
}

static void
set_close(struct set *t)
{
    listeners_clear(&t->l);
    event_base_free(t->loop);
}

/* host: where the listener (implicit: the one with implicit TLS) is to be on the port. */
static enum sp_err
set_to(struct set *t, const char *host, bool implicit, int backlog)
{
    struct settings s = { 0 };
    char text[64];
    enum sp_err rc = SP_OK;

    (void)snprintf(text, sizeof text, "%s:%u", host, (unsigned)t->port);
    s = settings_with(text, implicit ? text : NULL);
    if (implicit) {
        free(s.listen.texts[0]);
        s.listen.count = 0;
    }
    s.backlog = backlog;
    rc = listeners_set(&t->l, &s);
    settings_clear(&s);
    return rc;
}

/* How many may wait: a listening socket says it in tcpi_sacked. */
static unsigned
backlog_of(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;

    CU_ASSERT_EQUAL_FATAL(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_sacked;
}

static void
a_changed_backlog_keeps_the_socket(void)
{
    struct set t;
    int fd = -1, waiting = -1;

    set_open(&t);
    CU_ASSERT_EQUAL_FATAL(set_to(&t, "127.0.0.1", false, 7), SP_OK);
    fd = TAILQ_FIRST(&t.l.list)->fd;
    CU_ASSERT_EQUAL(backlog_of(fd), 7);
    waiting = dial(t.port);
    CU_ASSERT_EQUAL_FATAL(set_to(&t, "127.0.0.1", false, 9), SP_OK);
    CU_ASSERT_EQUAL(TAILQ_FIRST(&t.l.list)->fd, fd);
    CU_ASSERT_EQUAL(backlog_of(fd), 9);
    CU_ASSERT_EQUAL_FATAL(set_to(&t, "127.0.0.1", true, 9), SP_OK);
    CU_ASSERT_EQUAL(TAILQ_FIRST(&t.l.list)->fd, fd);
    (void)event_base_dispatch(t.loop);
    CU_ASSERT_EQUAL(t.seen.count, 1);
    CU_ASSERT_TRUE(t.seen.implicit);
    fd_close(&waiting);
    set_close(&t);
}

static void
one_port_moves_between_addresses(void)
{
    static const char *const hosts[] = { "0.0.0.0", "127.0.0.1", "0.0.0.0" };
    struct set t;

    set_open(&t);
    CU_ASSERT_EQUAL_FATAL(set_to(&t, "127.0.0.1", false, 8), SP_OK);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        int waiting = dial(t.port), later = -1;

        CU_ASSERT_EQUAL_FATAL(set_to(&t, hosts[i], false, 8), SP_OK);
        CU_ASSERT_PTR_NULL(TAILQ_NEXT(TAILQ_FIRST(&t.l.list), entry));
        CU_ASSERT_EQUAL(t.seen.count, 2 * i + 1);       /* taken before it closed */
        CU_ASSERT_EQUAL(option(TAILQ_FIRST(&t.l.list)->fd, SOL_SOCKET, SO_REUSEPORT), 0);
        later = dial(t.port);
        (void)event_base_dispatch(t.loop);
        CU_ASSERT_EQUAL(t.seen.count, 2 * i + 2);
        fd_close(&later);
        fd_close(&waiting);
    }
    set_close(&t);
}

static void
what_cannot_move_stays(void)
{
    struct net_addr at = NET_ADDR_EMPTY;
    struct set t;
    int fd = -1, other = -1, client = -1;

    set_open(&t);
    CU_ASSERT_EQUAL_FATAL(set_to(&t, "127.0.0.1", false, 8), SP_OK);
    fd = TAILQ_FIRST(&t.l.list)->fd;
    CU_ASSERT_EQUAL(net_parse(&at, slice_of("127.0.0.2")), SP_OK);
    at.port = t.port;
    CU_ASSERT_EQUAL_FATAL(listener_socket(&at, 8, &other), SP_OK);     /* somebody else's */
    CU_ASSERT_NOT_EQUAL(set_to(&t, "0.0.0.0", false, 8), SP_OK);
    CU_ASSERT_EQUAL(TAILQ_FIRST(&t.l.list)->fd, fd);
    CU_ASSERT_EQUAL(option(fd, SOL_SOCKET, SO_REUSEPORT), 0);
    client = dial(t.port);
    (void)event_base_dispatch(t.loop);
    CU_ASSERT_EQUAL(t.seen.count, 1);
    fd_close(&other);
    CU_ASSERT_EQUAL(set_to(&t, "0.0.0.0", false, 8), SP_OK);
    fd_close(&client);
    set_close(&t);
}

static const struct unit_test listener_tests[] = {
    { "accepted sockets inherit the options", accepted_sockets_inherit },
    { "a reload keeps the listeners that are right", reload_keeps_what_is_right },
    { "a changed backlog or TLS keeps the socket and who waits",
      a_changed_backlog_keeps_the_socket },
    { "one port moves between an address and all of them",
      one_port_moves_between_addresses },
    { "a port that somebody else has too stays where it is", what_cannot_move_stays },
    { NULL, NULL }
};
const struct unit_suite suite_listener = { "listener", listener_tests };

/* ---- process ----------------------------------------------------------------------- */

struct ended { struct process_end how; unsigned count; struct event_base *loop; };

static void
on_ended(void *owner, const struct process_end *how)
{
    struct ended *ended = owner;

    ended->how = *how;
    ended->count++;
    (void)event_base_loopbreak(ended->loop);
}

/* A child that ends by status, or by signal if that is not 0, or sleeps (status -1). */
static pid_t
child(int status, int signal)
{
    pid_t pid = fork();

    CU_ASSERT_TRUE_FATAL(pid != -1);
    if (pid != 0)
        return pid;
    if (signal != 0)
        (void)raise(signal);
    if (status == -1)
        (void)sleep(60);
    _exit(status);
}

static struct process_end
end_of(int status, int signal, bool kill)
{
    struct ended ended = { .loop = event_base_new() };
    struct children all;
    struct process p;
    pid_t pid = child(status, signal);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    children_init(&all, ended.loop);
    process_init(&p);
    CU_ASSERT_EQUAL_FATAL(process_watch(&p, &all, pid, &pidfd, on_ended, &ended), SP_OK);
    CU_ASSERT_EQUAL(pidfd, -1);
    if (kill)
        process_kill(&p);
    (void)event_base_dispatch(ended.loop);
    CU_ASSERT_EQUAL(ended.count, 1);
    CU_ASSERT_EQUAL(ended.how.pid, pid);
    CU_ASSERT_FALSE(process_is_running(&p));
    event_base_free(ended.loop);
    return ended.how;
}

static void
how_a_child_ends(void)
{
    struct process_end how = end_of(3, 0, false);

    CU_ASSERT_EQUAL(how.status, 3);
    CU_ASSERT_EQUAL(how.signal, 0);
    how = end_of(0, SIGUSR1, false);
    CU_ASSERT_EQUAL(how.signal, SIGUSR1);
    CU_ASSERT_FALSE(how.by_us);
    how = end_of(-1, 0, true);
    CU_ASSERT_EQUAL(how.signal, SIGKILL);
    CU_ASSERT_TRUE(how.by_us);
}

static void
what_is_no_pidfd(void)
{
    struct ended ended = { .loop = event_base_new() };
    struct children all;
    struct process p;
    int fd = dup(STDIN_FILENO), own = (int)syscall(SYS_pidfd_open, getpid(), 0);

    children_init(&all, ended.loop);
    process_init(&p);
    CU_ASSERT_EQUAL(process_watch(&p, &all, 1, &fd, on_ended, &ended), SP_INPUT);
    CU_ASSERT_TRUE(fd != -1);
    CU_ASSERT_EQUAL(process_watch(&p, &all, getpid(), &own, on_ended, &ended), SP_INPUT);
    CU_ASSERT_FALSE(process_is_running(&p));
    fd_close(&fd);
    fd_close(&own);
    event_base_free(ended.loop);
}

static void
abandoned_and_unknown_children(void)
{
    struct ended ended = { .loop = event_base_new() };
    const struct timeval soon = { 0, 300000 };
    struct children all;
    struct process p;
    pid_t pid = child(-1, 0), unknown = 0;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    children_init(&all, ended.loop);
    process_init(&p);
    CU_ASSERT_EQUAL_FATAL(process_watch(&p, &all, pid, &pidfd, on_ended, &ended), SP_OK);
    process_abandon(&p);
    CU_ASSERT_FALSE(process_is_running(&p));
    (void)event_base_loopexit(ended.loop, &soon);
    (void)event_base_dispatch(ended.loop);
    CU_ASSERT_EQUAL(ended.count, 0);
    CU_ASSERT_EQUAL(kill(pid, 0), -1);          /* killed, and waited for */

    unknown = child(0, 0);
    for (unsigned i = 0; i < 200 && kill(unknown, 0) == 0; i++) {
        (void)usleep(10000);
        children_sweep(&all);
    }
    CU_ASSERT_EQUAL(kill(unknown, 0), -1);
    children_clear(&all);
    event_base_free(ended.loop);
}

static const struct unit_test process_tests[] = {
    { "how a child ended is told", how_a_child_ends },
    { "what is no pidfd of a child is refused", what_is_no_pidfd },
    { "abandoned and unknown children are waited for", abandoned_and_unknown_children },
    { NULL, NULL }
};
const struct unit_suite suite_process = { "process", process_tests };
