/* tests/unit/test_bond.c - monitor/bond.c: whose TLS tickets are good for whom */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "monitor_rig.h"
#include "suites_monitor.h"

#define SHARED "resumption_shared = true\n"

/* "TICKETS aaaa... AAAA...", or what one asks about them, or is answered. */
static const char *
words(const char *verb, char name, bool keys, char line[256])
{
    char a[17] = "", b[65] = "";

    memset(a, name, 16);
    memset(b, name - 'a' + 'A', 64);
    (void)snprintf(line, 256, "%s%s%s%s%s", verb, name != '\0' ? " " : "", name != '\0' ? a : "",
                   keys ? " " : "", keys ? b : "");
    return line;
}

/* user NULL: nobody logs in. */
static int
session(const struct rig *r, char name, const char *user)
{
    char line[256], answer[256];
    int client = rig_client(r, true);

    rig_say(client, words("TICKETS", name, true, line));
    rig_ask(client, "sign x", "SIGNED");        /* they have been heard */
    if (user != NULL) {
        (void)snprintf(line, sizeof line, "login %s right", user);
        (void)snprintf(answer, sizeof answer, "LOGGED_IN %s", user);
        rig_ask(client, line, answer);
    }
    return client;
}

static void
has(int client, char name)
{
    char line[256], answer[256] = "TICKET_KEYS ";

    memset(answer + strlen(answer), name - 'a' + 'A', 64);
    rig_ask(client, words("TICKETS_OF", name, false, line), answer);
}

static void
has_not(int client, char name, const char *answer)
{
    char line[256];

    rig_ask(client, words("TICKETS_OF", name, false, line), answer);
}

static void
end(struct rig *r, int *client, const char *user)
{
    char line[256];

    rig_mark(r);
    fd_close(client);
    (void)snprintf(line, sizeof line, "session.closed reason=ended user=%s", user);
    CU_ASSERT_TRUE(rig_logs(r, line));
}

static void
an_account_at_an_address(void)
{
    struct rig r;
    int one = -1, two = -1, other = -1, late = -1;

    rig_start(&r, SHARED);
    one = session(&r, 'a', "good");
    two = session(&r, 'b', "good");
    other = session(&r, 'c', "fine");
    has(one, 'b');
    has(two, 'a');
    has_not(one, 'c', "NO_TICKETS 0");
    has_not(other, 'a', "NO_TICKETS 0");
    has_not(one, 'z', "NO_TICKETS 0");
    late = session(&r, 'd', NULL);
    has_not(one, 'd', "NO_TICKETS 1");
    rig_ask(late, "login good right", "LOGGED_IN good");
    has(one, 'd');
    /* who was logged out is nobody, and may come to be somebody else */
    rig_ask(late, "logout", "LOGGED_OUT");
    has_not(one, 'd', "NO_TICKETS 1");
    rig_ask(late, "login fine right", "LOGGED_IN fine");
    has_not(one, 'd', "NO_TICKETS 0");
    has(other, 'd');
    /* what ended in order is good as long as another one lives */
    end(&r, &two, "good");
    has(one, 'b');
    has_not(other, 'b', "NO_TICKETS 0");
    end(&r, &one, "good");
    one = session(&r, 'e', "good");
    has_not(one, 'b', "NO_TICKETS 0");
    fd_close(&one);
    fd_close(&other);
    fd_close(&late);
    rig_stop(&r);
}

/* Two sessions each, whose holders could win by the other's data connections. */
static void
accounts_that_share_nothing(void)
{
    static const char *const users[] = { "anybody", "drops", "keeps" };
    struct rig r;

    rig_start(&r, SHARED);
    for (unsigned i = 0; i < 3; i++) {
        int one = session(&r, 'a', users[i]), two = session(&r, 'b', users[i]);

        has_not(one, 'b', "NO_TICKETS 0");
        end(&r, &two, users[i]);
        has_not(one, 'b', "NO_TICKETS 0");
        fd_close(&one);
    }
    rig_stop(&r);
}

/* The default: what a worker names is for nobody. */
static void
nothing_is_shared(void)
{
    struct rig r;
    int one = -1, two = -1;

    rig_start(&r, "");
    one = session(&r, 'a', "good");
    two = session(&r, 'b', "good");
    has_not(one, 'b', "NO_TICKETS 0");
    end(&r, &two, "good");
    has_not(one, 'b', "NO_TICKETS 0");
    fd_close(&one);
    rig_stop(&r);
}

static void
bad_forms(void)
{
    static const char *const lines[] = { "TICKETS short short", "TICKETS" };
    struct rig r;
    int client = -1;

    rig_start(&r, SHARED "violations = 1000\n");
    for (unsigned i = 0; i < 2; i++) {
        rig_mark(&r);
        client = rig_client(&r, true);
        rig_say(client, lines[i]);
        CU_ASSERT_TRUE(rig_logs(&r, "message=TICKETS "));
        fd_close(&client);
    }
    rig_mark(&r);
    client = session(&r, 'a', "good");
    rig_say(client, "TICKETS_OF short");
    CU_ASSERT_TRUE(rig_logs(&r, "message=TICKETS_OF "));
    fd_close(&client);
    rig_stop(&r);
}

static const struct unit_test tests[] = {
    { "tickets are good for an account at an address", an_account_at_an_address },
    { "some accounts share nothing", accounts_that_share_nothing },
    { "without resumption_shared nothing is shared", nothing_is_shared },
    { "tickets of another form are a breach", bad_forms },
    { NULL, NULL }
};
const struct unit_suite suite_bond = { "bond", tests };
