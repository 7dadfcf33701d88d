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
#include "base/template.h"
#include "config/settings.h"
#include "tests/peers/forge.h"
#include "wire/fail.h"
#include "wire/pack.h"
#include "wire/start.h"

#define SOME_UID 54321          /* of accounts, where we are root */

/* By the signal itself: a sanitizer would make an exit code of it. */
static void
die(int number)
{
    struct sigaction usual = { .sa_handler = SIG_DFL };

    (void)sigaction(number, &usual, NULL);
    (void)raise(number);
}

/* ---- worker ------------------------------------------------------------------------ */

struct fake_worker {
    struct channel monitor;
    int client, broker;
    bool deaf;
    const char *banner;
};

/* One line: the name, and the text behind it if there is one. */
static void
say(struct fake_worker *w, const char *name, struct slice text)
{
    dprintf(w->client, "%s%s%.*s\n", name, text.len == 0 ? "" : " ", (int)text.len,
            (const char *)text.at);
}

static void
send_out(struct fake_worker *w, struct message *m)
{
    if (channel_send_wait(&w->monitor, m) != SP_OK)
        _exit(0);
}

/* One message of the monitor, told to the client as one line. */
static void
tell_client(struct fake_worker *w, struct message *m)
{
    struct slice text = slice_of("");
    struct msg_session session;
    struct msg_logged_in in;
    struct msg_login_refused refused;
    struct msg_login_question question;
    struct msg_listening listening;
    struct msg_data_failed failed;
    struct msg_signed sig;
    struct msg_shutdown shutdown;
    char name[256] = "";

    (void)text_copy(name, sizeof name, message_name(m->type));
    if (msg_session_unpack(m, &session) == SP_OK) {
        (void)snprintf(name, sizeof name, "SESSION %u%u%u %s", session.implicit_tls,
                       session.cleartext_allowed, session.resumption_exempt, w->banner);
        text = session.id;
    } else if (msg_logged_in_unpack(m, &in) == SP_OK) {
        w->broker = message_take_fd(m, 0);
        text = in.user;
    } else if (msg_login_refused_unpack(m, &refused) == SP_OK) {
        (void)snprintf(name, sizeof name, "LOGIN_REFUSED %u", refused.reason);
        text = refused.text;
    } else if (msg_login_question_unpack(m, &question) == SP_OK) {
        text = question.text;
    } else if (msg_listening_unpack(m, &listening) == SP_OK) {
        (void)snprintf(name, sizeof name, "LISTENING %u", listening.port);
    } else if (msg_data_failed_unpack(m, &failed) == SP_OK) {
        (void)snprintf(name, sizeof name, "DATA_FAILED %u", failed.error);
    } else if (msg_signed_unpack(m, &sig) == SP_OK) {
        text = sig.signature;
    } else if (msg_shutdown_unpack(m, &shutdown) == SP_OK) {
        text = shutdown.text;
    }
    say(w, name, text);
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
do_login(struct fake_worker *w, const char *argument, struct message *m)
{
    const char *space = strchr(argument, ' ');
    size_t len = space == NULL ? strlen(argument) : (size_t)(space - argument);

    msg_login_pack(
        m, &(struct msg_login){ .user = slice_from(argument, len),
                                .password = slice_of(space == NULL ? "" : space + 1) });
    send_out(w, m);
}

static void
do_lines(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        log_warning("chatter n=%u", i);
}

static void
do_transfer(struct fake_worker *w, struct message *m)
{
    msg_transfer_pack(m, &(struct msg_transfer){ .verb = slice_of("RETR"),
                                                 .path = slice_of("/a b\nc"),
                                                 .bytes = 1000,
                                                 .micros = 500000,
                                                 .reply = 226,
                                                 .tls = slice_of("TLSv1.3"),
                                                 .resumed = 1 });
    send_out(w, m);
}

/* Messages that have no answer, and things that no honest worker does. False: not one of
 * them. */
static bool
do_wrong(struct fake_worker *w, const char *verb, unsigned n, struct message *m)
{
    if (strcmp(verb, "crash") == 0)
        die(n == 0 ? SIGSEGV : (int)n);
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
        do_lines(n);
    else if (strcmp(verb, "flood") == 0)
        for (unsigned i = 0; i < n; i++)
            do_transfer(w, m);
    else
        return false;
    return true;
}

static void
obey(struct fake_worker *w, char *line)
{
    struct message m;
    char *argument = strchr(line, ' ');
    unsigned n = 0;

    if (argument != NULL)
        *argument++ = '\0';
    else
        argument = line + strlen(line);
    n = (unsigned)strtoul(argument, NULL, 10);
    message_init(&m);
    if (do_wrong(w, line, n, &m))
        return;
    if (strcmp(line, "login") == 0) {
        do_login(w, argument, &m);
        return;
    }
    if (strcmp(line, "secured") == 0)
        msg_secured_pack(&m, &(struct msg_secured){
            .version = slice_of("TLSv1.3"), .cipher = slice_of("SOME-CIPHER"),
            .server_name = slice_of("name") });
    else if (strcmp(line, "cleared") == 0)
        msg_cleared_pack(&m, &(struct msg_cleared){ 0 });
    else if (strcmp(line, "sandbox") == 0)
        msg_sandbox_pack(&m, &(struct msg_sandbox){ .arch = 0xc000003e, .call = 59 });
    else if (strcmp(line, "answer") == 0)
        msg_login_answer_pack(&m,
                              &(struct msg_login_answer){ .answer = slice_of(argument) });
    else if (strcmp(line, "cancel") == 0)
        msg_login_cancel_pack(&m, &(struct msg_login_cancel){ 0 });
    else if (strcmp(line, "logout") == 0)
        msg_logout_pack(&m, &(struct msg_logout){ 0 });
    else if (strcmp(line, "listen") == 0)
        msg_listen_pack(&m, &(struct msg_listen){ 0 });
    else if (strcmp(line, "connect") == 0)
        msg_connect_pack(&m, &(struct msg_connect){ .port = (uint16_t)n });
    else if (strcmp(line, "sign") == 0)
        msg_sign_pack(&m, &(struct msg_sign){ .key = 0, .scheme = 0x0804,
                                              .tbs = slice_of(argument) });
    else
        _exit(9);
    if (m.type == MSG_LOGOUT)
        fd_close(&w->broker);
    send_out(w, &m);
    if (strcmp(line, "sandbox") == 0)
        _exit(159);
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

static bool
begins(struct slice s, const char *word)
{
    return s.len >= strlen(word) && memcmp(s.at, word, strlen(word)) == 0;
}

static void
grant(struct channel *monitor, struct slice user)
{
    static const unsigned char root_group[8] = { 1, 0, 0, 0, 0, 0, 0, 0 };
    bool root = geteuid() == 0;
    struct message m;
    struct msg_granted g = {
        .backend = slice_of("users"), .user = user, .group = slice_of("group"),
        .uid = root ? SOME_UID : geteuid(), .gid = root ? SOME_UID : getegid(),
        .groups = slice_of(""), .jail = slice_of("/jail"), .start = slice_of("/"),
        .permits = PERMIT_ALL, .umask = 022
    };

    if (begins(user, "root"))
        g.uid = root ? 0 : geteuid() + 1;
    else if (begins(user, "wheel"))
        g.groups = root ? slice_from(root_group, 8) : slice_from(root_group, 3);
    else if (begins(user, "climb"))
        g.jail = slice_of("/jail/../etc");
    else if (begins(user, "one"))
        g.session_limit = 1;
    msg_granted_pack(&m, &g);
    SP_IGNORE(channel_send_wait(monitor, &m));
}

static void
refuse(struct channel *monitor)
{
    struct message m;

    msg_refused_pack(&m, &(struct msg_refused){ .reason = REFUSE_CREDENTIALS,
                                                .text = slice_of("no") });
    SP_IGNORE(channel_send_wait(monitor, &m));
}

/* The user's name is the script. */
static int
play_login(void)
{
    struct channel monitor = CHANNEL_EMPTY;
    struct message m;
    struct msg_attempt in;
    char user[NAME_BYTES + 1];

    channel_init(&monitor, CHILD_FD, LOGIN, MONITOR, ST_ANY);
    log_set_sink(channel_log, &monitor);
    if (channel_wait(&monitor, &m, -1) != SP_OK || msg_attempt_unpack(&m, &in) != SP_OK
        || slice_to_text(in.user, user, sizeof user) != SP_OK)
        return 1;
    if (begins(in.user, "vanish"))
        return 3;
    if (begins(in.user, "crash"))
        die(SIGABRT);
    if (begins(in.user, "slow"))
        (void)usleep(300000);
    if (begins(in.user, "hang"))
        (void)sleep(60);                    /* its monitor may be killed before */
    if (begins(in.user, "bad") || !slice_equal(in.password, slice_of("right"))) {
        refuse(&monitor);
        return 0;
    }
    if (begins(in.user, "ask")) {
        msg_question_pack(&m, &(struct msg_question){ .text = slice_of("code?") });
        if (channel_send_wait(&monitor, &m) != SP_OK
            || channel_wait(&monitor, &m, -1) != SP_OK)
            return 0;
    }
    grant(&monitor, slice_of(user));
    if (begins(slice_of(user), "pam") && channel_wait(&monitor, &m, -1) == SP_OK)
        log_notice("pam.closed by=%s", message_name(m.type));
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
    bool dies = false;

    channel_init(&monitor, CHILD_FD, BROKER, MONITOR, ST_ANY);
    log_set_sink(channel_log, &monitor);
    if (channel_wait(&monitor, &m, -1) != SP_OK || msg_grant_unpack(&m, &in) != SP_OK
        || begins(in.user, "nobroker"))
        return 1;
    if (begins(in.user, "brokercrash"))
        die(SIGSEGV);
    dies = begins(in.user, "dies");
    msg_serving_pack(&m, &(struct msg_serving){ 0 });
    SP_IGNORE(channel_send_wait(&monitor, &m));
    if (dies)
        return (int)usleep(100000);
    if (read(CHILD_FD + 1, &byte, 1) <= 0)
        log_notice("broker.settled");
    return 0;
}

/* ---- keyholder --------------------------------------------------------------------- */

static int
play_keyholder(struct channel *monitor)
{
    struct message m;
    struct msg_key_sign in;
    char text[600];

    msg_ready_pack(&m, &(struct msg_ready){ 0 });
    if (channel_send_wait(monitor, &m) != SP_OK)
        return 1;
    channel_enter(monitor, ST_READY);
    while (channel_wait(monitor, &m, -1) == SP_OK
           && msg_key_sign_unpack(&m, &in) == SP_OK) {
        uint64_t number = in.number;

        (void)snprintf(text, sizeof text, "signed-%.*s", (int)in.tbs.len,
                       (const char *)in.tbs.at);
        if (begins(in.tbs, "crash"))
            die(SIGSEGV);
        if (begins(in.tbs, "hold"))
            (void)usleep(300000);
        if (begins(in.tbs, "refuse"))
            msg_key_refused_pack(&m, &(struct msg_key_refused){ .number = number,
                                                                .text = slice_of("no") });
        else
            msg_key_signed_pack(&m,
                                &(struct msg_key_signed){ .number = number,
                                                          .signature = slice_of(text) });
        if (channel_send_wait(monitor, &m) != SP_OK)
            return 1;
    }
    return 0;
}

/* ---- all of them ------------------------------------------------------------------- */

static enum sp_err
take_file(void *context, struct message *m)
{
    (void)context;
    return m->type == MSG_CERTIFICATE || m->type == MSG_KEY ? SP_OK : SP_INPUT;
}

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
    static const struct { const char *name; unsigned kind, spawn; } all[] = {
        { "worker", WORKER, MSG_SPAWN_WORKER }, { "broker", BROKER, MSG_SPAWN_BROKER },
        { "login", LOGIN, MSG_SPAWN_LOGIN }, { "keyholder", KEYHOLDER, MSG_NONE },
    };
    const char *name = argc == 3 ? strrchr(argv[0], '-') : NULL;
    struct channel monitor = CHANNEL_EMPTY;
    struct settings s;
    unsigned which = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    uint64_t number = 0;

    while (name != NULL && which < 4 && strcmp(name + 1, all[which].name) != 0)
        which++;
    if (name == NULL || which == 4
        || start_adopt(argc, argv, argv[0], &monitor, all[which].kind, &uid, &gid)
               != SP_OK
        || start_receive(&monitor, all[which].kind, &s, take_file, NULL) != SP_OK)
        return 1;
    if (all[which].kind == KEYHOLDER)
        return play_keyholder(&monitor);
    if (all[which].kind == WORKER && (strcmp(s.banner, "broken") == 0 || is_broken(&s)))
        return 4;
    if (template_serve(&monitor, all[which].spawn, &number) != SP_OK)
        return 0;
    return all[which].kind == WORKER ? play_worker(&s)
        : all[which].kind == LOGIN ? play_login() : play_broker();
}

/* What is still allocated is nobody's concern here. */
int
main(int argc, char **argv)
{
    _exit(play(argc, argv));
}
