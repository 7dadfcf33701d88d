/* monitor/rundir.c - see rundir.h */
#include "monitor/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/prepare.h"

#define LOCK_FILE "sallyportd.lock"

static bool
lock_path(const char *directory, char path[RUNDIR_PATH])
{
    return text_printf(path, RUNDIR_PATH, "%s/" LOCK_FILE, directory);
}

/* The pid in a lock that somebody else holds; for a person to read. */
static void
read_holder(int fd, char text[24])
{
    ssize_t got = pread(fd, text, 23, 0);

    text[got < 0 ? 0 : got] = '\0';
    text[strspn(text, "0123456789")] = '\0';
    if (text[0] == '\0')
        (void)text_copy(text, 24, "unknown");
}

static enum sp_err
refuse(const char *directory, const char *what)
{
    struct log_escaped text;

    log_event(EVENT_CONFIGURATION_FAULT, "key=run_directory directory=%s fault=\"%s\"",
              log_text(slice_of(directory), &text), what);
    return SP_INPUT;
}

/*
 * The file stays when the server ends: whoever removes a lock may remove it under somebody
 * who has just taken it. The kernel lets go of it when its holder is gone, however.
 */
static enum sp_err
take(struct rundir_place *p, const char *directory)
{
    char path[RUNDIR_PATH], pid[24], what[128];
    int fd = -1, len = 0;
    enum sp_err rc = SP_INPUT;

    p->lock = -1;
    if (!text_copy(p->path, sizeof p->path, directory) || !lock_path(directory, path))
        return refuse(directory, "the path is too long");
    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd == -1)
        return refuse(directory, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        read_holder(fd, pid);
        (void)snprintf(what, sizeof what,
                       "the server with pid %s is using it; stop that server, or set another "
                       "run_directory",
                       pid);
        rc = refuse(directory, errno == EWOULDBLOCK ? what : strerror(errno));
        goto out;
    }
    len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == -1 || pwrite(fd, pid, (size_t)len, 0) != len)
        log_event(EVENT_LOCK_FAILED, "fault=\"%s\"", strerror(errno));     /* held all the same */
    p->lock = fd_move(&fd);
    rc = SP_OK;
out:
    fd_close(&fd);
    return rc;
}

enum sp_err
rundir_begin(struct rundir *r, const struct settings *s)
{
    enum sp_err rc = SP_OK;

    *r = (struct rundir){ .used = true, .now = { .lock = -1 }, .coming = { .lock = -1 } };
    if ((rc = prepare_directories(s)) != SP_OK)
        return rc;
    return take(&r->now, s->run_directory);
}

void
rundir_serve(struct rundir *r, const struct settings *s)
{
    r->served = true;
    prepare_write_pid(s);
}

enum sp_err
rundir_prepare(struct rundir *r, const struct settings *s)
{
    enum sp_err rc = SP_OK;

    (void)rundir_restore(r, s);
    if ((rc = prepare_directories(s)) != SP_OK)
        return rc;
    if (strcmp(s->run_directory, r->now.path) == 0)
        return SP_OK;
    return take(&r->coming, s->run_directory);
}

void
rundir_change(struct rundir *r, const struct settings *old,
              const struct settings *settings)
{
    if (r->coming.lock == -1)
        return;
    prepare_remove_pid(old);
    fd_close(&r->now.lock);
    r->now = r->coming;
    r->coming.lock = -1;
    prepare_write_pid(settings);
}

void
rundir_keep(struct rundir *r)
{
    fd_close(&r->coming.lock);
}

bool
rundir_restore(struct rundir *r, const struct settings *s)
{
    char empty[RUNDIR_PATH];
    struct log_escaped text;
    struct stat st;

    if (!r->used || !text_printf(empty, sizeof empty, "%s/empty", s->run_directory)
        || lstat(empty, &st) == 0 || errno != ENOENT)
        return false;
    if (strcmp(s->run_directory, r->now.path) != 0)
        return prepare_directories(s) == SP_OK;
    log_event(EVENT_RUN_DIRECTORY_MISSING, "directory=%s",
              log_text(slice_of(s->run_directory), &text));
    fd_close(&r->now.lock);
    if (prepare_directories(s) != SP_OK || take(&r->now, s->run_directory) != SP_OK)
        return false;
    if (r->served)
        prepare_write_pid(s);
    return true;
}

void
rundir_end(struct rundir *r, const struct settings *s)
{
    if (r->served)
        prepare_remove_pid(s);
    if (!r->used)
        return;
    fd_close(&r->now.lock);
    fd_close(&r->coming.lock);
}
