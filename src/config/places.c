/* config/places.c - see places.h */
#include "config/places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/dots.h"
#include "base/fd.h"

#define PATH_ROOM 4200          /* a setting's path and a name behind it, with the NUL */

void
places_directory(struct inspect *i, const char *key, const char *path, bool parent,
                 const char *remedy)
{
    char directory[PATH_ROOM] = "";
    char *slash = NULL;
    struct stat st;

    if (!text_copy(directory, sizeof directory, path))
        return;
    if (parent && (slash = strrchr(directory, '/')) != NULL)
        slash[slash == directory ? 1 : 0] = '\0';
    if (stat(directory, &st) == -1)
        inspect_fault(i, key, "%.400s: %s; %s", directory, strerror(errno), remedy);
    else if (!S_ISDIR(st.st_mode))
        inspect_fault(i, key, "%.400s is not a directory; %s", directory, remedy);
}

/* ---- run_directory ------------------------------------------------------------------- */

static bool
is_empty(const char *path)
{
    const struct dirent *entry = NULL;
    bool empty = true;
    DIR *dir = opendir(path);

    if (dir == NULL)
        return true;            /* it is made, or who makes it says why not */
    while (empty && (entry = readdir(dir)) != NULL)
        empty = dots_name(entry->d_name);
    (void)closedir(dir);
    return empty;
}

void
places_run_directory(struct inspect *i)
{
    static const char key[] = "run_directory";
    const char *path = i->s->run_directory;
    char empty[PATH_ROOM];
    struct stat st;

    if (lstat(path, &st) == -1) {
        if (errno == ENOENT)
            places_directory(i, key, path, true, "create it, or set another run_directory");
        else
            inspect_fault(i, key, "%.400s: %s; set another run_directory", path,
                          strerror(errno));
    } else if (!S_ISDIR(st.st_mode)) {
        inspect_fault(i, key, "%.400s: Not a directory%s; remove it, or set another "
                      "run_directory", path, S_ISLNK(st.st_mode) ? ": it is a link" : "");
    } else if (st.st_uid != geteuid()) {
        inspect_fault(i, key, "%.400s is owned by another user (uid %u); remove it, or set "
                      "another run_directory", path, (unsigned)st.st_uid);
    } else if (text_printf(empty, sizeof empty, "%s/empty", path) && !is_empty(empty)) {
        inspect_fault(i, key, "%.400s is the root directory of workers and must be empty; "
                      "remove its contents", empty);
    }
}

/* ---- log ----------------------------------------------------------------------------- */

/* As the server opens it, but it is not made. */
void
places_log(struct inspect *i)
{
    const char *path = i->s->log;
    struct stat st;
    int fd = -1;

    if (path[0] != '/')
        return;
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd == -1 && errno == ENOENT)
        places_directory(i, "log", path, true, "create it, or set log = \"syslog\"");
    else if (fd == -1 && errno == EISDIR)
        inspect_fault(i, "log", "%.400s is a directory; use a file in it, such as "
                      "%.400s/sallyport.log", path, path);
    else if (fd == -1 && errno == ELOOP)
        inspect_fault(i, "log", "%.400s is a symbolic link, which is not followed; set the file itself",
                      path);
    else if (fd == -1)
        inspect_fault(i, "log", "%.400s cannot be written: %s; use another file, or set "
                      "log = \"syslog\"", path, strerror(errno));
    else if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode))
        inspect_fault(i, "log", "%.400s is a block device; use a file", path);
    fd_close(&fd);
}

/* ---- the ledger ---------------------------------------------------------------------- */

void
places_state_directory(struct inspect *i)
{
    static const char key[] = "state_directory";
    const char *path = i->s->state_directory;
    const struct passwd *pw = NULL;
    struct stat st;

    if (path[0] == '\0')
        return;
    if (i->root && (pw = getpwnam(i->s->ledger_user)) == NULL) {
        inspect_warning(i, "ledger_user", "no such user: \"%.64s\", so failed logins and bans "
                        "are forgotten at each restart; create it (useradd --system "
                        "--no-create-home --shell /usr/sbin/nologin %.64s), or set "
                        "state_directory = \"\"", i->s->ledger_user, i->s->ledger_user);
        return;
    }
    if (stat(path, &st) == -1)
        return;                 /* the ledger makes it */
    if (!S_ISDIR(st.st_mode))
        inspect_warning(i, key, "%.400s is not a directory, so failed logins and bans are "
                        "forgotten at each restart; remove it, or set another directory", path);
    else if ((pw != NULL && st.st_uid != pw->pw_uid) || (st.st_mode & 077) != 0)
        inspect_warning(i, key, "%.400s must be owned by ledger_user and closed to others, "
                        "otherwise failed logins and bans are forgotten at each restart; "
                        "run chown %.64s and chmod 700 on it", path, i->s->ledger_user);
}

/* ---- jails --------------------------------------------------------------------------- */

void
places_jails(struct inspect *i, bool anonymous, bool system_users)
{
    char fixed[PATH_ROOM] = "";
    const char *pattern = i->s->system_user_jail;
    size_t len = strcspn(pattern, "%");

    if (anonymous)
        places_directory(i, "anonymous_root", i->s->anonymous_root, false,
                         "create it, or remove anonymous from auth");
    if (!system_users || i->s->jail_create || pattern[0] != '/' || len >= sizeof fixed)
        return;
    memcpy(fixed, pattern, len);
    if (pattern[len] == '%')    /* "/srv/ftp-%u": the directory that it lies in */
        while (len > 1 && fixed[len - 1] != '/')
            len--;
    fixed[len] = '\0';
    places_directory(i, "system_user_jail", fixed, false,
                     "create it, or set jail_create = true");
}
