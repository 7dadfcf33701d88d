/*
 * tests/bench/load_modes.c - what the load client does: one function for each mode (load.c)
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPENED_AT_ONCE 8
#define SLOW_RATE (1u << 20)        /* bytes a second that the slow reader takes */
#define THREADS_MOST 1024

/* ---- many sessions ------------------------------------------------------------------- */

struct crew {
    void (*work)(size_t i, void *argument);
    void *argument;
    size_t count;
    _Atomic size_t next;
};

static void *
crew_member(void *argument)
{
    struct crew *c = argument;
    size_t i;

    while ((i = c->next++) < c->count)
        c->work(i, c->argument);
    return NULL;
}

/* work(0) ... work(count - 1), by so many threads. */
static void
in_parallel(void (*work)(size_t, void *), void *argument, size_t count, size_t threads)
{
    struct crew c = {.work = work, .argument = argument, .count = count};
    pthread_t thread[THREADS_MOST];
    pthread_attr_t small;

    if (threads > count)
        threads = count;
    if (threads > THREADS_MOST)
        die("more than %d at once", THREADS_MOST);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 20);
    for (size_t i = 0; i < threads; i++)
        if (pthread_create(&thread[i], &small, crew_member, &c) != 0)
            die("no thread");
    for (size_t i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    pthread_attr_destroy(&small);
}

static void
open_one(size_t i, void *sessions)
{
    double since = now();

    ftp_open((struct ftp *)sessions + i);
    if (strcmp(want.mode, "idle") == 0)
        add_latency(since);
}

static void
quit_one(size_t i, void *sessions)
{
    ftp_quit((struct ftp *)sessions + i);
}

static struct ftp *
open_all(size_t count)
{
    struct ftp *f = calloc(count, sizeof(*f));

    if (f == NULL)
        die("no memory");
    in_parallel(open_one, f, count, OPENED_AT_ONCE);
    return f;
}

static void
quit_all(struct ftp *f, size_t count)
{
    in_parallel(quit_one, f, count, OPENED_AT_ONCE);
    free(f);
}

/* ---- modes --------------------------------------------------------------------------- */

static void
files_of_one(size_t session, void *sessions)
{
    struct ftp *f = (struct ftp *)sessions + session;
    bool upload = strcmp(want.mode, "put") == 0;
    size_t each = want.count / want.sessions;
    char name[256];

    for (size_t i = session * each; i < (session + 1) * each; i++) {
        double since = now();
        if (upload) {
            snprintf(name, sizeof(name), "%s%zu", want.name, i);
            ftp_put(f, name, want.bytes);
        } else {
            ftp_get(f, want.name, want.bytes);
        }
        add_latency(since);
        result.bytes += want.bytes;
        result.files++;
    }
}

static void
run_files(void)
{
    struct ftp *f = open_all(want.sessions);

    begin();
    in_parallel(files_of_one, f, want.sessions, want.sessions);
    finish();
    quit_all(f, want.sessions);
}

static void
run_list(void)
{
    struct ftp f;
    struct data d;

    ftp_open(&f);
    begin();
    ftp_begin(&f, &d, want.verb, want.name);
    result.bytes = data_read(&d, true, 0);
    result.lines = d.lines;
    ftp_end(&f, &d);
    if (result.lines < want.count || result.lines > want.count + 4)
        die("%s: %llu lines, not %zu", want.verb, (unsigned long long)result.lines,
            want.count);
    result.files = 1;
    finish();
    ftp_quit(&f);
}

static void
run_logins(void)
{
    struct ftp f;

    begin();
    for (size_t i = 0; i < want.count; i++) {
        double since = now();
        ftp_open(&f);
        ftp_quit(&f);
        add_latency(since);
        result.files++;
    }
    finish();
}

static void
fetch_one(size_t i, void *unused)
{
    struct ftp f;
    double since = now();

    (void)i, (void)unused;
    ftp_open(&f);
    ftp_get(&f, want.name, want.bytes);
    ftp_quit(&f);
    add_latency(since);
    result.bytes += want.bytes;
    result.files++;
}

static void
run_fetches(void)
{
    begin();
    in_parallel(fetch_one, NULL, want.count, want.sessions);
    finish();
}

static void
run_idle(void)
{
    struct ftp *f;

    result.begun = now();
    result.cpu = own_cpu();
    f = open_all(want.count);
    result.files = want.count;
    want.hold = true;
    finish();
    if (want.to.user != NULL) {
        quit_all(f, want.count);
        return;
    }
    for (size_t i = 0; i < want.count; i++)
        ftp_abandon(&f[i]);
    free(f);
}

static void
run_many(void)
{
    struct ftp *f = open_all(want.count);
    struct data *d = calloc(want.count, sizeof(*d));
    struct epoll_event ready[64], one = {.events = EPOLLIN};
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (d == NULL || poll_fd == -1)
        die("no memory");
    begin();
    for (size_t i = 0; i < want.count; i++) {
        ftp_begin(&f[i], &d[i], "RETR", want.name);
        fcntl(d[i].fd, F_SETFL, O_NONBLOCK);
        one.data.u64 = i;
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, d[i].fd, &one);
    }
    for (size_t left = want.count; left > 0;) {
        int n = epoll_wait(poll_fd, ready, 64, -1);
        for (int k = 0; k < n; k++) {
            struct data *of = &d[ready[k].data.u64];
            /* a bounded turn, so that nobody waits for one who sends faster than we read */
            for (int turn = 0; turn < 64 && !of->ended; turn++)
                if (!data_drop_some(of, want.bytes))
                    break;
            if (!of->ended)
                continue;
            epoll_ctl(poll_fd, EPOLL_CTL_DEL, of->fd, NULL);
            fcntl(of->fd, F_SETFL, 0);
            data_check(of, want.name, of->bytes, want.bytes);
            ftp_end(&f[ready[k].data.u64], of);
            add_latency(result.begun);
            result.bytes += want.bytes;
            result.files++;
            left--;
        }
    }
    finish();
    quit_all(f, want.count);
    free(d);
    close(poll_fd);
}

static void
run_burst(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)want.to.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int *fd = calloc(want.count, sizeof(*fd)), poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready[64], one = {.events = EPOLLIN};
    size_t waiting = want.count;
    char text[256];

    if (fd == NULL || poll_fd == -1)
        die("no memory");
    begin();
    for (size_t i = 0; i < want.count; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd[i] == -1 || (connect(fd[i], (struct sockaddr *)&address,
                                    sizeof(address)) == -1 && errno != EINPROGRESS))
            die("connection %zu: %s", i, strerror(errno));
        one.data.fd = fd[i];
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd[i], &one);
    }
    for (double until = result.begun + want.seconds; waiting > 0 && now() < until;) {
        int n = epoll_wait(poll_fd, ready, 64, 100);
        for (int k = 0; k < n; k++) {
            ssize_t got = recv(ready[k].data.fd, text, sizeof(text), 0);
            if (got >= 3 && memcmp(text, "220", 3) == 0) {
                result.files++;
                add_latency(result.begun);
            }
            epoll_ctl(poll_fd, EPOLL_CTL_DEL, ready[k].data.fd, NULL);
            waiting--;
        }
    }
    result.lost = want.count - result.files;
    finish();
    for (size_t i = 0; i < want.count; i++)
        close(fd[i]);
    free(fd);
    close(poll_fd);
}

/* ---- fairness ------------------------------------------------------------------------ */

static void
sleep_until(double when)
{
    struct timespec t = {.tv_sec = (time_t)when};

    t.tv_nsec = (long)((when - (double)t.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static void
polite(struct ftp *f, size_t i)
{
    double pause = want.pause / 1000.0, until = result.begun + want.seconds;
    double next = result.begun + pause * (double)i / (double)want.count;

    while (next < until) {
        sleep_until(next);
        double since = now();
        ftp_get(f, want.name, want.bytes);
        add_latency(since);
        result.bytes += want.bytes;
        result.files++;
        next = now() > next + pause ? now() : next + pause;
    }
}

static void
greedy(struct ftp *f)
{
    struct data d;

    while (now() < result.begun + want.seconds) {
        ftp_begin(f, &d, "RETR", want.greedy);
        result.beside += data_read(&d, false, 1);
        ftp_end(f, &d);
    }
}

/* Takes a piece now and then, and goes away in the middle of its file. */
static void
slow(struct ftp *f)
{
    static char piece[SLOW_RATE / 20];
    struct data d;
    ssize_t n = 1;

    ftp_begin(f, &d, "RETR", want.slow);
    for (double next = now(); n > 0 && next < result.begun + want.seconds; next += 0.05) {
        sleep_until(next);
        n = recv(d.fd, piece, sizeof(piece), 0);
        result.beside += n > 0 ? (uint64_t)n : 0;
    }
    SSL_free(d.ssl);
    close(d.fd);
}

static void
fair_one(size_t i, void *sessions)
{
    struct ftp *f = (struct ftp *)sessions + i;

    if (i < want.count)
        polite(f, i);
    else if (want.greedy != NULL)
        greedy(f);
    else
        slow(f);
}

static void
run_fair(void)
{
    size_t count = want.count + (want.greedy != NULL || want.slow != NULL);
    struct ftp *f = open_all(count);

    begin();
    in_parallel(fair_one, f, count, count);
    finish();
    for (size_t i = 0; i < count; i++)
        ftp_abandon(&f[i]);
    free(f);
}

static const struct mode {
    const char *name;
    void (*run)(void);
} modes[] = {
    {"get", run_files}, {"put", run_files}, {"list", run_list}, {"login", run_logins},
    {"many", run_many}, {"fetch", run_fetches}, {"idle", run_idle}, {"burst", run_burst},
    {"fair", run_fair},
};

void
run_mode(const char *name)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(name, modes[i].name) == 0) {
            modes[i].run();
            return;
        }
    }
    die("no such mode: \"%s\"", name);
}
