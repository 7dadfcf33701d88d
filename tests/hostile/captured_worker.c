/*
 * tests/hostile/captured_worker.c - a process of ours that is in the hands of its client
 *
 * Runs in: tests only, in the place of sallyport-worker, -broker, -login or -ledger
 *          (whichever it is started as, from libexec_directory), or as their monitor
 *          ("drive").
 *
 * It starts as that process does, and then does whatever the test says, one line a step.
 * The steps of a worker come from its client, those of the others from the socket
 * "control" in its program's directory, those of the monitor from standard input. Where
 * there is a program NAME.honest beside it, it becomes that one instead.
 *
 *   rows                           every row of messages.def: "row TYPE NAME FROM TO
 *                                  STATES DESCRIPTORS LEAST MOST FIELDS"
 *   send WHERE TYPE FDS HEX        a record with that body; "-" for an empty one
 *   forge WHERE TYPE FDS FORM      a body by forge.h: "least", "most", "odd", "half"...
 *   fault WHERE TYPE FIELD FAULT   a body with that fault in that field; "impossible"
 *   record WHERE HEX               these bytes and nothing before them
 *   flood WHERE TYPE COUNT         the least body again and again, until there is no room
 *   get WHERE MILLISECONDS         "got TYPE FDS HEX", "nothing" or "closed"
 *   read COUNT, write HEX          with the descriptor that came last
 *   things, hold THING             descriptors by things.h: the one that came last
 *   give held|none                 what goes with the messages from now on
 *   sandbox                        the real one of a worker
 *   call NAME ARGUMENT...          a system call by things.h: "returned N"
 *   settings DIRECTORY             to a keyholder: its SETTINGS, run_directory is that
 *   status MILLISECONDS            of the driven process: "exited N", "signal N", "runs"
 *   first                          what the monitor said first: "data HEX"
 *   crash, QUIT
 *
 * WHERE is m (monitor, or whom it drives) or b (the broker of a worker and the worker of
 * a broker). Answers are "ok", "failed ERRNO" or as said above.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/privilege.h"
#include "config/settings.h"
#include "process/template.h"
#include "tests/peers/forge.h"
#include "tests/peers/sides.h"
#include "things.h"
#include "wire/channel.h"
#include "wire/pack.h"
#include "worker/sandbox.h"

#define LINE_MAX_BYTES (3 * FORGE_MAX)

struct captured {
    int client, monitor, broker, held;
    bool gives_held;
    pid_t driven;
    struct buf in;
};

static struct message first;    /* SESSION, GRANT or ATTEMPT */
static struct forged body;
static unsigned char record[FORGE_MAX];
static char line[LINE_MAX_BYTES + 1];
static char reply[LINE_MAX_BYTES];

static void
say(struct captured *c, const char *text)
{
    if (fd_write_all(c->client, text, strlen(text)) != SP_OK
        || fd_write_all(c->client, "\r\n", 2) != SP_OK)
        _exit(0);               /* the client left */
}

static void
say_failed(struct captured *c)
{
    char text[32];

    (void)text_printf(text, sizeof text, "failed %d", errno);
    say(c, text);
}

static void
say_sent(struct captured *c, bool sent)
{
    if (sent)
        say(c, "ok");
    else
        say_failed(c);
}

/* The next line of the client, without its end. */
static void
hear(struct captured *c)
{
    unsigned char bytes[4096];
    ssize_t got = 0;
    const unsigned char *end = NULL;
    size_t len = 0;

    while (c->in.len == 0 || (end = memchr(c->in.at, '\n', c->in.len)) == NULL) {
        if ((got = read(c->client, bytes, sizeof bytes)) <= 0
            || buf_add(&c->in, bytes, (size_t)got) != SP_OK)
            _exit(0);
    }
    len = (size_t)(end - c->in.at);
    memcpy(line, c->in.at, len);
    line[len] = '\0';
    if (len > 0 && line[len - 1] == '\r')
        line[len - 1] = '\0';
    buf_consume(&c->in, len + 1);
}

static unsigned
nibble(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static size_t
from_hex(const char *text, unsigned char *out, size_t room)
{
    size_t len = 0;

    if (strcmp(text, "-") == 0)
        return 0;
    for (; text[0] != '\0' && text[1] != '\0' && len < room; text += 2)
        out[len++] = (unsigned char)(nibble(text[0]) << 4 | nibble(text[1]));
    return len;
}

static void
to_hex(char *out, const unsigned char *at, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    if (len == 0)
        *out++ = '-';
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[at[i] >> 4];
        *out++ = digits[at[i] & 15];
    }
    *out = '\0';
}

static void
say_rows(struct captured *c, char **word)
{
    (void)word;
    for (unsigned type = MSG_NONE + 1; type < MSG_COUNT; type++) {
        const struct message_row *row = message_row(type);

        (void)text_printf(reply, sizeof reply, "row %u %s %u %u %u %u %zu %zu %zu", type,
                          row->name, row->sender, row->receiver, row->states, row->fds,
                          row->least, row->most, forge_fields(row));
        say(c, reply);
    }
    say(c, "ok");
}

static int
where(const struct captured *c, const char *word)
{
    return word[0] == 'b' ? c->broker : c->monitor;
}

static int
given(const struct captured *c)
{
    return c->gives_held ? c->held : STDIN_FILENO;
}

static unsigned
number(const char *word)
{
    return (unsigned)strtoul(word, NULL, 10);
}

static void
do_forge(struct captured *c, char **word)
{
    bool faulty = strcmp(word[0], "fault") == 0;
    const struct message_row *row = message_row(number(word[2]));
    unsigned fds = 0;

    SP_ASSERT(row != NULL);
    fds = faulty ? row->fds : number(word[3]);
    if (faulty ? !forge_fault(row, number(word[3]), (enum forge_fault)number(word[4]),
                              &body)
        : !forge_form(row, word[4], &body)) {
        say(c, "impossible");
        return;
    }
    say_sent(c, forge_send_given(where(c, word[1]), number(word[2]), body.body,
                                 body.len, given(c), fds, 0));
}

static void
do_send(struct captured *c, char **word)
{
    size_t len = from_hex(word[4], record, sizeof record);

    say_sent(c, forge_send_given(where(c, word[1]), number(word[2]), record, len,
                                 given(c), number(word[3]), 0));
}

static void
do_flood(struct captured *c, char **word)
{
    const struct message_row *row = message_row(number(word[2]));
    unsigned sent = 0;

    SP_ASSERT(row != NULL);
    forge_least(row, &body);
    while (sent < number(word[3])
           && forge_send_given(where(c, word[1]), number(word[2]), body.body, body.len,
                               given(c), row->fds, MSG_DONTWAIT))
        sent++;
    (void)text_printf(reply, sizeof reply, "sent %u", sent);
    say(c, reply);
}

/* One record as it is; nothing is checked here: that is the other side's business. */
static void
do_get(struct captured *c, char **word)
{
    int fd = where(c, word[1]);
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * FORGE_FDS)];
    } control;
    struct iovec part = { record, sizeof record };
    struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
                           .msg_controllen = sizeof control.room };
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    unsigned type = 0, fds = 0;
    ssize_t got = 0;

    if (poll(&wait, 1, (int)number(word[2])) == 0) {
        say(c, "nothing");
        return;
    }
    if ((got = recvmsg(fd, &head, MSG_CMSG_CLOEXEC | MSG_DONTWAIT)) < 2) {
        say(c, "closed");
        return;
    }
    type = record[0] | (unsigned)record[1] << 8;
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&head); m != NULL; m = CMSG_NXTHDR(&head, m)) {
        fd_close(&c->held);
        memcpy(&c->held, CMSG_DATA(m), sizeof c->held);
        fds = 1;
    }
    if (type == MSG_LOGGED_IN) {
        fd_close(&c->broker);
        c->broker = fd_move(&c->held);
    }
    (void)text_printf(reply, sizeof reply, "got %u %u ", type, fds);
    to_hex(reply + strlen(reply), record + 2, (size_t)got - 2);
    say(c, reply);
}

static void
do_read(struct captured *c, char **word)
{
    size_t most = number(word[1]);
    ssize_t got = read(c->held, record, most < sizeof record ? most : sizeof record);

    if (got == -1) {
        say_failed(c);
        return;
    }
    memcpy(reply, "data ", 5);
    to_hex(reply + 5, record, (size_t)got);
    say(c, reply);
}

static void
do_write(struct captured *c, char **word)
{
    size_t len = from_hex(word[1], record, sizeof record);

    say_sent(c, write(c->held, record, len) == (ssize_t)len);
}

static void
say_things(struct captured *c, char **word)
{
    (void)word;
    for (size_t i = 0; thing_name(i) != NULL; i++)
        say(c, thing_name(i));
    say(c, "ok");
}

static void
do_hold(struct captured *c, char **word)
{
    int fd = thing_open(word[1]);

    if (fd != -1) {
        fd_close(&c->held);
        c->held = fd;
    }
    say_sent(c, fd != -1);
}

static void
say_first(struct captured *c, char **word)
{
    (void)word;
    memcpy(reply, "data ", 5);
    to_hex(reply + 5, first.body, first.len);
    say(c, reply);
}

/* From here on the only calls are those of a real worker; another one ends us. */
static void
do_sandbox(struct captured *c, char **word)
{
    struct seccomp_filter filter = SECCOMP_FILTER_EMPTY;

    (void)word;
    say_sent(c, sandbox_prepare(false, &filter) == SP_OK
             && sandbox_enter(&filter, c->monitor) == SP_OK);
}

static void
do_call(struct captured *c, char **word)
{
    long result = 0;

    if (!call_make(word[1], word + 2, c->held, &result)) {
        say(c, "impossible");
        return;
    }
    if (result == -1) {
        say_failed(c);
        return;
    }
    (void)text_printf(reply, sizeof reply, "returned %ld", result);
    say(c, reply);
}

static void
do_settings(struct captured *c, char **word)
{
    struct settings set;
    struct channel monitor = CHANNEL_EMPTY;
    bool sent = false;

    channel_init(&monitor, c->monitor, MONITOR, KEYHOLDER, ST_START);
    if (settings_init(&set) != SP_OK)
        _exit(1);
    sent = setting_text(&set.run_directory, slice_of(word[1])) == SP_OK
        && side_settings(&monitor, KEYHOLDER, &set) == SP_OK;
    settings_clear(&set);
    say_sent(c, sent);
}

static void
do_status(struct captured *c, char **word)
{
    struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, c->driven, 0),
                          .events = POLLIN };
    int status = 0;

    if (c->driven > 0 && poll(&end, 1, (int)number(word[1])) == 0) {
        fd_close(&end.fd);
        say(c, "runs");
        return;
    }
    fd_close(&end.fd);
    if (c->driven > 0)
        (void)waitpid(c->driven, &status, 0);
    c->driven = 0;
    (void)text_printf(reply, sizeof reply, WIFEXITED(status) ? "exited %d" : "signal %d",
                      WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    say(c, reply);
}

static void
crash(struct captured *c, char **word)
{
    (void)c;
    (void)word;
    side_die(SIGSEGV);
}

static void
do_give(struct captured *c, char **word)
{
    c->gives_held = strcmp(word[1], "held") == 0;
    say(c, "ok");
}

static void
do_record(struct captured *c, char **word)
{
    size_t len = from_hex(word[2], record, sizeof record);

    say_sent(c, forge_record(where(c, word[1]), slice_from(record, len), NULL, 0, 0));
}

#define WORDS (2 + CALL_ARGUMENTS)

static void
obey(struct captured *c)
{
    static const struct {
        const char *name;
        void (*act)(struct captured *c, char **word);
    } steps[] = {
        { "give", do_give }, { "rows", say_rows }, { "send", do_send },
        { "forge", do_forge }, { "fault", do_forge }, { "record", do_record },
        { "flood", do_flood }, { "get", do_get }, { "read", do_read },
        { "write", do_write }, { "things", say_things }, { "first", say_first },
        { "hold", do_hold }, { "sandbox", do_sandbox }, { "call", do_call },
        { "settings", do_settings }, { "status", do_status }, { "crash", crash },
    };
    char *word[WORDS] = { NULL }, *rest = line;
    size_t count = 0, at = 0;

    while (count < WORDS && (word[count] = strsep(&rest, " ")) != NULL)
        count++;
    for (size_t i = count; i < WORDS; i++)
        word[i] = line + strlen(line);      /* empty */
    if (strcmp(word[0], "QUIT") == 0)
        _exit(0);
    while (at < sizeof steps / sizeof *steps && strcmp(word[0], steps[at].name) != 0)
        at++;
    if (at < sizeof steps / sizeof *steps)
        steps[at].act(c, word);
    else
        say(c, "failed 0");
}

static void
obey_for_ever(struct captured *c)
{
    for (;;) {
        hear(c);
        obey(c);
    }
}

static void
serve_client(void)
{
    struct captured c = { .client = CHILD_FD, .monitor = CHILD_FD + 1, .broker = -1,
                          .held = -1, .in = BUF_EMPTY(LINE_MAX_BYTES) };
    struct msg_session session = {0};
    struct channel monitor = CHANNEL_EMPTY;

    channel_init(&monitor, c.monitor, WORKER, MONITOR, ST_START);
    if (channel_wait(&monitor, &first, -1) != SP_OK
        || msg_session_unpack(&first, &session) != SP_OK)
        _exit(1);
    /* Blocking from here on: the steps come one by one. */
    if (fd_set_nonblocking(c.client, false) != SP_OK)
        _exit(1);
    (void)text_printf(reply, sizeof reply, "220 %.*s", (int)session.id.len,
                      (const char *)session.id.at);
    say(&c, reply);
    obey_for_ever(&c);
}

/* ---- a broker, a login ------------------------------------------------------------- */

static char beside[1024];       /* our program's path; room for what is added to it */

static void
find_program(void)
{
    ssize_t len = readlink("/proc/self/exe", beside, sizeof beside - 32);

    if (len <= 0)
        _exit(1);
    beside[len] = '\0';
}

static int
connect_control(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char *end = strrchr(beside, '/');
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1 || end == NULL
        || !text_printf(at.sun_path, sizeof at.sun_path, "%.*s/control",
                        (int)(end - beside), beside)
        || connect(fd, (struct sockaddr *)&at, sizeof at) == -1)
        _exit(1);
    return fd;
}

/* Told who it is, it waits for what the test makes of it. */
static void
serve_control(unsigned self)
{
    struct captured c = { .monitor = CHILD_FD,
                          .broker = self == BROKER ? CHILD_FD + 1 : -1, .held = -1,
                          .in = BUF_EMPTY(LINE_MAX_BYTES) };
    struct msg_grant grant = { .session = SLICE_EMPTY };
    struct msg_attempt attempt = { .session = SLICE_EMPTY };
    struct channel monitor = CHANNEL_EMPTY;
    struct slice id = SLICE_EMPTY;

    channel_init(&monitor, c.monitor, self, MONITOR, ST_START);
    if (channel_wait(&monitor, &first, -1) != SP_OK)
        _exit(0);
    if (self == BROKER && msg_grant_unpack(&first, &grant) == SP_OK)
        id = grant.session;
    else if (self == LOGIN && msg_attempt_unpack(&first, &attempt) == SP_OK)
        id = attempt.session;
    else
        _exit(1);
    c.client = connect_control();
    (void)text_printf(reply, sizeof reply, "220 %.*s %s", (int)id.len,
                      (const char *)id.at, peer_name(self));
    say(&c, reply);
    obey_for_ever(&c);
}

/* A ledger is no template: it is asked what it has, and says whatever the test wants. */
static void
serve_ledger(void)
{
    struct captured c = { .monitor = TEMPLATE_FD, .broker = -1, .held = -1,
                          .in = BUF_EMPTY(LINE_MAX_BYTES) };

    c.client = connect_control();
    say(&c, "220 ledger ledger");
    obey_for_ever(&c);
}

/* ---- the monitor ------------------------------------------------------------------- */

static int
drive(char **argv)
{
    struct captured c = { .client = STDIN_FILENO, .monitor = -1, .broker = -1, .held = -1,
                          .in = BUF_EMPTY(LINE_MAX_BYTES) };

    if ((c.driven = side_execute(argv[0], argv, &c.monitor)) == -1)
        return 1;
    say(&c, "220 drives");
    obey_for_ever(&c);
    return 0;
}

/* ---- starting ---------------------------------------------------------------------- */

static void
be_honest(char **argv)
{
    size_t len = strlen(beside);

    (void)text_copy(beside + len, sizeof beside - len, ".honest");
    if (access(beside, X_OK) == 0)
        (void)execv(beside, argv);
    beside[len] = '\0';
}

int
main(int argc, char **argv)
{
    struct side_start start = { .kind = NULL };
    struct settings settings;
    uint64_t session = 0;
    enum sp_err rc = SP_OK;

    if (argc > 2 && strcmp(argv[1], "drive") == 0)
        return drive(argv + 2);
    find_program();
    be_honest(argv);
    if (side_start(argc, argv, &start, &settings) != SP_OK)
        return 1;
    settings_clear(&settings);
    if (start.kind->peer == LEDGER)
        serve_ledger();
    if (start.kind->peer == WORKER && privilege_drop(start.uid, start.gid, NULL, 0) != SP_OK)
        return 1;
    if ((rc = template_serve(&start.monitor, start.kind->spawn, &session)) != SP_OK)
        return rc == SP_CLOSED ? 0 : 1;
    if (start.kind->peer == WORKER)
        serve_client();
    else
        serve_control(start.kind->peer);
    return 1;
}
