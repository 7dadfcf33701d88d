/*
 * tests/fuzz/fuzz_monitor.c - the monitor among captured processes (monitor/session.h,
 * answer.h, verdict.h, logins.h, places.h, keys.h, spawn.h)
 *
 * The real modules and their event loop; every child is played here (monitor_sides.h).
 * One session belongs to nobody captured: it logs in at the start.
 *
 * Input: steps. 0: a new session. 1: a child (its number), a message that its kind may
 * send, the fields. 2: a child, how many descriptors, length, bytes: a raw record. 3: a
 * child closes its channel. 4: a child ends: signal, status. 5: what the next forks of a
 * template come to. 6: a session is told to end. 7: a session's worker logs in as it
 * should.
 * Holds: whatever they say, the first session goes on; what the monitor says keeps to the
 * table, and no broker is granted root; the counters come to nothing, and so do
 * descriptors and memory.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "fuzz_wire.h"
#include "monitor/generation.h"
#include "monitor/logins.h"
#include "monitor/monitor.h"
#include "monitor/session.h"
#include "monitor/supervise.h"
#include "monitor_sides.h"
#include "tests/peers/sides.h"
#include "wire/pack.h"

#define SESSIONS_MOST 4
#define STEPS_MOST 60

static struct monitor m;
static struct sides sides;

/* ---- the monitor, as monitor.c makes it -------------------------------------------- */

static void
on_burial(evutil_socket_t fd, short what, void *context)
{
    struct session *s = NULL;

    (void)fd;
    (void)what;
    (void)context;
    while ((s = TAILQ_FIRST(&m.ended)) != NULL)
        session_free(s);
}

static void
on_ready(struct generation *g, enum sp_err rc)
{
    FUZZ_HOLDS(rc == SP_OK);
    m.current = g;
    m.coming = NULL;
    m.ready = true;
}

/*
 * A file of the configuration that is there: what stands in it the monitor does not read.
 */
static void
add_file(struct text_list *list, int *fd)
{
    char name[64];

    *fd = memfd_create("pem", MFD_CLOEXEC);
    FUZZ_HOLDS(*fd != -1 && fd_write_all(*fd, "x", 1) == SP_OK);
    FUZZ_HOLDS(text_printf(name, sizeof name, "/proc/self/fd/%d", *fd));
    FUZZ_HOLDS(text_list_add(list, slice_of(name)) == SP_OK);
}

static void
start(void)
{
    struct settings s;
    int certificate = -1, key = -1;

    m = (struct monitor){ .file = "fuzz", .root = true, .parent = -1,
                          .session_most = 100, .sink = LOGSINK_EMPTY };
    TAILQ_INIT(&m.sessions);
    TAILQ_INIT(&m.ended);
    logins_init(&m.logins);
    admin_init(&m.admin, &m);
    FUZZ_HOLDS(admission_init(&m.admission, 1) == SP_OK);
    FUZZ_HOLDS(guessers_init(&m.guessers) == SP_OK);
    FUZZ_HOLDS(kins_init(&m.kins) == SP_OK);
    FUZZ_HOLDS(bonds_init(&m.bonds) == SP_OK);
    naming_boot(1, m.boot);
    bucket_init(&m.refusal_lines, 10, 10, clock_us());
    FUZZ_HOLDS((m.loop = event_base_new()) != NULL);
    FUZZ_HOLDS(ports_init(&m.ports, m.loop) == SP_OK);
    children_init(&m.children, m.loop);
    FUZZ_HOLDS(event_assign(&m.burial, m.loop, -1, 0, on_burial, NULL) == 0);
    FUZZ_HOLDS(settings_init(&s) == SP_OK);
    FUZZ_HOLDS(setting_text(&s.worker_user, slice_of("nobody")) == SP_OK);
    FUZZ_HOLDS(setting_text(&s.keyholder_user, slice_of("daemon")) == SP_OK);
    s.login_failure_delay = 0;
    s.failure_delay_most = 0;           /* nobody waits for a clock here */
    s.tls_required = false;
    add_file(&s.certificate, &certificate);
    add_file(&s.certificate_key, &key);
    FUZZ_HOLDS(generation_new(&m, &s, 1, &m.coming) == SP_OK);
    FUZZ_HOLDS(generation_start(m.coming, on_ready) == SP_OK);
    fd_close(&certificate);
    fd_close(&key);
}

static void
stop(void)
{
    struct session *s = NULL;

    while ((s = TAILQ_FIRST(&m.ended)) != NULL)
        session_free(s);
    while ((s = TAILQ_FIRST(&m.sessions)) != NULL)
        session_abandon(s);
    FUZZ_HOLDS(m.admission.sessions == 0 && m.logins.running == 0);
    generation_unref(&m.coming);
    generation_unref(&m.current);
    children_clear(&m.children);
    (void)event_del(&m.burial);
    ports_clear(&m.ports);
    kins_clear(&m.kins);
    event_base_free(m.loop);
    admission_clear(&m.admission);
    guessers_clear(&m.guessers);
}

/* ---- sessions ---------------------------------------------------------------------- */

static void
open_session(uint8_t last)
{
    struct net_addr peer = { .family = AF_INET, .bytes = { 127, 0, 0, last },
                             .port = 2000 };
    struct net_addr local = { .family = AF_INET, .bytes = { 127, 0, 0, 1 }, .port = 21 };
    int ends[2] = { -1, -1 };

    FUZZ_HOLDS(fuzz_pair(SOCK_STREAM, ends));
    supervise_open(&m, &ends[0], &peer, &local, false);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    sides_play(&sides, m.loop);
}

static unsigned
live_sessions(void)
{
    struct session *s = NULL;
    unsigned count = 0;

    TAILQ_FOREACH(s, &m.sessions, entry)
        count++;
    return count;
}

static void
check_counters(void)
{
    struct session *s = NULL;
    unsigned count = live_sessions();

    TAILQ_FOREACH(s, &m.ended, entry)
        count++;
    FUZZ_HOLDS(m.admission.sessions == count);
    FUZZ_HOLDS(m.logins.running <= m.current->settings.logins_at_once);
}

/* The worker asks for a login, and a right verdict comes. */
static void
log_in(struct side *worker, const char *user)
{
    struct msg_granted account = side_account(slice_of(user));
    struct side *login = NULL;
    struct message out;

    if (worker == NULL || worker->kind != WORKER)
        return;
    msg_login_pack(&out, &(struct msg_login){ .user = slice_of(user),
                                              .password = slice_of("x") });
    side_say(worker, &out);
    sides_play(&sides, m.loop);
    if ((login = sides_last(&sides, LOGIN)) == NULL)
        return;
    msg_granted_pack(&out, &account);
    side_say(login, &out);
    sides_play(&sides, m.loop);
    if (sides_last(&sides, BROKER) == NULL)
        return;
    msg_serving_pack(&out, &(struct msg_serving){ 0 });
    side_say(sides_last(&sides, BROKER), &out);
    sides_play(&sides, m.loop);
}

/* The one that nobody touches, with an address and account of its own, goes on as before. */
static void
check_first(struct side *worker)
{
    struct message out;

    FUZZ_HOLDS(worker->channel.fd != -1 && !worker->hung_up);
    worker->heard = MSG_NONE;
    msg_listen_pack(&out, &(struct msg_listen){ 0 });
    side_say(worker, &out);
    sides_play(&sides, m.loop);
    FUZZ_HOLDS(worker->heard == MSG_LISTENING);
}

/* ---- steps ------------------------------------------------------------------------- */

static void
say(struct side *s, struct fuzz_input *in)
{
    static struct forged body;
    const struct message_row *row = NULL;
    unsigned type = fuzz_choose(s->kind, MONITOR, fuzz_u8(in));

    row = message_row(type);
    fuzz_body(in, row, &body);
    if (s->channel.fd != -1)
        (void)forge_send(s->channel.fd, type, body.body, body.len, row->fds,
                         MSG_DONTWAIT);
}

static void
say_raw(struct side *s, struct fuzz_input *in)
{
    unsigned descriptors = fuzz_u8(in) % 4;
    struct slice record = fuzz_bytes(in, (size_t)fuzz_number(in, 2));

    if (s->channel.fd != -1)
        (void)fuzz_send(s->channel.fd, record, descriptors);
}

static void
shut_down(unsigned choice)
{
    struct session *s = TAILQ_FIRST(&m.sessions);
    unsigned count = live_sessions();

    if (count < 2)
        return;
    for (unsigned i = 0; i < 1 + choice % (count - 1); i++)
        s = TAILQ_NEXT(s, entry);
    session_shutdown(s, "fuzz", "An end.");
}

static void
take_step(struct fuzz_input *in)
{
    unsigned what = fuzz_u8(in) % 8;
    struct side *s = NULL;

    if (what == 0) {
        if (live_sessions() < SESSIONS_MOST)
            open_session(fuzz_u8(in) % 2 + 2);
        return;
    }
    if (what == 5) {
        sides.fork_errors = fuzz_u8(in);
        return;
    }
    if (what == 6) {
        shut_down(fuzz_u8(in));
        return;
    }
    if ((s = sides_captured(&sides, fuzz_u8(in))) == NULL)
        return;
    switch (what) {
    case 1: say(s, in); break;
    case 2: say_raw(s, in); break;
    case 3: channel_clear(&s->channel); break;
    case 4: side_end(s, fuzz_u8(in) % 16, fuzz_u8(in)); break;
    default: log_in(s, "alice"); break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    struct side *first = NULL;
    unsigned before = fuzz_open_descriptors();

    fuzz_ignore_sigpipe();
    log_set_sink(fuzz_log_line, NULL);
    sides_init(&sides);
    start();
    sides_play(&sides, m.loop);
    FUZZ_HOLDS(m.ready);
    open_session(77);
    FUZZ_HOLDS((first = sides_last(&sides, WORKER)) != NULL);
    log_in(first, "nobody else");
    check_first(first);
    sides_spare(&sides);
    for (unsigned i = 0; i < STEPS_MOST && in.len > 0; i++) {
        take_step(&in);
        sides_play(&sides, m.loop);
        check_counters();
    }
    check_first(first);
    stop();
    sides_clear(&sides);
    FUZZ_HOLDS(fuzz_open_descriptors() == before);
    return 0;
}
