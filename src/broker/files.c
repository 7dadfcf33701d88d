/* broker/files.c - see broker/files.h */
#include "broker/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "broker/attributes.h"
#include "broker/broker.h"
#include "broker/entry.h"
#include "broker/move.h"
#include "broker/partial.h"
#include "broker/permit.h"
#include "broker/publish.h"
#include "broker/reader.h"
#include "broker/resolve.h"
#include "broker/unfinished.h"
#include "wire/pack.h"

#define TRIES 8
#define READ_AHEAD (128u << 10) /* what the kernel reads ahead anyway */

/* Permit and path of a request, which nearly all of them begin with. */
static enum sp_err
begin(struct broker *b, enum permit_act act, struct slice path, char text[PATH_MAX])
{
    enum sp_err rc = permit_check(b, act);

    return rc == SP_OK ? resolve_text(b, path, text) : rc;
}

/* With what is there; text is the path as a text. */
static enum sp_err
begin_seen(struct broker *b, enum permit_act act, struct slice path, char text[PATH_MAX],
           struct seen *out)
{
    enum sp_err rc = begin(b, act, path, text);

    return rc == SP_OK ? resolve_seen(b, text, out) : rc;
}

static enum sp_err
begin_place(struct broker *b, enum permit_act act, struct slice path, struct place *out)
{
    char text[PATH_MAX];
    enum sp_err rc = begin(b, act, path, text);

    return rc == SP_OK ? resolve_place(b, text, out) : rc;
}

/*
 * One try. Looked at first: opening a device may already do something, and a FIFO that is
 * swapped in later neither holds us up nor passes the second look. SP_AGAIN: it was
 * another object the second time.
 */
static enum sp_err
open_regular(struct broker *b, const char *path, bool resumed, int *fd, struct statx *st)
{
    struct seen first = SEEN_EMPTY;
    bool unfinished = false;
    int got = -1;
    enum sp_err rc = SP_OK;

    if ((rc = resolve_seen(b, path, &first)) != SP_OK)
        return rc;
    if (!S_ISREG(first.st.stx_mode)) {
        rc = broker_refuse(b, FAIL_NOT_FILE);
        goto out;
    }
    if (first.unfinished && !resumed) {
        rc = broker_refuse(b, FAIL_UNFINISHED);
        goto out;
    }
    if ((rc = resolve_open_seen(b, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &got,
                                &unfinished)) != SP_OK
        || (rc = resolve_stat(got, "", st)) != SP_OK)
        goto out;
    rc = SP_AGAIN;
    if (S_ISREG(st->stx_mode) && resolve_same(st, &first.st)) {
        *fd = fd_move(&got);
        rc = SP_OK;
    }
out:
    fd_close(&got);
    seen_clear(&first);
    return rc;
}

/* resumed: an unfinished upload, too. */
static enum sp_err
open_tried(struct broker *b, const char *path, bool resumed, int *fd, struct statx *st)
{
    enum sp_err rc = SP_AGAIN;

    for (unsigned tries = 0; rc == SP_AGAIN && tries < TRIES; tries++)
        rc = open_regular(b, path, resumed, fd, st);
    if (rc == SP_AGAIN)
        return broker_refuse(b, FAIL_BUSY);
    if (rc == SP_OK && st->stx_size > READ_AHEAD)
        (void)posix_fadvise(*fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return rc;
}

enum sp_err
files_open_read(struct broker *b, struct slice path, int *fd, struct statx *st)
{
    char text[PATH_MAX];
    enum sp_err rc = begin(b, ACT_READ, path, text);

    if (rc != SP_OK || (rc = open_tried(b, text, false, fd, st)) != SP_OK)
        return rc;
    if ((rc = unfinished_check_read(b, text, st)) != SP_OK)
        fd_close(fd);
    return rc;
}

enum sp_err
files_open_resumed(struct broker *b, struct slice path, int *fd, struct statx *st)
{
    char text[PATH_MAX], partial[NAME_MAX + 1];
    struct place at = PLACE_EMPTY;
    int got = -1;
    enum sp_err rc = begin(b, ACT_READ, path, text);

    if (rc != SP_OK)
        return rc;
    if (!permit_has(b, ACT_REPLACE)
        || unfinished_find(b, text, &at, partial, st) != SP_OK)
        return open_tried(b, text, true, fd, st);
    if ((rc = resolve_name(at.dir, partial, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &got))
        == SP_OK && (rc = resolve_stat(got, "", st)) == SP_OK) {
        if (S_ISREG(st->stx_mode))
            *fd = fd_move(&got);
        else
            rc = broker_refuse(b, FAIL_BUSY);
    }
    fd_close(&got);
    place_clear(&at);
    return rc;
}

enum sp_err
files_open_restart(struct broker *b, struct slice path, int *fd, struct statx *st)
{
    char text[PATH_MAX];
    enum sp_err rc = begin(b, ACT_READ, path, text);

    if (rc != SP_OK || (rc = unfinished_check_restart(b, text)) != SP_OK)
        return rc;
    return files_open_resumed(b, path, fd, st);
}

/* Of the directory that an object lies in: may names in it be changed? */
static bool
parent_writable(struct broker *b, const char *path)
{
    struct place at = PLACE_EMPTY;
    struct statx st;
    bool writable = false;

    if (resolve_place(b, path, &at) == SP_OK && resolve_stat(at.dir, "", &st) == SP_OK)
        writable = entry_dir_writable(b, &st);
    place_clear(&at);
    return writable;
}

enum sp_err
files_facts(struct broker *b, struct slice path, unsigned facts, struct buf *line)
{
    char text[PATH_MAX];
    struct seen seen = SEEN_EMPTY;
    struct entry e;
    enum sp_err rc = begin_seen(b, ACT_LIST, path, text, &seen);

    if (rc != SP_OK)
        return rc;
    entry_fill(b, &seen.st, slice_of(text), &e);
    e.parent_writable = parent_writable(b, text);
    rc = listing_facts(line, &e, facts);
    seen_clear(&seen);
    return rc;
}

static void
fill_status(const struct statx *st, struct msg_status *out)
{
    *out = (struct msg_status){
        .kind = (uint8_t)entry_kind(st->stx_mode), .size = entry_size(st),
        .mtime = st->stx_mtime.tv_sec, .nanos = entry_nanos(st),
        .mode = st->stx_mode & 07777u
    };
}

enum sp_err
files_status(struct broker *b, struct slice path, struct msg_status *out)
{
    char text[PATH_MAX];
    struct seen seen = SEEN_EMPTY;
    enum sp_err rc = begin_seen(b, ACT_LIST, path, text, &seen);

    if (rc != SP_OK)
        return rc;
    fill_status(&seen.st, out);
    seen_clear(&seen);
    return SP_OK;
}

enum sp_err
files_size(struct broker *b, struct slice path, struct msg_status *out)
{
    char text[PATH_MAX];
    struct seen seen = SEEN_EMPTY;
    struct statx st;
    enum sp_err rc = begin_seen(b, ACT_LIST, path, text, &seen);

    if (rc != SP_OK)
        return rc;
    st = seen.st;
    if (!seen.unfinished && S_ISREG(st.stx_mode))
        rc = unfinished_tell(b, text, &seen.st, &st);
    else if (seen.unfinished)
        unfinished_refresh(b, seen.fd, &seen.st);
    if (rc == SP_OK)
        fill_status(&st, out);
    seen_clear(&seen);
    return rc;
}

enum sp_err
files_chdir(struct broker *b, struct slice path)
{
    char text[PATH_MAX];
    int dir = -1, inside = -1;
    enum sp_err rc = begin(b, ACT_LIST, path, text);

    if (rc != SP_OK)
        return rc;
    /* Looking up "." in it is what searching it means, access lists and all. */
    if ((rc = resolve_open(b, text, O_PATH | O_DIRECTORY, &dir)) == SP_OK)
        rc = resolve_name(dir, ".", O_PATH | O_DIRECTORY, 0, &inside);
    fd_close(&inside);
    fd_close(&dir);
    return rc;
}

/* Is there an unfinished upload of that name? One that cannot be seen is not taken for none. */
static enum sp_err
find_partial(const struct place *at, char partial[NAME_MAX + 1], bool *found)
{
    struct statx st;
    enum sp_err rc = SP_OK;

    partial_name(at->name, partial);
    *found = false;
    if ((rc = resolve_stat(at->dir, partial, &st)) == SP_OK)
        *found = S_ISREG(st.stx_mode);
    else if (errno == ENOENT)
        rc = SP_OK;
    return rc;
}

enum sp_err
files_mkdir(struct broker *b, struct slice path)
{
    struct place at = PLACE_EMPTY;
    char partial[NAME_MAX + 1];
    bool unfinished = false;
    enum sp_err rc = begin_place(b, ACT_MKDIR, path, &at);

    if (rc != SP_OK)
        return rc;
    if ((rc = find_partial(&at, partial, &unfinished)) == SP_OK && unfinished)
        rc = broker_errno(EEXIST);      /* the upload could never be published */
    if (rc == SP_OK && mkdirat(at.dir, at.name, 0777) == -1)
        rc = SP_OS;
    place_clear(&at);
    return rc;
}

/*
 * Removes the uploads that broke off from a directory in which a client sees nothing. SP_OS
 * (ENOTEMPTY): it sees something, or one of them is being written.
 */
static enum sp_err
empty_unseen(struct broker *b, const char *path)
{
    struct reader r = READER_EMPTY;
    const struct dirent *d = NULL;
    const char *name = NULL;
    bool unfinished = false;
    enum sp_err rc = reader_open(b, path, &r);

    if (rc == SP_OK && reader_next(&r, &name, &unfinished) == SP_CLOSED && r.fault == 0) {
        rewinddir(r.stream);
        while (rc == SP_OK && (d = readdir(r.stream)) != NULL)
            if (partial_is(slice_of(d->d_name)))
                rc = partial_remove(b, r.fd, d->d_name);
    } else {
        rc = SP_REFUSED;
    }
    reader_close(&r);
    return rc == SP_OK ? SP_OK : broker_errno(ENOTEMPTY);
}

enum sp_err
files_rmdir(struct broker *b, struct slice path)
{
    struct place at = PLACE_EMPTY;
    char text[PATH_MAX];
    enum sp_err rc = begin(b, ACT_RMDIR, path, text);

    if (rc != SP_OK || (rc = resolve_place(b, text, &at)) != SP_OK)
        return rc;
    if (unlinkat(at.dir, at.name, AT_REMOVEDIR) == -1)
        rc = SP_OS;
    if (rc == SP_OS && errno == ENOTEMPTY && permit_has(b, ACT_DELETE)) {
        rc = empty_unseen(b, text);
        if (rc == SP_OK && unlinkat(at.dir, at.name, AT_REMOVEDIR) == -1)
            rc = SP_OS;
    }
    place_clear(&at);
    return rc;
}

/*
 * An unfinished upload, and the file that it was to replace: else the name would be there
 * again. The file goes first, so that it is not lost where it may not be removed.
 */
static enum sp_err
delete_unfinished(struct broker *b, const struct place *at, const char *partial)
{
    int fd = -1;
    enum sp_err rc = partial_hold(b, at->dir, partial, &fd);

    if (rc == SP_OK && unlinkat(at->dir, at->name, 0) == -1 && errno != ENOENT)
        rc = SP_OS;
    if (rc == SP_OK && unlinkat(at->dir, partial, 0) == -1)
        rc = SP_OS;
    fd_close(&fd);
    return rc;
}

enum sp_err
files_delete(struct broker *b, struct slice path)
{
    struct place at = PLACE_EMPTY;
    char partial[NAME_MAX + 1];
    bool unfinished = false;
    enum sp_err rc = begin_place(b, ACT_DELETE, path, &at);

    if (rc != SP_OK)
        return rc;
    if ((rc = find_partial(&at, partial, &unfinished)) == SP_OK && unfinished)
        rc = delete_unfinished(b, &at, partial);
    else if (rc == SP_OK && unlinkat(at.dir, at.name, 0) == -1)
        rc = SP_OS;
    place_clear(&at);
    return rc;
}

/* The new name of something that is finished; an unfinished upload under it gives way. */
static enum sp_err
rename_finished(struct broker *b, const struct place *from, const struct place *to)
{
    char partial[NAME_MAX + 1];
    bool replaces = permit_has(b, ACT_RENAME_OVER), unfinished = false;
    int held = -1;
    enum sp_err rc = find_partial(to, partial, &unfinished);

    if (rc != SP_OK)
        return rc;
    if (unfinished && !replaces)
        return broker_refuse(b, FAIL_EXISTS);
    if (unfinished && (rc = partial_hold(b, to->dir, partial, &held)) != SP_OK)
        return rc;
    rc = publish_rename(b, from->dir, from->name, to->dir, to->name, replaces);
    if (rc == SP_OS && errno == EXDEV)
        rc = move_file(b, from, to, replaces);
    /* only now: had the rename failed, it could still be gone on with */
    if (rc == SP_OK && unfinished && unlinkat(to->dir, partial, 0) == -1)
        log_event(EVENT_UPLOAD_LEFTOVER, "error=%d", errno);
    fd_close(&held);
    return rc;
}

/* An unfinished upload stays one under its new name, and is never put over anything. */
static enum sp_err
rename_unfinished(struct broker *b, const struct place *from, const char *partial,
                  const struct place *to)
{
    char new_partial[NAME_MAX + 1];
    struct statx st;
    int fd = -1;
    enum sp_err rc = SP_OK;

    if (resolve_stat(to->dir, to->name, &st) == SP_OK)
        return broker_refuse(b, FAIL_EXISTS);
    partial_name(to->name, new_partial);
    /* Held, nobody goes on with it under the old name meanwhile. */
    if ((rc = partial_open(b, from->dir, partial, &fd)) == SP_OK)
        rc = publish_rename(b, from->dir, partial, to->dir, new_partial, false);
    fd_close(&fd);
    return rc;
}

enum sp_err
files_rename(struct broker *b, struct slice from, struct slice to)
{
    struct place old = PLACE_EMPTY, new = PLACE_EMPTY;
    char partial[NAME_MAX + 1];
    struct statx st;
    bool unfinished = false;
    enum sp_err rc = SP_OK;

    if ((rc = begin_place(b, ACT_RENAME, from, &old)) != SP_OK
        || (rc = begin_place(b, ACT_RENAME, to, &new)) != SP_OK)
        goto out;
    if (resolve_stat(old.dir, old.name, &st) == SP_OK)
        rc = rename_finished(b, &old, &new);
    else if (errno != ENOENT)
        rc = SP_OS;
    else if ((rc = find_partial(&old, partial, &unfinished)) == SP_OK)
        rc = unfinished ? rename_unfinished(b, &old, partial, &new) : broker_errno(ENOENT);
out:
    place_clear(&old);
    place_clear(&new);
    return rc;
}

enum sp_err
files_chmod(struct broker *b, struct slice path, unsigned mode)
{
    char text[PATH_MAX];
    struct seen seen = SEEN_EMPTY;
    enum sp_err rc = begin_seen(b, ACT_CHMOD, path, text, &seen);

    if (rc != SP_OK)
        return rc;
    if (S_ISDIR(seen.st.stx_mode))
        mode = (mode & 0777) | (seen.st.stx_mode & (S_ISGID | S_ISVTX));
    else
        mode &= 0777;
    if (S_ISREG(seen.st.stx_mode) || S_ISDIR(seen.st.stx_mode))
        rc = attributes_mode(b, text, &seen, mode);
    else
        rc = broker_refuse(b, FAIL_NOT_FILE);
    seen_clear(&seen);
    return rc;
}

enum sp_err
files_utime(struct broker *b, struct slice path, int64_t seconds, uint32_t nanos)
{
    const struct timespec modified = { .tv_sec = seconds, .tv_nsec = (long)nanos };
    char text[PATH_MAX];
    struct seen seen = SEEN_EMPTY;
    enum sp_err rc = begin_seen(b, ACT_UTIME, path, text, &seen);

    if (rc != SP_OK)
        return rc;
    rc = attributes_modified(b, text, &seen, &modified);
    seen_clear(&seen);
    return rc;
}

enum sp_err
files_umask(struct broker *b, unsigned mask)
{
    enum sp_err rc = permit_check(b, ACT_UMASK);

    if (rc != SP_OK)
        return rc;
    b->umask = (mode_t)(mask & 0777);
    (void)umask(b->umask);
    return SP_OK;
}

enum sp_err
files_space(struct broker *b, struct slice path, uint64_t *bytes)
{
    char text[PATH_MAX];
    struct statfs fs;
    struct seen seen = SEEN_EMPTY;
    enum sp_err rc = begin_seen(b, ACT_SPACE, path, text, &seen);

    if (rc != SP_OK)
        return rc;
    if (fstatfs(seen.fd, &fs) == -1)
        rc = SP_OS;
    else if (fs.f_blocks == 0)
        rc = broker_errno(EOPNOTSUPP);  /* it does not count them */
    else if (fs.f_bsize <= 0
             || __builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_bsize,
                                       bytes))
        *bytes = UINT64_MAX;
    /* a file can have no more than this of it */
    if (rc == SP_OK && b->file_bound > 0 && *bytes > b->file_bound - 1)
        *bytes = b->file_bound - 1;
    seen_clear(&seen);
    return rc;
}
