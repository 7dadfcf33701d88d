/* monitor/listener.c - see listener.h */
#include "monitor/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"

#define ACCEPT_MOST 64          /* connections taken before others get their turn */
#define PAUSE_MS 200            /* without descriptors; the kernel keeps who waits */

static enum sp_err
set_options(int fd, int family)
{
    static const struct { int level, name;
    } on[] = {
        { SOL_SOCKET, SO_REUSEADDR },
        { SOL_SOCKET, SO_KEEPALIVE },
        { SOL_SOCKET, SO_OOBINLINE }, /* the Telnet Synch of ABOR is read in its place */
        { IPPROTO_TCP,
          TCP_NODELAY }, /* a reply never waits for the client's delayed ACK */
    };
    int yes = 1;

    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        if (setsockopt(fd, on[i].level, on[i].name, &yes, sizeof yes) == -1)
            return SP_OS;
    if (family == AF_INET6
        && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) == -1)
        return SP_OS;
    return SP_OK;
}

/* Two listeners that both have it, and are of one uid, may overlap. */
static enum sp_err
set_sharing(int fd, int on)
{
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == -1 ? SP_OS : SP_OK;
}

static enum sp_err
make_socket(const struct net_addr *at, int backlog, bool sharing, int *fd)
{
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int made = -1;
    enum sp_err rc = SP_OS;

    if ((made = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
        goto out;
    if ((rc = set_options(made, at->family)) != SP_OK
        || (sharing && (rc = set_sharing(made, 1)) != SP_OK)
        || (rc = net_to_sockaddr(at, at->family, &sa, &len)) != SP_OK)
        goto out;
    rc = SP_OS;
    if (bind(made, (struct sockaddr *)&sa, len) == -1 || listen(made, backlog) == -1)
        goto out;
    *fd = fd_move(&made);
    rc = SP_OK;
out:
    fd_close(&made);
    return rc;
}

enum sp_err
listener_socket(const struct net_addr *at, int backlog, int *fd)
{
    return make_socket(at, backlog, false, fd);
}

/* ---- accepting --------------------------------------------------------------------- */

/* Connections stay in the kernel's queue meanwhile: none is lost. */
static void
pause_accepting(struct listener *l, int error)
{
    const struct timeval after = { 0, PAUSE_MS * 1000L };

    log_event(EVENT_ACCEPT_PAUSED, "milliseconds=%d fault=\"%s\"", PAUSE_MS,
              strerror(error));
    /* without a timer we would never come back: then rather in vain, again and again */
    if (event_add(&l->resume, &after) == -1)
        log_event(EVENT_ACCEPT_FAILED, "fault=\"no memory for a timer\"");
    else
        (void)event_del(&l->readable);
}

static void
on_resume_event(evutil_socket_t fd, short what, void *context)
{
    struct listener *l = context;

    (void)fd;
    (void)what;
    if (event_add(&l->readable, NULL) == -1)
        pause_accepting(l, errno);
}

static void
take_client(struct listener *l, int *client, const struct sockaddr_storage *sa,
            socklen_t len)
{
    struct sockaddr_storage own;
    socklen_t own_len = sizeof own;
    struct net_addr peer = NET_ADDR_EMPTY, local = NET_ADDR_EMPTY;

    /* Either fails only for a connection that is gone again. */
    if (net_from_sockaddr(&peer, (const struct sockaddr *)sa, len) == SP_OK
        && getsockname(*client, (struct sockaddr *)&own, &own_len) == 0
        && net_from_sockaddr(&local, (struct sockaddr *)&own, own_len) == SP_OK)
        l->all->accepted(l->all->owner, client, &peer, &local, l->implicit);
    fd_close(client);
}

static void
accept_some(struct listener *l)
{
    for (unsigned i = 0; i < ACCEPT_MOST; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        int client =
            accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (client != -1) {
            take_client(l, &client, &sa, len);
            continue;
        }
        switch (errno) {
        case EAGAIN:
            return;
        case EMFILE: case ENFILE: case ENOBUFS: case ENOMEM:
            pause_accepting(l, errno);
            return;
        default:                /* accept(2): an error of that one connection */
            break;
        }
    }
}

static void
on_readable_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    accept_some(context);
}

/* ---- the set of them --------------------------------------------------------------- */

void
listeners_init(struct listeners *l, struct event_base *loop, listener_accepted *accepted,
               void *owner)
{
    *l = (struct listeners){ .loop = loop, .accepted = accepted, .owner = owner };
    TAILQ_INIT(&l->list);
    TAILQ_INIT(&l->kept);
}

static void
free_listener(struct listener *l)
{
    (void)event_del(&l->readable);
    (void)event_del(&l->resume);
    fd_close(&l->fd);
    free(l);
}

static void
free_list(struct listener_list *list)
{
    struct listener *l = NULL;

    while ((l = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, l, entry);
        free_listener(l);
    }
}

static struct listener *
find(const struct listener_list *list, const struct net_addr *at)
{
    struct listener *l = NULL;

    TAILQ_FOREACH(l, list, entry)
        if (net_same(&l->at, at) && l->at.port == at->port)
            return l;
    return NULL;
}

/*
 * 127.0.0.1 and 0.0.0.0 on one port: the kernel has both only if they share the port. What
 * is about to be closed shares it, until the new one listens; so nobody is refused between
 * the two, and where the new one cannot be had, the old one has never been away.
 */
static enum sp_err
open_socket(const struct listener_list *dropped, const struct net_addr *at, int backlog,
            int *fd)
{
    const struct listener *l = NULL;
    bool shared = false;
    enum sp_err rc = make_socket(at, backlog, false, fd);
    int why = errno;

    if (rc != SP_OS || why != EADDRINUSE)
        return rc;
    TAILQ_FOREACH(l, dropped, entry)
        if (l->at.port == at->port && set_sharing(l->fd, 1) == SP_OK)
            shared = true;
    if (!shared) {
        errno = why;
        return rc;
    }
    if ((rc = make_socket(at, backlog, true, fd)) == SP_OK)
        rc = set_sharing(*fd, 0);       /* with nobody else, from now on */
    why = errno;
    TAILQ_FOREACH(l, dropped, entry)
        if (l->at.port == at->port)
            (void)set_sharing(l->fd, 0);
    errno = why;
    return rc;
}

static enum sp_err
open_listener(struct listeners *all, const struct net_addr *at, bool implicit,
              int backlog, struct listener **out)
{
    struct listener *l = NULL;
    char text[NET_TEXT_MAX];
    enum sp_err rc = SP_NOMEM;

    if ((l = calloc(1, sizeof *l)) == NULL)
        return SP_NOMEM;
    *l = (struct listener){ .all = all,
                            .at = *at,
                            .implicit = implicit,
                            .implicit_wanted = implicit,
                            .backlog = backlog,
                            .fd = -1 };
    if ((rc = open_socket(&all->list, at, backlog, &l->fd)) != SP_OK) {
        /* [::] is in the default; a machine without IPv6 is no fault */
        bool missing = rc == SP_OS && errno == EAFNOSUPPORT && at->family == AF_INET6;

        log_event(EVENT_LISTEN_FAILED, "address=%s fault=\"%s\"", net_text_port(at, text),
                  strerror(errno));
        fd_close(&l->fd);
        free(l);
        *out = NULL;
        return missing ? SP_OK : rc;
    }
    if (event_assign(&l->readable, all->loop, l->fd, EV_READ | EV_PERSIST,
                     on_readable_event, l)
            == -1
        || event_assign(&l->resume, all->loop, -1, 0, on_resume_event, l) == -1
        || event_add(&l->readable, NULL) == -1) {
        fd_close(&l->fd);
        free(l);
        return SP_NOMEM;
    }
    log_event(EVENT_LISTENING, "address=%s tls=%s", net_text_port(at, text),
              implicit ? "implicit" : "explicit");
    *out = l;
    return SP_OK;
}

typedef enum sp_err for_address(struct listeners *l, const struct net_addr *at,
                                bool implicit, int backlog, struct listener_list *to);

static enum sp_err
for_each(struct listeners *l, const struct settings *s, for_address *what,
         struct listener_list *to)
{
    const struct text_list *lists[] = { &s->listen, &s->listen_implicit };
    enum sp_err worst = SP_OK;

    /* to the end: all that cannot be had are told */
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->count; i++) {
            struct net_addr at = NET_ADDR_EMPTY;
            enum sp_err rc = net_parse_port(&at, slice_of(lists[k]->texts[i]));

            if (rc == SP_OK)
                rc = what(l, &at, k == 1, (int)s->backlog, to);
            if (rc != SP_OK)
                worst = rc;
        }
    return worst;
}

/* What is wanted and open already leaves the list; what stays there will be closed. */
static enum sp_err
keep(struct listeners *l, const struct net_addr *at, bool implicit, int backlog,
     struct listener_list *kept)
{
    struct listener *one = find(&l->list, at);
    char text[NET_TEXT_MAX];

    (void)backlog;
    if (find(kept, at) != NULL) {
        log_event(EVENT_LISTEN_FAILED, "address=%s fault=\"it is configured twice\"",
                  net_text_port(at, text));
        return SP_INPUT;
    }
    if (one == NULL)
        return SP_OK;
    one->implicit_wanted = implicit;
    TAILQ_REMOVE(&l->list, one, entry);
    TAILQ_INSERT_TAIL(kept, one, entry);
    return SP_OK;
}

/* All others. One that is configured twice is in use when its second turn comes. */
static enum sp_err
open_missing(struct listeners *l, const struct net_addr *at, bool implicit, int backlog,
             struct listener_list *opened)
{
    struct listener *one = NULL;
    enum sp_err rc = SP_OK;

    if (find(&l->kept, at) != NULL)
        return SP_OK;
    if ((rc = open_listener(l, at, implicit, backlog, &one)) == SP_OK && one != NULL)
        TAILQ_INSERT_TAIL(opened, one, entry);
    return rc;
}

/* A second listen(2) changes how many may wait; who waits already stays. */
static void
adjust(struct listener *l, int backlog)
{
    char text[NET_TEXT_MAX];

    if (l->backlog != backlog && listen(l->fd, backlog) == 0)
        l->backlog = backlog;
    if (l->implicit != l->implicit_wanted)
        log_event(EVENT_LISTENING, "address=%s tls=%s", net_text_port(&l->at, text),
                  l->implicit_wanted ? "implicit" : "explicit");
    l->implicit = l->implicit_wanted;
}

/* Whoever connected before it closes is served. */
static void
drop(struct listener_list *list)
{
    struct listener *l = NULL;

    TAILQ_FOREACH(l, list, entry)
        for (unsigned i = 0; i <= (unsigned)l->backlog / ACCEPT_MOST; i++)
            accept_some(l);
    free_list(list);
}

enum sp_err
listeners_set(struct listeners *l, const struct settings *s)
{
    struct listener_list opened = TAILQ_HEAD_INITIALIZER(opened);
    struct listener *one = NULL;
    enum sp_err rc = SP_OK;

    if ((rc = for_each(l, s, keep, &l->kept)) == SP_OK)
        rc = for_each(l, s, open_missing, &opened);
    if (rc == SP_OK && TAILQ_EMPTY(&l->kept) && TAILQ_EMPTY(&opened))
        rc = SP_INPUT;
    if (rc == SP_OK) {
        TAILQ_FOREACH(one, &l->kept, entry)
            adjust(one, (int)s->backlog);
        drop(&l->list);
    } else {
        free_list(&opened);
    }
    TAILQ_CONCAT(&l->list, &l->kept, entry);
    TAILQ_CONCAT(&l->list, &opened, entry);
    return rc;
}

void
listeners_clear(struct listeners *l)
{
    free_list(&l->list);
}
