/* admin/sweep.c - see admin/sweep.h */
#include "admin/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "admin/ban.h"
#include "admin/say.h"
#include "base/buf.h"
#include "base/dots.h"
#include "base/fd.h"
#include "base/leftover.h"
#include "base/log.h"

#define TRIES 64                /* openat2 says EAGAIN where a rename raced with it      */
#define PATHS_MOST (64u << 20)  /* bytes of the directories that are yet to be looked at */

/* The directory that is being read; path: from the jail, "" for the jail itself. */
struct directory {
    char path[PATH_MAX];
    DIR *stream;
    int fd;                     /* the stream's own */
    struct statx st;
};

/* ---- one upload ------------------------------------------------------------------------- */

static void
count(struct sweep_count *c, const struct statx *st)
{
    c->files++;
    c->bytes += st->stx_size;
}

static void
say_place(const struct sweep *s, const struct directory *d, const char *name)
{
    say_path(strcmp(s->jail, "/") == 0 ? "" : s->jail);
    say_path("/");
    say_path(d->path);
    if (d->path[0] != '\0')
        say_path("/");
    say_path(name);
}

/* On standard error, cut where it is very long. name: in the directory, or "". */
static void
say_fault(const struct sweep *s, const struct directory *d, const char *name,
          const char *what, int error)
{
    char path[2 * PATH_MAX];
    struct log_escaped text;

    (void)text_printf(path, sizeof path, "%s%s/%s", d->path[0] != '\0' ? "/" : "", d->path,
                      name);
    if (*name == '\0' && d->path[0] != '\0')
        path[strlen(path) - 1] = '\0';
    say("%s: cannot %s %s in its jail %s: %s", s->account, what,
        log_text(slice_of(path), &text), s->jail, strerror(error));
}

static void
say_row(struct sweep *s, const struct directory *d, const char *name,
        const struct statx *st, const char *state)
{
    int64_t age = s->now - leftover_touched(st);
    char text[32];

    if (!s->headed) {
        say_field("ACCOUNT", 20);
        printf(" %14s  %-9s %-8s PATH\n", "BYTES", "AGE", "STATE");
        s->headed = true;
    }
    say_field(s->account, 20);
    printf(" %14llu  %-9s %-8s ", (unsigned long long)st->stx_size,
           ban_time_text(age > 0 ? (unsigned long long)age : 1, text), state);
    say_place(s, d, name);
    (void)putchar('\n');
}

/*
 * Another account's, in a directory where this one may not remove it: it is for that one to
 * be looked at.
 */
static bool
is_for_another(const struct directory *d, const struct statx *st)
{
    if (st->stx_uid == geteuid())
        return false;
    return faccessat(d->fd, ".", W_OK | X_OK, 0) == -1
        || ((d->st.stx_mode & S_ISVTX) != 0 && d->st.stx_uid != geteuid());
}

/* Its row and its count. */
static void
note(struct sweep *s, const struct directory *d, const char *name, const struct statx *st,
     struct sweep_count *where, const char *state)
{
    count(&s->totals.found, st);
    count(where, st);
    say_row(s, d, name, st, state);
}

static void
look_at(struct sweep *s, const struct directory *d, const char *name)
{
    struct sweep_totals *t = &s->totals;
    struct statx st;
    int64_t before = s->older > 0 ? s->now - s->older : INT64_MAX;
    int fd = -1, error = 0;
    bool old = false;
    enum sp_err rc = leftover_stat(d->fd, name, &st);

    /* gone, or planted by somebody: it is no upload */
    if (rc != SP_OK || is_for_another(d, &st))
        return;
    old = leftover_touched(&st) < before;
    if (old && s->remove)
        rc = leftover_remove(d->fd, name, before);
    else
        rc = leftover_hold(d->fd, name, &fd);
    error = errno;
    fd_close(&fd);
    if (rc == SP_OS && error == ENOENT)
        return;
    if (rc == SP_AGAIN)
        note(s, d, name, &st, &t->in_use, "in use");
    else if (!old)
        note(s, d, name, &st, &t->kept, "kept");
    else if (!s->remove)
        note(s, d, name, &st, &t->old, "old");
    else if (rc == SP_OK)
        note(s, d, name, &st, &t->removed, "removed");
    else {
        note(s, d, name, &st, &t->failed, "failed");
        say_fault(s, d, name, "remove", error);
    }
}

/* ---- all of them ------------------------------------------------------------------------ */

static enum sp_err
open_directory(const struct sweep *s, struct directory *d)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    };
    const char *path = d->path[0] != '\0' ? d->path : ".";
    int fd = -1;

    for (unsigned tries = 0; fd == -1 && tries < TRIES; tries++) {
        fd = (int)syscall(SYS_openat2, s->root, path, &how, sizeof how);
        if (fd == -1 && errno != EAGAIN && errno != EINTR)
            return SP_OS;
    }
    if (fd == -1 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &d->st) == -1
        || (d->stream = fdopendir(fd)) == NULL) {
        int saved = errno;

        fd_close(&fd);
        errno = saved;
        return SP_OS;
    }
    d->fd = fd;
    return SP_OK;
}

/* Gone or swapped meanwhile, no directory, or one in which this account can leave nothing. */
static bool
is_no_matter(const struct sweep *s, const struct directory *d, int error)
{
    switch (error) {
    case ENOENT: case ENOTDIR: case ELOOP: case EXDEV: case ENAMETOOLONG: case ESTALE:
        return true;
    case EACCES:
        return d->path[0] != '\0' && faccessat(s->root, d->path, W_OK | X_OK, 0) == -1;
    default:
        return false;
    }
}

static void
fault(struct sweep *s, const struct directory *d, int error)
{
    s->totals.faults++;
    say_fault(s, d, "", "read", error);
}

/* A directory below, for later. Deeper than a path can be no client has come. */
static enum sp_err
push(struct buf *stack, const struct directory *d, const char *name)
{
    char path[PATH_MAX];

    if (!text_printf(path, sizeof path, "%s%s%s", d->path, d->path[0] != '\0' ? "/" : "",
                     name))
        return SP_OK;
    return buf_add(stack, path, strlen(path) + 1);
}

/* The last one, into path. */
static void
pop(struct buf *stack, char path[PATH_MAX])
{
    const char *texts = (const char *)stack->at;
    size_t at = stack->len - 1;

    while (at > 0 && texts[at - 1] != '\0')
        at--;
    text_copy_whole(path, PATH_MAX, texts + at);
    stack->len = at;
}

static void
read_directory(struct sweep *s, struct directory *d, struct buf *stack)
{
    const struct dirent *e = NULL;
    enum sp_err rc = SP_OK;

    for (;;) {
        errno = 0;
        if ((e = readdir(d->stream)) == NULL)
            break;
        /* a corrupt or hostile (FUSE) directory could have anything in it */
        if (*e->d_name == '\0' || strchr(e->d_name, '/') != NULL || dots_name(e->d_name))
            continue;
        if (leftover_is_name(e->d_name))
            look_at(s, d, e->d_name);   /* a directory of that name is no client's */
        else if ((e->d_type == DT_DIR || e->d_type == DT_UNKNOWN)
                 && (rc = push(stack, d, e->d_name)) != SP_OK)
            break;
    }
    if (rc != SP_OK)
        fault(s, d, ENOMEM);
    else if (errno != 0)
        fault(s, d, errno);
}

void
sweep_run(struct sweep *s)
{
    struct buf stack = BUF_EMPTY(PATHS_MOST);
    struct directory d = { .path = "" };
    enum sp_err rc = buf_add(&stack, "", 1);

    while (rc == SP_OK && stack.len > 0) {
        pop(&stack, d.path);
        if (open_directory(s, &d) == SP_OK) {
            read_directory(s, &d, &stack);
            (void)closedir(d.stream);
        } else if (!is_no_matter(s, &d, errno)) {
            fault(s, &d, errno);
        }
    }
    buf_free(&stack);
}

static void
say_count(const char *word, const struct sweep_count *c)
{
    if (c->files > 0)
        printf("; %s %llu (%llu bytes)", word, (unsigned long long)c->files,
               (unsigned long long)c->bytes);
}

void
sweep_say(const struct sweep_totals *t, bool remove)
{
    printf("unfinished uploads: %llu (%llu bytes)", (unsigned long long)t->found.files,
           (unsigned long long)t->found.bytes);
    say_count("in use", &t->in_use);
    say_count("kept", &t->kept);
    say_count("old", &t->old);
    say_count("removed", &t->removed);
    say_count("failed", &t->failed);
    printf("%s\n", t->old.files > 0 && !remove ? "; use --remove to remove the old ones" : "");
}
