/* tests/unit/test_monitor_sessions.c - sessions and their workers, between fakes */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "monitor_rig.h"
#include "suites_monitor.h"
#include "wire/message.h"

#define BURST 400

static void
a_session_is_told_its_facts(void)
{
    struct rig r;
    char line[256];
    int client = -1;

    rig_start(&r, "banner = \"b\"\nno_resumption_networks = {\"127.0.0.0/8\"}\n");
    client = rig_dial(&r, false);
    /* implicit, cleartext allowed, exempt from resumption */
    CU_ASSERT_EQUAL(strncmp(rig_hear(client, line), "SESSION 001 b ", 14), 0);
    CU_ASSERT_PTR_NOT_NULL(strchr(line, '-'));
    fd_close(&client);
    client = rig_dial(&r, true);
    CU_ASSERT_EQUAL(strncmp(rig_hear(client, line), "SESSION 101 b ", 14), 0);
    rig_say(client, "secured");
    CU_ASSERT_TRUE(rig_logs(&r, "session.secured tls=TLSv1.3 cipher=SOME-CIPHER"));
    rig_say(client, "exit 0");
    CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
    CU_ASSERT_TRUE(rig_logs(&r, "session.untried reason=ended"));
    fd_close(&client);
    rig_stop(&r);
}

static void
a_burst_loses_none(void)
{
    struct rig r;
    char line[256];
    int clients[BURST];

    rig_start(&r, "max_sessions_per_address = 2000\nlog_level = \"notice\"\n");
    for (unsigned i = 0; i < BURST; i++)
        CU_ASSERT_TRUE((clients[i] = rig_dial(&r, false)) != -1);
    for (unsigned i = 0; i < BURST; i++)
        CU_ASSERT_EQUAL(strncmp(rig_hear(clients[i], line), "SESSION ", 8), 0);
    for (unsigned i = 0; i < BURST; i++)
        fd_close(&clients[i]);
    CU_ASSERT_EQUAL(rig_count(&r, " error "), 0);
    CU_ASSERT_EQUAL(rig_count(&r, " warning limit"), 0);
    rig_stop(&r);
}

static void
too_many_of_one_address(void)
{
    struct rig r;
    struct unit_watch watch = { 0 };
    char line[256];
    int one = -1, two = -1, three = -1;

    rig_start(&r, "max_sessions_per_address = 2\n");
    one = rig_client(&r, false);
    two = rig_client(&r, false);
    three = rig_dial(&r, false);
    CU_ASSERT_EQUAL(strncmp(rig_hear(three, line), "421 ", 4), 0);
    CU_ASSERT_STRING_EQUAL(rig_hear(three, line), "");
    CU_ASSERT_TRUE(rig_logs(&r, "session.refused peer=127.0.0.1 "
                                "reason=sessions-of-address"));
    fd_close(&three);
    three = rig_dial(&r, true);        /* with TLS at once nothing can be said in clear */
    CU_ASSERT_STRING_EQUAL(rig_hear(three, line), "");
    fd_close(&three);
    fd_close(&one);
    CU_ASSERT_TRUE(rig_logs(&r, "session.untried"));
    watch = unit_watch_start();
    for (;;) {                  /* its place is free when its process is gone */
        three = rig_dial(&r, false);
        if (strncmp(rig_hear(three, line), "SESSION ", 8) == 0
            || unit_watch_over(&watch, 10000))
            break;
        fd_close(&three);
        (void)usleep(10000);
    }
    CU_ASSERT_EQUAL(strncmp(line, "SESSION ", 8), 0);
    fd_close(&two);
    fd_close(&three);
    rig_stop(&r);
}

static void
a_crash_is_an_attack(void)
{
    struct rig r;
    char line[256];
    int client = -1, other = -1;

    rig_start(&r, "violations = 3\nviolation_ban = 10min\n");
    for (unsigned i = 0; i < 3; i++) {
        other = rig_client(&r, true);
        client = rig_client(&r, false);
        rig_say(client, "crash");
        CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
        fd_close(&client);
        CU_ASSERT_TRUE(rig_logs(&r, "worker.crashed signal=11"));
        /* laid out alike, and of the same address: it ends in order */
        CU_ASSERT_EQUAL(strncmp(rig_hear(other, line), "SHUTDOWN ", 9), 0);
        CU_ASSERT_EQUAL(strstr(line, i < 2 ? "another session" : "is banned") != NULL, true);
        fd_close(&other);
        rig_mark(&r);
    }
    client = rig_dial(&r, false);
    CU_ASSERT_EQUAL(strncmp(rig_hear(client, line), "421 ", 4), 0);
    fd_close(&client);
    CU_ASSERT_EQUAL(rig_count(&r, "address.banned peer=127.0.0.1"), 1);
    CU_ASSERT_EQUAL(rig_count(&r, "worker.crashed"), 3);
    rig_stop(&r);
}

/* Out of memory, an administrator, a limit: no client is to blame. */
static void
what_is_killed_from_outside_is_no_attack(void)
{
    static const int signals[] = { SIGKILL, SIGTERM, SIGKILL, SIGXCPU, SIGINT, SIGHUP };
    struct rig r;
    char line[256], text[64];
    int client = -1;

    rig_start(&r, "violations = 1\nviolation_ban = 10min\n");
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        client = rig_client(&r, false);
        (void)snprintf(text, sizeof text, "crash %d", signals[i]);
        rig_say(client, text);
        CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
        fd_close(&client);
        (void)snprintf(text, sizeof text, "worker.crashed signal=%d", signals[i]);
        CU_ASSERT_TRUE(rig_logs(&r, text));
        rig_mark(&r);
    }
    CU_ASSERT_EQUAL(rig_count(&r, "address.banned"), 0);
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    fd_close(&client);
    rig_stop(&r);
}

/* Every process of the account can send its broker any signal. */
static void
a_broker_that_dies_is_not_its_address(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "violations = 2\nviolation_ban = 10min\n");
    for (unsigned i = 0; i < 2; i++) {
        rig_mark(&r);
        client = rig_client(&r, true);
        rig_say(client, "login brokercrash right");
        CU_ASSERT_TRUE(rig_logs(&r, "broker.crashed signal=11"));
        fd_close(&client);
    }
    CU_ASSERT_TRUE(rig_logs(&r, "account.shut account=users:brokercrash"));
    CU_ASSERT_EQUAL(rig_count(&r, "account.shut account=users:brokercrash"), 1);
    client = rig_client(&r, true);
    rig_ask(client, "login brokercrash right", "LOGIN_REFUSED 6");  /* busy, as a fault */
    CU_ASSERT_TRUE(rig_logs(&r, "login.refused user=brokercrash reason=deaths"));
    fd_close(&client);
    CU_ASSERT_EQUAL(rig_count(&r, "broker.crashed"), 2);
    CU_ASSERT_EQUAL(rig_count(&r, "address.banned"), 0);
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    fd_close(&client);
    rig_stop(&r);
}

static void
a_sandbox_violation_ends_its_session(void)
{
    struct rig r;
    char line[256];
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_say(client, "sandbox");
    CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
    CU_ASSERT_TRUE(rig_logs(&r, "peer=127.0.0.1 sandbox.violation side=worker "
                                "call=execve"));
    CU_ASSERT_TRUE(rig_logs(&r, "session.untried reason=sandbox"));
    fd_close(&client);
    client = rig_client(&r, true);
    fd_close(&client);
    rig_stop(&r);
}

static void
a_breach_ends_its_session(void)
{
    static const struct { const char *command, *log; } cases[] = {
        { "raw 60000", "breach side=worker message=? fault=unknown-message" },
        { "login good right", "fault=login-in-clear" },
        { "logout", "message=LOGOUT fault=wrong-state" },
        { "listen", "message=LISTEN fault=wrong-state" },
        { "answer x", "message=LOGIN_ANSWER fault=wrong-state" },
        { "cancel", "message=LOGIN_CANCEL fault=wrong-state" },
        { "cleared", "message=CLEARED fault=wrong-state" },
        { "sign hold\nsign b", "message=SIGN fault=two-signatures-at-once" },
    };
    struct rig r;
    char line[256];

    rig_start(&r, "violations = 1000\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int client = rig_client(&r, false), other = rig_client(&r, false);

        rig_say(client, cases[i].command);
        while (rig_hear(client, line)[0] != '\0')
            CU_ASSERT_STRING_NOT_EQUAL(line, "?");
        CU_ASSERT_TRUE(rig_logs(&r, cases[i].log));
        CU_ASSERT_TRUE(rig_logs(&r, "session.untried reason=breach"));
        rig_mark(&r);
        rig_say(other, "secured");
        rig_ask(other, "sign x", "SIGNED signed-x");
        fd_close(&client);
        fd_close(&other);
    }
    rig_stop(&r);
}

/* Every message of the table, empty and too long, from a session that nobody logged in
 * to. */
static void
every_message_is_survived(void)
{
    struct rig r;

    rig_start(&r, "violations = 1000\nmax_sessions_per_address = 1000\nlog_level = "
                  "\"error\"\n");
    for (unsigned type = 0; type <= MSG_COUNT; type++) {
        int one = rig_dial(&r, false), two = rig_dial(&r, false);
        char line[256], command[32];

        (void)rig_hear(one, line);
        (void)rig_hear(two, line);
        (void)snprintf(command, sizeof command, "raw %u", type);
        rig_say(one, command);
        (void)snprintf(command, sizeof command, "long %u", type);
        rig_say(two, command);
        fd_close(&one);
        fd_close(&two);
    }
    for (unsigned i = 0; i < 3; i++) {
        int client = rig_client(&r, true);

        rig_ask(client, "sign x", "SIGNED signed-x");
        fd_close(&client);
    }
    rig_stop(&r);
}

/*
 * Nobody is logged in: 100 lines are written at once, 20 a second from there on. All of them
 * are, and what else the session wants waits behind them.
 */
static void
whoever_fills_the_log_waits_and_loses_no_line(void)
{
    struct rig r;
    int64_t began = 0;
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    began = clock_ms();
    rig_say(client, "lines 140");
    rig_ask(client, "sign x", "SIGNED");
    CU_ASSERT_TRUE(clock_ms() - began >= 1000);
    CU_ASSERT_EQUAL(rig_count(&r, "side=worker text=\"tls.failed channel=chatter"), 140);
    CU_ASSERT_EQUAL(rig_count(&r, "log.suppressed"), 0);
    fd_close(&client);
    /* after a login more is worth a line */
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    rig_say(client, "lines 5000");
    rig_ask(client, "sign x", "SIGNED");
    CU_ASSERT_EQUAL(rig_count(&r, "user=good side=worker text=\"tls.failed channel=chatter"),
                    5000);
    fd_close(&client);
    rig_stop(&r);
}

/* 10,000 messages are heard at once, 5,000 a second from there on; none is lost. */
static void
a_worker_that_floods_waits_for_its_turn(void)
{
    struct rig r;
    int64_t began = 0;
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    began = clock_ms();
    rig_say(client, "flood 16000");
    rig_ask(client, "sign x", "SIGNED");
    CU_ASSERT_TRUE(clock_ms() - began >= 1000);
    CU_ASSERT_EQUAL(rig_count(&r, " breach "), 0);
    rig_say(client, "exit 0");
    CU_ASSERT_TRUE(rig_logs(&r, "session.closed reason=ended user=good"));
    CU_ASSERT_EQUAL(rig_count(&r, " transfers=16000 "), 1);
    fd_close(&client);
    rig_stop(&r);
}

/* It dies while it waits: what it had said is heard, and its session is over. */
static void
a_worker_that_dies_while_it_waits_is_buried(void)
{
    struct rig r;
    char line[256];
    int client = -1;

    rig_start(&r, "log_level = \"error\"\n");
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    rig_say(client, "flood 12000");
    rig_say(client, "crash");
    CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
    CU_ASSERT_TRUE(rig_logs(&r, "worker.crashed signal=11"));
    CU_ASSERT_EQUAL(rig_count(&r, " breach "), 0);
    fd_close(&client);
    rig_stop(&r);
}

static void
a_worker_that_hides_is_killed(void)
{
    struct rig r;
    char line[256];
    int client = -1;

    rig_start(&r, "");
    client = rig_client(&r, true);
    rig_say(client, "close");           /* its channel, but it goes on living */
    CU_ASSERT_STRING_EQUAL(rig_hear(client, line), "");
    CU_ASSERT_TRUE(rig_logs(&r, "process.killed kind=worker"));
    CU_ASSERT_EQUAL(rig_count(&r, "worker.crashed"), 0);
    fd_close(&client);
    rig_stop(&r);
}

/* ---- data connections -------------------------------------------------------------- */

static bool
is_closed_soon(const struct sockaddr_in *a)
{
    struct unit_watch watch = unit_watch_start();

    while (!unit_watch_over(&watch, 10000)) {
        int data = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool open = connect(data, (const struct sockaddr *)a, sizeof *a) == 0;

        fd_close(&data);
        if (!open)
            return true;
        (void)usleep(20000);
    }
    return false;
}

static void
data_sockets(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct rig r;
    char line[256];
    int client = -1;

    rig_start(&r, "passive_port_least = 29000\npassive_port_most = 29999\n"
                  "data_connect_timeout = 1s\n");
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    rig_say(client, "listen");
    CU_ASSERT_EQUAL_FATAL(strncmp(rig_hear(client, line), "LISTENING 29", 12), 0);
    a.sin_port = htons((uint16_t)atol(line + 10));
    /* the fake closes it as soon as it has answered, the monitor when its time is up */
    CU_ASSERT_TRUE(is_closed_soon(&a));
    rig_ask(client, "connect 1023", "DATA_FAILED 13");
    rig_ask(client, "connect 45000", "CONNECTING");
    rig_say(client, "flood 1");
    CU_ASSERT_TRUE(rig_logs(&r, "transfer user=good verb=RETR path=/a\\x20b\\x0ac "
                                "bytes=1000 "
                                "seconds=0.500 rate=2000 reply=226 tls=TLSv1.3 "
                                "resumed=yes"));
    rig_say(client, "exit 0");
    CU_ASSERT_TRUE(rig_logs(&r, "notice"));
    CU_ASSERT_TRUE(rig_logs(&r, "session.closed reason=ended user=good"));
    fd_close(&client);
    rig_stop(&r);
}

/* ---- signatures -------------------------------------------------------------------- */

/*
 * The more quickly it asks, the sooner it waits, and it is answered all the same. On a machine
 * that is busy it may take many tries until it was quick.
 */
static void
sign_until_held_back(const struct rig *r, int client, const char *log)
{
    struct unit_watch watch = unit_watch_start();

    while (rig_count(r, log) == 0 && !unit_watch_over(&watch, 20000))
        rig_ask(client, "sign one", "SIGNED signed-one");
    CU_ASSERT_EQUAL(rig_count(r, log), 1);
}

static void
signatures_wait(void)
{
    struct rig r;
    int client = -1;

    rig_start(&r, "signatures_burst = 2\nsignatures_rate = 1\n");
    client = rig_client(&r, true);
    rig_ask(client, "sign refuse", "SIGN_REFUSED");
    sign_until_held_back(&r, client, "signature.waits user=-");
    fd_close(&client);
    client = rig_client(&r, true);
    rig_ask(client, "login good right", "LOGGED_IN good");
    sign_until_held_back(&r, client, "signature.waits user=good");
    CU_ASSERT_EQUAL(rig_count(&r, "signature.limited"), 0);
    fd_close(&client);
    rig_stop(&r);
}

/*
 * One a second, and half of handshake_timeout to wait: of so many who ask at once the last
 * ones are refused at once, and whoever waits is not kept when the session is to end.
 */
static void
nobody_waits_in_vain(void)
{
    enum { MANY = 50 };
    struct rig r;
    int clients[MANY];
    char first[256], second[256];
    unsigned at_once = 0, at_the_end = 0;

    rig_start(&r, "signatures_burst = 2\nsignatures_rate = 1\nhandshake_timeout = 40s\n");
    for (unsigned i = 0; i < MANY; i++) {
        clients[i] = rig_client(&r, true);
        rig_ask(clients[i], "login good right", "LOGGED_IN good");
        rig_say(clients[i], "deaf");
    }
    for (unsigned i = 0; i < MANY; i++)
        rig_say(clients[i], "sign one");
    CU_ASSERT_TRUE(rig_logs(&r, "signature.limited user=good"));
    rig_signal(&r, SIGTERM);        /* others have many seconds still to wait */
    for (unsigned i = 0; i < MANY; i++) {
        bool ends = strncmp(rig_hear(clients[i], first), "SHUTDOWN ", 9) == 0;
        bool refused = false;

        (void)rig_hear(clients[i], second);
        /* who had asked too late to be heard is asked to end, and no more */
        CU_ASSERT_TRUE(ends || strncmp(second, "SHUTDOWN ", 9) == 0);
        refused = strcmp(ends ? second : first, "SIGN_REFUSED") == 0;
        at_once += refused && !ends;
        at_the_end += refused && ends;
        fd_close(&clients[i]);
    }
    CU_ASSERT_TRUE(at_once > 0);
    CU_ASSERT_TRUE(at_the_end > 0);
    rig_clear(&r);
}

static void
the_keyholder_comes_back(void)
{
    struct rig r;
    int one = -1, two = -1;

    rig_start(&r, "");
    one = rig_client(&r, false);
    two = rig_client(&r, false);
    rig_ask(one, "sign crash", "SIGN_REFUSED");
    CU_ASSERT_TRUE(rig_logs(&r, "keyholder.crashed signal=11"));
    rig_ask(two, "sign x", "SIGNED signed-x");          /* waits for the next one */
    rig_ask(one, "sign y", "SIGNED signed-y");
    fd_close(&one);
    fd_close(&two);
    rig_stop(&r);
}

static const struct unit_test tests[] = {
    { "a session is told its facts", a_session_is_told_its_facts },
    { "a burst of connections loses none", a_burst_loses_none },
    { "sessions of one address are bounded, and its places come back",
      too_many_of_one_address },
    { "a crash is logged as an attack and shuts its address out", a_crash_is_an_attack },
    { "what is killed from outside is no attack", what_is_killed_from_outside_is_no_attack },
    { "a broker that dies is not its address", a_broker_that_dies_is_not_its_address },
    { "a sandbox violation ends its session alone",
      a_sandbox_violation_ends_its_session },
    { "a broken rule ends its session alone", a_breach_ends_its_session },
    { "every message from a worker is survived", every_message_is_survived },
    { "whoever fills the log waits, and loses no line",
      whoever_fills_the_log_waits_and_loses_no_line },
    { "a worker that floods waits for its turn", a_worker_that_floods_waits_for_its_turn },
    { "a worker that dies while it waits is buried",
      a_worker_that_dies_while_it_waits_is_buried },
    { "a worker that closes its channel is killed", a_worker_that_hides_is_killed },
    { "data sockets go to the own peer", data_sockets },
    { "signatures wait for their turn", signatures_wait },
    { "nobody waits for a signature in vain", nobody_waits_in_vain },
    { "a keyholder that died comes back", the_keyholder_comes_back },
    { NULL, NULL }
};
const struct unit_suite suite_monitor_sessions = { "monitor sessions", tests };
