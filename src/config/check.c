/*
 * config/check.c - what only this machine can tell about the settings
 *
 * See include/config/load.h. Nothing here is the wall itself: who is dropped to and what is
 * opened is checked again where it happens. This is for the person who reads the text.
 */
#include "config/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/nearest.h"
#include "base/privilege.h"
#include "config/programs.h"
#include "config/inspect.h"
#include "config/places.h"

#define PATH_ROOM 4200          /* a setting's path and a name behind it, with the NUL */
#define PORT_LEAST 1024         /* as settings.def has it */
#define PORT_MOST 65535
#define HINT 192                /* "did you mean NAME? Otherwise " */

/* ---- users ------------------------------------------------------------------------------ */

/*
 * Of the users of this machine. Not getpwent(3), which asks for those of a whole directory
 * service. hint has room for HINT.
 */
static const char *
meant_user(const char *name, char hint[HINT])
{
    FILE *f = fopen("/etc/passwd", "re");
    const struct passwd *pw = NULL;
    char best[NEAREST_MOST] = "";
    struct nearest n;

    nearest_begin(&n, name);
    while (f != NULL && (pw = fgetpwent(f)) != NULL) {
        if (pw->pw_uid == 0)
            continue;
        nearest_try(&n, pw->pw_name);
        if (n.best == pw->pw_name && text_copy(best, sizeof best, pw->pw_name))
            n.best = best;
    }
    if (f != NULL)
        (void)fclose(f);
    hint[0] = '\0';
    if (n.best != NULL)
        (void)text_printf(hint, HINT, "did you mean %s? Otherwise ", best);
    return hint;
}

/* SP_OK: *uid is that of a user other than root. The fault is reported. */
static enum sp_err
user_exists(struct inspect *c, const char *key, const char *name, uid_t *uid)
{
    const struct passwd *pw = getpwnam(name);
    char hint[HINT];

    if (pw == NULL) {
        inspect_fault(c, key, "no such user: \"%.64s\"; %screate it: useradd --system "
                      "--no-create-home --shell /usr/sbin/nologin %.64s", name,
                      meant_user(name, hint), name);
        return SP_INPUT;
    }
    if (pw->pw_uid == 0 || pw->pw_gid == 0) {
        inspect_fault(c, key, "\"%.64s\" has uid or gid 0; use a user that owns nothing",
               name);
        return SP_INPUT;
    }
    *uid = pw->pw_uid;
    return SP_OK;
}

static bool
has_backend(const struct inspect *c, const char *name)
{
    return text_list_has(&c->s->auth, slice_of(name));
}

/* Without root there is one uid, our own, and no name is looked at. */
static void
check_users(struct inspect *c)
{
    uid_t worker = 0, keyholder = 0, other = 0;
    const struct passwd *pw = NULL;
    enum sp_err rc = user_exists(c, "worker_user", c->s->worker_user, &worker);

    if (user_exists(c, "keyholder_user", c->s->keyholder_user, &keyholder) == SP_OK &&
        rc == SP_OK && worker == keyholder)
        inspect_fault(c, "keyholder_user", "is the same user as worker_user: a compromised "
                      "worker could read the private keys; use another user");
    if ((pw = getpwnam(c->s->ledger_user)) != NULL && c->s->state_directory[0] != '\0'
        && (pw->pw_uid == 0 || (rc == SP_OK && pw->pw_uid == worker)))
        inspect_warning(c, "ledger_user", "is %s; use a user that owns state_directory and "
                        "nothing else", pw->pw_uid == 0 ? "root" : "the same user as worker_user");
    if (c->s->guest_user[0] != '\0')
        (void)user_exists(c, "guest_user", c->s->guest_user, &other);
    if (has_backend(c, "anonymous"))
        (void)user_exists(c, "anonymous_user", c->s->anonymous_user, &other);
}

/* ---- files ------------------------------------------------------------------------------ */

/* SP_OK: a regular file with something in it, that we can open; *st is filled. */
static enum sp_err
file_opens(struct inspect *c, const char *key, const char *path, const char *remedy,
           struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum sp_err rc = SP_INPUT;

    if (fd == -1 || fstat(fd, st) == -1)
        inspect_fault(c, key, "cannot read %.400s: %s; %s", path, strerror(errno),
               remedy);
    else if (!S_ISREG(st->st_mode))
        inspect_fault(c, key, "%.400s is not a regular file; %s", path, remedy);
    else if (st->st_size == 0)
        inspect_fault(c, key, "%.400s is empty; %s", path, remedy);
    else
        rc = SP_OK;
    fd_close(&fd);
    return rc;
}

static void
check_certificates(struct inspect *c)
{
    const struct settings *s = c->s;
    struct stat st;

    for (size_t i = 0; i < s->certificate.count; i++)
        (void)file_opens(c, "certificate", s->certificate.texts[i], "set the path of a PEM "
                         "file", &st);
    for (size_t i = 0; i < s->certificate_key.count; i++) {
        const char *path = s->certificate_key.texts[i];

        if (file_opens(c, "certificate_key", path, "set the path of a PEM file", &st) == SP_OK
            && (st.st_mode & 077) != 0)
            inspect_fault(c, "certificate_key", "%.400s is accessible by group or "
                   "others (mode %03o); run chmod 600 on it", path,
                   (unsigned)(st.st_mode & 0777));
    }
}

/* Where nobody could ever log in or connect, the start would only look like one. */
static void
check_service(struct inspect *c)
{
    const struct settings *s = c->s;

    if (s->listen.count == 0 && s->listen_implicit.count == 0)
        inspect_fault(c, "listen", "there is no address to listen on; use for example "
               "listen = {\"0.0.0.0:21\", \"[::]:21\"}");
    if (s->certificate.count > 0)
        return;
    if (s->listen_implicit.count > 0)
        inspect_fault(c, "certificate", "listen_implicit requires a certificate; set certificate "
               "and certificate_key");
    else if (s->tls_required && s->cleartext_networks.count == 0
             && s->cleartext_users.count == 0)
        inspect_fault(c, "certificate", "TLS is required, but there is no certificate, so "
               "nobody can log in; set certificate and certificate_key");
}

static void
check_programs(struct inspect *c)
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
            inspect_fault(c, "libexec_directory", "%.300s is not safe to run as root: %s",
                   path, why);
            return;             /* it is mostly a directory, and that of all of them */
        }
        /* without a ledger the service goes on */
        if ((rc == SP_OK && access(path, X_OK) == 0)
            || strcmp(names[i], "sallyport-ledger") == 0)
            continue;
        inspect_fault(c, "libexec_directory", "cannot run %.400s: %s; install all of "
               "sallyport (make install), or set the directory that has the programs",
               path, strerror(errno));
        return;                 /* the same */
    }
}

/* The service of /etc/pam.d whose name is nearest. hint has room for HINT. */
static const char *
meant_service(const char *name, char hint[HINT])
{
    char best[NEAREST_MOST] = "";
    const struct dirent *entry = NULL;
    DIR *dir = opendir("/etc/pam.d");
    struct nearest n;

    nearest_begin(&n, name);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        nearest_try(&n, entry->d_name);
        if (n.best == entry->d_name && text_copy(best, sizeof best, entry->d_name))
            n.best = best;
    }
    if (dir != NULL)
        (void)closedir(dir);
    hint[0] = '\0';
    if (n.best != NULL)
        (void)text_printf(hint, HINT, "did you mean %s? Otherwise ", best);
    return hint;
}

static void
check_pam(struct inspect *c)
{
    char etc[PATH_ROOM] = "", lib[PATH_ROOM] = "", hint[HINT];
    int why = 0;

    if (!c->root) {
        inspect_fault(c, "auth", "pam requires root; start sallyportd as root, or "
                      "remove pam from the list");
        return;
    }
    (void)text_printf(etc, sizeof etc, "/etc/pam.d/%s", c->s->pam_service);
    (void)text_printf(lib, sizeof lib, "/usr/lib/pam.d/%s", c->s->pam_service);
    if (access(etc, R_OK) == 0 || access(lib, R_OK) == 0)
        return;
    why = errno;
    inspect_fault(c, "pam_service", "%s: %s; without it PAM uses the service \"other\"; "
                  "%sinstall etc/sallyport.pam there", etc, strerror(why),
                  meant_service(c->s->pam_service, hint));
}

static void
check_backends(struct inspect *c)
{
    if (has_backend(c, "users"))
        places_directory(c, "users_database", c->s->users_database, true, "create it, for root "
                         "only (mkdir -p -m 700), or set another file");
    if (has_backend(c, "pam"))
        check_pam(c);
    places_jails(c, has_backend(c, "anonymous"),
                 has_backend(c, "pam") && c->s->jail_system_users);
}

/* Each session may have one port at a time; who finds none is refused its transfer. */
static void
check_passive_ports(struct inspect *c)
{
    long long least = c->s->passive_port_least, most = c->s->passive_port_most;
    long long sessions = c->s->max_sessions, first = least;
    const char *key = setting_place(c->s, "passive_port_most")->line != 0
        ? "passive_port_most" : "passive_port_least";

    if (least > most || most - least + 1 >= sessions
        || setting_place(c->s, "passive_port_least")->faulty
        || setting_place(c->s, "passive_port_most")->faulty
        || setting_place(c->s, "max_sessions")->faulty)
        return;
    if (first + sessions - 1 > PORT_MOST)
        first = PORT_MOST - sessions + 1;
    if (first < PORT_LEAST)
        inspect_warning(c, key, "%lld ports (%lld to %lld) for up to %lld sessions: when many "
                        "transfer at once, some are refused; there are not enough ports, so "
                        "lower max_sessions to %lld", most - least + 1, least, most, sessions,
                        most - least + 1);
    else
        inspect_warning(c, key, "%lld ports (%lld to %lld) for up to %lld sessions: when many "
                        "transfer at once, some are refused; open the ports %lld to %lld, here "
                        "and in the firewall, or lower max_sessions to %lld", most - least + 1,
                        least, most, sessions, first, first + sessions - 1, most - least + 1);
}

/* Who may write the file chooses what root runs. */
static void
check_own_file(struct inspect *c)
{
    struct stat st;

    if (!c->root || c->s->file == NULL || stat(c->s->file, &st) == -1)
        return;
    if (st.st_uid != 0 || (st.st_mode & 022) != 0)
        inspect_fault(c, NULL, "users other than root can change this file (owner %u, "
               "mode %03o); run chown root and chmod go-w on it", (unsigned)st.st_uid,
               (unsigned)(st.st_mode & 0777));
}

enum sp_err
config_check_machine(struct settings *s, config_fault *fault, void *context)
{
    struct inspect c;

    inspect_begin(&c, s, fault, context);
    check_own_file(&c);
    check_service(&c);
    if (c.root)
        check_users(&c);
    check_programs(&c);
    places_run_directory(&c);
    places_state_directory(&c);
    check_certificates(&c);
    check_backends(&c);
    check_passive_ports(&c);
    places_log(&c);
    return c.report.faults == 0 ? SP_OK : SP_INPUT;
}
