/* broker/unfinished.c - see broker/unfinished.h */
#include "broker/unfinished.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/leftover.h"
#include "broker/broker.h"
#include "broker/expire.h"
#include "broker/partial.h"
#include "broker/permit.h"
#include "broker/takeover.h"

enum sp_err
unfinished_find(struct broker *b, const char *path, struct place *at,
                char partial[NAME_MAX + 1], struct statx *st)
{
    struct place got = PLACE_EMPTY;
    enum sp_err rc = resolve_target(b, path, &got);

    if (rc != SP_OK)
        return rc;
    partial_name(got.name, partial);
    if ((rc = resolve_stat(got.dir, partial, st)) == SP_OK && !S_ISREG(st->stx_mode))
        rc = broker_errno(ENOENT);
    if (rc == SP_OK) {
        *at = got;
    } else {
        int saved = errno;

        place_clear(&got);
        errno = saved;
    }
    return rc;
}

/*
 * Its length does not change while fd is open; nor that of one that is silent, if this
 * session may take it over. APPE looks again then, with the lock.
 */
static enum sp_err
hold_still(struct broker *b, const struct place *at, const char *partial, int *fd,
           struct statx *st)
{
    enum sp_err rc = partial_open(b, at->dir, partial, fd);

    if (rc == SP_REFUSED && b->why == FAIL_BUSY && takeover_is_silent(b, st))
        return SP_OK;
    return rc == SP_OK ? resolve_stat(*fd, "", st) : rc;
}

enum sp_err
unfinished_tell(struct broker *b, const char *path, const struct statx *final,
                struct statx *st)
{
    struct place at = PLACE_EMPTY;
    char partial[NAME_MAX + 1];
    struct statx part;
    int fd = -1;
    enum sp_err rc = SP_OK;

    b->told.any = false;
    if (!permit_has(b, ACT_REPLACE))
        return SP_OK;
    /* held for a moment: one that is being written has no length that could be told */
    if ((rc = unfinished_find(b, path, &at, partial, &part)) == SP_OK)
        rc = hold_still(b, &at, partial, &fd, &part);
    if (rc == SP_OK) {
        b->told = (struct told){ .any = true, .final = *final, .part = part };
        if (fd != -1)           /* else somebody has it, and it does not expire */
            unfinished_refresh(b, fd, &part);
        *st = part;
    } else if (rc == SP_OS && (errno == ENOENT || errno == EACCES)) {
        rc = SP_OK;             /* none, or another user's */
    }
    fd_close(&fd);
    place_clear(&at);
    return rc;
}

/* Whose time cannot be set will not be removed by this user either, or soon. */
void
unfinished_refresh(const struct broker *b, int fd, const struct statx *part)
{
    const struct timespec now[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
    const struct expiry e = expiry_now(b);

    if (e.left > 0 && leftover_touched(part) < e.before + b->settings.unfinished_keep / 2)
        (void)utimensat(fd, "", now, AT_EMPTY_PATH);
}

/* Born at the same time, too: a file that was replaced leaves its number to another. */
bool
unfinished_has_gone(struct broker *b, const struct statx *final)
{
    const struct statx *was = &b->told.final;
    bool told = b->told.any && resolve_same(was, final)
        && was->stx_btime.tv_sec == final->stx_btime.tv_sec
        && was->stx_btime.tv_nsec == final->stx_btime.tv_nsec;

    if (told)
        b->told.any = false;
    return told;
}

bool
unfinished_was_told(const struct broker *b, const struct statx *part)
{
    return b->told.any && resolve_same(&b->told.part, part)
        && b->told.part.stx_size == part->stx_size;
}

enum sp_err
unfinished_check_read(struct broker *b, const char *path, const struct statx *final)
{
    struct place at = PLACE_EMPTY;
    char partial[NAME_MAX + 1];
    struct statx part;
    enum sp_err rc = SP_OK;

    if (!b->told.any || !resolve_same(&b->told.final, final))
        return SP_OK;
    rc = unfinished_find(b, path, &at, partial, &part);
    place_clear(&at);
    if (rc == SP_OK)
        return broker_refuse(b, FAIL_UNFINISHED);
    if (rc != SP_OS || errno != ENOENT)
        return rc;
    b->told.any = false;        /* it is gone: the file is what it was again */
    return SP_OK;
}

enum sp_err
unfinished_check_restart(struct broker *b, const char *path)
{
    struct place at = PLACE_EMPTY;
    struct seen seen = SEEN_EMPTY;
    char partial[NAME_MAX + 1];
    struct statx part;
    enum permit_act act = ACT_CREATE;
    enum sp_err rc = resolve_seen(b, path, &seen);

    if (rc == SP_OS && errno == ENOENT)
        return broker_refuse(b, FAIL_OFFSET);
    if (rc != SP_OK)
        return rc;
    if (!S_ISREG(seen.st.stx_mode))
        rc = broker_refuse(b, FAIL_NOT_FILE);
    /* the file itself, where the account has no upload over it to go on with */
    else if (!seen.unfinished && (!permit_has(b, ACT_REPLACE)
                                  || unfinished_find(b, path, &at, partial, &part) != SP_OK))
        act = ACT_APPEND;
    if (rc == SP_OK)
        rc = permit_check(b, act);
    place_clear(&at);
    seen_clear(&seen);
    return rc;
}
