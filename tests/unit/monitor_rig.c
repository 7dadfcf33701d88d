/* tests/unit/monitor_rig.c - see monitor_rig.h */
#include "monitor_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "unit.h"

#define PATIENCE 10000          /* milliseconds of its own for what has to happen */
#define LOG_MOST (8 << 20)      /* a flood has a line for each of 16,000 transfers */

/* ---- files ------------------------------------------------------------------------- */

static void
path_of(const struct rig *r, const char *name, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/%s", r->dir, name);
}

static void
write_file(const struct rig *r, const char *name, const char *text, mode_t mode)
{
    char path[PATH_MAX];
    int fd = -1;

    path_of(r, name, path);
    CU_ASSERT_TRUE_FATAL((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode))
                         != -1);
    CU_ASSERT_EQUAL(fd_write_all(fd, text, strlen(text)), SP_OK);
    fd_close(&fd);
}

static void
program(const char *variable, const char *name, char path[PATH_MAX])
{
    const char *named = getenv(variable);

    CU_ASSERT_PTR_NOT_NULL_FATAL(realpath(named != NULL ? named : name, path));
}

static void
link_programs(const struct rig *r)
{
    static const char *const names[] = { "sallyport-worker", "sallyport-broker",
                                         "sallyport-login", "sallyport-keyholder" };
    char fake[PATH_MAX], path[PATH_MAX];

    program("SALLYPORT_FAKE", "./fake-side", fake);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(r, names[i], path);
        CU_ASSERT_EQUAL_FATAL(symlink(fake, path), 0);
    }
}

/*
 * A port that stays free for the server: the socket is bound to it, and both say SO_REUSEADDR.
 * Once it was closed the kernel could give the port to any other program.
 */
static uint16_t
keep_port(int *kept)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof a;
    int one = 1;

    *kept = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(setsockopt(*kept, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    CU_ASSERT_EQUAL_FATAL(bind(*kept, (struct sockaddr *)&a, sizeof a), 0);
    CU_ASSERT_EQUAL(getsockname(*kept, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

/* A setting, unless the test has one of that name. */
static void add_setting(struct buf *text, const char *lines, const char *name,
                        const char *format, ...) SP_PRINTF(4, 5);

static void
add_setting(struct buf *text, const char *lines, const char *name, const char *format,
            ...)
{
    char value[PATH_MAX], key[64];
    va_list args;

    (void)snprintf(key, sizeof key, "%s = ", name);
    if (strstr(lines, key) != NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(value, sizeof value, format, args);
    va_end(args);
    CU_ASSERT_EQUAL(buf_printf(text, "%s = %s\n", name, value), SP_OK);
}

void
rig_configure(const struct rig *r, const char *lines)
{
    struct buf text = BUF_EMPTY(65536);

    add_setting(&text, lines, "listen", "{\"127.0.0.1:%u\"}", (unsigned)r->port);
    add_setting(&text, lines, "listen_implicit", "{\"127.0.0.1:%u\"}",
                (unsigned)r->implicit);
    add_setting(&text, lines, "run_directory", "\"%s/run\"", r->dir);
    add_setting(&text, lines, "state_directory", "\"\"");
    add_setting(&text, lines, "libexec_directory", "\"%s\"", r->dir);
    add_setting(&text, lines, "users_database", "\"%s/db\"", r->dir);
    add_setting(&text, lines, "certificate", "{\"%s/cert\"}", r->dir);
    add_setting(&text, lines, "certificate_key", "{\"%s/key\"}", r->dir);
    add_setting(&text, lines, "worker_user", "\"nobody\"");
    add_setting(&text, lines, "keyholder_user", "\"daemon\"");
    add_setting(&text, lines, "active_port", "0");
    add_setting(&text, lines, "login_failure_delay", "200ms");
    add_setting(&text, lines, "failure_delay_most", "0");
    add_setting(&text, lines, "failure_ban", "0");
    add_setting(&text, lines, "log", "\"%s/log\"", r->dir);
    add_setting(&text, lines, "log_level", "\"debug\"");
    CU_ASSERT_EQUAL(buf_add_text(&text, lines), SP_OK);
    CU_ASSERT_EQUAL(buf_add(&text, "", 1), SP_OK);
    write_file(r, "conf", (const char *)text.at, 0600);
    buf_free(&text);
}

static void
prepare(struct rig *r, const char *lines)
{
    *r = (struct rig){ .dir = "/tmp/sallyport-unit-XXXXXX", .kept = { -1, -1 } };
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(r->dir));
    r->port = keep_port(&r->kept[0]);
    r->implicit = keep_port(&r->kept[1]);
    link_programs(r);
    write_file(r, "cert", "a certificate\n", 0644);
    write_file(r, "key", "a key\n", 0600);
    rig_configure(r, lines);
}

/* ---- the process ------------------------------------------------------------------- */

/* What is pending goes through execve(2), and so does the mask that holds it. */
static void
raise_held(int number)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)raise(number);
}

/* early: a signal that is there before the program is, or 0. */
static void
execute(struct rig *r, const char *option, int early, const char *notify)
{
    char daemon[PATH_MAX], conf[PATH_MAX], out[PATH_MAX];

    program("SALLYPORT_MONITOR", "./sallyportd", daemon);
    path_of(r, "conf", conf);
    path_of(r, "out", out);
    CU_ASSERT_TRUE_FATAL((r->pid = fork()) != -1);
    if (r->pid == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_APPEND, 0600);

        /* a test that fails half way leaves no server behind */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (early != 0)
            raise_held(early);
        if (notify != NULL)
            (void)setenv("NOTIFY_SOCKET", notify, 1);
        if (fd != -1 && dup2(fd, STDOUT_FILENO) != -1 && dup2(fd, STDERR_FILENO) != -1)
            (void)execl(daemon, daemon, "-c", conf, option, (char *)NULL);
        _exit(126);
    }
}

int
rig_wait(struct rig *r, unsigned seconds)
{
    struct unit_watch watch = unit_watch_start();
    int status = 0;
    pid_t got = 0;

    while ((got = waitpid(r->pid, &status, WNOHANG)) == 0
           && !unit_watch_over(&watch, (int64_t)seconds * 1000))
        (void)usleep(5000);
    if (got != r->pid)
        return -1;
    r->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* It writes its pid when it serves. */
static bool
is_ready(const struct rig *r)
{
    struct unit_watch watch = unit_watch_start();
    char path[PATH_MAX];

    path_of(r, "run/sallyportd.pid", path);
    while (access(path, F_OK) == -1 && !unit_watch_over(&watch, PATIENCE))
        (void)usleep(2000);
    return access(path, F_OK) == 0;
}

int
rig_run(struct rig *r, const char *lines, const char *option)
{
    prepare(r, lines);
    execute(r, option, 0, NULL);
    return rig_wait(r, PATIENCE / 1000);
}

void
rig_start(struct rig *r, const char *lines)
{
    rig_start_as(r, lines, 0, NULL);
}

static void
await_ready(struct rig *r);

void
rig_again(struct rig *r)
{
    char path[PATH_MAX];

    path_of(r, "run/sallyportd.pid", path);
    (void)unlink(path);
    execute(r, "-F", 0, NULL);
    await_ready(r);
}

void
rig_start_as(struct rig *r, const char *lines, int early, const char *notify)
{
    prepare(r, lines);
    execute(r, "-F", early, notify);
    await_ready(r);
}

static void
await_ready(struct rig *r)
{
    if (!is_ready(r)) {
        char command[192];

        (void)snprintf(command, sizeof command, "cat %s/out", r->dir);
        if (system(command) != 0)
            puts("it said nothing");
        CU_FAIL_FATAL("sallyportd does not start");
    }
}

void
rig_signal(const struct rig *r, int number)
{
    CU_ASSERT_EQUAL(kill(r->pid, number), 0);
}

void
rig_clear(struct rig *r)
{
    char command[128];

    if (r->pid > 0) {
        (void)kill(r->pid, SIGKILL);
        (void)waitpid(r->pid, NULL, 0);
    }
    (void)snprintf(command, sizeof command, "rm -rf %s", r->dir);
    if (getenv("SALLYPORT_KEEP") == NULL)
        CU_ASSERT_EQUAL(system(command), 0);
    fd_close(&r->kept[0]);
    fd_close(&r->kept[1]);
    *r = (struct rig){ .kept = { -1, -1 } };
}

void
rig_stop(struct rig *r)
{
    rig_signal(r, SIGTERM);
    CU_ASSERT_EQUAL(rig_wait(r, PATIENCE / 1000), 0);
    rig_clear(r);
}

/* ---- the log ----------------------------------------------------------------------- */

/* From offset on; the caller frees. */
static char *
read_log(const struct rig *r, size_t offset)
{
    char path[PATH_MAX];
    char *text = calloc(1, LOG_MOST + 1);
    ssize_t got = 0;
    int fd = -1;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    path_of(r, "log", path);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1)
        got = pread(fd, text, LOG_MOST, (off_t)offset);
    text[got < 0 ? 0 : got] = '\0';
    fd_close(&fd);
    return text;
}

bool
rig_logs(struct rig *r, const char *what)
{
    struct unit_watch watch = unit_watch_start();
    bool found = false;

    while (!found) {
        char *text = read_log(r, r->mark);

        found = strstr(text, what) != NULL;
        if (!found && unit_watch_over(&watch, PATIENCE)) {
            printf("\nno \"%s\" in the log:\n%s\n", what, text);
            free(text);
            return false;
        }
        free(text);
        if (!found)
            (void)usleep(5000);
    }
    return true;
}

void
rig_mark(struct rig *r)
{
    char *text = read_log(r, 0);

    r->mark = strlen(text);
    free(text);
}

unsigned
rig_count(const struct rig *r, const char *what)
{
    char *text = read_log(r, 0);
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    free(text);
    return count;
}

bool
rig_order(const struct rig *r, const char *first, const char *second)
{
    char *text = read_log(r, 0);
    const char *one = strstr(text, first), *two = strstr(text, second);
    bool ordered = one != NULL && two != NULL && one < two;

    free(text);
    return ordered;
}

/* ---- clients ----------------------------------------------------------------------- */

int
rig_dial(const struct rig *r, bool implicit)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr = { htonl(INADDR_LOOPBACK) },
                             .sin_port = htons(implicit ? r->implicit : r->port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof a) == -1)
        fd_close(&fd);
    return fd;
}

void
rig_say(int client, const char *line)
{
    char text[512];
    int len = snprintf(text, sizeof text, "%s\n", line);

    CU_ASSERT_EQUAL(send(client, text, (size_t)len, MSG_NOSIGNAL), len);
}

const char *
rig_hear(int client, char line[256])
{
    size_t len = 0;

    line[0] = '\0';
    while (len < 255) {
        if (!unit_wait(client, POLLIN, PATIENCE))
            return "?";
        if (read(client, line + len, 1) != 1 || line[len] == '\n')
            break;
        len++;
    }
    line[len] = '\0';
    return line;
}

void
rig_ask(int client, const char *line, const char *answer)
{
    char text[256];

    rig_say(client, line);
    if (strncmp(rig_hear(client, text), answer, strlen(answer)) != 0) {
        printf("\n\"%s\" was answered \"%s\", not \"%s\"\n", line, text, answer);
        CU_FAIL("wrong answer");
    }
}

int
rig_client(const struct rig *r, bool secured)
{
    char line[256];
    int client = rig_dial(r, false);

    CU_ASSERT_TRUE_FATAL(client != -1);
    CU_ASSERT_EQUAL(strncmp(rig_hear(client, line), "SESSION ", 8), 0);
    if (secured)
        rig_say(client, "secured");
    return client;
}
