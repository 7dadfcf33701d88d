/* broker/partial.c - see broker/partial.h */
#include "broker/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/dots.h"
#include "base/fd.h"
#include "broker/broker.h"
#include "broker/resolve.h"
#include "broker/takeover.h"

#define PREFIX_LEN (sizeof PARTIAL_PREFIX - 1)
#define SHORT_MOST 143          /* bytes of a name that every file system can have  */
#define KEPT_SHORT 117          /* bytes of a shortened name where it has no more   */
#define KEPT 180                /* where it has                                     */
#define DIGITS 16
#define TRIES 16

bool
partial_is(struct slice name)
{
    return name.len >= PREFIX_LEN && memcmp(name.at, PARTIAL_PREFIX, PREFIX_LEN) == 0;
}

/* Has a name the form of a shortened one? */
static bool
looks_hashed(const char *name, size_t len)
{
    size_t kept = len > SHORT_MOST ? KEPT : KEPT_SHORT;

    return len == kept + 1 + DIGITS && name[kept] == '~'
        && strspn(name + kept + 1, "0123456789abcdef") == DIGITS;
}

/* Does the name of a partial have room for all of this one? */
static bool
fits_whole(const char *name, size_t len)
{
    size_t most = len > SHORT_MOST ? NAME_MAX : SHORT_MOST;

    return len + PREFIX_LEN <= most && !looks_hashed(name, len);
}

/* FNV-1a: spreads names; it need not resist anybody, as the directory is the client's
 * own. */
static uint64_t
hash_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

void
partial_name(const char *name, char out[NAME_MAX + 1])
{
    size_t len = strlen(name);
    bool fits = false;

    SP_ASSERT(len <= NAME_MAX);
    if (fits_whole(name, len))
        fits = text_printf(out, NAME_MAX + 1, PARTIAL_PREFIX "%s", name);
    else
        fits = text_printf(out, NAME_MAX + 1, PARTIAL_PREFIX "%.*s~%016llx",
                           len > SHORT_MOST ? KEPT : KEPT_SHORT, name,
                           (unsigned long long)hash_of(name));
    SP_ASSERT(fits);
}

void
partial_name_of_move(const char *name, char out[NAME_MAX + 1])
{
    text_printf_whole(out, NAME_MAX + 1, PARTIAL_PREFIX PARTIAL_PREFIX "%016llx",
                      (unsigned long long)hash_of(name));
}

const char *
partial_final(const char *partial)
{
    const char *name = partial + PREFIX_LEN;

    if (!partial_is(slice_of(partial)) || !fits_whole(name, strlen(name)))
        return NULL;
    if (*name == '\0' || dots_name(name) || partial_is(slice_of(name)))
        return NULL;
    return name;
}

bool
partial_seen_at(int fd, int dir, const char *name, struct statx *st)
{
    struct statx there;

    return resolve_stat(fd, "", st) == SP_OK
        && resolve_stat(dir, name, &there) == SP_OK && resolve_same(st, &there);
}

bool
partial_is_at(int fd, int dir, const char *name)
{
    struct statx st;

    return partial_seen_at(fd, dir, name, &st);
}

/* Somebody has the lock of fd. SP_OK: try again. */
static enum sp_err
wait_for_lock(struct broker *b, int fd, bool *asked)
{
    if (*asked || !b->upload.takes_over)
        return broker_refuse(b, FAIL_BUSY);
    *asked = true;
    return takeover_ask(b, fd);
}

enum sp_err
partial_lock(struct broker *b, int fd)
{
    bool asked = false;
    enum sp_err rc = SP_OK;

    while (rc == SP_OK && flock(fd, LOCK_EX | LOCK_NB) == -1) {
        switch (errno) {
        case EINTR: continue;
        case EWOULDBLOCK: rc = wait_for_lock(b, fd, &asked); break;
        case ENOLCK: return SP_OK;
        default: return broker_lacks(errno) ? SP_OK : SP_OS;
        }
    }
    return rc;
}

/* Locks what was opened under the name. SP_AGAIN: the name means another file by now. */
static enum sp_err
lock_at(struct broker *b, int fd, int dir, const char *partial)
{
    struct statx st, there;
    enum sp_err rc = partial_lock(b, fd);

    if (rc != SP_OK || (rc = resolve_stat(fd, "", &st)) != SP_OK)
        return rc;
    if (!S_ISREG(st.stx_mode))
        return broker_refuse(b, FAIL_NOT_FILE);
    return resolve_stat(dir, partial, &there) == SP_OK && resolve_same(&st, &there)
        ? SP_OK : SP_AGAIN;
}

/* One try of partial_open, with O_WRONLY or, only for a lock, O_RDONLY. */
static enum sp_err
open_once(struct broker *b, int dir, const char *partial, uint64_t access, int *fd)
{
    struct statx st;
    int got = -1;
    enum sp_err rc = SP_OK;

    /* Looked at before it is opened: opening a device could already do something. */
    if ((rc = resolve_stat(dir, partial, &st)) != SP_OK)
        return rc;
    if (!S_ISREG(st.stx_mode))
        return broker_refuse(b, FAIL_NOT_FILE);
    access |= O_NONBLOCK | O_NOCTTY;
    if ((rc = resolve_name(dir, partial, access, 0, &got)) == SP_OK
        && (rc = lock_at(b, got, dir, partial)) == SP_OK)
        *fd = fd_move(&got);
    fd_close(&got);
    return rc;
}

enum sp_err
partial_open(struct broker *b, int dir, const char *partial, int *fd)
{
    enum sp_err rc = SP_AGAIN;

    for (unsigned tries = 0; rc == SP_AGAIN && tries < TRIES; tries++)
        rc = open_once(b, dir, partial, O_WRONLY, fd);
    return rc == SP_AGAIN ? broker_refuse(b, FAIL_BUSY) : rc;
}

/* Another user's, say, may perhaps be read, which is enough for a lock. */
enum sp_err
partial_hold(struct broker *b, int dir, const char *partial, int *fd)
{
    enum sp_err rc = SP_AGAIN;

    for (unsigned tries = 0; rc == SP_AGAIN && tries < TRIES; tries++) {
        rc = open_once(b, dir, partial, O_WRONLY, fd);
        if (rc == SP_OS && errno == EACCES)
            rc = open_once(b, dir, partial, O_RDONLY, fd);
    }
    return rc == SP_AGAIN ? broker_refuse(b, FAIL_BUSY) : rc;
}

/* With the lock held nobody who keeps to the rule has it open or will. */
enum sp_err
partial_remove(struct broker *b, int dir, const char *partial)
{
    int fd = -1;
    enum sp_err rc = partial_hold(b, dir, partial, &fd);

    if (rc == SP_OK && unlinkat(dir, partial, 0) == -1)
        rc = SP_OS;
    fd_close(&fd);
    return rc;
}

/* Made and locked, but it could not be looked at: it is ours, and nobody's upload. */
static void
forget_made(int fd, int dir, const char *partial)
{
    int saved = errno;

    if (partial_is_at(fd, dir, partial))
        (void)unlinkat(dir, partial, 0);
    errno = saved;
}

enum sp_err
partial_create(struct broker *b, int dir, const char *partial, int *fd)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        int got = -1;
        enum sp_err rc =
            resolve_name(dir, partial, O_WRONLY | O_CREAT | O_EXCL, 0666, &got);

        if (rc == SP_OK && (rc = lock_at(b, got, dir, partial)) == SP_OK) {
            *fd = fd_move(&got);
            return SP_OK;
        }
        if (rc == SP_OS && got != -1)
            forget_made(got, dir, partial);
        fd_close(&got);
        if (rc == SP_OS && errno == EEXIST)
            rc = partial_remove(b, dir, partial);
        /*
         * gone, or taken for stale by another session before we had the lock: once more
         */
        if (rc != SP_OK && rc != SP_AGAIN && !(rc == SP_OS && errno == ENOENT))
            return rc;
    }
    return broker_refuse(b, FAIL_BUSY);
}
