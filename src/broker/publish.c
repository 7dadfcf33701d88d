/* broker/publish.c - see broker/publish.h */
#include "broker/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/broker.h"
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

/*
 * What a file that is replaced hands down. Ownership needs privileges that we do not
 * have; the group may be one of ours. A file system without modes keeps its own; any
 * other failure is one, as the new file could be open to more than the old one was.
 */
static enum sp_err
inherit(int fd, const struct place *at)
{
    struct statx old, new;
    unsigned mode = 0;

    if (resolve_stat(at->dir, at->name, &old) != SP_OK)
        return errno == ENOENT ? SP_OK : SP_OS;
    if (!S_ISREG(old.stx_mode))
        return SP_OK;
    if (resolve_stat(fd, "", &new) != SP_OK)
        return SP_OS;
    mode = old.stx_mode & 0777;
    /*
     * Without that group, another one does not get its rights, but those of the others.
     */
    if (old.stx_gid != new.stx_gid && fchown(fd, (uid_t)-1, old.stx_gid) == -1)
        mode = (mode & 0707) | (mode & 07) << 3;
    if (mode == (new.stx_mode & 07777) || fchmod(fd, mode) == 0)
        return SP_OK;
    return errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ? SP_OK : SP_OS;
}

/* A directory that may be written but not read cannot be synced; its file can: -1. */
static enum sp_err
open_directory(const struct place *at, int *dir)
{
    enum sp_err rc = resolve_name(at->dir, ".", O_RDONLY | O_DIRECTORY, 0, dir);

    return rc == SP_OS && errno == EACCES ? SP_OK : rc;
}

enum sp_err
publish(struct broker *b, int fd, const struct place *at, const char *partial,
        bool replaces)
{
    bool durable = b->settings.durable;
    int dir = -1;
    enum sp_err rc = SP_OK;

    if (replaces && (rc = inherit(fd, at)) != SP_OK)
        return rc;
    if (durable && fsync(fd) == -1)
        return SP_OS;
    if (!partial_is_at(fd, at->dir, partial))
        return broker_refuse(b, FAIL_BUSY);
    /* opened now: what fails behind the rename cannot give the old file back */
    if (durable && (rc = open_directory(at, &dir)) != SP_OK)
        return rc;
    rc = publish_rename(b, at->dir, partial, at->dir, at->name, replaces);
    if (rc == SP_OK && durable && fsync(dir != -1 ? dir : fd) == -1 && errno != EINVAL)
        rc = SP_OS;
    fd_close(&dir);
    return rc;
}
