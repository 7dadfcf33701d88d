/* broker/lines.c - see broker/lines.h */
#include "broker/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dots.h"
#include "base/fd.h"
#include "broker/broker.h"
#include "broker/entry.h"
#include "broker/listing.h"
#include "broker/partial.h"
#include "broker/resolve.h"

#define FLUSH_AT 65536

/*
 * Writes what there is, once it is at least that much, without blocking: a worker that
 * neither reads nor ends does not keep us from hearing that the session is over.
 * SP_CLOSED: that, or nobody reads any more.
 */
static enum sp_err
flush(struct listing *l, size_t least)
{
    size_t done = 0;
    enum sp_err rc = SP_OK;

    if (l->out.len < least)
        return SP_OK;
    while (done < l->out.len) {
        ssize_t put = 0;

        if ((rc = broker_await(l->b, l->pipe, POLLOUT)) != SP_OK)
            return rc;
        put = write(l->pipe, l->out.at + done, l->out.len - done);
        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR && errno != EAGAIN)
            return errno == EPIPE ? SP_CLOSED : SP_OS;
    }
    buf_consume(&l->out, l->out.len);
    return SP_OK;
}

/*
 * What there is by a name in l->dir. A match of a pattern may be a path: that goes
 * through the resolver like every path, as does "..", which must not leave the jail.
 */
static enum sp_err
look(struct listing *l, const char *name, bool unfinished, struct statx *st)
{
    char path[PATH_MAX], partial[NAME_MAX + 1];
    const char *slash = strrchr(name, '/');
    int fd = -1;
    enum sp_err rc = SP_OK;

    if (slash == NULL && strcmp(name, "..") != 0) {
        if (unfinished)
            partial_name(name, partial);
        return resolve_stat(l->dir, unfinished ? partial : name, st);
    }
    if (unfinished) {
        struct seen seen = SEEN_EMPTY;

        if ((rc = resolve_join(l->b, l->path, name, path)) != SP_OK
            || (rc = resolve_seen(l->b, path, &seen)) != SP_OK)
            return rc;
        *st = seen.st;
        seen_clear(&seen);
        return SP_OK;
    }
    if ((rc = resolve_join(l->b, l->path, name, path)) != SP_OK
        || (rc = resolve_open(l->b, path, O_PATH | O_NOFOLLOW, &fd)) != SP_OK)
        return rc;
    rc = resolve_stat(fd, "", st);
    fd_close(&fd);
    return rc;
}

/* What a link leads to. False: nowhere that this session can see; *st is as it was. */
static bool
look_through(struct listing *l, const char *name, struct statx *st)
{
    char path[PATH_MAX];
    int fd = -1;
    bool leads = resolve_join(l->b, l->path, name, path) == SP_OK
        && resolve_open(l->b, path, O_PATH, &fd) == SP_OK
        && resolve_stat(fd, "", st) == SP_OK;

    fd_close(&fd);
    return leads;
}

/* May a link that leads nowhere mean a place outside of the jail? */
static bool
points_out(const struct broker *b, struct slice target)
{
    return !b->whole && target.len > 0 && (target.at[0] == '/' || dots_climb(target));
}

/* The text of a link, for "name -> text". */
static struct slice
read_link(struct listing *l, const char *name, char target[PATH_MAX])
{
    char path[PATH_MAX];
    ssize_t len = -1;
    int fd = -1;

    if (strchr(name, '/') == NULL) {
        len = readlinkat(l->dir, name, target, PATH_MAX);
    } else if (resolve_join(l->b, l->path, name, path) == SP_OK
               && resolve_open(l->b, path, O_PATH | O_NOFOLLOW, &fd) == SP_OK) {
        len = readlinkat(fd, "", target, PATH_MAX);
        fd_close(&fd);
    }
    return slice_from(target, len > 0 ? (size_t)len : 0);
}

/*
 * A symbolic link. To MLSD it is what it leads to, and a link beside that where it leads to a
 * directory: clients that walk through all directories would walk in circles. Its text is
 * not told where it may be a path of the machine outside of the jail.
 */
static void
see_link(struct listing *l, const char *name, struct statx *st, struct entry *e,
         char target[PATH_MAX])
{
    struct statx through = { 0 };
    bool leads = look_through(l, name, &through);

    if (l->kind == LISTING_MLSD && leads) {
        struct slice shown = e->name;

        *st = through;
        entry_fill(l->b, st, shown, e);
        if (!S_ISDIR(st->stx_mode))
            return;
    }
    e->link = true;
    e->target = read_link(l, name, target);
    if (!leads && points_out(l->b, e->target)) {
        e->target = (struct slice)SLICE_EMPTY;
        e->size = 0;                /* its length */
    }
}

/* The name as the client is to see it: the item's own, or what it was asked for by. */
static struct slice
label(struct listing *l, const char *name, char room[2 * PATH_MAX])
{
    size_t before = 0, len = 0;

    if (l->single[0] != '\0')
        return slice_of(l->single);
    if (l->prefix[0] == '\0')
        return slice_of(name);
    before = strlen(l->prefix);
    len = strlen(name);
    SP_ASSERT(before + len <= (size_t)2 * PATH_MAX);
    memcpy(room, l->prefix, before);
    memcpy(room + before, name, len);
    return slice_from(room, before + len);
}

/* -R: a directory that is to be visited later, by its path below the top. */
static enum sp_err
remember(struct listing *l, struct names *found, const char *name)
{
    const char *below = l->path + strlen(l->top);
    char path[PATH_MAX];

    below += *below == '/';
    if (!text_printf(path, sizeof path, "%s%s%s", below, *below != '\0' ? "/" : "", name))
        return broker_refuse(l->b, FAIL_TOO_MUCH);
    return names_add(found, path, false, 0);
}

/*
 * Without a line is what has gone meanwhile, and what this user may not look at. For any
 * other reason the rest is listed all the same, but not called complete.
 */
static void
note_missed(struct listing *l, enum sp_err rc)
{
    if (rc != SP_OS)
        return;
    switch (errno) {
    case ENOENT: case ENOTDIR: case ESTALE: case EACCES: case EPERM: case ELOOP:
    case ENAMETOOLONG:
        break;
    default:
        l->missed = errno;
        break;
    }
}

/* One line. An entry that has gone meanwhile has none. */
static enum sp_err
write_entry(struct listing *l, const char *name, bool unfinished, struct names *found)
{
    char room[2 * PATH_MAX], target[PATH_MAX];
    struct entry e = { .name = SLICE_EMPTY };
    struct slice shown = label(l, name, room);
    struct statx st;
    enum sp_err rc = SP_OK;

    e.name = shown;
    if (listing_needs_stat(l) || unfinished) {
        if ((rc = look(l, name, unfinished, &st)) != SP_OK) {
            note_missed(l, rc);
            return SP_OK;
        }
        entry_fill(l->b, &st, shown, &e);
        if (S_ISLNK(st.stx_mode) && (l->long_lines || l->kind == LISTING_MLSD))
            see_link(l, name, &st, &e, target);
        e.parent_writable = l->parent_writable;
        if (found != NULL && S_ISDIR(st.stx_mode) && strcmp(name, ".") != 0
            && strcmp(name, "..") != 0 && (rc = remember(l, found, name)) != SP_OK)
            return rc;
    }
    if (l->kind == LISTING_MLSD) {
        if ((rc = listing_facts(&l->out, &e, l->facts)) == SP_OK)
            rc = buf_add_text(&l->out, "\r\n");
    } else if (l->long_lines) {
        rc = listing_line(&l->out, &e, l->now, l->options);
    } else {
        rc = listing_name(&l->out, (struct slice)SLICE_EMPTY, &e, l->options);
    }
    if (rc != SP_OK)
        return rc;
    l->entries++;
    return flush(l, FLUSH_AT);
}

/* What is in names. */
static enum sp_err
write_names(struct listing *l, struct names *found)
{
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < l->names.count && rc == SP_OK; i++)
        rc = write_entry(l, names_text(&l->names, i), l->names.items[i].unfinished, found);
    return rc;
}

/* All of what was collected, and what is still in the reader. */
static enum sp_err
write_entries(struct listing *l, struct names *found)
{
    const char *name = NULL;
    bool unfinished = false;
    enum sp_err rc = write_names(l, found);

    while (rc == SP_OK && listing_by_inode(l))
        if ((rc = listing_more(l)) == SP_OK)
            rc = write_names(l, found);
    if (rc != SP_OK || !l->more)
        return rc;
    while ((rc = listing_next(l, &name, &unfinished)) == SP_OK) {
        if (found != NULL && l->entries >= (uint64_t)l->b->settings.glob_entries)
            return broker_refuse(l->b, FAIL_TOO_MUCH);
        if ((rc = write_entry(l, name, unfinished, found)) != SP_OK)
            return rc;
    }
    return rc == SP_CLOSED ? SP_OK : rc;
}

static size_t
depth_of(const char *below)
{
    size_t depth = 1;

    for (; *below != '\0'; below++)
        depth += *below == '/';
    return depth;
}

/* "below:" and an empty line before it. No control characters, as in all long lines. */
static enum sp_err
write_header(struct listing *l, const char *below)
{
    size_t from = l->out.len + 2;
    enum sp_err rc = buf_printf(&l->out, "\r\n%s:", below);

    if (rc != SP_OK)
        return rc;
    for (size_t i = from; i < l->out.len; i++)
        if (l->out.at[i] < 0x20 || l->out.at[i] == 0x7f)
            l->out.at[i] = '?';
    return buf_add_text(&l->out, "\r\n");
}

/* Turns to the next directory of -R. SP_AGAIN: it cannot be read, pass it over. */
static enum sp_err
descend(struct listing *l, const char *shown_top, const char *below)
{
    enum sp_err rc = SP_OK;

    if (depth_of(below) > LINES_DEPTH
        || l->entries >= (uint64_t)l->b->settings.glob_entries)
        return broker_refuse(l->b, FAIL_TOO_MUCH);
    if (resolve_join(l->b, l->top, below, l->path) != SP_OK)
        return broker_refuse(l->b, FAIL_TOO_MUCH);
    if (l->long_lines) {
        if ((rc = write_header(l, below)) != SP_OK)
            return rc;
    } else if (!text_printf(l->prefix, sizeof l->prefix, "%s%s/", shown_top, below)) {
        return broker_refuse(l->b, FAIL_TOO_MUCH);
    }
    if ((rc = listing_enter(l)) != SP_OS)
        return rc;
    note_missed(l, rc);
    return SP_AGAIN;
}

/* Depth first, in the order of ls: a stack of paths, the next one on top. */
static enum sp_err
write_below(struct listing *l, struct names *found)
{
    char shown_top[PATH_MAX], below[PATH_MAX];
    enum sp_err rc = SP_OK;

    text_copy_whole(shown_top, sizeof shown_top, l->prefix);
    for (;;) {
        while (found->count > 0)
            if ((rc = names_add(&l->below, names_pop(found), false, 0)) != SP_OK)
                return rc;
        if (l->below.count == 0)
            return SP_OK;
        text_copy_whole(below, sizeof below, names_pop(&l->below));
        if ((rc = descend(l, shown_top, below)) == SP_AGAIN)
            continue;
        if (rc != SP_OK || (rc = write_entries(l, found)) != SP_OK)
            return rc;
    }
}

enum sp_err
lines_write(struct listing *l, int pipe)
{
    struct names found = NAMES_EMPTY(LISTING_NAMES);
    bool recursive = l->contents && listing_has(l, LISTING_RECURSIVE);
    enum sp_err rc = SP_OK;

    l->pipe = pipe;
    rc = write_entries(l, recursive ? &found : NULL);
    if (rc == SP_OK && recursive)
        rc = write_below(l, &found);
    if (rc == SP_OK)
        rc = flush(l, 0);
    if (rc == SP_OK && l->missed != 0)
        rc = broker_errno(l->missed);
    names_free(&found);
    return rc == SP_CLOSED ? SP_OK : rc;
}
