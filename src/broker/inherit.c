/* broker/inherit.c - see broker/inherit.h */
#include "broker/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/broker.h"

#define ACCESS_LIST "system.posix_acl_access"
#define NAMES_ROOM 4096         /* of all attributes of a file; more: not handed down */
#define VALUE_ROOM 65536        /* the kernel's own limit                             */

/* A file system without attributes has none. -1: errno. */
static ssize_t
names_of(int fd, char *names, size_t room)
{
    ssize_t len = flistxattr(fd, names, room);

    return len == -1 && errno == EOPNOTSUPP ? 0 : len;
}

void
inherit_note(int old, const struct statx *st, int fd, struct heritage *out)
{
    *out = (struct heritage){ .old = *st };
    out->bare = names_of(old, NULL, 0) == 0 && names_of(fd, NULL, 0) == 0;
}

/*
 * A capability belongs to the old content, as set-id bits do; what measures the content
 * (IMA) is made anew. A label that the policy does not let us set is the policy's matter.
 */
static bool
is_of_content(const char *name)
{
    return strcmp(name, "security.capability") == 0 || strcmp(name, "security.ima") == 0
        || strcmp(name, "security.evm") == 0;
}

static bool
may_be_missed(const char *name)
{
    return strncmp(name, "security.", 9) == 0;
}

/* NFS, for one, shows access lists that it does not let us set, and gives them itself. */
static bool
has_value(int fd, const char *name, const char *value, size_t len)
{
    char own[VALUE_ROOM];

    return fgetxattr(fd, name, own, sizeof own) == (ssize_t)len
        && memcmp(own, value, len) == 0;
}

static bool
copy_one(int old, int fd, const char *name)
{
    char value[VALUE_ROOM];
    ssize_t len = fgetxattr(old, name, value, sizeof value);

    return (len >= 0 && (fsetxattr(fd, name, value, (size_t)len, 0) == 0
                         || has_value(fd, name, value, (size_t)len)))
        || may_be_missed(name);
}

/* Is name one of these? They have a NUL each. */
static bool
has_name(const char *names, size_t len, const char *name)
{
    for (const char *at = names; at < names + len; at += strlen(at) + 1)
        if (strcmp(at, name) == 0)
            return true;
    return false;
}

/*
 * Whether all of them were handed down. A list that only the new file has, from its
 * directory's default, cannot be kept from it.
 */
bool
inherit_attributes(int old, int fd)
{
    char names[NAMES_ROOM], own[NAMES_ROOM];
    ssize_t len = names_of(old, names, sizeof names);
    ssize_t own_len = names_of(fd, own, sizeof own);

    if (len == -1 || own_len == -1)
        return false;
    if (has_name(own, (size_t)own_len, ACCESS_LIST)
        && !has_name(names, (size_t)len, ACCESS_LIST))
        return false;
    for (const char *at = names; at < names + len; at += strlen(at) + 1)
        if (!is_of_content(at) && !copy_one(old, fd, at))
            return false;
    return true;
}

/* The old file for its attributes: it may be written, but perhaps not read. */
static enum sp_err
open_old(const struct place *at, const struct statx *st, int *fd)
{
    struct statx there;
    enum sp_err rc = resolve_name(at->dir, at->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
                                  fd);

    if (rc == SP_OS && errno == EACCES)
        rc = resolve_name(at->dir, at->name, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0, fd);
    if (rc == SP_OK && (rc = resolve_stat(*fd, "", &there)) == SP_OK
        && !resolve_same(&there, st)) {
        errno = ESTALE;         /* replaced between two looks: the client may try again */
        rc = SP_OS;
    }
    return rc;
}

/* Has nobody changed the old file since it was noted? */
static bool
is_as_noted(const struct heritage *noted, const struct statx *old)
{
    return noted->bare && resolve_same(&noted->old, old)
        && noted->old.stx_ctime.tv_sec == old->stx_ctime.tv_sec
        && noted->old.stx_ctime.tv_nsec == old->stx_ctime.tv_nsec;
}

enum sp_err
inherit(int fd, const struct place *at, const struct heritage *noted, bool *all)
{
    struct statx old, new;
    unsigned mode = 0;
    bool listed = false;

    *all = true;
    if (resolve_stat(at->dir, at->name, &old) != SP_OK)
        return errno == ENOENT ? SP_OK : SP_OS;
    if (!S_ISREG(old.stx_mode))
        return SP_OK;
    if (resolve_stat(fd, "", &new) != SP_OK)
        return SP_OS;
    /* some file systems count no names */
    *all = old.stx_nlink <= 1 && old.stx_uid == new.stx_uid
        && (old.stx_gid == new.stx_gid || fchown(fd, (uid_t)-1, old.stx_gid) == 0);
    if (*all && !is_as_noted(noted, &old)) {
        int from = -1;
        enum sp_err rc = open_old(at, &old, &from);

        if (rc == SP_OK)
            *all = listed = inherit_attributes(from, fd);
        fd_close(&from);
        if (rc != SP_OK)
            return rc;
    }
    if (!*all)
        return SP_OK;
    mode = old.stx_mode & 0777;
    if ((mode == (new.stx_mode & 07777) && !listed) || fchmod(fd, mode) == 0)
        return SP_OK;
    return errno == EPERM || broker_lacks(errno) ? SP_OK : SP_OS;
}
