/* tests/unit/test_monitor_reload.c - signals, the service manager, and what a reload meets */
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "monitor/notify.h"
#include "monitor_rig.h"
#include "suites_monitor.h"

/* ---- signals ----------------------------------------------------------------------- */

static void
an_early_reload_is_done_late(void)
{
    struct rig r;

    rig_start_as(&r, "", SIGHUP, NULL);
    CU_ASSERT_TRUE(rig_logs(&r, "reload.done generation=2"));
    CU_ASSERT_TRUE(rig_order(&r, " ready pid=", "reload.done"));
    rig_stop(&r);
}

static void
other_signals_change_nothing(void)
{
    static const int those[] = { SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,
                                 SIGPIPE, SIGXFSZ, SIGWINCH,  SIGURG,  SIGXCPU, SIGSTKFLT };
    struct rig r;
    int client = -1;

    rig_start(&r, "");
    for (size_t i = 0; i < sizeof those / sizeof *those; i++)
        rig_signal(&r, those[i]);
    rig_signal(&r, SIGRTMIN);
    rig_signal(&r, SIGRTMAX - 1);           /* valgrind keeps the last one for itself */
    rig_signal(&r, SIGUSR1);
    CU_ASSERT_TRUE(rig_logs(&r, "log.opened signal=USR1"));
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    fd_close(&client);
    rig_signal(&r, SIGQUIT);
    CU_ASSERT_EQUAL(rig_wait(&r, 10), 0);
    CU_ASSERT_TRUE(rig_logs(&r, "stopping signal=QUIT"));
    rig_clear(&r);
}

static void
usr1_opens_the_log_alone(void)
{
    struct rig r;
    char path[96], old[96];

    rig_start(&r, "");
    (void)snprintf(path, sizeof path, "%s/log", r.dir);
    (void)snprintf(old, sizeof old, "%s/log.1", r.dir);
    CU_ASSERT_EQUAL(rename(path, old), 0);
    rig_signal(&r, SIGUSR1);
    CU_ASSERT_TRUE(rig_logs(&r, "log.opened"));
    CU_ASSERT_EQUAL(rig_count(&r, "reload."), 0);
    rig_stop(&r);
}

/* ---- the run directory ------------------------------------------------------------- */

static void
pid_in(const struct rig *r, const char *directory, char text[32])
{
    char path[128];
    FILE *f = NULL;

    text[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/%s/sallyportd.pid", r->dir, directory);
    if ((f = fopen(path, "re")) == NULL)
        return;
    if (fscanf(f, "%31s", text) != 1)
        text[0] = '\0';
    (void)fclose(f);
}

static void
a_second_server_is_refused(void)
{
    struct rig r, other;
    char lines[128], text[32], pid[32], says[96];

    rig_start(&r, "");
    (void)snprintf(pid, sizeof pid, "%ld", (long)r.pid);
    (void)snprintf(lines, sizeof lines, "run_directory = \"%s/run\"\n", r.dir);
    CU_ASSERT_EQUAL(rig_run(&other, lines, "-F"), 1);
    (void)snprintf(says, sizeof says, "the server with pid %s is using it", pid);
    CU_ASSERT_TRUE(rig_logs(&other, says));
    CU_ASSERT_EQUAL(rig_count(&other, "listening"), 0);
    pid_in(&r, "run", text);
    CU_ASSERT_STRING_EQUAL(text, pid);
    rig_clear(&other);
    /* one that was killed leaves its lock behind, and nobody holds it */
    rig_signal(&r, SIGKILL);
    CU_ASSERT_EQUAL(rig_wait(&r, 10), 128 + SIGKILL);
    rig_again(&r);
    rig_stop(&r);
}

static void
a_reload_changes_the_run_directory(void)
{
    struct rig r, other;
    char lines[128], text[32], pid[32];

    rig_start(&r, "");
    rig_start(&other, "");
    (void)snprintf(pid, sizeof pid, "%ld", (long)r.pid);
    (void)snprintf(lines, sizeof lines, "run_directory = \"%s/run\"\n", other.dir);
    rig_configure(&r, lines);
    rig_signal(&r, SIGHUP);
    CU_ASSERT_TRUE(rig_logs(&r, "reload.refused"));
    pid_in(&r, "run", text);
    CU_ASSERT_STRING_EQUAL(text, pid);
    (void)snprintf(lines, sizeof lines, "run_directory = \"%s/new\"\n", r.dir);
    rig_configure(&r, lines);
    rig_signal(&r, SIGHUP);
    CU_ASSERT_TRUE(rig_logs(&r, "reload.done"));
    pid_in(&r, "new", text);
    CU_ASSERT_STRING_EQUAL(text, pid);
    pid_in(&r, "run", text);
    CU_ASSERT_STRING_EQUAL(text, "");
    rig_stop(&other);
    rig_stop(&r);
}

static void
a_removed_run_directory_is_made_again(void)
{
    struct rig r;
    char command[160], text[32], pid[32];

    rig_start(&r, "template_sessions = 2\n");
    (void)snprintf(pid, sizeof pid, "%ld", (long)r.pid);
    (void)snprintf(command, sizeof command, "rm -r %s/run", r.dir);
    CU_ASSERT_EQUAL(system(command), 0);
    for (unsigned i = 0; i < 8; i++) {
        int client = rig_client(&r, false);

        fd_close(&client);
    }
    CU_ASSERT_TRUE(rig_logs(&r, "run-directory.missing"));
    pid_in(&r, "run", text);
    CU_ASSERT_STRING_EQUAL(text, pid);
    CU_ASSERT_EQUAL(system(command), 0);
    rig_signal(&r, SIGHUP);
    CU_ASSERT_TRUE(rig_logs(&r, "reload.done"));
    CU_ASSERT_EQUAL(rig_count(&r, "run-directory.missing"), 2);
    rig_stop(&r);
}

/* ---- the service manager ----------------------------------------------------------- */

struct manager { int fd; char name[64]; };

static void
manager_open(struct manager *m)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t len = 0;

    (void)snprintf(m->name, sizeof m->name, "@sallyport-unit-%ld", (long)getpid());
    len = strlen(m->name);
    memcpy(at.sun_path, m->name, len);
    at.sun_path[0] = '\0';
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_TRUE_FATAL(m->fd != -1);
    CU_ASSERT_EQUAL_FATAL(bind(m->fd, (struct sockaddr *)&at,
                               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                          0);
}

/* The next message; "" if none comes. */
static const char *
manager_hears(struct manager *m, char text[1024])
{
    ssize_t got = 0;

    text[0] = '\0';
    if (unit_wait(m->fd, POLLIN, 20000) && (got = recv(m->fd, text, 1023, 0)) > 0)
        text[got] = '\0';
    return text;
}

static void
a_manager_is_told(void)
{
    struct manager m;
    struct rig r;
    char text[1024], ready[64];
    int64_t began = clock_us();

    manager_open(&m);
    rig_start_as(&r, "", 0, m.name);
    (void)snprintf(ready, sizeof ready, "READY=1\nMAINPID=%ld\nSTATUS=Serving", (long)r.pid);
    CU_ASSERT_STRING_EQUAL(manager_hears(&m, text), ready);

    rig_signal(&r, SIGHUP);
    CU_ASSERT_EQUAL(strncmp(manager_hears(&m, text), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    CU_ASSERT_TRUE(strtoll(text + 27, NULL, 10) >= began);
    CU_ASSERT_STRING_EQUAL(manager_hears(&m, text), ready);

    rig_configure(&r, "banner = \"broken\"\n");
    rig_signal(&r, SIGHUP);
    CU_ASSERT_EQUAL(strncmp(manager_hears(&m, text), "RELOADING=1\n", 12), 0);
    CU_ASSERT_EQUAL(strncmp(manager_hears(&m, text), "READY=1\n", 8), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nSTATUS=Serving as before: a reload was refused"));

    rig_signal(&r, SIGTERM);
    CU_ASSERT_EQUAL(strncmp(manager_hears(&m, text), "STOPPING=1\n", 11), 0);
    CU_ASSERT_EQUAL(rig_wait(&r, 10), 0);
    rig_clear(&r);
    fd_close(&m.fd);
}

static void
addresses_of_managers(void)
{
    static const struct { const char *address; socklen_t len; } rows[] = {
        { NULL, 0 }, { "", 0 }, { "@", 0 }, { "relative", 0 }, { "vsock:2:1234", 0 },
        { "/run/systemd/notify", offsetof(struct sockaddr_un, sun_path) + 19 },
        { "@abc", offsetof(struct sockaddr_un, sun_path) + 4 },
    };
    char longest[200];
    struct notify n;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        notify_init(&n, rows[i].address);
        CU_ASSERT_EQUAL(n.len, rows[i].len);
    }
    CU_ASSERT_EQUAL(n.to.sun_path[0], '\0');
    memset(longest, '/', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    notify_init(&n, longest);
    CU_ASSERT_EQUAL(n.len, 0);
}

static const struct unit_test tests[] = {
    { "a SIGHUP that comes before the start is done after it",
      an_early_reload_is_done_late },
    { "signals without a meaning are ignored, and QUIT ends in order",
      other_signals_change_nothing },
    { "USR1 opens the log anew and reloads nothing", usr1_opens_the_log_alone },
    { "a second server on one run directory is refused", a_second_server_is_refused },
    { "a reload changes the run directory", a_reload_changes_the_run_directory },
    { "a removed run directory is made again", a_removed_run_directory_is_made_again },
    { "a service manager is told of start, reload and end", a_manager_is_told },
    { "addresses of service managers", addresses_of_managers },
    { NULL, NULL }
};
const struct unit_suite suite_monitor_reload = { "monitor reload", tests };
