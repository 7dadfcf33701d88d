/* tests/unit/test_monitor_service.c - start, reload and stop, between fakes */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "monitor_rig.h"
#include "suites_monitor.h"

static void
checked(void)
{
    struct rig r;

    CU_ASSERT_EQUAL(rig_run(&r, "", "-t"), 0);
    rig_clear(&r);
    CU_ASSERT_EQUAL(rig_run(&r, "no_such_setting = 1\n", "-t"), 1);
    rig_clear(&r);
    CU_ASSERT_EQUAL(rig_run(&r, "", "-x"), 2);
    rig_clear(&r);
    CU_ASSERT_EQUAL(rig_run(&r, "", "-V"), 0);
    rig_clear(&r);
}

static void
a_broken_template_fails_the_start(void)
{
    struct rig r;

    CU_ASSERT_EQUAL(rig_run(&r, "banner = \"broken\"\n", "-F"), 1);
    CU_ASSERT_TRUE(rig_logs(&r, "template.ended kind=worker ready=no status=4"));
    CU_ASSERT_TRUE(rig_logs(&r, "start.failed"));
    rig_clear(&r);
    CU_ASSERT_EQUAL(rig_run(&r, "", "--config=/nonexistent"), 1);
    rig_clear(&r);
}

static pid_t
read_pid(const struct rig *r)
{
    char path[PATH_MAX];
    long pid = 0;
    FILE *f = NULL;

    (void)snprintf(path, sizeof path, "%s/run/sallyportd.pid", r->dir);
    if ((f = fopen(path, "re")) == NULL)
        return 0;
    if (fscanf(f, "%ld", &pid) != 1)
        pid = 0;
    (void)fclose(f);
    return (pid_t)pid;
}

static void
goes_to_the_background(void)
{
    struct rig r;
    struct unit_watch watch = { 0 };
    char path[PATH_MAX];
    struct stat st;
    int client = -1;

    CU_ASSERT_EQUAL(rig_run(&r, "banner = \"x\"\n", NULL), 0);
    r.pid = read_pid(&r);
    CU_ASSERT_TRUE_FATAL(r.pid > 0);
    CU_ASSERT_EQUAL(getsid(r.pid), r.pid);
    client = rig_client(&r, false);     /* it was listening before the command returned */
    fd_close(&client);
    (void)snprintf(path, sizeof path, "%s/run/empty", r.dir);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0555);
    rig_signal(&r, SIGTERM);
    CU_ASSERT_TRUE(rig_logs(&r, " stopped"));
    watch = unit_watch_start();
    while (read_pid(&r) != 0 && !unit_watch_over(&watch, 10000))
        (void)usleep(10000);
    CU_ASSERT_EQUAL(read_pid(&r), 0);
    r.pid = 0;
    rig_clear(&r);
}

static void
a_failed_start_in_the_background_is_told(void)
{
    struct rig r;

    CU_ASSERT_EQUAL(rig_run(&r, "banner = \"broken\"\n", NULL), 1);
    rig_clear(&r);
}

static void
stops_in_order(void)
{
    struct rig r;
    char line[256];
    int idle = -1, user = -1;

    rig_start(&r, "");
    idle = rig_client(&r, true);
    user = rig_client(&r, true);
    rig_ask(user, "login good right", "LOGGED_IN good");
    rig_signal(&r, SIGTERM);
    CU_ASSERT_STRING_EQUAL(rig_hear(idle, line), "SHUTDOWN The server is shutting down; closing connection.");
    CU_ASSERT_STRING_EQUAL(rig_hear(user, line), "SHUTDOWN The server is shutting down; closing connection.");
    CU_ASSERT_EQUAL(rig_wait(&r, 3), 0);
    CU_ASSERT_TRUE(rig_logs(&r, "session.closed reason=shutdown user=good"));
    CU_ASSERT_TRUE(rig_logs(&r, "upload.expired name=settled"));
    CU_ASSERT_EQUAL(rig_dial(&r, false), -1);
    fd_close(&idle);
    fd_close(&user);
    rig_clear(&r);
}

static void
deaf_workers_are_killed(void)
{
    struct rig r;
    char line[256];
    int client = -1;
    int64_t began = 0;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_say(client, "deaf");
    rig_ask(client, "sign x", "SIGNED");
    began = clock_ms();
    rig_signal(&r, SIGTERM);
    CU_ASSERT_EQUAL(rig_wait(&r, 8), 0);
    CU_ASSERT_TRUE(clock_ms() - began >= 3000);
    (void)rig_hear(client, line);
    CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
    fd_close(&client);
    rig_clear(&r);
}

static void
a_second_signal_ends_at_once(void)
{
    struct rig r;
    struct unit_watch watch = { 0 };
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_say(client, "deaf");
    rig_ask(client, "sign x", "SIGNED");
    watch = unit_watch_start();
    rig_signal(&r, SIGINT);
    CU_ASSERT_TRUE(rig_logs(&r, "stopping signal=INT"));
    rig_signal(&r, SIGINT);
    CU_ASSERT_EQUAL(rig_wait(&r, 3), 0);
    CU_ASSERT_FALSE(unit_watch_over(&watch, 2500));
    fd_close(&client);
    rig_clear(&r);
}

static void
reload_is_for_new_sessions(void)
{
    struct rig r;
    char line[256];
    int old = -1, new = -1;

    rig_start(&r, "banner = \"first\"\n");
    old = rig_client(&r, true);
    rig_ask(old, "login good right", "LOGGED_IN good");
    rig_configure(&r, "banner = \"second\"\n");
    rig_signal(&r, SIGHUP);
    CU_ASSERT_TRUE(rig_logs(&r, "reload.done"));
    new = rig_dial(&r, false);
    CU_ASSERT_EQUAL(strncmp(rig_hear(new, line), "SESSION 000 second ", 19), 0);
    /* the old one goes on, with its own keyholder and templates */
    rig_ask(old, "sign x", "SIGNED signed-x");
    rig_ask(old, "logout", "LOGGED_OUT");
    rig_ask(old, "login good right", "LOGGED_IN good");
    CU_ASSERT_EQUAL(rig_count(&r, "generation.ended number=1"), 0);
    rig_mark(&r);
    fd_close(&old);
    CU_ASSERT_TRUE(rig_logs(&r, "generation.ended number=1"));
    rig_say(new, "secured");
    rig_ask(new, "sign y", "SIGNED signed-y");
    fd_close(&new);
    CU_ASSERT_EQUAL(rig_count(&r, " error "), 0);
    rig_stop(&r);
}

static void
a_bad_reload_changes_nothing(void)
{
    static const char *const bad[] = { "no_such_setting = 1\n", "banner = \"broken\"\n",
                                       "certificate = {\"/nonexistent\"}\n",
                                       "listen = {\"192.0.2.77:21\"}\n" };
    struct rig r;
    char line[256];

    rig_start(&r, "banner = \"first\"\n");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int client = -1;

        rig_mark(&r);
        rig_configure(&r, bad[i]);
        rig_signal(&r, SIGHUP);
        CU_ASSERT_TRUE(rig_logs(&r, "reload.refused"));
        client = rig_dial(&r, false);
        CU_ASSERT_EQUAL(strncmp(rig_hear(client, line), "SESSION 000 first ", 18), 0);
        fd_close(&client);
    }
    rig_stop(&r);
}

static void
many_reloads(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "");
    for (unsigned i = 0; i < 10; i++) {
        rig_signal(&r, SIGHUP);
        client = rig_client(&r, true);
        rig_ask(client, "login good right", "LOGGED_IN good");
        fd_close(&client);
    }
    CU_ASSERT_TRUE(rig_logs(&r, "reload.done"));
    rig_stop(&r);
}

static void
the_log_follows_its_name(void)
{
    struct rig r;
    char path[PATH_MAX], old[PATH_MAX];
    int client = -1;

    rig_start(&r, "");
    (void)snprintf(path, sizeof path, "%s/log", r.dir);
    (void)snprintf(old, sizeof old, "%s/log.1", r.dir);
    CU_ASSERT_EQUAL(rename(path, old), 0);
    rig_signal(&r, SIGHUP);
    CU_ASSERT_TRUE(rig_logs(&r, "reload.done"));
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    CU_ASSERT_TRUE(rig_logs(&r, "login.granted"));
    fd_close(&client);
    rig_stop(&r);
}

/* Sessions, one after the other; each is greeted by a worker. */
static void
sessions(const struct rig *r, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int client = rig_client(r, false);

        fd_close(&client);
    }
}

static void
the_old_template_goes_on_where_fresh_ones_fail(void)
{
    struct rig r;
    char path[PATH_MAX];
    int fd = -1;

    rig_start(&r, "template_sessions = 4\n");
    (void)snprintf(path, sizeof path, "%s/broken", r.dir);
    CU_ASSERT_TRUE((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)) != -1);
    fd_close(&fd);
    sessions(&r, 30);           /* a fresh one may have been made before the file was */
    CU_ASSERT_TRUE(rig_logs(&r, "template.kept kind=worker"));
    CU_ASSERT_EQUAL(rig_count(&r, "template.kept"), 1);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_TRUE(rig_logs(&r, "template.replaced kind=worker"));
    sessions(&r, 10);
    rig_stop(&r);
}

static const struct unit_test tests[] = {
    { "a configuration is checked", checked },
    { "a template that does not start fails the start",
      a_broken_template_fails_the_start },
    { "the server goes to the background when it serves", goes_to_the_background },
    { "a failed start in the background is told",
      a_failed_start_in_the_background_is_told },
    { "SIGTERM ends it in order", stops_in_order },
    { "a worker that does not end is killed", deaf_workers_are_killed },
    { "a second signal ends it at once", a_second_signal_ends_at_once },
    { "a reload is for new sessions", reload_is_for_new_sessions },
    { "a bad reload changes nothing", a_bad_reload_changes_nothing },
    { "many reloads at once are survived", many_reloads },
    { "a renamed log is opened anew", the_log_follows_its_name },
    { "the old template goes on where fresh ones fail",
      the_old_template_goes_on_where_fresh_ones_fail },
    { NULL, NULL }
};
const struct unit_suite suite_monitor_service = { "monitor service", tests };
