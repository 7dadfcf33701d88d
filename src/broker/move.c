/* broker/move.c - see broker/move.h */
#include "broker/move.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/copy.h"
#include "broker/inherit.h"
#include "broker/partial.h"
#include "broker/publish.h"
#include "broker/resolve.h"

/* One that is on its way: old and new are open, and new has the hidden name. */
struct move {
    const struct place *from, *to;
    int old, new;
    struct statx st;            /* of the old one, as it was at the beginning */
    char hidden[NAME_MAX + 1];
};

/*
 * May the name be removed? Asked before all is copied, and without removing it: the kernel
 * looks at the rights first, and then finds that a file is no directory.
 */
static enum sp_err
check_removable(struct broker *b, const struct place *at)
{
    if (unlinkat(at->dir, at->name, AT_REMOVEDIR) == 0)
        return broker_refuse(b, FAIL_BUSY);     /* swapped for an empty directory */
    return errno == ENOTDIR ? SP_OK : SP_OS;
}

/* The same object, and nobody has written to it. */
static bool
is_unchanged(const struct statx *was, const struct statx *now)
{
    return resolve_same(was, now) && was->stx_size == now->stx_size
        && was->stx_mtime.tv_sec == now->stx_mtime.tv_sec
        && was->stx_mtime.tv_nsec == now->stx_mtime.tv_nsec
        && was->stx_ctime.tv_sec == now->stx_ctime.tv_sec
        && was->stx_ctime.tv_nsec == now->stx_ctime.tv_nsec;
}

static enum sp_err
check_unchanged(struct broker *b, const struct move *m)
{
    struct statx now;
    enum sp_err rc = resolve_stat(m->from->dir, m->from->name, &now);

    if (rc == SP_OK && !is_unchanged(&m->st, &now))
        return broker_refuse(b, FAIL_BUSY);
    return rc;
}

/* With its lock, which keeps those away who would add to it. */
static enum sp_err
open_old(struct broker *b, struct move *m)
{
    struct statx there;
    enum sp_err rc = resolve_stat(m->from->dir, m->from->name, &there);

    if (rc != SP_OK)
        return rc;
    if (!S_ISREG(there.stx_mode))
        return broker_errno(EXDEV);
    if ((rc = check_removable(b, m->from)) != SP_OK
        || (rc = resolve_name(m->from->dir, m->from->name, O_RDONLY | O_NONBLOCK | O_NOCTTY,
                              0, &m->old)) != SP_OK)
        return rc;
    rc = partial_lock(b, m->old);
    if (rc == SP_OS && errno == EBADF)
        rc = SP_OK;             /* NFS locks only what may be written */
    if (rc != SP_OK || (rc = resolve_stat(m->old, "", &m->st)) != SP_OK)
        return rc;
    return S_ISREG(m->st.stx_mode) && resolve_same(&m->st, &there)
        ? SP_OK : broker_refuse(b, FAIL_BUSY);
}

/* Before it costs anything. Who takes the name meanwhile is seen at the end. */
static enum sp_err
check_target(struct broker *b, const struct place *to, bool replaces)
{
    struct statx st;

    if (resolve_stat(to->dir, to->name, &st) != SP_OK)
        return errno == ENOENT ? SP_OK : SP_OS;
    return replaces && !S_ISDIR(st.stx_mode) ? SP_OK : broker_refuse(b, FAIL_EXISTS);
}

static enum sp_err
copy(struct broker *b, struct move *m)
{
    enum sp_err rc = SP_OK;

    partial_name_of_move(m->to->name, m->hidden);
    if ((rc = partial_create(b, m->to->dir, m->hidden, &m->new)) != SP_OK)
        return rc;
    (void)fchmod(m->new, 0600);         /* it is nobody's to read until it is whole */
    if ((rc = copy_make_room(m->new, m->st.stx_size)) != SP_OK)
        return rc;
    rc = copy_while_wanted(b, m->old, m->new, m->st.stx_size);
    return rc == SP_REFUSED && b->why == FAIL_OFFSET ? broker_refuse(b, FAIL_BUSY) : rc;
}

/* What the file system lets this user set. The mode is that of the old file in any case. */
static enum sp_err
hand_over(const struct move *m)
{
    const struct timespec times[2] = {
        { .tv_sec = m->st.stx_atime.tv_sec, .tv_nsec = m->st.stx_atime.tv_nsec },
        { .tv_sec = m->st.stx_mtime.tv_sec, .tv_nsec = m->st.stx_mtime.tv_nsec }
    };

    SP_IGNORE(fchown(m->new, (uid_t)-1, m->st.stx_gid));
    (void)inherit_attributes(m->old, m->new);
    if (fchmod(m->new, m->st.stx_mode & 0777) == -1 && errno != EPERM && !broker_lacks(errno))
        return SP_OS;
    if (futimens(m->new, times) == -1 && errno != EPERM && !broker_lacks(errno))
        return SP_OS;
    return SP_OK;
}

/* The old name goes. Where it does not, the new one is not to be a second one. */
static enum sp_err
remove_old(struct broker *b, const struct move *m, bool replaced)
{
    int saved = 0;
    enum sp_err rc = check_unchanged(b, m);

    if (rc == SP_OK && unlinkat(m->from->dir, m->from->name, 0) == 0)
        return SP_OK;
    if (rc == SP_OK)
        rc = SP_OS;
    saved = errno;
    if (!replaced && partial_is_at(m->new, m->to->dir, m->to->name))
        (void)unlinkat(m->to->dir, m->to->name, 0);
    errno = saved;
    return rc;
}

static enum sp_err
finish(struct broker *b, const struct move *m, bool replaces)
{
    struct statx st;
    bool replaced = false;
    enum sp_err rc = SP_OK;

    if ((rc = hand_over(m)) != SP_OK || (rc = publish_sync(b, m->new)) != SP_OK
        || (rc = publish_flush(m->new)) != SP_OK
        || (rc = broker_is_wanted(b)) != SP_OK || (rc = check_unchanged(b, m)) != SP_OK)
        return rc;
    replaced = resolve_stat(m->to->dir, m->to->name, &st) == SP_OK;
    if ((rc = publish_rename(b, m->to->dir, m->hidden, m->to->dir, m->to->name, replaces))
        != SP_OK)
        return rc;
    /* only what is surely there takes the place of the old one */
    if ((rc = publish_sync_directory(m->to)) != SP_OK)
        return rc;
    return remove_old(b, m, replaced);
}

enum sp_err
move_file(struct broker *b, const struct place *from, const struct place *to, bool replaces)
{
    struct move m = { .from = from, .to = to, .old = -1, .new = -1 };
    int saved = 0;
    enum sp_err rc = SP_OK;

    if ((rc = open_old(b, &m)) == SP_OK && (rc = check_target(b, to, replaces)) == SP_OK
        && (rc = copy(b, &m)) == SP_OK)
        rc = finish(b, &m, replaces);
    saved = errno;
    if (rc != SP_OK && m.new != -1 && partial_is_at(m.new, to->dir, m.hidden)
        && unlinkat(to->dir, m.hidden, 0) == -1)
        log_event(EVENT_UPLOAD_LEFTOVER, "error=%d", errno);
    fd_close(&m.old);
    fd_close(&m.new);
    errno = saved;
    return rc;
}
