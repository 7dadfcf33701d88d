/* broker/upload.c - see broker/upload.h */
#include "broker/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/copy.h"
#include "broker/expire.h"
#include "broker/partial.h"
#include "broker/permit.h"
#include "broker/publish.h"
#include "broker/unfinished.h"
#include "wire/pack.h"

#define UNIQUE_TRIES 1000
#define LOOKS 8
#define ALLOCATE_LEAST ((uint64_t)1 << 20)      /* bytes: smaller ones find their place */

/* What lies at the final name and beside it when an upload begins. */
struct found {
    bool final, partial;
    struct statx st, part;
};

/* partial: is that to be looked for? What is begun anew finds it when it makes its own. */
static enum sp_err
look(struct broker *b, const struct upload *up, bool partial, struct found *out)
{
    *out = (struct found){ .final = false };
    if (up->at.absent) {
        out->final = false;     /* who makes one meanwhile is seen when this is published */
    } else if (resolve_stat(up->at.dir, up->at.name, &out->st) == SP_OK) {
        if (!S_ISREG(out->st.stx_mode))
            return broker_refuse(b, FAIL_NOT_FILE);
        out->final = true;
    } else if (errno != ENOENT) {
        return SP_OS;
    }
    if (!partial)
        return SP_OK;
    /* one that cannot be seen is not taken for none: APPE would begin anew, and cut it */
    out->partial = resolve_stat(up->at.dir, up->partial, &out->part) == SP_OK;
    return out->partial || errno == ENOENT ? SP_OK : SP_OS;
}

/*
 * The final file that is to be replaced or grown, opened: a device that was swapped in is
 * seen by the second look, a FIFO does not hold us up.
 */
static enum sp_err
open_final(struct broker *b, const struct upload *up, const struct found *found,
           uint64_t access, int *fd)
{
    struct statx st;
    int got = -1;
    enum sp_err rc = SP_OS;

    if ((rc = resolve_name(up->at.dir, up->at.name, access | O_NONBLOCK | O_NOCTTY, 0,
                           &got)) != SP_OK)
        goto out;
    if ((rc = resolve_stat(got, "", &st)) != SP_OK)
        goto out;
    rc = SP_OK;
    if (!S_ISREG(st.stx_mode) || !resolve_same(&st, &found->st))
        rc = broker_refuse(b, FAIL_BUSY);
    if (rc == SP_OK)
        *fd = fd_move(&got);
out:
    fd_close(&got);
    return rc;
}

/* *available: bytes; 0 where it is not known, or nothing is needed. */
static enum sp_err
check_space(struct broker *b, int fd, uint64_t needed, uint64_t *available)
{
    struct statfs fs;

    *available = 0;
    /* one that does not count its blocks has none free, and room all the same */
    if (needed == 0 || fstatfs(fd, &fs) == -1 || fs.f_bsize <= 0 || fs.f_blocks == 0)
        return SP_OK;           /* only an early word: the kernel has the last one */
    if (needed / (uint64_t)fs.f_bsize >= (uint64_t)fs.f_bavail)
        return broker_refuse(b, FAIL_SPACE);
    *available = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    return SP_OK;
}

/*
 * What ALLO announced has to have room, and is given to the upload before it begins: so
 * it does not find the disk full in the middle, nor lie in pieces beside others. Not all
 * that is free, which a client may name as well. The size stays: what is not written is
 * given back by trim. Not to a file that grows in place: trim could cut what somebody of
 * the system appends to it.
 */
static enum sp_err
allocate(struct broker *b, struct upload *up, uint64_t size)
{
    uint64_t most = (uint64_t)b->settings.allocate_most << 20;
    uint64_t needed = size > up->offset ? size - up->offset : 0, available = 0;
    enum sp_err rc = check_space(b, up->fd, needed, &available);

    /* said before 150, where it is known by then */
    if (rc == SP_OK && b->file_bound > 0
        && (size >= b->file_bound || up->offset >= b->file_bound - 1))
        return broker_errno(EFBIG);
    if (rc != SP_OK || up->in_place || needed < ALLOCATE_LEAST)
        return rc;
    if (most > available / 2)
        most = available / 2;
    if (needed > most)
        needed = most;
    if (needed == 0)
        return SP_OK;
    up->allocated = up->offset + needed;
    if (fallocate(up->fd, FALLOC_FL_KEEP_SIZE, (off_t)up->offset, (off_t)needed) == 0)
        return SP_OK;
    /* else the file system cannot, or not now: it is given what it writes */
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? SP_OS : SP_OK;
}

/* What was allocated and not written goes back. */
static void
trim(const struct upload *up)
{
    struct statx st;

    if (up->allocated > 0
        && (resolve_stat(up->fd, "", &st) != SP_OK
            || (st.stx_size < up->allocated
                && ftruncate(up->fd, (off_t)st.stx_size) == -1)))
        log_event(EVENT_UPLOAD_UNTRIMMED, "error=%d", errno);    /* it is whole all the same */
}

/*
 * No file can be made beside the old one, so nothing can keep it until the new one is
 * complete. That is refused, unless the administrator would rather lose the old one.
 */
static enum sp_err
begin_over_itself(struct broker *b, struct upload *up, int *old)
{
    enum sp_err rc = SP_OK;

    if (!b->settings.overwrite_in_place)
        return broker_refuse(b, FAIL_CLOSED);
    if ((rc = partial_lock(b, *old)) != SP_OK)
        return rc;
    if (ftruncate(*old, 0) == -1)
        return SP_OS;
    up->in_place = true;
    up->fd = fd_move(old);
    return SP_OK;
}

/* A file is begun anew; one that is there stays until this is complete. */
static enum sp_err
begin_new(struct broker *b, struct upload *up, const struct found *found)
{
    int old = -1;
    enum sp_err rc = permit_check(b, found->final ? ACT_REPLACE : ACT_CREATE);

    if (rc == SP_REFUSED && found->final && permit_has(b, ACT_CREATE))
        return broker_refuse(b, FAIL_EXISTS);
    if (rc != SP_OK)
        return rc;
    if (found->final && (rc = open_final(b, up, found, O_WRONLY, &old)) != SP_OK)
        return rc;
    up->replaces = permit_has(b, ACT_REPLACE);
    up->made = true;
    rc = partial_create(b, up->at.dir, up->partial, &up->fd);
    if (rc == SP_OK && found->final)
        inherit_note(old, &found->st, up->fd, &up->noted);
    else if (rc == SP_OS && found->final && (errno == EACCES || errno == EROFS))
        rc = begin_over_itself(b, up, &old);
    fd_close(&old);
    return rc;
}

/*
 * An upload that broke off is gone on with. at_end: wherever it ends, else at offset.
 * SP_AGAIN: it has gone, look again.
 */
static enum sp_err
begin_resumed(struct broker *b, struct upload *up, bool at_end, uint64_t offset)
{
    struct statx st;
    enum sp_err rc = permit_check(b, ACT_CREATE);

    if (rc != SP_OK)
        return rc;
    rc = partial_open(b, up->at.dir, up->partial, &up->fd);
    if (rc == SP_OS && errno == ENOENT)
        return SP_AGAIN;
    if (rc != SP_OK || (rc = resolve_stat(up->fd, "", &st)) != SP_OK)
        return rc;
    if (at_end)
        offset = st.stx_size;
    if (offset > st.stx_size)
        return broker_refuse(b, FAIL_OFFSET);
    /* also at its end: behind it may lie what the one that broke off could not give back */
    if (ftruncate(up->fd, (off_t)offset) == -1
        && (offset < st.stx_size || !broker_lacks(errno)))
        return SP_OS;
    up->replaces = permit_has(b, ACT_REPLACE);
    up->offset = offset;
    return SP_OK;
}

/*
 * An upload over a file broke off: it is gone on with, and the file that is there is not
 * touched. APPE does not say what its bytes follow: the session has to have been told.
 */
static enum sp_err
begin_over(struct broker *b, struct upload *up, const struct found *found, bool at_end,
           uint64_t offset)
{
    int old = -1;
    enum sp_err rc = SP_OK;

    if (at_end && !unfinished_was_told(b, &found->part))
        return broker_refuse(b, FAIL_UNFINISHED);
    if ((rc = open_final(b, up, found, O_WRONLY, &old)) != SP_OK)
        return rc;
    fd_close(&old);
    if ((rc = begin_resumed(b, up, at_end, offset)) != SP_OK)
        return rc;
    /* its last bytes may have come after the session was told, and before we had the lock */
    return at_end && up->offset != found->part.stx_size ? broker_refuse(b, FAIL_UNFINISHED)
                                                        : SP_OK;
}

/* The file that is there grows. */
static enum sp_err
begin_in_place(struct broker *b, struct upload *up, const struct found *found)
{
    struct statx st;
    enum sp_err rc = SP_OK;

    if ((rc = open_final(b, up, found, O_WRONLY, &up->fd)) != SP_OK
        || (rc = partial_lock(b, up->fd)) != SP_OK
        || (rc = resolve_stat(up->fd, "", &st)) != SP_OK)
        return rc;
    if (st.stx_size != found->st.stx_size)
        return broker_refuse(b, FAIL_BUSY);
    up->in_place = true;
    up->offset = st.stx_size;
    return SP_OK;
}

/* The first offset bytes of the file that is there are copied, and gone on with. */
static enum sp_err
begin_copied(struct broker *b, struct upload *up, const struct found *found,
             uint64_t offset)
{
    int old = -1;
    uint64_t available = 0;
    enum sp_err rc = SP_OK;

    if ((rc = open_final(b, up, found, O_WRONLY, &old)) != SP_OK)
        goto out;
    fd_close(&old);
    if ((rc = open_final(b, up, found, O_RDONLY, &old)) != SP_OK)
        goto out;
    if ((rc = check_space(b, up->at.dir, offset, &available)) != SP_OK)
        goto out;
    up->made = true;
    if ((rc = partial_create(b, up->at.dir, up->partial, &up->fd)) != SP_OK)
        goto out;
    up->replaces = true;
    up->offset = offset;
    rc = copy_for_session(b, old, up->fd, offset);
out:
    fd_close(&old);
    return rc;
}

/* A file that is there is gone on with, from offset. */
static enum sp_err
begin_continued(struct broker *b, struct upload *up, const struct found *found,
                uint64_t offset)
{
    bool at_end = offset == found->st.stx_size;
    enum sp_err rc = permit_check(b, at_end ? ACT_APPEND : ACT_REWRITE);

    if (rc != SP_OK)
        return rc;
    if (offset > found->st.stx_size)
        return broker_refuse(b, FAIL_OFFSET);
    if (at_end)
        return begin_in_place(b, up, found);
    return begin_copied(b, up, found, offset);
}

/* Which of the beginnings it is. SP_AGAIN: something has changed meanwhile, look again. */
static enum sp_err
begin_found(struct broker *b, struct upload *up, const struct msg_open_write *ask)
{
    bool append = ask->how == UPLOAD_APPE;
    bool resume = ask->how == UPLOAD_STOR && ask->offset > 0;
    struct found found;
    enum sp_err rc = look(b, up, append || resume, &found);

    if (rc != SP_OK)
        return rc;
    if (found.final && found.partial && permit_has(b, ACT_REPLACE))
        return begin_over(b, up, &found, append, ask->offset);
    if (found.final && (append || resume) && !found.partial
        && unfinished_has_gone(b, &found.st))
        return broker_refuse(b, FAIL_UNFINISHED);
    if (found.final && (append || resume))
        return begin_continued(b, up, &found, append ? found.st.stx_size : ask->offset);
    if (found.partial && (append || resume))
        return begin_resumed(b, up, append, ask->offset);
    if (resume)
        return broker_refuse(b, FAIL_OFFSET);
    return begin_new(b, up, &found);
}

static enum sp_err
begin(struct broker *b, struct upload *up, const struct msg_open_write *ask)
{
    enum sp_err rc = SP_AGAIN;

    for (unsigned tries = 0; rc == SP_AGAIN && tries < LOOKS; tries++)
        rc = begin_found(b, up, ask);
    return rc == SP_AGAIN ? broker_refuse(b, FAIL_BUSY) : rc;
}

/* Does anybody have this name, finished or not? */
static bool
is_free(const struct upload *up)
{
    struct statx st;

    return resolve_stat(up->at.dir, up->at.name, &st) == SP_OS && errno == ENOENT
        && resolve_stat(up->at.dir, up->partial, &st) == SP_OS && errno == ENOENT;
}

/* "upload-20261121-073338", of the time in UTC. */
static void
timed_name(char out[NAME_MAX + 1])
{
    char stamp[25];             /* 2026-11-21T07:33:38.123Z */

    clock_stamp(stamp);
    text_printf_whole(out, NAME_MAX + 1, "upload-%.4s%.2s%.2s-%.2s%.2s%.2s", stamp,
                      stamp + 5, stamp + 8, stamp + 11, stamp + 14, stamp + 17);
}

/*
 * STOU: the path as it was given, or, where it is a directory's, a name in it that is
 * made of the time.
 */
static enum sp_err
unique_wish(struct broker *b, char path[PATH_MAX])
{
    char name[NAME_MAX + 1], longer[PATH_MAX];
    struct seen there = SEEN_EMPTY;
    bool directory = false;
    enum sp_err rc = SP_OK;

    if (resolve_seen(b, path, &there) == SP_OK)
        directory = S_ISDIR(there.st.stx_mode);
    seen_clear(&there);
    if (!directory)
        return SP_OK;
    timed_name(name);
    if ((rc = resolve_join(b, path, name, longer)) == SP_OK)
        memcpy(path, longer, PATH_MAX);
    return rc;
}

/*
 * STOU: begins under the wished name where it is free, else with ".1", ".2", ... Two
 * sessions with one wish meet at the partial, which only one of them can lock; whoever
 * holds it looks once more whether the other has finished in between.
 */
static enum sp_err
begin_unique(struct broker *b, struct upload *up, char path[PATH_MAX])
{
    char wish[NAME_MAX + 1], parent[PATH_MAX];
    struct found none = { .final = false };
    struct statx st;
    enum sp_err rc = SP_OK;

    if ((rc = unique_wish(b, path)) != SP_OK
        || (rc = resolve_place(b, path, &up->at)) != SP_OK)
        return rc;
    text_copy_whole(wish, sizeof wish, up->at.name);
    text_printf_whole(parent, sizeof parent, "%.*s", (int)(strrchr(path, '/') - path),
                      path);
    for (unsigned n = 0; n < UNIQUE_TRIES; n++) {
        if (n > 0)
            text_printf_whole(up->at.name, sizeof up->at.name, "%.*s.%u",
                              NAME_MAX - 5, wish, n);
        partial_name(up->at.name, up->partial);
        if (!is_free(up))
            continue;
        rc = begin_new(b, up, &none);
        if (rc == SP_REFUSED && b->why == FAIL_BUSY)
            continue;
        if (rc != SP_OK)
            return rc;
        up->replaces = false;
        if (resolve_stat(up->at.dir, up->at.name, &st) == SP_OS && errno == ENOENT)
            return resolve_join(b, parent, up->at.name, path);
        (void)unlinkat(up->at.dir, up->partial, 0);
        fd_close(&up->fd);
    }
    return broker_refuse(b, FAIL_EXISTS);
}

static enum sp_err
begin_any(struct broker *b, struct upload *up, const struct msg_open_write *ask,
          char path[PATH_MAX])
{
    enum sp_err rc = resolve_text(b, ask->path, path);

    if (rc != SP_OK)
        return rc;
    if (ask->how == UPLOAD_STOU)
        return begin_unique(b, up, path);
    if ((rc = resolve_target(b, path, &up->at)) != SP_OK)
        return rc;
    partial_name(up->at.name, up->partial);
    return begin(b, up, ask);
}

static void
forget(struct upload *up)
{
    fd_close(&up->fd);
    place_clear(&up->at);
    *up = (struct upload)UPLOAD_EMPTY;
}

/* It has not begun: what was there stays, and nothing else does. */
static void
undo(struct upload *up)
{
    if (up->fd != -1 && up->made && !up->in_place && partial_is_at(up->fd, up->at.dir, up->partial)
        && unlinkat(up->at.dir, up->partial, 0) == -1)
        log_event(EVENT_UPLOAD_LEFTOVER, "error=%d", errno);
    trim(up);
    forget(up);
}

enum sp_err
upload_begin(struct broker *b, const struct msg_open_write *ask, char path[PATH_MAX])
{
    struct upload *up = &b->upload;
    enum sp_err rc = SP_OK;

    SP_ASSERT(!up->open);
    up->takes_over = ask->how != UPLOAD_STOU;   /* which takes another name */
    if ((rc = begin_any(b, up, ask, path)) != SP_OK)
        goto out;
    up->takes_over = false;
    if ((rc = allocate(b, up, ask->size)) != SP_OK)
        goto out;
    if (up->offset > 0 && lseek(up->fd, (off_t)up->offset, SEEK_SET) == -1)
        rc = SP_OS;
    else
        up->open = true;
    (void)log_text(slice_of(path), &up->shown);
out:
    if (rc != SP_OK) {
        int saved = errno;

        undo(up);
        errno = saved;
    }
    return rc;
}

/*
 * An empty one over a file is: it tells that the file is not what the client has begun to
 * send. One that could not replace what is there by now is not.
 */
static bool
is_worth_keeping(const struct upload *up, uint64_t size)
{
    struct statx final;

    if (resolve_stat(up->at.dir, up->at.name, &final) == SP_OK)
        return up->replaces && S_ISREG(final.stx_mode);
    return size > 0;
}

static uint64_t
size_now(const struct upload *up)
{
    struct statx st;

    return resolve_stat(up->fd, "", &st) == SP_OK ? st.stx_size : up->offset;
}

void
upload_settle(struct broker *b)
{
    struct upload *up = &b->upload;
    bool stays = false;
    uint64_t size = 0;

    if (!up->open)
        return;
    size = size_now(up);
    if (!up->in_place && partial_is_at(up->fd, up->at.dir, up->partial)) {
        if (is_worth_keeping(up, size))
            stays = true;
        else if (unlinkat(up->at.dir, up->partial, 0) == -1)
            log_event(EVENT_UPLOAD_LEFTOVER, "error=%d", errno);
    }
    if (stays || up->in_place)
        log_event(EVENT_UPLOAD_UNFINISHED, "how=%s path=%s bytes=%llu",
                  stays ? "kept" : "written", up->shown.text, (unsigned long long)size);
    trim(up);
    /*
     * The worker may still hold its duplicate: the lock goes now, for the next attempt.
     */
    (void)flock(up->fd, LOCK_UN);
    if (stays)
        expire_around(b, &up->at);
    forget(up);
}

/* Is there a file that this one takes the place of? */
static bool
is_over_another(const struct upload *up)
{
    struct statx st;

    return resolve_stat(up->at.dir, up->at.name, &st) == SP_OK;
}

enum sp_err
upload_commit(struct broker *b, uint64_t bytes)
{
    struct upload *up = &b->upload;
    const char *how = up->in_place && up->offset > 0 ? "appended" : "replaced";
    uint64_t size = size_now(up);
    enum sp_err rc = SP_OS;

    SP_ASSERT(up->open);
    if (size != up->offset + bytes)
        log_event(EVENT_UPLOAD_SIZE, "file=%llu offset=%llu written=%llu",
                  (unsigned long long)size, (unsigned long long)up->offset,
                  (unsigned long long)bytes);
    trim(up);
    if (!up->in_place && !is_over_another(up))
        how = "new";
    if (!up->in_place)
        rc = publish(b, up->fd, &up->at, up->partial, up->replaces, &up->noted);
    else if ((!b->settings.durable || (rc = publish_sync(b, up->fd)) == SP_OK)
             && (rc = publish_flush(up->fd)) == SP_OK)
        rc = broker_is_wanted(b);       /* what was added stays; nobody is told 226 */
    if (rc != SP_OK) {
        int saved = errno;

        upload_settle(b);
        errno = saved;
        return rc;
    }
    log_event(EVENT_FILE_STORED, "how=%s path=%s bytes=%llu", how, up->shown.text,
              (unsigned long long)size);
    /* nothing of it is dirty any more: a large one does not stay in the memory */
    if (b->settings.durable
        && up->offset + bytes > (uint64_t)b->settings.cached_file_most << 20)
        (void)posix_fadvise(up->fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)flock(up->fd, LOCK_UN);
    forget(up);
    b->told.any = false;        /* it may have been this one */
    return SP_OK;
}
