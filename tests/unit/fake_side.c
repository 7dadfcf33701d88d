/*
 * tests/unit/fake_side.c - worker, broker, login and keyholder in one small program
 *
 * unit-monitor starts the real sallyportd with links to this program in its libexec
 * directory. The name it is called by says which one it plays. As a worker it takes
 * commands from its client and tells it every message of the monitor; as a login it does
 * what the user's name says.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "config/settings.h"
#include "process/template.h"
#include "tests/peers/forge.h"
#include "tests/peers/sides.h"
#include "wire/fail.h"
#include "wire/grant.h"
#include "wire/pack.h"

static bool
begins(struct slice s, const char *word)
{
    return s.len >= strlen(word) && memcmp(s.at, word, strlen(word)) == 0;
}

/* Waits for the next message of the monitor; false: it is gone. */
static bool
hear(struct channel *monitor, struct message *m)
{
    return channel_wait(monitor, m, -1) == SP_OK;
}

static void
say(struct channel *monitor, struct message *m)
{
    if (channel_send_wait(monitor, m) != SP_OK)
        _exit(0);
}

/* What an honest one says to it. */
static void
answer(struct channel *monitor, const struct message *in)
{
    static struct message out[SIDE_ANSWERS];
    unsigned count = side_answer(monitor->self, in, out);

    for (unsigned i = 0; i < count; i++)
        say(monitor, &out[i]);
}

/* ---- worker ------------------------------------------------------------------------ */

struct fake_worker {
    struct channel monitor;
    int client, broker;
    bool deaf;
    const char *banner;
};

/* One message of the monitor, told to the client as one line. */
static void
tell_client(struct fake_worker *w, struct message *m)
{
    struct msg_session s;
    char line[2048];

    forge_tell(m, line, sizeof line);
    if (msg_session_unpack(m, &s) == SP_OK)
        (void)snprintf(line, sizeof line, "SESSION %u%u%u %s %.*s", s.implicit_tls,
                       s.cleartext_allowed, s.resumption_exempt, w->banner,
                       (int)s.id.len, (const char *)s.id.at);
    if (m->type == MSG_LOGGED_IN)
        w->broker = message_take_fd(m, 0);
    dprintf(w->client, "%s\n", line);
    if (m->type == MSG_SHUTDOWN && !w->deaf)
        _exit(0);
    message_clear(m);
}

static void
send_raw(struct fake_worker *w, unsigned type, size_t len)
{
    static const char zeros[64] = "";

    if (!forge_send(w->monitor.fd, type, zeros, len, 0, 0))
        _exit(0);
}

static void
do_transfer(struct fake_worker *w)
{
    struct message m;

    msg_transfer_pack(&m, &(struct msg_transfer){ .verb = slice_of("RETR"),
                                                  .path = slice_of("/a b\nc"),
                                                  .bytes = 1000,
                                                  .micros = 500000,
                                                  .reply = 226,
                                                  .tls = slice_of("TLSv1.3"),
                                                  .resumed = 1 });
    say(&w->monitor, &m);
}

/* Messages that have no answer, and things that no honest worker does. False: not one of
 * them. */
static bool
do_wrong(struct fake_worker *w, const char *verb, unsigned n)
{
    if (strcmp(verb, "crash") == 0)
        side_die(n == 0 ? SIGSEGV : (int)n);
    else if (strcmp(verb, "exit") == 0)
        _exit((int)n);
    else if (strcmp(verb, "deaf") == 0)
        w->deaf = true;
    else if (strcmp(verb, "close") == 0)
        channel_clear(&w->monitor);
    else if (strcmp(verb, "raw") == 0)
        send_raw(w, n, 0);
    else if (strcmp(verb, "long") == 0)
        send_raw(w, n, 60);
    else if (strcmp(verb, "lines") == 0)
        for (unsigned i = 0; i < n; i++)
            log_event(EVENT_TLS_FAILED, "channel=chatter reason=%u", i);
    else if (strcmp(verb, "flood") == 0)
        for (unsigned i = 0; i < n; i++)
            do_transfer(w);
    else
        return false;
    return true;
}

/* Any message of messages.def by its name and fields, and some shorter. */
static void
do_message(struct fake_worker *w, const char *verb, const char *argument)
{
    static const struct { const char *verb, *message; } shorter[] = {
        { "secured", "SECURED TLSv1.3 SOME-CIPHER name 0" }, { "answer", "LOGIN_ANSWER" },
        { "cancel", "LOGIN_CANCEL" }, { "sign", "SIGN 0 2052" },
        { "sandbox", "SANDBOX 3221225534 59" },
    };
    static struct forged body;
    char line[4096];
    unsigned type = MSG_NONE;

    for (size_t i = 0; i < sizeof shorter / sizeof *shorter; i++)
        if (strcmp(verb, shorter[i].verb) == 0)
            verb = shorter[i].message;
    (void)text_printf(line, sizeof line, "%s%s%s", verb, *argument == '\0' ? "" : " ",
                      argument);
    if ((type = forge_words(line, &body)) == MSG_NONE)
        _exit(9);
    if (type == MSG_LOGOUT)
        fd_close(&w->broker);
    if (!forge_send(w->monitor.fd, type, body.body, body.len, 0, 0))
        _exit(0);
    if (type == MSG_SANDBOX)
        _exit(159);
}

static void
obey(struct fake_worker *w, char *line)
{
    char *argument = strchr(line, ' ');

    if (argument != NULL)
        *argument++ = '\0';
    else
        argument = line + strlen(line);
    if (!do_wrong(w, line, (unsigned)strtoul(argument, NULL, 10)))
        do_message(w, line, argument);
}

static int
play_worker(const struct settings *s)
{
    struct fake_worker w = { .client = CHILD_FD, .broker = -1, .banner = s->banner };
    char text[4096];
    struct message m;

    channel_init(&w.monitor, CHILD_FD + 1, WORKER, MONITOR, ST_ANY);
    log_set_sink(channel_log, &w.monitor);
    for (;;) {
        struct pollfd fds[2] = { { w.client, POLLIN, 0 }, { w.monitor.fd, POLLIN, 0 } };
        ssize_t got = 0;

        if (poll(fds, w.monitor.fd == -1 ? 1 : 2, -1) == -1)
            return 1;
        if (w.monitor.fd != -1 && fds[1].revents != 0) {
            if (channel_receive(&w.monitor, &m) != SP_OK)
                return 0;
            tell_client(&w, &m);
            continue;
        }
        if ((got = recv(w.client, text, sizeof text - 1, MSG_DONTWAIT)) == -1
            && errno == EAGAIN)
            continue;
        if (got <= 0)
            return 0;
        text[got] = '\0';
        for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest))
            obey(&w, line);
    }
}

/* ---- login ------------------------------------------------------------------------- */

static void
grant(struct channel *monitor, struct slice user)
{
    static const unsigned char root_group[8] = { 1, 0, 0, 0, 0, 0, 0, 0 };
    bool root = geteuid() == 0;
    struct message m;
    struct msg_granted g = side_account(user);

    if (begins(user, "root"))
        g.uid = root ? 0 : geteuid() + 1;
    else if (begins(user, "wheel"))
        g.groups = slice_from(root_group, root ? 8 : 3);
    else if (begins(user, "climb"))
        g.jail = slice_of("/jail/../etc");
    else if (begins(user, "one"))
        g.session_limit = 1;
    else if (begins(user, "small"))
        g.file_bound = 4097;
    else if (begins(user, "anybody"))
        g.flags |= ACCOUNT_ANONYMOUS;
    else if (begins(user, "drops"))
        g.permits &= ~(uint32_t)PERMIT_DOWNLOAD;
    else if (begins(user, "keeps"))
        g.permits &= ~(uint32_t)PERMIT_OVERWRITE;
    msg_granted_pack(&m, &g);
    say(monitor, &m);
}

/* The user's name is the script. */
static int
play_login(void)
{
    struct channel monitor = CHANNEL_EMPTY;
    struct message m;
    struct msg_attempt in;
    char name[NAME_BYTES + 1];
    struct slice user;
    bool is_right = false;

    channel_init(&monitor, CHILD_FD, LOGIN, MONITOR, ST_ANY);
    log_set_sink(channel_log, &monitor);
    if (!hear(&monitor, &m) || msg_attempt_unpack(&m, &in) != SP_OK
        || slice_to_text(in.user, name, sizeof name) != SP_OK)
        return 1;
    user = slice_of(name);
    if (begins(user, "vanish"))
        return 3;
    if (begins(user, "crash"))
        side_die(SIGABRT);
    if (begins(user, "slow"))
        (void)usleep(300000);
    if (begins(user, "hang"))
        (void)sleep(60);                    /* its monitor may be killed before */
    is_right = !begins(user, "bad") && slice_equal(in.password, slice_of("right"));
    if (begins(user, "inpam")) {            /* and comes to it only where there is a place */
        forge_message(&m, "PLACE_WANTED");
        say(&monitor, &m);
        /* behind it: when this is in the log, the monitor has heard the other */
        log_event(EVENT_LOGIN_PAM_SAID, "user=%s text=wanted", name);
        if (!hear(&monitor, &m) || m.type != MSG_PLACE)
            return 0;
        log_event(EVENT_LOGIN_PAM_SAID, "user=%s text=entered", name);
        if (begins(user, "inpam-hang"))
            return hear(&monitor, &m) ? 1 : 0;
    }
    if (!is_right) {
        forge_message(&m, "REFUSED %d no", REFUSE_CREDENTIALS);
        say(&monitor, &m);
        return 0;
    }
    if (begins(user, "ask") || begins(user, "inpam-ask")) {
        forge_message(&m, "QUESTION code?");
        say(&monitor, &m);
        if (!hear(&monitor, &m))
            return 0;
    }
    grant(&monitor, user);
    if (begins(user, "pam") && hear(&monitor, &m))
        log_event(EVENT_LOGIN_PAM_SAID, "text=closed by=%s", message_name(m.type));
    return 0;
}

/* ---- broker ------------------------------------------------------------------------ */

static int
play_broker(void)
{
    struct channel monitor = CHANNEL_EMPTY;
    struct message m;
    struct msg_grant in;
    char byte = 0;

    channel_init(&monitor, CHILD_FD, BROKER, MONITOR, ST_ANY);
    log_set_sink(channel_log, &monitor);
    if (!hear(&monitor, &m) || msg_grant_unpack(&m, &in) != SP_OK
        || begins(in.user, "nobroker"))
        return 1;
    if (begins(in.user, "brokercrash"))
        side_die(SIGSEGV);
    answer(&monitor, &m);
    if (begins(in.user, "dies"))
        return (int)usleep(100000);
    if (read(CHILD_FD + 1, &byte, 1) <= 0)
        log_event(EVENT_UPLOAD_EXPIRED, "name=settled");
    return 0;
}

/* ---- keyholder --------------------------------------------------------------------- */

static int
play_keyholder(struct channel *monitor)
{
    struct message m = { .type = MSG_START };
    struct msg_key_sign in;

    answer(monitor, &m);
    channel_enter(monitor, ST_READY);
    while (hear(monitor, &m) && msg_key_sign_unpack(&m, &in) == SP_OK) {
        if (begins(in.tbs, "crash"))
            side_die(SIGSEGV);
        if (begins(in.tbs, "hold"))
            (void)usleep(300000);
        if (!begins(in.tbs, "refuse")) {
            answer(monitor, &m);
            continue;
        }
        forge_message(&m, "KEY_REFUSED %llu no", (unsigned long long)in.number);
        say(monitor, &m);
    }
    return 0;
}

/* ---- all of them ------------------------------------------------------------------- */

/* A test makes the templates break that are started from now on. */
static bool
is_broken(const struct settings *s)
{
    char path[512];

    return text_printf(path, sizeof path, "%s/../broken", s->run_directory)
        && access(path, F_OK) == 0;
}

static int
play(int argc, char **argv)
{
    struct side_start start = { .kind = NULL };
    struct settings s;
    uint64_t number = 0;

    /* a login may be told by a fourth that it is a rehearsal */
    if (side_start(argc < 3 ? argc : 3, argv, &start, &s) != SP_OK)
        return 1;
    if (start.kind->peer == KEYHOLDER)
        return play_keyholder(&start.monitor);
    if (start.kind->peer == WORKER && (strcmp(s.banner, "broken") == 0 || is_broken(&s)))
        return 4;
    if (template_serve(&start.monitor, start.kind->spawn, &number) != SP_OK)
        return 0;
    return start.kind->peer == WORKER ? play_worker(&s)
        : start.kind->peer == LOGIN ? play_login() : play_broker();
}

/* What is still allocated is nobody's concern here. */
int
main(int argc, char **argv)
{
    _exit(play(argc, argv));
}
