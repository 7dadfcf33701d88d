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

enum sp_err
listener_socket(const struct net_addr *at, int backlog, int *fd)
{
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int made = -1;
    enum sp_err rc = SP_OS;

    if ((made = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
        goto out;
    if ((rc = set_options(made, at->family)) != SP_OK
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

/* ---- accepting --------------------------------------------------------------------- */

/* Connections stay in the kernel's queue meanwhile: none is lost. */
static void
pause_accepting(struct listener *l, int error)
{
    const struct timeval after = { 0, PAUSE_MS * 1000L };

    log_error("accept.paused milliseconds=%d: %s", PAUSE_MS, strerror(error));
    /* without a timer we would never come back: then rather in vain, again and again */
    if (event_add(&l->resume, &after) == -1)
        log_error("accept.resume no timer");
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
on_readable_event(evutil_socket_t fd, short what, void *context)
{
    struct listener *l = context;

    (void)fd;
    (void)what;
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

/* ---- the set of them --------------------------------------------------------------- */

void
listeners_init(struct listeners *l, struct event_base *loop, listener_accepted *accepted,
               void *owner)
{
    *l = (struct listeners){ .loop = loop, .accepted = accepted, .owner = owner };
    TAILQ_INIT(&l->list);
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
find(const struct listeners *all, const struct net_addr *at, bool implicit, int backlog)
{
    struct listener *l = NULL;

    TAILQ_FOREACH(l, &all->list, entry)
        if (net_same(&l->at, at) && l->at.port == at->port && l->implicit == implicit
            && l->backlog == backlog)
            return l;
    return NULL;
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
                            .backlog = backlog,
                            .fd = -1 };
    if ((rc = listener_socket(at, backlog, &l->fd)) != SP_OK) {
        /* [::] is in the default; a machine without IPv6 is no fault */
        bool missing = rc == SP_OS && errno == EAFNOSUPPORT && at->family == AF_INET6;

        log_error("listen.failed address=%s: %s", net_text_port(at, text),
                  strerror(errno));
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
    log_notice("listening address=%s tls=%s", net_text_port(at, text),
               implicit ? "implicit" : "explicit");
    *out = l;
    return SP_OK;
}

/* What is wanted and open already goes from the old list to kept, the rest is opened. */
static enum sp_err
gather(struct listeners *l, const struct text_list *texts, bool implicit, int backlog,
       struct listener_list *kept, struct listener_list *opened)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct net_addr at = NET_ADDR_EMPTY;
        struct listener *one = NULL;
        enum sp_err rc = net_parse_port(&at, slice_of(texts->texts[i]));

        if (rc != SP_OK)
            return rc;
        if ((one = find(l, &at, implicit, backlog)) != NULL) {
            TAILQ_REMOVE(&l->list, one, entry);
            TAILQ_INSERT_TAIL(kept, one, entry);
        } else if ((rc = open_listener(l, &at, implicit, backlog, &one)) != SP_OK) {
            return rc;
        } else if (one != NULL) {
            TAILQ_INSERT_TAIL(opened, one, entry);
        }
    }
    return SP_OK;
}

enum sp_err
listeners_set(struct listeners *l, const struct settings *s)
{
    struct listener_list kept = TAILQ_HEAD_INITIALIZER(kept);
    struct listener_list opened = TAILQ_HEAD_INITIALIZER(opened);
    int backlog = (int)s->backlog;
    enum sp_err rc = SP_OK;

    if ((rc = gather(l, &s->listen, false, backlog, &kept, &opened)) == SP_OK)
        rc = gather(l, &s->listen_implicit, true, backlog, &kept, &opened);
    if (rc == SP_OK && TAILQ_EMPTY(&kept) && TAILQ_EMPTY(&opened))
        rc = SP_INPUT;
    if (rc == SP_OK)
        free_list(&l->list);            /* what is left there is not wanted any more */
    else
        free_list(&opened);
    TAILQ_CONCAT(&l->list, &kept, entry);
    TAILQ_CONCAT(&l->list, &opened, entry);
    return rc;
}

void
listeners_clear(struct listeners *l)
{
    free_list(&l->list);
}
