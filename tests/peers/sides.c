/* tests/peers/sides.c - see sides.h */
#include "sides.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "config/settings.h"
#include "process/start.h"
#include "process/template.h"
#include "tests/peers/forge.h"
#include "wire/grant.h"

#define SOME_UID 54321          /* of accounts, where we are root */
#define SETTINGS_MOST (1 << 20)

const struct side_kind *
side_kind(const char *program)
{
    static const struct side_kind kinds[] = {
        { "worker", WORKER, MSG_SPAWN_WORKER }, { "broker", BROKER, MSG_SPAWN_BROKER },
        { "login", LOGIN, MSG_SPAWN_LOGIN }, { "keyholder", KEYHOLDER, MSG_NONE },
        { "ledger", LEDGER, MSG_NONE },
    };
    size_t len = strlen(program);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t end = strlen(kinds[i].name);

        if (len >= end && strcmp(program + len - end, kinds[i].name) == 0)
            return &kinds[i];
    }
    return NULL;
}

static enum sp_err
throw_away(void *context, struct message *m)
{
    (void)context;
    return m->type == MSG_CERTIFICATE || m->type == MSG_KEY ? SP_OK : SP_INPUT;
}

enum sp_err
side_start(int argc, char **argv, struct side_start *s, struct settings *settings)
{
    enum sp_err rc = SP_INPUT;

    if ((s->kind = side_kind(argv[0])) == NULL
        || (rc = start_adopt(argc, argv, argv[0], &s->monitor, s->kind->peer, &s->uid,
                             &s->gid)) != SP_OK)
        return rc;
    return start_receive(&s->monitor, s->kind->peer, settings, throw_away, NULL);
}

struct msg_granted
side_account(struct slice user)
{
    bool root = geteuid() == 0;

    return (struct msg_granted){
        .backend = slice_of("users"), .user = user, .group = slice_of("group"),
        .uid = root ? SOME_UID : geteuid(), .gid = root ? SOME_UID : getegid(),
        .groups = slice_of(""), .jail = slice_of("/jail"), .start = slice_of("/"),
        .permits = PERMIT_ALL, .umask = 022
    };
}

static void
grant(const struct message *in, struct message *out)
{
    struct msg_attempt a = { .user = SLICE_EMPTY };
    struct msg_granted g = { .user = SLICE_EMPTY };

    SP_ASSERT(msg_attempt_unpack(in, &a) == SP_OK);
    g = side_account(a.user);
    msg_granted_pack(out, &g);
}

static void
sign(const struct message *in, struct message *out)
{
    struct msg_key_sign s = { .number = 0 };

    SP_ASSERT(msg_key_sign_unpack(in, &s) == SP_OK);
    forge_message(out, "KEY_SIGNED %llu signed-%.*s", (unsigned long long)s.number,
                  (int)s.tbs.len, (const char *)s.tbs.at);
}

static void
yield(const struct message *in, struct message *out)
{
    struct msg_yield y = { .number = 0 };

    SP_ASSERT(msg_yield_unpack(in, &y) == SP_OK);
    forge_message(out, "YIELDS %llu 1", (unsigned long long)y.number);
}

unsigned
side_answer(unsigned self, const struct message *in, struct message out[SIDE_ANSWERS])
{
    unsigned count = 0;

    switch (in->type) {
    case MSG_START:
        if (self == KEYHOLDER)
            forge_message(&out[count++], "KEY_LOADED 0 RSA 2048");
        forge_message(&out[count++], "READY");
        break;
    case MSG_ATTEMPT: grant(in, &out[count++]); break;
    case MSG_GRANT: forge_message(&out[count++], "SERVING"); break;
    case MSG_KEY_SIGN: sign(in, &out[count++]); break;
    case MSG_YIELD: yield(in, &out[count++]); break;
    case MSG_COMMIT_ROWS: forge_message(&out[count++], "KEPT 1"); break;
    default: break;
    }
    return count;
}

void
side_die(int number)
{
    struct sigaction usual = { .sa_handler = SIG_DFL };

    (void)sigaction(number, &usual, NULL);
    (void)raise(number);
}

pid_t
side_execute(const char *program, char *const argv[], int *ours)
{
    char *const none[] = { NULL };
    int theirs = -1;
    pid_t pid = -1;

    if (channel_pair(ours, &theirs) != SP_OK)
        return -1;
    if ((pid = fork()) == 0) {
        if (fd_arrange(&theirs, 1, TEMPLATE_FD) == SP_OK
            && fd_close_from(TEMPLATE_FD + 1) == SP_OK)
            (void)execve(program, argv, none);
        _exit(127);
    }
    fd_close(&theirs);
    return pid;
}

enum sp_err
side_settings(struct channel *c, unsigned receiver, const struct settings *s)
{
    struct buf blob = BUF_EMPTY(SETTINGS_MOST);
    static struct message m;
    enum sp_err rc = settings_pack(s, receiver, &blob);

    if (rc == SP_OK) {
        msg_settings_pack(&m, &(struct msg_settings){ .last = 1, .part = buf_slice(&blob) });
        rc = channel_send_wait(c, &m);
    }
    buf_free(&blob);
    return rc;
}
