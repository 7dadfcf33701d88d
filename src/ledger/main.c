/*
 * ledger/main.c - sallyport-ledger UID GID
 *
 * Runs as: root until its directory is open, then its own user in that directory as root,
 *          sandboxed.
 * Reads:   rows of numbers from the monitor and from its own database. No byte of a client.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/privilege.h"
#include "config/settings.h"
#include "ledger/sandbox.h"
#include "ledger/store.h"
#include "process/start.h"
#include "wire/channel.h"
#include "wire/ledger.h"
#include "wire/pack.h"

#define KNOWN_SECONDS (INT64_C(56) * 24 * 3600) /* monitor/known.h */

struct ledger {
    uid_t uid;                  /* who it becomes */
    gid_t gid;
    struct settings settings;
    struct channel monitor;
    int directory;
    struct store store;
    struct message m;           /* the one in use */
    bool failed;                /* since the last commit */
};

static enum sp_err
fail(const char *step, enum sp_err rc)
{
    int why = errno;

    log_event(EVENT_LEDGER_FAILED, "step=%s code=%s fault=\"%s\"", step, sp_err_text(rc),
              rc == SP_OS ? strerror(why) : "");
    return rc;
}

static enum sp_err
ledger_adopt(struct ledger *l, int argc, char **argv)
{
    const struct rlimit none = { 0, 0 };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    enum sp_err rc = start_adopt(argc, argv, "sallyport-ledger", &l->monitor, LEDGER,
                                 &l->uid, &l->gid);

    if (rc != SP_OK)
        return rc;
    /* A service that is stopped signals all its processes: this one ends behind the monitor,
     * with what the monitor said last. */
    if (sigaction(SIGTERM, &ignore, NULL) != 0
        || sigaction(SIGXFSZ, &ignore, NULL) != 0   /* then a limit of file size is an error */
        || setrlimit(RLIMIT_CORE, &none) != 0)
        return fail("limits", SP_OS);
    return SP_OK;
}

static enum sp_err
ledger_learn(struct ledger *l)
{
    enum sp_err rc = start_receive(&l->monitor, LEDGER, &l->settings, NULL, NULL);

    return rc == SP_OK || rc == SP_CLOSED ? rc : fail("start", rc);
}

/* One ledger at a time: that of a monitor that was killed may still be writing. */
static enum sp_err
lock_directory(const struct ledger *l)
{
    if (flock(l->directory, LOCK_EX | LOCK_NB) == 0)
        return SP_OK;
    if (errno != EWOULDBLOCK)
        return fail("lock", SP_OS);
    log_event(EVENT_LEDGER_WAITS, "directory=%s", l->settings.state_directory);
    while (flock(l->directory, LOCK_EX) == -1)
        if (errno != EINTR)
            return fail("lock", SP_OS);
    return SP_OK;
}

/* Its own alone: what else could write there could say who is shut out. */
static enum sp_err
ledger_open(struct ledger *l)
{
    const char *path = l->settings.state_directory;
    struct stat st;
    bool made = mkdir(path, 0700) == 0;

    l->directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (l->directory == -1 || fstat(l->directory, &st) == -1)
        return fail("state_directory", SP_OS);
    if (made && privilege_is_root() && fchown(l->directory, l->uid, l->gid) == -1)
        return fail("state_directory", SP_OS);
    if (made || (st.st_uid == l->uid && (st.st_mode & 077) == 0))
        return lock_directory(l);
    log_event(EVENT_LEDGER_FAILED,
              "directory=%s remedy=\"it must belong to ledger_user and have mode 0700\"",
              path);
    return SP_REFUSED;
}

/* The directory becomes the root; where the kernel does not allow that, Landlock is left. */
static enum sp_err
ledger_drop(struct ledger *l)
{
    bool may_chroot = privilege_is_root() || privilege_enter_userns() == SP_OK;

    if (!may_chroot)
        log_event(EVENT_WALL_MISSING, "what=chroot reason=no-user-namespace");
    else if (privilege_chroot_fd(l->directory) != SP_OK)
        return fail("chroot", SP_OS);
    if (fchdir(l->directory) == -1)
        return fail("chdir", SP_OS);
    if (privilege_drop(l->uid, l->gid, NULL, 0) != SP_OK)
        return fail("drop", SP_OS);
    return SP_OK;
}

/* From here on only the calls listed in sandbox.c. */
static enum sp_err
ledger_enter(struct ledger *l)
{
    enum sp_err rc = sandbox_enter(l->monitor.fd, l->directory,
                                   settings_reporting(&l->settings));

    return rc == SP_OK ? SP_OK : fail("sandbox", rc);
}

static enum sp_err
tell_row(void *context, const struct msg_row *row)
{
    struct ledger *l = context;

    msg_stored_pack(&l->m, &(struct msg_stored){
        .table = row->table, .kind = row->kind, .a = row->a, .b = row->b,
        .last = row->last, .until = row->until, .count = row->count });
    return channel_send_wait(&l->monitor, &l->m);
}

static enum sp_err
answer_commit(struct ledger *l)
{
    struct msg_commit_rows in = { 0 };

    if (msg_commit_rows_unpack(&l->m, &in) != SP_OK)
        return SP_INPUT;
    if (!l->failed && store_commit(&l->store, clock_seconds() - KNOWN_SECONDS) != SP_OK)
        l->failed = true;
    msg_kept_pack(&l->m, &(struct msg_kept){ .whole = l->failed ? 0 : 1 });
    l->failed = false;
    return channel_send_wait(&l->monitor, &l->m);
}

/* A disk that takes nothing loses one batch, of which the monitor hears. */
static enum sp_err
answer(struct ledger *l)
{
    struct msg_row row = { 0 };
    struct msg_forget_rows forget = { 0 };

    switch (l->m.type) {
    case MSG_ROW:
        if (msg_row_unpack(&l->m, &row) != SP_OK || row.table >= LEDGER_TABLES)
            return SP_INPUT;
        l->failed = l->failed || store_put(&l->store, &row) != SP_OK;
        return SP_OK;
    case MSG_FORGET_ROWS:
        if (msg_forget_rows_unpack(&l->m, &forget) != SP_OK)
            return SP_INPUT;
        l->failed = l->failed || store_forget(&l->store) != SP_OK;
        return SP_OK;
    case MSG_COMMIT_ROWS:
        return answer_commit(l);
    default:
        return SP_INPUT;
    }
}

static enum sp_err
ledger_serve(struct ledger *l)
{
    enum sp_err rc = SP_OK;

    if ((rc = store_open(&l->store, LEDGER_FILE)) != SP_OK
        || (rc = store_each(&l->store, tell_row, l)) != SP_OK)
        return rc;
    msg_ready_pack(&l->m, &(struct msg_ready){ 0 });
    if ((rc = channel_send_wait(&l->monitor, &l->m)) != SP_OK)
        return rc;
    channel_enter(&l->monitor, ST_READY);
    while ((rc = channel_wait(&l->monitor, &l->m, -1)) == SP_OK) {
        rc = answer(l);
        message_clear(&l->m);
        if (rc != SP_OK)
            break;
    }
    return rc == SP_CLOSED ? SP_OK : fail("serve", rc);
}

int
main(int argc, char **argv)
{
    static struct ledger l = { .directory = -1, .store = STORE_EMPTY };
    enum sp_err rc = SP_OK;

    message_init(&l.m);
    channel_init(&l.monitor, -1, LEDGER, MONITOR, ST_START);
    if ((rc = ledger_adopt(&l, argc, argv)) == SP_OK
        && (rc = ledger_learn(&l)) == SP_OK
        && (rc = ledger_open(&l)) == SP_OK
        && (rc = ledger_drop(&l)) == SP_OK
        && (rc = ledger_enter(&l)) == SP_OK)
        rc = ledger_serve(&l);
    store_close(&l.store);
    fd_close(&l.directory);
    settings_clear(&l.settings);
    log_set_sink(NULL, NULL);
    channel_clear(&l.monitor);
    return rc == SP_OK || rc == SP_CLOSED ? 0 : 1;
}
