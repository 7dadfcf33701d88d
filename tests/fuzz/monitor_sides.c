/* tests/fuzz/monitor_sides.c - see monitor_sides.h */
#include "monitor_sides.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"
#include "monitor/starter.h"
#include "tests/peers/sides.h"
#include "wire/pack.h"

#define ROUNDS_MOST 400         /* of a play: far more than there is to say */
#define FIRST_PID 1000

static struct sides *current;

enum sp_err __wrap_starter_execute(const struct starter_program *p, int *channel, pid_t *pid,
                                   int *pidfd);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __wrap_bind(int fd, const struct sockaddr *a, socklen_t len);
int __wrap_listen(int fd, int backlog);
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t len);

/* ---- making a child ---------------------------------------------------------------- */

/* NULL: no more room. *channel moves to it; *pidfd is the monitor's end. */
static struct side *
add_side(unsigned kind, int *channel, int *pidfd)
{
    struct side *s = NULL;
    int ends[2] = { -1, -1 };

    for (unsigned i = 0; i < current->count && s == NULL; i++)
        if (current->all[i].ended)
            s = &current->all[i];
    if (s == NULL && current->count == SIDES_MOST)
        return NULL;
    if (s == NULL)
        s = &current->all[current->count++];
    fd_close(&s->pidfd);
    FUZZ_HOLDS(fuzz_pair(SOCK_SEQPACKET, ends));
    *s = (struct side){ .kind = kind, .pidfd = ends[1] };
    *pidfd = ends[0];
    channel_init(&s->channel, fd_move(channel), kind, MONITOR, ST_ANY);
    return s;
}

static pid_t
pid_of(const struct side *s)
{
    return (pid_t)(FIRST_PID + (s - current->all));
}

enum sp_err
__wrap_starter_execute(const struct starter_program *p, int *channel, pid_t *pid, int *pidfd)
{
    const struct side_kind *played = side_kind(p->name);
    struct side *s = NULL;
    int theirs = -1;

    FUZZ_HOLDS(played != NULL && channel_pair(channel, &theirs) == SP_OK);
    s = add_side(played->spawn == MSG_NONE ? played->peer : TEMPLATE, &theirs, pidfd);
    fd_close(&theirs);
    if (s == NULL) {
        fd_close(channel);
        errno = EAGAIN;
        return SP_OS;
    }
    s->makes = played->peer;
    *pid = pid_of(s);
    return SP_OK;
}

/* The three bytes that side_end has left; nothing: it lives. */
int
__wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    unsigned char how[3] = { 0 };

    if ((int)type != P_PIDFD) {         /* children_sweep: nobody is unwatched */
        errno = ECHILD;
        return -1;
    }
    (void)options;
    memset(info, 0, sizeof *info);
    if (recv((int)id, how, sizeof how, MSG_PEEK | MSG_DONTWAIT) == sizeof how) {
        info->si_pid = FIRST_PID;
        info->si_code = how[1] != 0 ? CLD_KILLED : CLD_EXITED;
        info->si_status = how[1] != 0 ? how[1] : how[2];
    }
    return 0;
}

long
__wrap_syscall(long number, ...)
{
    long a[6] = { 0 };
    va_list args;

    va_start(args, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number != SYS_pidfd_send_signal)
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    (void)!send((int)a[0], "K", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    return 0;
}

int
__wrap_bind(int fd, const struct sockaddr *a, socklen_t len)
{
    (void)fd;
    (void)a;
    (void)len;
    return 0;
}

int
__wrap_listen(int fd, int backlog)
{
    (void)fd;
    (void)backlog;
    return 0;
}

int
__wrap_connect(int fd, const struct sockaddr *a, socklen_t len)
{
    (void)fd;
    (void)a;
    (void)len;
    errno = EINPROGRESS;
    return -1;
}

/* ---- what a child does by itself --------------------------------------------------- */

void
side_say(struct side *s, struct message *m)
{
    if (s->channel.fd != -1)
        SP_IGNORE(channel_send(&s->channel, m));
    message_clear(m);
}

void
side_end(struct side *s, unsigned signal, unsigned status)
{
    const unsigned char how[3] = { 'E', (unsigned char)signal, (unsigned char)status };

    if (s->ended)
        return;
    s->ended = true;
    channel_clear(&s->channel);
    (void)!send(s->pidfd, how, sizeof how, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
fork_one(struct side *template, struct message *in)
{
    struct msg_spawn_worker ask = { 0 };
    struct message out, any = *in;
    bool fails = (current->fork_errors & 1) != 0;
    int channel = message_take_fd(in, template->makes == WORKER ? 1 : 0), pidfd = -1;
    struct side *s = NULL;

    current->fork_errors >>= 1;
    any.type = MSG_SPAWN_WORKER;        /* the three have the same fields */
    FUZZ_HOLDS(msg_spawn_worker_unpack(&any, &ask) == SP_OK);
    if (!fails && (s = add_side(template->makes, &channel, &pidfd)) != NULL) {
        msg_spawned_pack(&out, &(struct msg_spawned){ .number = ask.number,
                                                      .pid = (uint32_t)pid_of(s) });
        out.fds[0] = pidfd;
        out.nfds = 1;
    } else {
        msg_spawn_failed_pack(&out, &(struct msg_spawn_failed){ .number = ask.number,
                                                                .error = EAGAIN });
    }
    side_say(template, &out);
    fd_close(&channel);
}

/* Whatever login said: never root, never a way up. */
static void
check_grant(const struct message *in)
{
    struct msg_grant grant = { 0 };

    FUZZ_HOLDS(msg_grant_unpack(in, &grant) == SP_OK);
    FUZZ_HOLDS(grant.uid != 0 && grant.gid != 0 && grant.uid != (uint32_t)-1);
    FUZZ_HOLDS(grant.groups.len % 4 == 0);
    for (size_t i = 0; i < grant.groups.len; i += 4)
        FUZZ_HOLDS(memcmp(grant.groups.at + i, "\0\0\0", 4) != 0);
    for (size_t i = 0; i + 3 <= grant.jail.len; i++)
        FUZZ_HOLDS(memcmp(grant.jail.at + i, "/..", 3) != 0
                   || (i + 3 < grant.jail.len && grant.jail.at[i + 3] != '/'));
}

/* They start and fork as honest ones do; what else they say the input has them say. */
static void
hear(struct side *s, struct message *in)
{
    static struct message out[SIDE_ANSWERS];
    unsigned count = in->type == MSG_START ? side_answer(s->kind, in, out) : 0;

    s->heard = in->type;
    if (in->type == MSG_GRANT)
        check_grant(in);
    for (unsigned i = 0; i < count; i++)
        side_say(s, &out[i]);
    if (in->type == MSG_SPAWN_WORKER || in->type == MSG_SPAWN_BROKER
        || in->type == MSG_SPAWN_LOGIN)
        fork_one(s, in);
}

/* false: nothing to hear, nothing to obey. */
static bool
play_side(struct side *s)
{
    struct message in;
    char word = 0;
    enum sp_err rc = SP_AGAIN;

    if (!s->ended && recv(s->pidfd, &word, 1, MSG_DONTWAIT) == 1) {
        side_end(s, SIGKILL, 0);
        return true;
    }
    if (s->channel.fd == -1)
        return false;
    rc = channel_receive(&s->channel, &in);
    /* what the monitor says keeps to the table, whatever it was told */
    FUZZ_HOLDS(rc == SP_OK || rc == SP_AGAIN || rc == SP_CLOSED);
    if (rc == SP_OK) {
        hear(s, &in);
        message_clear(&in);
        return true;
    }
    if (rc == SP_CLOSED && !s->hung_up) {
        s->hung_up = true;
        side_end(s, 0, 0);              /* each of them ends when its channel does */
        return true;
    }
    return false;
}

void
sides_play(struct sides *s, struct event_base *loop)
{
    unsigned idle = 0;

    /* an event may make another one active for the next round: one idle round says
     * nothing */
    for (unsigned i = 0; idle < 3; i++) {
        FUZZ_HOLDS(i < ROUNDS_MOST);
        idle++;
        (void)event_base_loop(loop, EVLOOP_NONBLOCK);
        for (unsigned k = 0; k < s->count; k++)
            if (play_side(&s->all[k]))
                idle = 0;
    }
}

/* ---- all of them ------------------------------------------------------------------- */

void
sides_init(struct sides *s)
{
    *s = (struct sides){ .count = 0 };
    current = s;
    for (unsigned i = 0; i < SIDES_MOST; i++)
        s->all[i] = (struct side){ .channel = CHANNEL_EMPTY, .pidfd = -1, .ended = true };
}

struct side *
sides_last(struct sides *s, unsigned kind)
{
    struct side *found = NULL;

    for (unsigned i = 0; i < s->count; i++)
        if (!s->all[i].ended && !s->all[i].spared && s->all[i].kind == kind)
            found = &s->all[i];
    return found;
}

void
sides_spare(struct sides *s)
{
    for (unsigned i = 0; i < s->count; i++)
        s->all[i].spared = s->all[i].kind == WORKER || s->all[i].kind == BROKER
            || s->all[i].kind == LOGIN;
}

struct side *
sides_captured(struct sides *s, unsigned choice)
{
    struct side *found[SIDES_MOST] = { NULL };
    unsigned count = 0;

    /* a worker first, which is the one to be captured; templates and keyholder last */
    for (unsigned i = s->count; i > 0; i--)
        if (!s->all[i - 1].ended && !s->all[i - 1].spared)
            found[count++] = &s->all[i - 1];
    return count == 0 ? NULL : found[choice % count];
}

void
sides_clear(struct sides *s)
{
    for (unsigned i = 0; i < SIDES_MOST; i++) {
        channel_clear(&s->all[i].channel);
        fd_close(&s->all[i].pidfd);
    }
    current = NULL;
}
