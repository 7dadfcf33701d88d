/*
 * tests/bench/load.c - the load client: one kind of load against one FTP server on loopback
 *
 *     load MODE --port P [--user U --password W] [--tls[=1.2|1.3]] [--pasv] ...
 *
 *     get, put   --name N --bytes B --count C: so many files in one session (in each of
 *                --sessions, at once); put stores them as N0, N1, ..., by TLS in records of
 *                --piece bytes
 *     list       --verb LIST|MLSD|NLST --name N --count LINES: one listing of so many lines
 *     login      --count C: so many sessions, one after another, each logs in and quits
 *     many       --count C --name N --bytes B: C downloads at once, by epoll
 *     fetch      --count C --sessions S --name N --bytes B: C sessions that log in, fetch
 *                and quit, S at once
 *     idle       --count C: so many sessions held open, before login where there is no user
 *     burst      --count C: so many connections in one moment; lost: not greeted in time
 *     fair       --count C --name N --bytes B --seconds T --pause MS: C sessions that fetch
 *                a file every so often (0: again and again), beside one that is --greedy
 *                NAME (downloads that again and again) or --slow NAME (takes 1 MiB/s)
 *
 * --hold: sessions are opened first, then "ready" is printed and a byte awaited on standard
 * input; after the work the result is printed and another byte awaited before they end. So
 * the caller may look at the server at both points. idle always holds once.
 *
 * Prints one line of JSON. Exits 1 with one line on a wrong reply or count of bytes, 2 when
 * --limit seconds (120) were not enough. Files above 1 MiB, and all clear ones, are dropped
 * in the kernel: the client is not what is measured.
 */
#include "load.h"

#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define HOLD_MOST 900               /* seconds that a caller may look at held sessions */

struct want want = {.name = "", .verb = "LIST", .count = 1, .sessions = 1, .seconds = 5,
                    .limit = 120};
struct result result;
static pthread_mutex_t result_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- time ---------------------------------------------------------------------------- */

double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double
own_cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
        + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
out_of_time(int signal_number)
{
    static const char text[] = "load: not done within its time limit\n";

    (void)signal_number;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(2);
}

void
add_latency(double since)
{
    double ms = (now() - since) * 1000;

    pthread_mutex_lock(&result_lock);
    if (result.latencies == result.room) {
        result.room = result.room * 2 + 1024;
        if ((result.latency = realloc(result.latency,
                                      result.room * sizeof(double))) == NULL)
            die("no memory");
    }
    result.latency[result.latencies++] = ms;
    pthread_mutex_unlock(&result_lock);
}

/* ---- talking to the caller ----------------------------------------------------------- */

static void
await_byte(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;

    alarm(0);
    if (poll(&in, 1, HOLD_MOST * 1000) != 1)
        die("nobody said how to go on within %d seconds", HOLD_MOST);
    (void)!read(STDIN_FILENO, &byte, 1);
    alarm(want.limit);
}

void
begin(void)
{
    if (want.hold) {
        puts("ready");
        fflush(stdout);
        await_byte();
    }
    result.cpu = own_cpu();
    result.begun = now();
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double
percentile(unsigned percent)
{
    if (result.latencies == 0)
        return 0;
    return result.latency[(result.latencies - 1) * percent / 100];
}

void
finish(void)
{
    result.seconds = now() - result.begun;
    result.cpu = own_cpu() - result.cpu;
    if (result.latencies > 0)
        qsort(result.latency, result.latencies, sizeof(double), by_size);
    printf("{\"mode\": \"%s\", \"bytes\": %llu, \"files\": %llu, \"lines\": %llu, "
           "\"seconds\": %.6f, \"cpu\": %.6f, \"lost\": %llu, \"beside\": %llu, "
           "\"works\": %zu, \"p50\": %.3f, \"p95\": %.3f, \"p99\": %.3f, \"most\": %.3f, "
           "\"connections\": %llu, \"resumed\": %llu, \"no_close_notify\": %llu}\n",
           want.mode, (unsigned long long)result.bytes, (unsigned long long)result.files,
           (unsigned long long)result.lines, result.seconds, result.cpu,
           (unsigned long long)result.lost, (unsigned long long)result.beside,
           result.latencies, percentile(50), percentile(95), percentile(99), percentile(100),
           (unsigned long long)totals.connections, (unsigned long long)totals.resumed,
           (unsigned long long)totals.unnotified);
    fflush(stdout);
    if (want.hold)
        await_byte();
}

/* ---- the start ----------------------------------------------------------------------- */

static const struct option options[] = {
    {"port", 1, NULL, 'p'}, {"user", 1, NULL, 'u'}, {"password", 1, NULL, 'w'},
    {"tls", 2, NULL, 't'}, {"pasv", 0, NULL, 'P'}, {"name", 1, NULL, 'n'},
    {"verb", 1, NULL, 'v'}, {"bytes", 1, NULL, 'b'}, {"count", 1, NULL, 'c'},
    {"sessions", 1, NULL, 's'}, {"seconds", 1, NULL, 'S'}, {"pause", 1, NULL, 'i'},
    {"limit", 1, NULL, 'l'}, {"hold", 0, NULL, 'h'}, {"greedy", 1, NULL, 'g'},
    {"slow", 1, NULL, 'o'}, {"piece", 1, NULL, 'r'}, {NULL, 0, NULL, 0},
};

static unsigned long long
number(const char *text)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (end == text || *end != '\0')
        die("\"%s\" is no number", text);
    return n;
}

static void
read_option(int c)
{
    switch (c) {
    case 'p': want.to.port = (int)number(optarg); break;
    case 'u': want.to.user = optarg; break;
    case 'w': want.to.password = optarg; break;
    case 't':
        want.to.tls = true;
        if (optarg != NULL)
            want.to.version = strcmp(optarg, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
        break;
    case 'P': want.to.pasv = true; break;
    case 'n': want.name = optarg; break;
    case 'v': want.verb = optarg; break;
    case 'b': want.bytes = number(optarg); break;
    case 'c': want.count = (size_t)number(optarg); break;
    case 's': want.sessions = (size_t)number(optarg); break;
    case 'S': want.seconds = (double)number(optarg); break;
    case 'i': want.pause = (unsigned)number(optarg); break;
    case 'l': want.limit = (unsigned)number(optarg); break;
    case 'h': want.hold = true; break;
    case 'g': want.greedy = optarg; break;
    case 'o': want.slow = optarg; break;
    case 'r': want.to.piece = (size_t)number(optarg); break;
    default: die("no such option: the head of load.c tells them");
    }
}

/* A control and a data connection for each session that may be open at once. */
static void
allow_files(void)
{
    static const char *const held[] = {"many", "idle", "burst", "fair"};
    struct rlimit files;
    size_t need = want.sessions;

    for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
        if (strcmp(want.mode, held[i]) == 0)
            need = want.count;
    need = need * 2 + 64;
    if (getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_cur >= need)
        return;
    files.rlim_cur = need;
    files.rlim_max = files.rlim_max > need ? files.rlim_max : need;
    if (setrlimit(RLIMIT_NOFILE, &files) == -1)
        die("%zu open files are too many here (ulimit -n)", need);
}

int
main(int argc, char **argv)
{
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        read_option(c);
    want.mode = optind < argc ? argv[optind] : "";
    if (want.to.port == 0 || want.count == 0 || want.sessions == 0)
        die("--port, --count and --sessions are above 0");
    allow_files();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, out_of_time);
    alarm(want.limit);
    ftp_prepare(&want.to);
    run_mode(want.mode);
    return 0;
}
