/* broker/publish.c - see broker/publish.h */
#include "broker/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/copy.h"
#include "broker/inherit.h"
#include "broker/partial.h"

/* Not by the C library, which makes another call of it where there are no flags. */
static enum sp_err
rename_once(int dir, const char *name, int new_dir, const char *new_name, unsigned flags)
{
    return syscall(SYS_renameat2, dir, name, new_dir, new_name, flags) == 0 ? SP_OK : SP_OS;
}

/* Has the file system none of these at all? A flag that it does not know is EINVAL, too. */
static bool
has_no_such(int error)
{
    return error == EINVAL || broker_lacks(error);
}

/*
 * Two steps: whoever takes the new name between them loses what is there. It is for who has
 * no other way: a directory, which replaces an empty one at most, and a file where there
 * are no hard links.
 */
static enum sp_err
rename_if_free(int dir, const char *name, int new_dir, const char *new_name)
{
    struct statx st;

    if (resolve_stat(new_dir, new_name, &st) == SP_OK)
        return broker_errno(EEXIST);
    return errno == ENOENT ? rename_once(dir, name, new_dir, new_name, 0) : SP_OS;
}

/*
 * A second name is never made over a first one. Not one step, but neither name is ever
 * missing.
 */
static enum sp_err
rename_by_link(int dir, const char *name, int new_dir, const char *new_name)
{
    int saved = 0;

    if (linkat(dir, name, new_dir, new_name, 0) == -1)
        return has_no_such(errno) || errno == EPERM || errno == EMLINK
            ? rename_if_free(dir, name, new_dir, new_name) : SP_OS;
    if (unlinkat(dir, name, 0) == 0)
        return SP_OK;
    saved = errno;
    (void)unlinkat(new_dir, new_name, 0);
    return broker_errno(saved);
}

/* For file systems without RENAME_NOREPLACE: NFS, SMB, eCryptfs, most of FUSE. */
static enum sp_err
rename_without_flag(int dir, const char *name, int new_dir, const char *new_name,
                    bool directory)
{
    return directory ? rename_if_free(dir, name, new_dir, new_name)
        : rename_by_link(dir, name, new_dir, new_name);
}

enum sp_err
publish_rename(struct broker *b, int dir, const char *name, int new_dir,
               const char *new_name, bool replaces)
{
    struct statx st;
    enum sp_err rc = SP_OS;

    /* a partial has been looked at by who brings it here: it is a file */
    if (partial_is(slice_of(name)))
        st.stx_mode = S_IFREG;
    else if ((rc = resolve_stat(dir, name, &st)) != SP_OK)
        return rc;
    /* Only a directory can take a directory's place: so it never gets the chance. */
    if (S_ISDIR(st.stx_mode))
        replaces = false;
    rc = rename_once(dir, name, new_dir, new_name, replaces ? 0 : RENAME_NOREPLACE);
    if (rc == SP_OS && !replaces && has_no_such(errno))
        rc = rename_without_flag(dir, name, new_dir, new_name, S_ISDIR(st.stx_mode));
    if (rc == SP_OS && (errno == EEXIST || errno == EISDIR))
        return broker_refuse(b, FAIL_EXISTS);
    return rc;
}

/* Behind these the directory is as safe as this file system lets it be. */
static bool
is_synced(int fd)
{
    return fsync(fd) == 0 || has_no_such(errno) || errno == EBADF;
}

enum sp_err
publish_sync(struct broker *b, int fd)
{
    if (fsync(fd) == 0)
        return SP_OK;
    if (!has_no_such(errno))
        return SP_OS;
    if (!b->unsynced)
        log_event(EVENT_UPLOAD_UNSYNCED, "error=%d why=\"its file system cannot sync\"",
                  errno);
    b->unsynced = true;
    return SP_OK;
}

enum sp_err
publish_flush(int fd)
{
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    return again != -1 && (close(again) == 0 || errno == EINTR) ? SP_OK : SP_OS;
}

/* Only a file system without a disk of its own has more to say when a file is closed. */
static enum sp_err
flush_elsewhere(int fd, const struct statx *st)
{
    return st->stx_dev_major == 0 ? publish_flush(fd) : SP_OK;
}

/* What could not be stored is not gone on with: some of its bytes may be lost. */
static void
spoil(int fd, const struct place *at, const char *partial)
{
    int saved = errno;

    if (partial_is_at(fd, at->dir, partial) && unlinkat(at->dir, partial, 0) == -1)
        log_event(EVENT_UPLOAD_LEFTOVER, "error=%d", errno);
    errno = saved;
}

/* A directory that may be written but not read cannot be synced; its file can: -1. */
static enum sp_err
open_directory(const struct place *at, int *dir)
{
    enum sp_err rc = resolve_name(at->dir, ".", O_RDONLY | O_DIRECTORY, 0, dir);

    return rc == SP_OS && (errno == EACCES || errno == EPERM || has_no_such(errno)) ? SP_OK
                                                                                    : rc;
}

enum sp_err
publish_sync_directory(const struct place *at)
{
    int dir = -1;
    enum sp_err rc = open_directory(at, &dir);

    if (rc == SP_OK && dir != -1 && !is_synced(dir))
        rc = SP_OS;
    fd_close(&dir);
    return rc;
}

/* The partial, for reading: whatever mode its umask has given it. */
static enum sp_err
open_partial(struct broker *b, int fd, const struct place *at, const char *partial,
             int *from)
{
    (void)fchmod(fd, 0600);
    if (resolve_name(at->dir, partial, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, from) != SP_OK)
        return SP_OS;
    return partial_is_at(*from, at->dir, partial) ? SP_OK : broker_refuse(b, FAIL_BUSY);
}

/* The file that stays, for writing, with its lock. */
static enum sp_err
open_kept(struct broker *b, const struct place *at, int *to)
{
    struct statx st;
    enum sp_err rc = resolve_name(at->dir, at->name, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0,
                                  to);

    if (rc != SP_OK || (rc = resolve_stat(*to, "", &st)) != SP_OK)
        return rc;
    return S_ISREG(st.stx_mode) ? partial_lock(b, *to) : broker_refuse(b, FAIL_EXISTS);
}

/*
 * The bytes of the partial go into the file that is there. Begun, this is not given up
 * because the session ends. Where it fails the partial is still whole: it goes last.
 */
static enum sp_err
write_over(struct broker *b, int fd, const struct place *at, const char *partial)
{
    struct statx st;
    int from = -1, to = -1;
    enum sp_err rc = SP_OK;

    if ((rc = open_kept(b, at, &to)) != SP_OK
        || (rc = open_partial(b, fd, at, partial, &from)) != SP_OK
        || (rc = resolve_stat(from, "", &st)) != SP_OK
        || (rc = copy_make_room(to, st.stx_size)) != SP_OK
        || (rc = copy_bytes(b, from, to, st.stx_size)) != SP_OK)
        goto out;
    if (ftruncate(to, (off_t)st.stx_size) == -1)
        rc = SP_OS;
    else if (!b->settings.durable || (rc = publish_sync(b, to)) == SP_OK)
        rc = publish_flush(to);
    if (rc == SP_OK && unlinkat(at->dir, partial, 0) == -1)
        rc = SP_OS;
out:
    fd_close(&from);
    fd_close(&to);
    return rc;
}

/*
 * One rename; or, where the old file has what a new one cannot get (broker/inherit.h), or
 * cannot be renamed over (it is mounted, or another's in a sticky directory), a copy.
 */
static enum sp_err
give_name(struct broker *b, int fd, const struct place *at, const char *partial,
          bool replaces, bool renamed)
{
    int saved = 0;
    enum sp_err rc = SP_OS;

    if (renamed) {
        rc = publish_rename(b, at->dir, partial, at->dir, at->name, replaces);
        saved = errno;
        if (rc != SP_OS || !replaces || (saved != EBUSY && saved != EPERM && saved != EACCES))
            return rc;
    }
    rc = write_over(b, fd, at, partial);
    if (rc == SP_OS && errno == ENOENT && renamed)
        errno = saved;          /* there was nothing to write over */
    return rc;
}

enum sp_err
publish(struct broker *b, int fd, const struct place *at, const char *partial,
        bool replaces, const struct heritage *noted)
{
    bool durable = b->settings.durable, renamed = true;
    struct statx st;
    int dir = -1;
    enum sp_err rc = SP_OK;

    if (replaces && (rc = inherit(fd, at, noted, &renamed)) != SP_OK)
        return rc;
    if (durable && (rc = publish_sync(b, fd)) != SP_OK) {
        spoil(fd, at, partial);
        return rc;
    }
    if (!partial_seen_at(fd, at->dir, partial, &st))
        return broker_refuse(b, FAIL_BUSY);
    if ((rc = flush_elsewhere(fd, &st)) != SP_OK) {
        spoil(fd, at, partial);
        return rc;
    }
    if ((rc = broker_is_wanted(b)) != SP_OK)
        return rc;
    /* opened now: what fails behind the rename cannot give the old file back */
    if (durable && (rc = open_directory(at, &dir)) != SP_OK)
        return rc;
    rc = give_name(b, fd, at, partial, replaces, renamed);
    if (rc == SP_OK && durable && !is_synced(dir != -1 ? dir : fd))
        rc = SP_OS;
    fd_close(&dir);
    return rc;
}
