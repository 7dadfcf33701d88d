/* tests/unit/rig.c - see rig.h */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "tests/peers/forge.h"
#include "unit.h"
#include "wire/fail.h"
#include "worker/ask_monitor.h"
#include "worker/worker.h"

#define PATIENCE_MS 10000       /* of its own */
#define SLICE_MS 10             /* so often a worker that waits looks at its clock */
#define SHORT_MS 500            /* so short a wait is for another process, not for a time */
#define QUIET_LOOKS 5           /* so often it was seen to wait: it does nothing else */

static char text_of_reply[65536];

/* ---- the worker's clock -------------------------------------------------------------------- */

/*
 * It stands still, but for rig_advance: no verdict hangs on how fast this machine is. What
 * poll(2) waits for until a time on that clock it waits for in slices. The program is linked
 * with --wrap=clock_gettime, --wrap=poll and --wrap=__poll_chk.
 */
static struct rig_clock *worker_clock;          /* set in the worker alone */
static struct timespec stopped_at;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (worker_clock == NULL || clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, now);
    *now = stopped_at;
    now->tv_sec += worker_clock->ahead_ms / 1000;
    return 0;
}

int
__wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    int64_t until = 0;
    int rc = 0;

    if (worker_clock == NULL || (timeout >= 0 && timeout <= SHORT_MS))
        return __real_poll(fds, count, timeout);
    until = worker_clock->ahead_ms + timeout;
    while ((rc = __real_poll(fds, count, SLICE_MS)) == 0) {
        worker_clock->slices++;
        if (timeout >= 0 && worker_clock->ahead_ms >= until)
            return 0;
    }
    return rc;
}

int
__wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
    SP_ASSERT(room / sizeof *fds >= count);
    return __wrap_poll(fds, count, timeout);
}

void
rig_advance(struct rig *r, int64_t milliseconds)
{
    r->clock->ahead_ms += milliseconds;
}

static void
quiet(void *context, enum log_event event, const char *line)
{
    (void)context;
    (void)event;
    (void)line;
}

/* A connected pair of TCP sockets on 127.0.0.1. */
static bool
tcp_pair(int *client, int *server)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fine = listener != -1 && bind(listener, (struct sockaddr *)&a, len) == 0
        && listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&a, &len) == 0
        && (*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) != -1
        && connect(*client, (struct sockaddr *)&a, sizeof a) == 0
        && (*server = accept(listener, NULL, NULL)) != -1;

    if (listener != -1)
        (void)close(listener);
    return fine;
}

static void
run_worker(const struct rig_plan *plan, int client, int channel)
{
    static struct worker w;
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    (void)sigaction(SIGPIPE, &ignore, NULL);
    log_set_sink(quiet, NULL);
    if (settings_init(&w.settings) != SP_OK || fd_set_nonblocking(client, true) != SP_OK)
        _exit(3);
    w.settings.tls_required = plan->tls_required;
    if (plan->idle_seconds > 0)
        w.settings.idle_timeout = plan->idle_seconds;
    if (plan->login_seconds > 0)
        w.settings.login_timeout = plan->login_seconds;
    channel_init(&w.broker, -1, WORKER, BROKER, ST_END);
    channel_init(&w.monitor, channel, WORKER, MONITOR, ST_START);
    control_init(&w.control, client);
    data_init(&w.data);
    ahead_init(&w.ahead);
    transfer_init(&w.transfer);
    w.held = (struct buf)BUF_EMPTY(LINE_MOST);
    if (ask_session(&w) != SP_OK)
        _exit(4);
    _exit(worker_serve(&w));
}

/* ---- what the plan makes of the broker ----------------------------------------------------- */

/* A sync takes its time; the client may leave in it. false: it is done. */
static bool
commit(struct rig *r, struct message *out)
{
    r->commits++;
    if (r->plan->silent_at_commit) {
        channel_clear(&r->around.broker);
        return true;
    }
    if (r->plan->quits_at_commit)
        rig_send(r, "QUIT\r\n", 6);
    if (r->plan->quits_at_commit || r->plan->dies_at_commit)
        (void)shutdown(r->client, SHUT_WR);
    if (!r->plan->dies_at_commit || !unit_wait(r->around.broker.fd, POLLRDHUP, PATIENCE_MS))
        return false;
    r->withdrawn++;
    channel_enter(&r->around.broker, ST_USER);
    forge_message(out, "FAILED %d", FAIL_UNWANTED);
    return true;
}

/* It takes long: until the worker says that it is not wanted. false: it is done. */
static bool
rename_slowly(struct rig *r, struct message *out)
{
    rig_send(r, r->plan->at_rename, strlen(r->plan->at_rename));
    if (!unit_wait(r->around.broker.fd, POLLIN, PATIENCE_MS))
        return false;
    forge_message(out, "FAILED %d", FAIL_UNWANTED);
    return true;
}

static bool
script(struct around *a, struct channel *c, struct message *out)
{
    struct rig *r = a->context;
    unsigned asked = a->in->type;
    bool home = asked == MSG_CHDIR && strcmp(a->last_path, "/") == 0;

    if (c != &a->broker)
        return false;
    if (r->plan->vanish_broker && asked != MSG_CHDIR) {
        channel_clear(c);
        return true;
    }
    if (r->plan->fail_broker != 0 && asked != MSG_ABANDON && !home) {
        channel_enter(c, ST_USER);
        forge_message(out, "FAILED %u %d", r->plan->fail_broker, r->plan->fail_error);
        return true;
    }
    if (asked == MSG_RENAME && r->plan->at_rename != NULL)
        return rename_slowly(r, out);
    return asked == MSG_COMMIT && commit(r, out);
}

/* ---- all of them ----------------------------------------------------------------------------- */

bool
rig_start(struct rig *r, const struct rig_plan *plan)
{
    int client = -1, server = -1, theirs = -1;

    memset(r, 0, sizeof *r);
    r->plan = plan;
    around_init(&r->around, &plan->around, &theirs);
    r->around.script = script;
    r->around.context = r;
    r->clock = mmap(NULL, sizeof *r->clock, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r->clock == MAP_FAILED)
        return false;
    if (!tcp_pair(&client, &server))
        return false;
    if ((r->worker = fork()) == 0) {
        (void)close(client);
        (void)close(r->around.monitor.fd);
        (void)__real_clock_gettime(CLOCK_MONOTONIC, &stopped_at);
        worker_clock = r->clock;
        run_worker(plan, server, theirs);
    }
    (void)close(server);
    (void)close(theirs);
    r->client = client;
    return r->worker > 0 && rig_reply(r) == 220;
}

void
rig_stop(struct rig *r)
{
    fd_close(&r->client);
    around_clear(&r->around);
    if (r->worker > 0) {
        (void)rig_turn(r);
        (void)kill(r->worker, SIGKILL);
        (void)waitpid(r->worker, NULL, 0);
    }
    r->worker = 0;
    (void)munmap(r->clock, sizeof *r->clock);
}

/* ---- the client -------------------------------------------------------------------------- */

void
rig_send(struct rig *r, const void *at, size_t len)
{
    SP_IGNORE(fd_write_all(r->client, at, len));
}

static bool
is_code(const char *at)
{
    return at[0] >= '1' && at[0] <= '6' && at[1] >= '0' && at[1] <= '9' && at[2] >= '0'
        && at[2] <= '9';
}

/* Cuts one whole reply off the front. */
static unsigned
take_reply(struct rig *r)
{
    char *end = r->replies;
    unsigned code = 0;

    for (;;) {
        char *line = end, *next = memchr(line, '\n', r->len - (size_t)(line - r->replies));

        if (next == NULL)
            return 0;
        end = next + 1;
        if (end - line >= 5 && is_code(line) && line[3] == ' ') {
            code = (unsigned)strtoul(line, NULL, 10);
            break;
        }
    }
    memcpy(text_of_reply, r->replies, (size_t)(end - r->replies));
    text_of_reply[end - r->replies] = '\0';
    r->len -= (size_t)(end - r->replies);
    memmove(r->replies, end, r->len);
    return code;
}

/* One round of all three. false: the worker closed the connection. */
static bool
round_of_all(struct rig *r, int timeout)
{
    ssize_t n = 0;

    if (!around_wait(&r->around, r->client, timeout))
        return true;
    n = recv(r->client, r->replies + r->len, sizeof r->replies - r->len, MSG_DONTWAIT);
    if (n == 0 || (n == -1 && errno != EAGAIN))
        return false;
    r->len += n > 0 ? (size_t)n : 0;
    return true;
}

unsigned
rig_reply(struct rig *r)
{
    struct unit_watch watch = unit_watch_start();
    unsigned code = take_reply(r);

    while (code == 0 && !unit_watch_over(&watch, PATIENCE_MS)) {
        bool open = round_of_all(r, 100);

        code = take_reply(r);
        if (!open)
            break;
    }
    return code;
}

bool
rig_counts(struct rig *r, const unsigned *counter, unsigned count)
{
    struct unit_watch watch = unit_watch_start();

    while (*counter < count && !unit_watch_over(&watch, PATIENCE_MS))
        if (!round_of_all(r, 100))
            break;
    return *counter == count;
}

bool
rig_reports(struct rig *r, unsigned count)
{
    return rig_counts(r, &r->around.transfers, count);
}

bool
rig_turn(struct rig *r)
{
    return round_of_all(r, 1);
}

bool
rig_ends(struct rig *r)
{
    struct unit_watch watch = unit_watch_start();

    while (!unit_watch_over(&watch, PATIENCE_MS))
        if (!round_of_all(r, 20))
            return true;
    return false;
}

/* Its state, S: it sleeps; *slept: how often it has done so. */
static char
state_of(pid_t pid, unsigned long *slept)
{
    char path[64], line[256], state = '?';
    FILE *f = NULL;

    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    if ((f = fopen(path, "re")) == NULL)
        return '?';
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "State: %c", &state) != 1)
            (void)sscanf(line, "voluntary_ctxt_switches: %lu", slept);
    (void)fclose(f);
    return state;
}

bool
rig_settles(struct rig *r)
{
    struct unit_watch watch = unit_watch_start();
    unsigned quiet = 0, slices = 0;
    unsigned long slept = 0, before = 0;

    while (quiet < QUIET_LOOKS && !unit_watch_over(&watch, PATIENCE_MS)) {
        unsigned replies = (unsigned)r->len;
        char state = '?';

        if (!round_of_all(r, SLICE_MS))
            return false;
        if ((state = state_of(r->worker, &slept)) == 'Z')
            return true;
        /* each slice is one sleep */
        quiet = state == 'S' && r->len == replies
            && slept - before <= r->clock->slices - slices ? quiet + 1 : 0;
        before = slept;
        slices = r->clock->slices;
    }
    return quiet == QUIET_LOOKS;
}

const char *
rig_text(const struct rig *r)
{
    (void)r;
    return text_of_reply;
}

unsigned
rig_command(struct rig *r, const char *line)
{
    char text[1024];

    /* at once: the second of two small pieces would wait until the first is acknowledged */
    SP_ASSERT(text_printf(text, sizeof text, "%s\r\n", line));
    rig_send(r, text, strlen(text));
    return rig_reply(r);
}

bool
rig_start_logged_in(struct rig *r, const struct rig_plan *plan)
{
    return rig_start(r, plan) && rig_command(r, "USER guest") == 331
        && rig_command(r, "PASS secret") == 230 && rig_command(r, "TYPE I") == 200;
}

int
rig_connect(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        fd_close(&fd);
    return fd;
}

int
rig_passive(struct rig *r)
{
    const char *at = NULL;

    if (rig_command(r, "EPSV") != 229 || (at = strstr(rig_text(r), "|||")) == NULL)
        return -1;
    return rig_connect((uint16_t)strtoul(at + 3, NULL, 10));
}
