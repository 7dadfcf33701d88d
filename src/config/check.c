/*
 * config/check.c - what only this machine can tell about the settings
 *
 * See include/config/load.h. Nothing here is the wall itself: who is dropped to and what is
 * opened is checked again where it happens. This is for the person who reads the text.
 */
#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/privilege.h"
#include "config/programs.h"
#include "config/report.h"

#define PATH_ROOM 4200          /* a setting's path and a name behind it, with the NUL */

struct check { const struct settings *s; struct report report; bool root; };

/* ---- users ------------------------------------------------------------------------------ */

/* SP_OK: *uid is that of a user other than root. The fault is reported. */
static enum sp_err
user_exists(struct check *c, const char *key, const char *name, uid_t *uid)
{
    const struct passwd *pw = getpwnam(name);

    if (pw == NULL) {
        report(&c->report, 0, key, "no such user: \"%.64s\"; create it: useradd --system "
               "--no-create-home --shell /usr/sbin/nologin %.64s", name, name);
        return SP_INPUT;
    }
    if (pw->pw_uid == 0 || pw->pw_gid == 0) {
        report(&c->report, 0, key, "\"%.64s\" has uid or gid 0; use a user that owns nothing",
               name);
        return SP_INPUT;
    }
    *uid = pw->pw_uid;
    return SP_OK;
}

static bool
has_backend(const struct check *c, const char *name)
{
    return text_list_has(&c->s->auth, slice_of(name));
}

/* Without root there is one uid, our own, and no name is looked at. */
static void
check_users(struct check *c)
{
    uid_t worker = 0, keyholder = 0, other = 0;
    enum sp_err rc = user_exists(c, "worker_user", c->s->worker_user, &worker);

    if (user_exists(c, "keyholder_user", c->s->keyholder_user, &keyholder) == SP_OK &&
        rc == SP_OK && worker == keyholder)
        report(&c->report, 0, "keyholder_user", "is the same user as worker_user: a compromised "
               "worker could read the private keys; use another user");
    if (c->s->guest_user[0] != '\0')
        (void)user_exists(c, "guest_user", c->s->guest_user, &other);
    if (has_backend(c, "anonymous"))
        (void)user_exists(c, "anonymous_user", c->s->anonymous_user, &other);
}

/* ---- files ------------------------------------------------------------------------------ */

/* SP_OK: a regular file that we can open; *st is filled. The fault is reported. */
static enum sp_err
file_opens(struct check *c, const char *key, const char *path, const char *remedy,
           struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum sp_err rc = SP_INPUT;

    if (fd == -1 || fstat(fd, st) == -1)
        report(&c->report, 0, key, "cannot read %.400s: %s; %s", path, strerror(errno),
               remedy);
    else if (!S_ISREG(st->st_mode))
        report(&c->report, 0, key, "%.400s is not a regular file; %s", path, remedy);
    else
        rc = SP_OK;
    fd_close(&fd);
    return rc;
}

static void
check_certificates(struct check *c)
{
    const struct settings *s = c->s;
    struct stat st;

    for (size_t i = 0; i < s->certificate.count; i++)
        (void)file_opens(c, "certificate", s->certificate.texts[i], "give the path of a PEM "
                         "file", &st);
    for (size_t i = 0; i < s->certificate_key.count; i++) {
        const char *path = s->certificate_key.texts[i];

        if (file_opens(c, "certificate_key", path, "give the path of a PEM file", &st) == SP_OK
            && (st.st_mode & 077) != 0)
            report(&c->report, 0, "certificate_key", "%.400s is accessible by group or "
                   "others (mode %03o); run chmod 600 on it", path,
                   (unsigned)(st.st_mode & 0777));
    }
}

/* Where nobody could ever log in or connect, the start would only look like one. */
static void
check_service(struct check *c)
{
    const struct settings *s = c->s;

    if (s->listen.count == 0 && s->listen_implicit.count == 0)
        report(&c->report, 0, "listen", "there is no address to listen on; use for example "
               "listen = {\"0.0.0.0:21\", \"[::]:21\"}");
    if (s->certificate.count > 0)
        return;
    if (s->listen_implicit.count > 0)
        report(&c->report, 0, "certificate", "listen_implicit requires a certificate; set certificate "
               "and certificate_key");
    else if (s->tls_required && s->cleartext_networks.count == 0
             && s->cleartext_users.count == 0)
        report(&c->report, 0, "certificate", "TLS is required, but there is no certificate, so "
               "nobody can log in; set certificate and certificate_key");
}

static void
check_programs(struct check *c)
{
    static const char *const names[] = { "sallyport-worker", "sallyport-broker",
                                         "sallyport-login", "sallyport-keyholder",
                                         "sallyport-ledger" };
    char path[PATH_ROOM] = "", why[PROGRAM_WHY] = "";
    int fd = -1;
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++, fd_close(&fd)) {
        if (!text_printf(path, sizeof path, "%s/%s", c->s->libexec_directory, names[i]))
            continue;
        rc = program_open(c->s->libexec_directory, names[i], &fd, why);
        if (rc == SP_REFUSED) {
            report(&c->report, 0, "libexec_directory", "%.300s is not safe to run as root: %s",
                   path, why);
            return;             /* it is mostly a directory, and that of all of them */
        }
        /* without a ledger the service goes on */
        if ((rc == SP_OK && access(path, X_OK) == 0)
            || strcmp(names[i], "sallyport-ledger") == 0)
            continue;
        report(&c->report, 0, "libexec_directory", "cannot run %.400s: %s; install all of "
               "sallyport (make install), or set the directory that has the programs",
               path, strerror(errno));
    }
}

/* The directory itself; of a file (parent) the one that it lies in. */
static void
check_directory(struct check *c, const char *key, const char *path, bool parent,
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
        report(&c->report, 0, key, "%.400s: %s; %s", directory, strerror(errno), remedy);
    else if (!S_ISDIR(st.st_mode))
        report(&c->report, 0, key, "%.400s is not a directory; %s", directory, remedy);
}

static void
check_pam(struct check *c)
{
    char etc[PATH_ROOM] = "", lib[PATH_ROOM] = "";

    if (!c->root) {
        report(&c->report, 0, "auth", "pam requires root; start sallyportd as root, or remove pam "
               "from the list");
        return;
    }
    (void)text_printf(etc, sizeof etc, "/etc/pam.d/%s", c->s->pam_service);
    (void)text_printf(lib, sizeof lib, "/usr/lib/pam.d/%s", c->s->pam_service);
    if (access(etc, R_OK) == -1 && access(lib, R_OK) == -1)
        report(&c->report, 0, "pam_service", "%s: %s; without it PAM uses the service "
               "\"other\"; install etc/sallyport.pam there", etc, strerror(errno));
}

static void
check_backends(struct check *c)
{
    if (has_backend(c, "users"))
        check_directory(c, "users_database", c->s->users_database, true, "create it, for root "
                        "only (mkdir -p -m 700), or set another file");
    if (has_backend(c, "pam"))
        check_pam(c);
    if (has_backend(c, "anonymous"))
        check_directory(c, "anonymous_root", c->s->anonymous_root, false, "create it, or remove "
                        "anonymous from auth");
}

/* Who may write the file chooses what root runs. */
static void
check_own_file(struct check *c)
{
    struct stat st;

    if (!c->root || c->s->file == NULL || stat(c->s->file, &st) == -1)
        return;
    if (st.st_uid != 0 || (st.st_mode & 022) != 0)
        report(&c->report, 0, NULL, "users other than root can change this file (owner %u, "
               "mode %03o); run chown root and chmod go-w on it", (unsigned)st.st_uid,
               (unsigned)(st.st_mode & 0777));
}

enum sp_err
config_check_machine(const struct settings *s, config_fault *fault, void *context)
{
    struct check c = {
        .s = s, .root = privilege_is_root(),
        .report = { s->file == NULL ? "settings" : s->file, fault, context, 0 }
    };

    check_own_file(&c);
    check_service(&c);
    if (c.root)
        check_users(&c);
    check_programs(&c);
    check_directory(&c, "run_directory", s->run_directory, true, "create it, or set another "
                    "run_directory");
    check_certificates(&c);
    check_backends(&c);
    if (s->log[0] == '/')
        check_directory(&c, "log", s->log, true, "create it, or set log = \"syslog\"");
    return c.report.faults == 0 ? SP_OK : SP_INPUT;
}
