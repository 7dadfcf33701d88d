/* tests/unit/test_monitor_logins.c - logging in and out, between fakes */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "monitor_rig.h"
#include "suites_monitor.h"

/* How many processes of the monitor may write no file larger than that. */
static unsigned
bounded_to(const struct rig *r, const char *most)
{
    DIR *all = opendir("/proc");
    const struct dirent *e = NULL;
    unsigned count = 0;

    while (all != NULL && (e = readdir(all)) != NULL) {
        char path[300], line[256], word[32] = "";
        FILE *f = NULL;
        long parent = -1;

        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        (void)snprintf(path, sizeof path, "/proc/%s/status", e->d_name);
        for (f = fopen(path, "re"); f != NULL && fgets(line, sizeof line, f) != NULL;)
            if (strncmp(line, "PPid:", 5) == 0)
                parent = strtol(line + 5, NULL, 10);
        if (f != NULL)
            (void)fclose(f);
        (void)snprintf(path, sizeof path, "/proc/%s/limits", e->d_name);
        f = parent == (long)r->pid ? fopen(path, "re") : NULL;
        while (f != NULL && fgets(line, sizeof line, f) != NULL)
            if (sscanf(line, "Max file size %31s", word) == 1 && strcmp(word, most) == 0)
                count++;
        if (f != NULL)
            (void)fclose(f);
    }
    if (all != NULL)
        (void)closedir(all);
    return count;
}

static void
bounded(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_ask(client, "login small right", "LOGGED_IN small");
    CU_ASSERT_EQUAL(bounded_to(&r, "4096"), 1);
    rig_ask(client, "logout", "LOGGED_OUT");
    rig_ask(client, "login good right", "LOGGED_IN good");
    CU_ASSERT_EQUAL(bounded_to(&r, "4096"), 0);
    fd_close(&client);
    rig_stop(&r);
}

static void
granted(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    CU_ASSERT_TRUE(rig_logs(&r, "login.granted user=good backend=users tls=TLSv1.3 "
                            "cipher=SOME-CIPHER"));
    rig_say(client, "exit 0");
    CU_ASSERT_TRUE(rig_logs(&r, "side=broker text=\"upload.expired name=settled\""));
    fd_close(&client);
    rig_stop(&r);
}

/*
 * How long one refusal took, in milliseconds; *own: less what the machine was busy with others.
 * The session may try again after it.
 */
static int64_t
refusal(struct rig *r, const char *login, const char *log, int64_t *own)
{
    int client = rig_client(r, true);
    struct unit_watch watch = { 0 };
    int64_t began = 0, took = 0;

    rig_mark(r);
    watch = unit_watch_start();
    began = clock_ms();
    rig_ask(client, login, "LOGIN_REFUSED ");
    took = clock_ms() - began;
    *own = unit_watch_own(&watch);
    CU_ASSERT_TRUE(rig_logs(r, log));
    rig_ask(client, "login good right", "LOGGED_IN good");
    fd_close(&client);
    return took;
}

/*
 * Never before its time. That it is not a whole delay later either is asked of one of a few
 * tries: a busy machine may hold up any of them.
 */
static void
refused_at_its_time(void)
{
    static const struct {
        const char *login;
        int64_t least, most;
        const char *log;
    } cases[] = {
        { "login bad wrong", 200, 390, "login.refused user=bad reason=credentials" },
        { "login slow wrong", 400, 590, "login.refused user=slow reason=credentials" },
        { "login vanish right", 200, 390, "login.refused user=vanish reason=error" },
        { "login root right", 200, 390, "account.unusable user=root" },
        { "login wheel right", 200, 390, "account.unusable user=wheel" },
        { "login climb right", 200, 390, "account.unusable user=climb" },
        { "login nobroker right", 200, 390, "login.refused user=nobroker reason=error" },
        { "login crash right", 200, 390, "login.crashed signal=6" },
    };
    struct rig r;

    rig_start(&r, "login_attempts = 100\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool in_time = false;

        for (unsigned try = 0; try < 10 && !in_time; try++) {
            int64_t own = 0, took = refusal(&r, cases[i].login, cases[i].log, &own);

            CU_ASSERT_TRUE(took >= cases[i].least - 2);
            in_time = own <= cases[i].most;
        }
        CU_ASSERT_TRUE(in_time);
    }
    rig_stop(&r);
}

static void
attempts_are_bounded(void)
{
    struct rig r;
    char line[256];
    int client = -1;

    rig_start(&r, "login_attempts = 2\nlogin_failure_delay = 0\n");
    client = rig_client(&r, true);
    rig_ask(client, "login bad wrong", "LOGIN_REFUSED 1");
    CU_ASSERT_TRUE(rig_logs(&r, "attempt=1 why=\"no\""));
    /*
     * the worker hears no reason; the last attempt ends the session without being asked
     */
    rig_ask(client, "login bad wrong", "LOGIN_REFUSED 1");
    CU_ASSERT_EQUAL(strncmp(rig_hear(client, line), "SHUTDOWN Too many", 17), 0);
    CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
    CU_ASSERT_TRUE(rig_logs(&r, "session.closed reason=login-attempts"));
    fd_close(&client);
    rig_stop(&r);
}

static void
a_question_is_asked(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "login_attempts = 10\nlogins_at_once = 1\n");
    client = rig_client(&r, true);
    rig_ask(client, "login ask right", "LOGIN_QUESTION code?");
    rig_ask(client, "answer 42", "LOGGED_IN ask");
    fd_close(&client);

    client = rig_client(&r, true);
    rig_ask(client, "login ask right", "LOGIN_QUESTION code?");
    rig_ask(client, "cancel", "LOGIN_REFUSED ");
    rig_ask(client, "login good right", "LOGGED_IN good");
    fd_close(&client);
    rig_stop(&r);
}

/* As many questions as places; of more, the longest waiting one of an address is refused. */
static void
questions_are_bounded(void)
{
    struct rig r;
    int clients[4] = { -1, -1, -1, -1 };

    rig_start(&r, "login_attempts = 10\nlogins_at_once = 2\nlogin_failure_delay = 0\n");
    for (size_t i = 0; i < 4; i++) {
        clients[i] = rig_client(&r, true);
        rig_ask(clients[i], "login ask right", "LOGIN_QUESTION code?");
        CU_ASSERT_EQUAL(rig_count(&r, "reason=busy"), i < 2 ? 0 : i - 1);
    }
    for (size_t i = 0; i < 4; i++)
        rig_ask(clients[i], "answer 42", i < 2 ? "LOGIN_REFUSED " : "LOGGED_IN ask");
    /* who was refused may try again, and others are checked all the time */
    rig_ask(clients[0], "login ask right", "LOGIN_QUESTION code?");
    rig_ask(clients[1], "login good right", "LOGGED_IN good");
    rig_ask(clients[0], "answer 42", "LOGGED_IN ask");
    for (size_t i = 0; i < 4; i++)
        fd_close(&clients[i]);
    rig_stop(&r);
}

/* Not sooner than a wrong password; asking again makes it neither sooner nor later. */
static void
giving_up_takes_as_long_as_a_refusal(void)
{
    static const char *const logins[] = { "login hang right", "login ask right" };
    struct rig r;
    char line[256];

    rig_start(&r, "login_attempts = 10\nlogin_failure_delay = 600ms\n");
    for (size_t i = 0; i < 2; i++) {
        int client = rig_client(&r, true);
        int64_t began = clock_ms();

        rig_mark(&r);
        rig_say(client, logins[i]);
        if (i == 1)
            CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "LOGIN_QUESTION code?");
        rig_say(client, "cancel");
        CU_ASSERT_TRUE(rig_logs(&r, "login.refused user="));
        CU_ASSERT_TRUE(rig_logs(&r, "reason=given-up"));
        rig_ask(client, "cancel", "LOGIN_REFUSED 1");
        CU_ASSERT_TRUE(clock_ms() - began >= 600 - 2);
        rig_ask(client, "login good right", "LOGGED_IN good");
        fd_close(&client);
    }
    rig_stop(&r);
}

/* What was refused counts for its address until the client is told. */
static void
a_refusal_that_waits_holds_its_place(void)
{
    struct rig r;
    char line[256];
    int bad = -1, good = -1, other = -1;

    rig_start(&r, "logins_at_once = 1\nlogin_failure_delay = 1min\n");
    bad = rig_client(&r, true);
    good = rig_client(&r, true);
    other = rig_client(&r, true);
    rig_say(bad, "login bad wrong");
    CU_ASSERT_TRUE(rig_logs(&r, "login.refused user=bad"));
    rig_say(good, "login good right");
    for (unsigned i = 0; i < 10; i++)   /* time enough for the other one to begin */
        rig_ask(other, "sign x", "SIGNED signed-x");
    fd_close(&bad);
    CU_ASSERT_STRING_EQUAL(rig_hear(good, line), "LOGGED_IN good");
    CU_ASSERT_TRUE(rig_order(&r, "session.closed", "login.granted user=good"));
    fd_close(&other);
    fd_close(&good);
    rig_stop(&r);
}

static void
logins_wait_for_a_place(void)
{
    struct rig r;
    char line[256];
    int clients[6];

    rig_start(&r, "logins_at_once = 2\nlogin_failure_delay = 0\n");
    for (unsigned i = 0; i < 6; i++) {
        clients[i] = rig_client(&r, true);
        rig_say(clients[i], "login slow right");
    }
    fd_close(&clients[3]);              /* gives up while it waits */
    for (unsigned i = 0; i < 6; i++)
        if (i != 3)
            CU_ASSERT_STRING_EQUAL(rig_hear(clients[i], line), "LOGGED_IN slow");
    for (unsigned i = 0; i < 6; i++)
        fd_close(&clients[i]);
    rig_stop(&r);
}

static bool
hears(int client, const char *beginning)
{
    char line[256];

    return strncmp(rig_hear(client, line), beginning, strlen(beginning)) == 0;
}

/*
 * A client that has begun to log in; `seen` in the log says that its attempt has come as far as
 * it should. Attempts are processes: those begun in a row need not arrive in a row.
 */
static int
logging_in(struct rig *r, const char *line, const char *seen)
{
    int client = rig_client(r, true);
    size_t mark = r->mark;

    rig_mark(r);
    rig_say(client, line);
    CU_ASSERT_TRUE(rig_logs(r, seen));
    r->mark = mark;
    return client;
}

/* What hangs in PAM, and waits for it there, keeps nobody of the users database waiting. */
static void
who_hangs_in_pam_is_out_of_the_way(void)
{
    struct rig r;
    int hung[5] = { -1, -1, -1, -1, -1 }, good = -1;

    rig_start(&r, "logins_at_once = 2\nlogin_failure_delay = 0\n");
    for (unsigned i = 0; i < 3; i++)
        hung[i] = logging_in(&r, "login inpam-hang right",
                             i == 0 ? "text=entered" : "text=wanted");
    good = rig_client(&r, true);
    rig_ask(good, "login good right", "LOGGED_IN good");
    CU_ASSERT_TRUE(rig_logs(&r, "login.pam_hangs checks=1"));
    /* those that wait in vain are as many as places: of more, one is told to try again */
    for (unsigned i = 3; i < 5; i++) {
        hung[i] = logging_in(&r, "login inpam-hang right", "text=wanted");
        CU_ASSERT_TRUE(hears(hung[i - 2], "LOGIN_REFUSED 6"));
        CU_ASSERT_EQUAL(rig_count(&r, "reason=busy"), i - 2);
        rig_ask(good, "logout", "LOGGED_OUT");
        rig_ask(good, "login good right", "LOGGED_IN good");
    }
    CU_ASSERT_EQUAL(rig_count(&r, "text=entered"), 1);
    CU_ASSERT_EQUAL(rig_count(&r, "login.pam_hangs"), 1);
    /* a place that is free again is the next one's */
    rig_mark(&r);
    fd_close(&hung[0]);
    CU_ASSERT_TRUE(rig_logs(&r, "login.pam_said user=inpam-hang text=entered"));
    for (unsigned i = 1; i < 5; i++)
        fd_close(&hung[i]);
    fd_close(&good);
    rig_stop(&r);
}

static void
places_in_pam_come_back(void)
{
    static const char *const ends[] = { "login inpam right", "login inpam wrong",
                                        "login inpam-ask right" };
    struct rig r;
    char line[256];
    int clients[9];

    /* of one address, one at a time */
    rig_start(&r, "logins_at_once = 4\nlogin_failure_delay = 0\n");
    for (unsigned i = 0; i < 9; i++) {
        clients[i] = rig_client(&r, true);
        rig_say(clients[i], ends[i % 3]);
    }
    for (unsigned i = 0; i < 9; i++) {
        if (i % 3 == 2) {
            CU_ASSERT_STRING_EQUAL(rig_hear(clients[i], line), "LOGIN_QUESTION code?");
            rig_say(clients[i], "answer 42");
        }
        (void)rig_hear(clients[i], line);
        CU_ASSERT_EQUAL(strncmp(line, i % 3 == 1 ? "LOGIN_REFUSED 1" : "LOGGED_IN inpam",
                                15), 0);
    }
    CU_ASSERT_EQUAL(rig_count(&r, "text=entered"), 9);
    CU_ASSERT_EQUAL(rig_count(&r, "login.pam_hangs"), 0);
    for (unsigned i = 0; i < 9; i++)
        fd_close(&clients[i]);
    rig_stop(&r);
}

/*
 * Where PAM stands behind, a password that is wrong in the users database is told as a name
 * of PAM would be: when there is a place there, or that it cannot be checked. It counts as
 * wrong in any case.
 */
static void
a_wrong_password_waits_for_pam_like_other_names(void)
{
    static const char *const names[][2] = {
        { "login bad wrong", "user=bad reason=credentials" },
        { "login inpam wrong", "user=inpam text=wanted" },
    };
    struct rig r;

    if (geteuid() != 0) {
        printf("skipped: a wrong password waits for a place in PAM (needs root)\n");
        return;
    }
    rig_start(&r, "auth = {\"users\", \"pam\"}\npam_service = \"other\"\n"
                  "logins_at_once = 1\nlogin_failure_delay = 0\n");
    for (unsigned i = 0; i < 2; i++) {
        int clients[4] = { -1, -1, -1, -1 };

        clients[0] = logging_in(&r, "login inpam-hang right", "text=entered");
        for (unsigned k = 1; k < 4; k++) {
            clients[k] = logging_in(&r, names[i][0], names[i][1]);
            if (k > 1)
                CU_ASSERT_TRUE(hears(clients[k - 1], "LOGIN_REFUSED 6"));
        }
        /* nothing comes to the last one until the place is free */
        rig_ask(clients[1], "sign x", "SIGNED signed-x");
        fd_close(&clients[0]);
        CU_ASSERT_TRUE(hears(clients[3], "LOGIN_REFUSED 1"));
        CU_ASSERT_EQUAL(rig_count(&r, "user=bad reason=credentials"), 3);
        CU_ASSERT_EQUAL(rig_count(&r, "user=inpam reason=busy"), 2 * i);
        for (unsigned k = 1; k < 4; k++)
            fd_close(&clients[k]);
    }
    rig_stop(&r);
}

static void
sessions_of_an_account_are_bounded(void)
{
    struct rig r;
    int one = -1, two = -1;

    rig_start(&r, "");
    one = rig_client(&r, true);
    two = rig_client(&r, true);
    rig_ask(one, "login one right", "LOGGED_IN one");
    rig_ask(two, "login one right", "LOGIN_REFUSED 5");
    CU_ASSERT_TRUE(rig_logs(&r, "login.refused user=one reason=sessions"));
    rig_ask(one, "logout", "LOGGED_OUT");
    rig_ask(two, "login one right", "LOGGED_IN one");
    fd_close(&one);
    fd_close(&two);
    rig_stop(&r);
}

static void
logged_out_and_in_again(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    for (unsigned i = 0; i < 3; i++) {
        rig_ask(client, "login good right", "LOGGED_IN good");
        rig_ask(client, "listen", "LISTENING");
        rig_ask(client, "logout", "LOGGED_OUT");
        CU_ASSERT_TRUE(
            rig_logs(&r, "side=broker text=\"upload.expired name=settled\"")); /* before the answer */
        rig_mark(&r);
    }
    rig_say(client, "listen");
    CU_ASSERT_TRUE(rig_logs(&r, "breach side=worker message=LISTEN"));
    fd_close(&client);
    rig_stop(&r);
}

static void
pam_closes_after_the_broker(void)
{
    struct rig r;
    char line[256];
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_ask(client, "login pam right", "LOGGED_IN pam");
    rig_say(client, "exit 0");
    CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
    CU_ASSERT_TRUE(rig_logs(&r, "side=login text=\"login.pam_said text=closed by=END_LOGIN\""));
    CU_ASSERT_TRUE(rig_order(&r, "name=settled", "text=closed"));
    fd_close(&client);
    rig_stop(&r);
}

static void
a_broker_that_dies_ends_the_session(void)
{
    struct rig r;
    char line[256];
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_ask(client, "login dies right", "LOGGED_IN dies");
    CU_ASSERT_EQUAL(strncmp(rig_hear(client, line), "SHUTDOWN ", 9), 0);
    CU_ASSERT_TRUE(rig_logs(&r, "session.closed reason=broker-vanished user=dies"));
    fd_close(&client);
    rig_stop(&r);
}

/* Is all of it as it should be? A slow machine needs more than a few seconds to log in. */
static bool
is_ended_in_time(unsigned seconds)
{
    struct rig r;
    char lines[64], text[64];
    int idle = -1, hung = -1, user = -1;
    bool fine = false;

    (void)snprintf(lines, sizeof lines, "login_timeout = %us\n", seconds);
    rig_start(&r, lines);
    idle = rig_client(&r, true);
    hung = rig_client(&r, true);
    user = rig_client(&r, true);
    rig_say(hung, "login hang right");
    rig_say(user, "login good right");
    fine = hears(user, "LOGGED_IN good");
    fine = hears(idle, "SHUTDOWN Timeout: login took") && fine;
    fine = hears(hung, "SHUTDOWN Timeout: login took") && fine;
    (void)snprintf(text, sizeof text, "login.hung seconds=%u remedy=", seconds);
    fine = fine && rig_logs(&r, text)
        && rig_count(&r, "login.hung") == 1;            /* not for who never tried */
    (void)usleep(500000);
    if (fine) {
        rig_say(user, "listen");
        fine = hears(user, "LISTENING");
    }
    fd_close(&idle);
    fd_close(&hung);
    fd_close(&user);
    rig_stop(&r);
    return fine;
}

static void
logging_in_takes_too_long(void)
{
    CU_ASSERT_TRUE(is_ended_in_time(5) || is_ended_in_time(9) || is_ended_in_time(40));
}

static void
in_clear_where_it_is_allowed(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "cleartext_users = {\"scanner\"}\n");
    client = rig_client(&r, false);
    rig_ask(client, "login scanner right", "LOGGED_IN scanner");
    CU_ASSERT_TRUE(rig_logs(&r, "login.granted user=scanner backend=users tls=no"));
    fd_close(&client);
    rig_stop(&r);
    rig_start(&r, "cleartext_networks = {\"127.0.0.0/8\"}\n");
    client = rig_client(&r, false);
    rig_ask(client, "login good right", "LOGGED_IN good");
    rig_ask(client, "logout", "LOGGED_OUT");
    rig_say(client, "secured");
    rig_ask(client, "login good right", "LOGGED_IN good");
    fd_close(&client);
    rig_stop(&r);
}

/* CCC: the next password would come in clear. */
static void
cleared_and_logged_out(void)
{
    static const char *const users[] = { "good", "scanner" };
    struct rig r;
    char line[256];

    rig_start(&r, "cleartext_users = {\"scanner\"}\n");
    for (size_t i = 0; i < 2; i++) {
        int client = rig_client(&r, true);
        char login[64];

        rig_mark(&r);
        rig_ask(client, "login good right", "LOGGED_IN good");
        rig_say(client, "cleared");
        CU_ASSERT_TRUE(rig_logs(&r, "session.cleared user=good tls=TLSv1.3"));
        rig_ask(client, "logout", "LOGGED_OUT");
        (void)snprintf(login, sizeof login, "login %s right", users[i]);
        rig_say(client, login);
        if (i == 0) {
            CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
            CU_ASSERT_TRUE(rig_logs(&r, "message=LOGIN fault=login-in-clear"));
        } else {
            CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "LOGGED_IN scanner");
            CU_ASSERT_TRUE(rig_logs(&r, "login.granted user=scanner backend=users tls=no "
                                    "cipher=- resumed=no"));
        }
        fd_close(&client);
    }
    rig_stop(&r);
}

/* TLS can be begun anew, once nobody is logged in. */
static void
cleared_and_secured_again(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    rig_say(client, "cleared");
    rig_ask(client, "logout", "LOGGED_OUT");
    rig_say(client, "secured");
    rig_ask(client, "login one right", "LOGGED_IN one");
    CU_ASSERT_TRUE(rig_logs(&r, "login.granted user=one backend=users tls=TLSv1.3"));
    rig_say(client, "cleared\ncleared");
    CU_ASSERT_TRUE(rig_logs(&r, "message=CLEARED fault=in-clear-already"));
    fd_close(&client);
    rig_stop(&r);
}

static const struct unit_test tests[] = {
    { "a login is granted", granted },
    { "a refusal comes at its time, whatever its reason", refused_at_its_time },
    { "attempts of one session are bounded", attempts_are_bounded },
    { "a question is asked, answered or given up", a_question_is_asked },
    { "questions that wait for an answer are bounded", questions_are_bounded },
    { "giving up takes as long as a refusal", giving_up_takes_as_long_as_a_refusal },
    { "a refusal that waits holds its place", a_refusal_that_waits_holds_its_place },
    { "logins wait for a place", logins_wait_for_a_place },
    { "who hangs in PAM is out of the way", who_hangs_in_pam_is_out_of_the_way },
    { "places in PAM come back, whatever PAM says", places_in_pam_come_back },
    { "a wrong password waits for a place in PAM like other names",
      a_wrong_password_waits_for_pam_like_other_names },
    { "sessions of one account are bounded", sessions_of_an_account_are_bounded },
    { "a client logs out and in again", logged_out_and_in_again },
    { "PAM closes its session after the broker is gone", pam_closes_after_the_broker },
    { "a broker that dies ends the session", a_broker_that_dies_ends_the_session },
    { "a login that takes too long is ended", logging_in_takes_too_long },
    { "a login in clear needs an exception", in_clear_where_it_is_allowed },
    { "a worker writes no larger file than PAM allows its account", bounded },
    { "after CCC and a logout the session is one in clear", cleared_and_logged_out },
    { "after CCC and a logout TLS can be begun anew", cleared_and_secured_again },
    { NULL, NULL }
};
const struct unit_suite suite_monitor_logins = { "monitor logins", tests };
