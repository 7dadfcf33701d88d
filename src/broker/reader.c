/* broker/reader.c - see broker/reader.h */
#include "broker/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "broker/partial.h"
#include "broker/resolve.h"

enum sp_err
reader_open(const struct broker *b, const char *path, struct reader *out)
{
    int fd = -1;
    enum sp_err rc = resolve_open(b, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, &fd);

    if (rc != SP_OK)
        return rc;
    if ((out->stream = fdopendir(fd)) == NULL) {
        rc = errno == ENOMEM ? SP_NOMEM : SP_OS;
        fd_close(&fd);
        return rc;
    }
    out->fd = fd;
    out->b = b;
    out->path = path;
    out->expiry = expiry_now(b);
    return SP_OK;
}

/* Gone meanwhile, or not for this user: not seen. For any other reason it is missed. */
static const char *
not_seen(struct reader *r)
{
    if (errno != ENOENT && errno != EACCES && errno != ESTALE && errno != ENAMETOOLONG)
        r->fault = errno;
    return NULL;
}

/* The final name that an unfinished upload is seen under; NULL: it is not seen. */
static const char *
shown_as(struct reader *r, const struct dirent *d)
{
    const char *final = partial_final(d->d_name);
    struct statx st;

    if (final == NULL)
        return NULL;
    if (resolve_stat(r->fd, final, &st) == SP_OK)
        return NULL;
    if (errno != ENOENT || resolve_stat(r->fd, d->d_name, &st) != SP_OK)
        return not_seen(r);
    return S_ISREG(st.stx_mode) ? final : NULL;
}

static bool
is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

enum sp_err
reader_next(struct reader *r, const char **name, bool *unfinished)
{
    for (;;) {
        const struct dirent *d = NULL;

        errno = 0;
        if ((d = readdir(r->stream)) == NULL)
            return errno == 0 ? SP_CLOSED : SP_OS;
        /* A corrupt or hostile (FUSE) directory could have anything in it. */
        if (*d->d_name == '\0' || is_dots(d->d_name) || strchr(d->d_name, '/') != NULL)
            continue;
        *unfinished = d->d_name[0] == '.' && partial_is(slice_of(d->d_name));
        if (*unfinished && expire(r->b, &r->expiry, r->fd, r->path, d->d_name))
            continue;
        r->inode = d->d_ino;
        *name = *unfinished ? shown_as(r, d) : d->d_name;
        if (*name != NULL)
            return SP_OK;
    }
}

void
reader_close(struct reader *r)
{
    if (r->stream != NULL)
        (void)closedir(r->stream);
    *r = (struct reader)READER_EMPTY;
}
