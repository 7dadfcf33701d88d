/* monitor/starter.c - see starter.h */
#include "monitor/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "config/programs.h"
#include "process/template.h"
#include "wire/pack.h"

#define PATH_ROOM 2048
#define PROGRAM_FD (TEMPLATE_FD + 1)
#define PROGRAM_LEAST 16        /* where we keep it: in the way of no number of the child's */
#define PIECE 12288             /* bytes of one SETTINGS message (messages.def) */
#define SETTINGS_MOST (1u << 20)

/*
 * program: open, and number TEMPLATE_FD + 1 in the child, which closes it as the first thing
 * it does (start_adopt); -1: none.
 */
static int
prepare_files(posix_spawn_file_actions_t *files, int channel, int program)
{
    int rc = 0, kept = program == -1 ? TEMPLATE_FD : PROGRAM_FD;

    for (int fd = 0; fd <= 2 && rc == 0; fd++)
        rc = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(files, channel, TEMPLATE_FD);
    if (rc == 0 && program != -1)
        rc = posix_spawn_file_actions_adddup2(files, program, PROGRAM_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(files, kept + 1);
    return rc;
}

static int
prepare_signals(posix_spawnattr_t *how)
{
    sigset_t all, none;
    int rc = 0;

    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGKILL);
    (void)sigdelset(&all, SIGSTOP);
    (void)sigemptyset(&none);
    if ((rc = posix_spawnattr_setsigdefault(how, &all)) == 0)
        rc = posix_spawnattr_setsigmask(how, &none);
    if (rc == 0)
        rc = posix_spawnattr_setflags(how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
                                      | POSIX_SPAWN_SETSID);
    return rc;
}

/* posix_spawn is a vfork: the cost does not grow with the monitor. */
static enum sp_err
spawn(const char *path, int program, char *const *argv, int channel, pid_t *pid)
{
    static char *const no_environment[] = { NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    int failed = 0;

    if ((failed = posix_spawn_file_actions_init(&files)) != 0) {
        errno = failed;
        return SP_OS;
    }
    if ((failed = posix_spawnattr_init(&how)) == 0) {
        if ((failed = prepare_files(&files, channel, program)) == 0
            && (failed = prepare_signals(&how)) == 0)
            failed = posix_spawn(pid, path, &files, &how, argv, no_environment);
        (void)posix_spawnattr_destroy(&how);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    errno = failed;
    return failed == 0 ? SP_OK : SP_OS;
}

/* program is O_PATH: it is opened anew. */
static bool
is_script(int program)
{
    char path[32], first[2] = "";
    bool script = false;
    int fd = -1;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", program);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    script = fd != -1 && read(fd, first, 2) == 2 && memcmp(first, "#!", 2) == 0;
    fd_close(&fd);
    return script;
}

int
starter_open(const char *directory, const char *name)
{
    char why[PROGRAM_WHY];
    int fd = -1, kept = -1;

    if (program_open(directory, name, &fd, why) != SP_OK || is_script(fd))
        goto out;
    kept = fcntl(fd, F_DUPFD_CLOEXEC, PROGRAM_LEAST);
out:
    fd_close(&fd);
    return kept;
}

/* What is executed by its path is looked at now. SP_OS: errno; the reason is logged. */
static enum sp_err
look_at(const char *directory, const char *name)
{
    char why[PROGRAM_WHY];
    struct log_escaped text;
    int fd = -1;
    enum sp_err rc = program_open(directory, name, &fd, why);

    fd_close(&fd);
    if (rc != SP_REFUSED)
        return rc;
    log_event(EVENT_PROGRAM_REFUSED, "directory=%s program=%s fault=\"%s\"",
              log_text(slice_of(directory), &text), name, why);
    errno = EACCES;
    return SP_OS;
}

/*
 * The child's own /proc/self is where execveat(2) would lead, and posix_spawn knows only
 * paths. Without /proc the file that has the name now has to do.
 */
static enum sp_err
spawn_open(const char *path, int program, char *const *argv, int channel, pid_t *pid)
{
    char open_path[32];

    if (program == -1 || access("/proc/self/fd", X_OK) == -1)
        return spawn(path, -1, argv, channel, pid);
    (void)snprintf(open_path, sizeof open_path, "/proc/self/fd/%d", PROGRAM_FD);
    return spawn(open_path, program, argv, channel, pid);
}

enum sp_err
starter_execute(const struct starter_program *p, int *channel, pid_t *pid, int *pidfd)
{
    char path[PATH_ROOM], program[64], uid_text[24], gid_text[24], mode_text[24];
    char *argv[] = { program, uid_text, gid_text, NULL, NULL };
    int ours = -1, theirs = -1, watched = -1;
    pid_t child = 0;
    enum sp_err rc = SP_OS;

    errno = ENAMETOOLONG;
    if (!text_printf(path, sizeof path, "%s/%s", p->directory, p->name)
        || !text_copy(program, sizeof program, p->name)
        || (p->fd == -1 && look_at(p->directory, p->name) != SP_OK))
        goto out;
    (void)snprintf(uid_text, sizeof uid_text, "%lu", (unsigned long)p->uid);
    (void)snprintf(gid_text, sizeof gid_text, "%lu", (unsigned long)p->gid);
    if (p->mode != NULL && text_copy(mode_text, sizeof mode_text, p->mode))
        argv[3] = mode_text;
    if ((rc = channel_pair(&ours, &theirs)) != SP_OK)
        goto out;
    /* dup2 onto itself would leave close-on-exec set in the child */
    if (theirs == TEMPLATE_FD) {
        int other = fcntl(theirs, F_DUPFD_CLOEXEC, TEMPLATE_FD + 1);

        rc = SP_OS;
        if (other == -1)
            goto out;
        fd_close(&theirs);
        theirs = other;
    }
    if ((rc = spawn_open(path, p->fd, argv, theirs, &child)) != SP_OK)
        goto out;
    rc = SP_OS;
    /* not waited for yet, so the number is still this child's */
    if ((watched = (int)syscall(SYS_pidfd_open, child, 0)) == -1) {
        (void)kill(child, SIGKILL);
        goto out;
    }
    if (fcntl(watched, F_SETFD, FD_CLOEXEC) == -1)
        goto out;
    *channel = fd_move(&ours);
    *pidfd = fd_move(&watched);
    *pid = child;
    rc = SP_OK;
out:
    fd_close(&ours);
    fd_close(&theirs);
    fd_close(&watched);
    return rc;
}

enum sp_err
starter_send_settings(struct channel *c, const struct settings *s, unsigned kind)
{
    struct buf blob = BUF_EMPTY(SETTINGS_MOST);
    struct message m;
    enum sp_err rc = SP_OK;
    size_t done = 0;

    message_init(&m);
    if ((rc = settings_pack(s, kind, &blob)) != SP_OK)
        goto out;
    do {
        size_t piece = blob.len - done < PIECE ? blob.len - done : PIECE;
        bool last = done + piece == blob.len;

        msg_settings_pack(&m, &(struct msg_settings){
            .last = last, .part = slice_from(blob.at + done, piece) });
        if ((rc = channel_send(c, &m)) != SP_OK)
            goto out;
        done += piece;
    } while (done < blob.len);
out:
    message_clear(&m);
    buf_free(&blob);
    return rc;
}

enum sp_err
starter_send_start(struct channel *c)
{
    struct message m;

    msg_start_pack(&m, &(struct msg_start){ 0 });
    return channel_send(c, &m);
}

/*
 * A file of our own with the text of a certificate: the one on disk may be a newer one.
 */
static enum sp_err
certificate_file(const struct buf *text, int *fd)
{
    int made = -1;
    enum sp_err rc = SP_OS;

    if ((made = memfd_create("certificate", MFD_CLOEXEC | MFD_ALLOW_SEALING)) == -1)
        goto out;
    if ((rc = fd_write_all(made, text->at, text->len)) != SP_OK)
        goto out;
    rc = SP_OS;
    if (lseek(made, 0, SEEK_SET) == -1
        || fcntl(made, F_ADD_SEALS,
                 F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
               == -1)
        goto out;
    *fd = fd_move(&made);
    rc = SP_OK;
out:
    fd_close(&made);
    return rc;
}

enum sp_err
starter_send_certificate(struct channel *c, unsigned index, const char *file,
                         const struct buf *text)
{
    struct message m;
    enum sp_err rc = SP_OK;

    msg_certificate_pack(&m, &(struct msg_certificate){ .index = (uint8_t)index,
                                                        .file = slice_of(file) });
    if ((rc = certificate_file(text, &m.fds[0])) == SP_OK) {
        m.nfds = 1;
        rc = channel_send(c, &m);
    }
    message_clear(&m);
    return rc;
}
