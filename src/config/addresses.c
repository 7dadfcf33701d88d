/*
 * config/addresses.c - can it be listened on them? See include/config/load.h.
 *
 * Only bind(2) tells: the tables of the kernel may be hidden, and do not know of what a
 * namespace or a bound port range forbids. Nothing listens meanwhile, so nobody connects.
 */
#include "config/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/nearest.h"
#include "base/net.h"
#include "config/inspect.h"

#define PATH_ROOM 2048
#define INODES_MOST 32          /* listeners of one port */
#define TCP_LISTEN 0x0a         /* in /proc/net/tcp */

/* ---- whose it is --------------------------------------------------------------------- */

struct holder { long pid; char name[32]; };

/* The sockets that listen on the port, of one family. */
static size_t
listening_inodes(const char *table, unsigned port, unsigned long inodes[INODES_MOST],
                 size_t count)
{
    char line[512];
    FILE *f = fopen(table, "re");

    while (f != NULL && count < INODES_MOST && fgets(line, sizeof line, f) != NULL) {
        char *fields[10] = { NULL }, *rest = line, *colon = NULL;

        for (size_t i = 0; i < 10 && (fields[i] = strtok_r(rest, " \n", &rest)) != NULL; i++)
            continue;
        if (fields[9] == NULL || (colon = strrchr(fields[1], ':')) == NULL
            || strtoul(colon + 1, NULL, 16) != port
            || strtoul(fields[3], NULL, 16) != TCP_LISTEN)
            continue;
        inodes[count++] = strtoul(fields[9], NULL, 10);
    }
    if (f != NULL)
        (void)fclose(f);
    return count;
}

static bool
has_socket(const char *pid, const unsigned long *inodes, size_t count)
{
    char path[64], target[64], wanted[64];
    const struct dirent *entry = NULL;
    bool found = false;
    DIR *dir = NULL;

    (void)snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    if ((dir = opendir(path)) == NULL)
        return false;
    while (!found && (entry = readdir(dir)) != NULL) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

        if (len <= 0)
            continue;
        target[len] = '\0';
        for (size_t i = 0; i < count && !found; i++) {
            (void)snprintf(wanted, sizeof wanted, "socket:[%lu]", inodes[i]);
            found = strcmp(target, wanted) == 0;
        }
    }
    (void)closedir(dir);
    return found;
}

static void
read_word(const char *path, char *word, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t got = fd == -1 ? 0 : read(fd, word, room - 1);

    word[got < 0 ? 0 : got] = '\0';
    word[strcspn(word, "\n")] = '\0';
    fd_close(&fd);
}

/* pid 0: it cannot be seen. */
static void
find_holder(unsigned port, struct holder *h)
{
    unsigned long inodes[INODES_MOST];
    const struct dirent *entry = NULL;
    size_t count = listening_inodes("/proc/net/tcp", port, inodes, 0);
    DIR *dir = opendir("/proc");
    char path[64];

    *h = (struct holder){ 0, "" };
    count = listening_inodes("/proc/net/tcp6", port, inodes, count);
    while (dir != NULL && h->pid == 0 && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9'
            && has_socket(entry->d_name, inodes, count))
            h->pid = strtol(entry->d_name, NULL, 10);
    if (dir != NULL)
        (void)closedir(dir);
    if (h->pid == 0)
        return;
    (void)snprintf(path, sizeof path, "/proc/%ld/comm", h->pid);
    read_word(path, h->name, sizeof h->name);
}

/* 0: none runs in this run_directory. */
static long
running_server(const struct settings *s)
{
    char path[PATH_ROOM], text[32] = "";
    long pid = 0;

    if (!text_printf(path, sizeof path, "%s/sallyportd.pid", s->run_directory))
        return 0;
    read_word(path, text, sizeof text);
    if ((pid = strtol(text, NULL, 10)) <= 0
        || !text_printf(path, sizeof path, "/proc/%ld/comm", pid))
        return 0;
    read_word(path, text, sizeof text);
    return strcmp(text, "sallyportd") == 0 ? pid : 0;
}

static void
check_taken(struct inspect *i, const char *key, const char *text, unsigned port)
{
    long server = running_server(i->s);
    struct holder h;

    find_holder(port, &h);
    if (server != 0 && (h.pid == server || h.pid == 0))
        return;
    if (h.pid != 0)
        inspect_fault(i, key, "%.60s is already in use by %s (pid %ld); stop that program, or use "
                      "another port", text, h.name, h.pid);
    else
        inspect_fault(i, key, "%.60s is already in use by another program; stop it (`ss -ltnp` "
                      "shows it), or use another port", text);
}

/* ---- whether it can be had ----------------------------------------------------------- */

static void
check_absent(struct inspect *i, const char *key, const struct net_addr *at)
{
    struct ifaddrs *all = NULL;
    char wanted[NET_TEXT_MAX], best[NET_TEXT_MAX] = "", text[NET_TEXT_MAX];
    struct nearest n;

    nearest_begin(&n, net_text(at, wanted));
    if (getifaddrs(&all) == -1)
        all = NULL;
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        struct net_addr a = NET_ADDR_EMPTY;
        socklen_t len = at->family == AF_INET ? sizeof(struct sockaddr_in)
                                              : sizeof(struct sockaddr_in6);

        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != at->family
            || net_from_sockaddr(&a, one->ifa_addr, len) != SP_OK)
            continue;
        nearest_try(&n, net_text(&a, text));
        if (n.best == text) {
            (void)text_copy(best, sizeof best, text);
            n.best = best;
        }
    }
    if (all != NULL)
        freeifaddrs(all);
    if (n.best != NULL)
        inspect_fault(i, key, "this machine has no address %s; did you mean %s?", wanted, n.best);
    else
        inspect_fault(i, key, "this machine has no address %s; `ip address` lists its "
                      "addresses", wanted);
}

static void
check_one(struct inspect *i, const char *key, const char *text, const struct net_addr *at)
{
    struct sockaddr_storage sa;
    socklen_t len = 0;
    int fd = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    /* [::] is in the default; a machine without IPv6 is no fault */
    if (fd == -1 || net_to_sockaddr(at, at->family, &sa, &len) != SP_OK)
        goto out;
    /* as the listener has it */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (at->family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&sa, len) == 0)
        goto out;
    switch (errno) {
    case EADDRNOTAVAIL:
        check_absent(i, key, at);
        break;
    case EADDRINUSE:
        check_taken(i, key, text, at->port);
        break;
    case EACCES:
        inspect_fault(i, key, "%.60s requires root, because its port is below 1024; start "
                      "sallyportd as root (CAP_NET_BIND_SERVICE), or use a higher port", text);
        break;
    default:
        inspect_fault(i, key, "%.60s: %s", text, strerror(errno));
        break;
    }
out:
    fd_close(&fd);
}

static bool
is_any(const struct net_addr *a)
{
    static const unsigned char zeros[16] = { 0 };

    return memcmp(a->bytes, zeros, sizeof zeros) == 0;
}

/* Also where they are written in different ways. */
static bool
overlap(const struct net_addr *a, const struct net_addr *b)
{
    return a->family == b->family && a->port == b->port
        && (net_same(a, b) || is_any(a) || is_any(b));
}

enum sp_err
config_check_addresses(struct settings *s, config_fault *fault, void *context)
{
    const struct text_list *lists[] = { &s->listen, &s->listen_implicit };
    static const char *const keys[] = { "listen", "listen_implicit" };
    struct net_addr seen[64];
    const char *texts[64];
    size_t count = 0;
    struct inspect i;

    inspect_begin(&i, s, fault, context);
    for (size_t k = 0; k < 2; k++)
        for (size_t n = 0; n < lists[k]->count && count < 64; n++) {
            struct net_addr at = NET_ADDR_EMPTY;
            size_t other = 0;

            if (net_parse_port(&at, slice_of(lists[k]->texts[n])) != SP_OK)
                continue;       /* it has been told */
            while (other < count && !overlap(&seen[other], &at))
                other++;
            if (other == count)
                check_one(&i, keys[k], lists[k]->texts[n], &at);
            else if (strcmp(texts[other], lists[k]->texts[n]) != 0)
                inspect_fault(&i, keys[k], "%.60s and %.60s cannot both be used: one of them "
                              "includes the other; remove one", texts[other],
                              lists[k]->texts[n]);
            seen[count] = at;
            texts[count++] = lists[k]->texts[n];
        }
    return i.report.faults == 0 ? SP_OK : SP_INPUT;
}
