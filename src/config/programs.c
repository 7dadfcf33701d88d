/* config/programs.c - see include/config/programs.h */
#include "config/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/privilege.h"

#define PATH_ROOM 8192          /* a path, and a link's target put before what is left of it */
#define LINKS_MOST 40           /* as the kernel follows */
#define SHOWN 300               /* bytes of a path in a reason */

/* What is walked: at is where we are, rest is still to go. */
struct walk { int at; unsigned links; char rest[PATH_ROOM]; };

/* ---- who may change it --------------------------------------------------------------- */

/* Of the file that we run from, or of a directory on the way to it. */
static bool
owns_this_program(uid_t uid)
{
    char path[PATH_ROOM];
    char *slash = NULL;
    struct stat st;
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

    /* the link itself is followed also where the file has been replaced meanwhile */
    if (stat("/proc/self/exe", &st) == 0 && st.st_uid == uid)
        return true;
    if (len <= 0)
        return false;
    path[len] = '\0';
    while ((slash = strrchr(path, '/')) != NULL && slash != path) {
        *slash = '\0';
        if (stat(path, &st) == 0 && st.st_uid == uid)
            return true;
    }
    return false;
}

/* The path that the kernel has for it. */
static void
name_of(int fd, char out[SHOWN + 1])
{
    char link[32];
    ssize_t len = 0;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, out, SHOWN);
    if (len <= 0)
        (void)text_copy(out, SHOWN + 1, "a directory in its path");
    else
        out[len] = '\0';
}

static enum sp_err
judge(int fd, const struct stat *st, char why[PROGRAM_WHY])
{
    bool kept = S_ISLNK(st->st_mode) || (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0);
    char name[SHOWN + 1];

    if (st->st_uid != 0 && !owns_this_program(st->st_uid)) {
        name_of(fd, name);
        (void)text_printf(why, PROGRAM_WHY, "%s is owned by uid %u; run chown root on it, or install "
                          "the programs where only root can write", name,
                          (unsigned)st->st_uid);
        return SP_REFUSED;
    }
    if (!kept && (st->st_mode & 022) != 0) {
        name_of(fd, name);
        (void)text_printf(why, PROGRAM_WHY, "%s is writable by group or others (mode "
                          "%04o); run chmod go-w on it, or install the programs where only "
                          "root can write", name, (unsigned)(st->st_mode & 07777));
        return SP_REFUSED;
    }
    return SP_OK;
}

/* ---- the way ------------------------------------------------------------------------- */

static enum sp_err
look(bool root, int fd, struct stat *st, char why[PROGRAM_WHY])
{
    if (fstat(fd, st) == -1)
        return SP_OS;
    return root ? judge(fd, st, why) : SP_OK;
}

static enum sp_err
begin(struct walk *w)
{
    fd_close(&w->at);
    w->at = open(w->rest[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return w->at == -1 ? SP_OS : SP_OK;
}

/* Takes the next component out of the rest. False: there is none. */
static bool
next_name(struct walk *w, char name[NAME_MAX + 1])
{
    size_t skip = strspn(w->rest, "/"), len = strcspn(w->rest + skip, "/");

    memmove(w->rest, w->rest + skip, strlen(w->rest + skip) + 1);
    if (len == 0 || len > NAME_MAX)
        return false;
    memcpy(name, w->rest, len);
    name[len] = '\0';
    memmove(w->rest, w->rest + len, strlen(w->rest + len) + 1);
    return true;
}

/* What a link says stands for it in the rest. */
static enum sp_err
follow(struct walk *w, int link)
{
    char target[PATH_MAX], whole[PATH_ROOM];
    ssize_t len = readlinkat(link, "", target, sizeof target - 1);

    if (len <= 0)
        return SP_OS;
    target[len] = '\0';
    errno = ELOOP;
    if (++w->links > LINKS_MOST)
        return SP_OS;
    errno = ENAMETOOLONG;
    if (!text_printf(whole, sizeof whole, "%s%s", target, w->rest)
        || !text_copy(w->rest, sizeof w->rest, whole))
        return SP_OS;
    return target[0] == '/' ? begin(w) : SP_OK;
}

enum sp_err
program_open(const char *directory, const char *name, int *fd, char why[PROGRAM_WHY])
{
    struct walk w = { .at = -1 };
    char part[NAME_MAX + 1];
    struct stat st;
    int next = -1;
    bool root = privilege_is_root();
    enum sp_err rc = SP_OS;

    errno = ENAMETOOLONG;
    if (!text_printf(w.rest, sizeof w.rest, "%s/%s", directory, name)
        || (rc = begin(&w)) != SP_OK || (rc = look(root, w.at, &st, why)) != SP_OK)
        goto out;
    while (next_name(&w, part)) {
        next = openat(w.at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        rc = next == -1 ? SP_OS : look(root, next, &st, why);
        if (rc != SP_OK)
            goto out;
        if (S_ISLNK(st.st_mode)) {
            if ((rc = follow(&w, next)) != SP_OK)
                goto out;
            fd_close(&next);
        } else {
            fd_close(&w.at);
            w.at = fd_move(&next);
        }
    }
    rc = SP_OS;
    errno = EACCES;
    if (fstat(w.at, &st) == -1 || !S_ISREG(st.st_mode))
        goto out;
    *fd = fd_move(&w.at);
    rc = SP_OK;
out:
    fd_close(&next);
    fd_close(&w.at);
    return rc;
}
