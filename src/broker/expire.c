/* broker/expire.c - see broker/expire.h */
#include "broker/expire.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/leftover.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/permit.h"
#include "broker/resolve.h"

#define REMOVED_MOST 100        /* in one reading of a directory                */
#define AROUND_MOST 10000       /* names looked at where an upload breaks off   */

struct expiry
expiry_now(const struct broker *b)
{
    if (b->settings.unfinished_keep == 0 || !permit_has(b, ACT_CREATE))
        return (struct expiry)EXPIRY_EMPTY;
    return (struct expiry){ .before = clock_seconds() - b->settings.unfinished_keep,
                            .left = REMOVED_MOST };
}

bool
expire(const struct broker *b, struct expiry *e, int dir, const char *path, const char *name)
{
    struct log_escaped where, what;
    struct statx st;
    char since[21];

    if (e->left == 0 || leftover_stat(dir, name, &st) != SP_OK
        || leftover_touched(&st) >= e->before
        || (b->told.any && resolve_same(&b->told.part, &st)))
        return false;
    e->left--;
    if (leftover_remove(dir, name, e->before) != SP_OK)
        return false;
    clock_date(leftover_touched(&st), since);
    log_event(EVENT_UPLOAD_EXPIRED, "directory=%s name=%s bytes=%llu since=%s",
              log_text(slice_of(path), &where), log_text(slice_of(name), &what),
              (unsigned long long)st.stx_size, since);
    return true;
}

void
expire_around(const struct broker *b, const struct place *at)
{
    struct expiry e = expiry_now(b);
    const struct dirent *d = NULL;
    DIR *stream = NULL;
    int fd = -1;

    if (e.left == 0
        || resolve_name(at->dir, ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, &fd) != SP_OK)
        return;
    if ((stream = fdopendir(fd)) == NULL) {
        fd_close(&fd);
        return;
    }
    for (unsigned n = 0; n < AROUND_MOST && e.left > 0 && (d = readdir(stream)) != NULL; n++)
        if (leftover_is_name(d->d_name) && slice_of(d->d_name).len <= NAME_MAX)
            (void)expire(b, &e, fd, "", d->d_name);
    (void)closedir(stream);
}
