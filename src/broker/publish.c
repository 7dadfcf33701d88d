/* broker/publish.c - see broker/publish.h */
#include "broker/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/broker.h"
#include "broker/copy.h"
#include "broker/inherit.h"
#include "broker/partial.h"

/*
 * For file systems without RENAME_NOREPLACE (NFS): a second name is never made over a
 * first one. Not one step, but neither name is ever missing.
 */
static enum sp_err
rename_by_link(int dir, const char *name, int new_dir, const char *new_name)
{
    if (linkat(dir, name, new_dir, new_name, 0) == -1)
        return SP_OS;
    return unlinkat(dir, name, 0) == 0 ? SP_OK : SP_OS;
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
    /* Not by the C library, which makes another call of it where there are no flags. */
    if (syscall(SYS_renameat2, dir, name, new_dir, new_name,
                replaces ? 0u : RENAME_NOREPLACE) == 0)
        return SP_OK;
    rc = SP_OS;
    if (errno == EINVAL && !replaces && !S_ISDIR(st.stx_mode))
        rc = rename_by_link(dir, name, new_dir, new_name);
    if (rc == SP_OS && (errno == EEXIST || errno == EISDIR))
        return broker_refuse(b, FAIL_EXISTS);
    return rc;
}

/* A directory that may be written but not read cannot be synced; its file can: -1. */
static enum sp_err
open_directory(const struct place *at, int *dir)
{
    enum sp_err rc = resolve_name(at->dir, ".", O_RDONLY | O_DIRECTORY, 0, dir);

    return rc == SP_OS && errno == EACCES ? SP_OK : rc;
}

/* Room for all of it, before a byte of the old content is lost. */
static enum sp_err
make_room(int fd, uint64_t size)
{
    if (size == 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0)
        return SP_OK;
    /* else the file system cannot tell, and the copy finds out */
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? SP_OS : SP_OK;
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
        || (rc = make_room(to, st.stx_size)) != SP_OK
        || (rc = copy_bytes(b, from, to, st.stx_size)) != SP_OK)
        goto out;
    if (ftruncate(to, (off_t)st.stx_size) == -1 || (b->settings.durable && fsync(to) == -1)
        || unlinkat(at->dir, partial, 0) == -1)
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
    int dir = -1;
    enum sp_err rc = SP_OK;

    if (replaces && (rc = inherit(fd, at, noted, &renamed)) != SP_OK)
        return rc;
    if (durable && fsync(fd) == -1)
        return SP_OS;
    if ((rc = broker_is_wanted(b)) != SP_OK)
        return rc;
    if (!partial_is_at(fd, at->dir, partial))
        return broker_refuse(b, FAIL_BUSY);
    /* opened now: what fails behind the rename cannot give the old file back */
    if (durable && (rc = open_directory(at, &dir)) != SP_OK)
        return rc;
    rc = give_name(b, fd, at, partial, replaces, renamed);
    if (rc == SP_OK && durable && fsync(dir != -1 ? dir : fd) == -1 && errno != EINVAL)
        rc = SP_OS;
    fd_close(&dir);
    return rc;
}
