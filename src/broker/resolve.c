/* broker/resolve.c - see broker/resolve.h */
#include "broker/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/dots.h"
#include "base/fd.h"
#include "broker/broker.h"
#include "broker/partial.h"

#define TRIES 64                /* openat2 says EAGAIN where a rename raced with it */
#define LINKS_MOST 40           /* as the kernel's own limit                        */
#define STAT_MASK (STATX_BASIC_STATS | STATX_BTIME)

static enum sp_err
open_at(int dir, const char *path, const struct open_how *how, int *fd)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        long got = syscall(SYS_openat2, dir, path, how, sizeof *how);

        if (got >= 0) {
            *fd = (int)got;
            return SP_OK;
        }
        if (errno != EAGAIN && errno != EINTR)
            return SP_OS;
    }
    return SP_OS;
}

/* Where a component ends: at the next '/', or at the end. */
static const char *
component_end(const char *at)
{
    const char *slash = strchr(at, '/');

    return slash != NULL ? slash : at + strlen(at);
}

enum sp_err
resolve_text(struct broker *b, struct slice path, char out[PATH_MAX])
{
    if (path.len == 0 || path.at[0] != '/' || slice_to_text(path, out, PATH_MAX) != SP_OK)
        return broker_refuse(b, FAIL_NAME);
    for (const char *at = out, *end = NULL; *at != '\0'; at = end) {
        while (*at == '/')
            at++;
        end = component_end(at);
        if (end - at > NAME_MAX || partial_is((struct slice){ (const unsigned char *)at,
                                                              (size_t)(end - at) }))
            return broker_refuse(b, FAIL_NAME);
    }
    return SP_OK;
}

enum sp_err
resolve_open(const struct broker *b, const char *path, uint64_t flags, int *fd)
{
    const struct open_how how = { .flags = flags | O_CLOEXEC,
                                  .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

    SP_ASSERT((flags & O_CREAT) == 0);
    return open_at(b->root, path, &how, fd);
}

enum sp_err
resolve_name(int dir, const char *name, uint64_t flags, mode_t mode, int *fd)
{
    const struct open_how how = { .flags = flags | O_NOFOLLOW | O_CLOEXEC,
                                  .mode = (flags & O_CREAT) != 0 ? mode : 0,
                                  .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
                                             | RESOLVE_NO_MAGICLINKS };

    SP_ASSERT(strchr(name, '/') == NULL);
    return open_at(dir, name, &how, fd);
}

enum sp_err
resolve_stat(int dir, const char *name, struct statx *out)
{
    /* what stat(2) says: on a network file system what is known already may be old */
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

    SP_ASSERT(strchr(name, '/') == NULL);
    if (*name == '\0')
        flags |= AT_EMPTY_PATH;
    return statx(dir, name, flags, STAT_MASK, out) == 0 ? SP_OK : SP_OS;
}

bool
resolve_same(const struct statx *a, const struct statx *b)
{
    return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major
        && a->stx_dev_minor == b->stx_dev_minor;
}

enum sp_err
resolve_open_seen(struct broker *b, const char *path, uint64_t flags, int *fd,
                  bool *unfinished)
{
    struct place at = PLACE_EMPTY;
    struct statx st;
    char name[NAME_MAX + 1];
    int got = -1;
    enum sp_err rc = resolve_open(b, path, flags, fd);

    *unfinished = false;
    if (rc == SP_OK || errno != ENOENT)
        return rc;
    if ((rc = resolve_place(b, path, &at)) != SP_OK)
        goto out;
    partial_name(at.name, name);
    if ((rc = resolve_stat(at.dir, name, &st)) != SP_OK)
        goto out;
    if (!S_ISREG(st.stx_mode)) {
        rc = broker_errno(ENOENT);
        goto out;
    }
    if ((rc = resolve_name(at.dir, name, flags & ~(uint64_t)O_DIRECTORY, 0, &got))
        != SP_OK)
        goto out;
    *fd = fd_move(&got);
    *unfinished = true;
out:
    place_clear(&at);
    return rc == SP_REFUSED ? broker_errno(ENOENT) : rc;
}

enum sp_err
resolve_seen(struct broker *b, const char *path, struct seen *out)
{
    struct seen got = SEEN_EMPTY;
    enum sp_err rc = resolve_open_seen(b, path, O_PATH, &got.fd, &got.unfinished);

    if (rc == SP_OK && (rc = resolve_stat(got.fd, "", &got.st)) == SP_OK) {
        *out = got;
        return SP_OK;
    }
    seen_clear(&got);
    return rc;
}

void
seen_clear(struct seen *s)
{
    fd_close(&s->fd);
}

static bool
is_dot_name(const char *name)
{
    return *name == '\0' || dots_name(name);
}

enum sp_err
resolve_place(struct broker *b, const char *path, struct place *out)
{
    const char *slash = strrchr(path, '/');
    struct place got = PLACE_EMPTY;
    char parent[PATH_MAX];
    enum sp_err rc = SP_OK;

    if (slash == NULL || is_dot_name(slash + 1)
        || !text_copy(got.name, sizeof got.name, slash + 1)
        || !text_printf(parent, sizeof parent, "%.*s/", (int)(slash - path), path))
        return broker_refuse(b, FAIL_NAME);
    if ((rc = resolve_open(b, parent, O_PATH | O_DIRECTORY, &got.dir)) != SP_OK)
        return rc;
    *out = got;
    return SP_OK;
}

void
place_clear(struct place *p)
{
    fd_close(&p->dir);
}

enum sp_err
resolve_join(struct broker *b, const char *dir, const char *name, char out[PATH_MAX])
{
    size_t len = strlen(dir);
    const char *parting = len > 0 && dir[len - 1] == '/' ? "" : "/";

    if (!text_printf(out, PATH_MAX, "%s%s%s", dir, parting, name))
        return broker_refuse(b, FAIL_NAME);
    return SP_OK;
}

/*
 * The path that a link at path with this target means: the kernel walks it from the root
 * of the jail again, so it does not matter that the parent is text and may be a link
 * itself.
 */
static enum sp_err
follow(struct broker *b, char path[PATH_MAX], const char *target)
{
    char next[PATH_MAX];
    enum sp_err rc = SP_OK;

    if (*target == '/') {
        if (!text_copy(next, sizeof next, target))
            return broker_refuse(b, FAIL_NAME);
    } else {
        *(strrchr(path, '/') + 1) = '\0';
        if ((rc = resolve_join(b, path, target, next)) != SP_OK)
            return rc;
    }
    memcpy(path, next, PATH_MAX);
    return SP_OK;
}

enum sp_err
resolve_target(struct broker *b, const char *path, struct place *out)
{
    char at[PATH_MAX], target[PATH_MAX];
    enum sp_err rc = SP_OK;

    if (!text_copy(at, sizeof at, path))
        return broker_refuse(b, FAIL_NAME);
    for (unsigned links = 0; links <= LINKS_MOST; links++) {
        struct place got = PLACE_EMPTY;
        ssize_t len = 0;

        if ((rc = resolve_place(b, at, &got)) != SP_OK)
            return rc;
        if ((len = readlinkat(got.dir, got.name, target, sizeof target - 1)) == -1) {
            int error = errno;

            /* a link that could not be read is not replaced as if it were none */
            if (error != EINVAL && error != ENOENT) {
                place_clear(&got);
                return broker_errno(error);
            }
            if (partial_is(slice_of(got.name))) {
                place_clear(&got);
                return broker_refuse(b, FAIL_NAME);
            }
            got.absent = error == ENOENT;
            *out = got;         /* no link: what is there, or nothing, is the target */
            return SP_OK;
        }
        place_clear(&got);
        target[len] = '\0';
        if ((rc = follow(b, at, target)) != SP_OK)
            return rc;
    }
    return broker_errno(ELOOP);
}
