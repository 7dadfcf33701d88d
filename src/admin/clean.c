/* admin/clean.c - see admin/clean.h */
#include "admin/clean.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/ban.h"
#include "admin/options.h"
#include "admin/site.h"
#include "admin/sweep.h"
#include "auth/accounts.h"
#include "auth/derive.h"
#include "auth/sysuser.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/enter.h"
#include "base/fd.h"
#include "base/landlock.h"
#include "base/privilege.h"
#include "base/secret.h"

#define NAMES_MOST (64u << 20)  /* bytes of the names of all accounts of a backend */
#define REPORT_FD 3             /* where the account's process tells its totals    */
#define MEMORY_MOST ((size_t)1 << 30)

enum option_number { OPTION_REMOVE = 256, OPTION_OLDER };

static const struct option table[] = {
    { "remove", no_argument, NULL, OPTION_REMOVE },
    { "older-than", required_argument, NULL, OPTION_OLDER },
    { NULL, 0, NULL, 0 }
};

struct clean {
    struct site *site;
    bool remove, given;         /* given: older, by an option               */
    int64_t older;
    bool all;                   /* of every backend: nobody was named       */
    bool headed;
    struct sweep_totals totals;
    uint64_t faults;            /* accounts that could not be looked at     */
};

/* What an account's process says at its end. */
struct report { bool absent; struct sweep_totals totals; };

/* ---- the account's process -------------------------------------------------------------- */

/* From root to the account, into the jail, for good; as src/broker/jail.c. */
static enum sp_err
become(const struct account *a, bool writes, int *root)
{
    const uint64_t keep = (uint64_t)1 << CAP_SYS_CHROOT;
    bool was_root = privilege_is_root();
    enum sp_err rc = SP_OK;

    if (was_root)
        rc = privilege_become(a->uid, a->gid, a->groups, a->group_count, keep);
    if (rc != SP_OK || (rc = enter_open(a->jail, root)) != SP_OK)
        return rc;
    /* without root it takes a user namespace; else openat2 alone keeps us in the jail */
    if (was_root || privilege_enter_userns() == SP_OK)
        rc = privilege_chroot_fd(*root);
    if (rc != SP_OK
        || (rc = privilege_drop(a->uid, a->gid, a->groups, a->group_count)) != SP_OK)
        return rc;
    rc = landlock_enter(*root, writes);
    if (rc != SP_OK && rc != SP_REFUSED)        /* refused: this kernel has none */
        return rc;
    if ((rc = privilege_limit_processes()) != SP_OK)
        return rc;
    return privilege_limit_memory(MEMORY_MOST);
}

/* Does not return. */
static void SP_NORETURN
visit(const struct clean *c, const struct account *a, int report_fd)
{
    struct report report = { .absent = false };
    struct sweep s = { .account = a->user, .jail = a->jail, .root = -1, .remove = c->remove,
                       .now = clock_seconds(), .older = c->older, .headed = c->headed };
    int fds[] = { report_fd };
    enum sp_err rc = fd_arrange(fds, 1, REPORT_FD);

    if (rc == SP_OK)
        rc = fd_close_from(REPORT_FD + 1);
    if (rc == SP_OK && (rc = become(a, c->remove, &s.root)) == SP_OK) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        sweep_run(&s);
        report.totals = s.totals;
    } else if (rc == SP_OS && errno == ENOENT) {
        report.absent = true;
        rc = SP_OK;
    } else {
        say("%s: cannot enter its jail %s: %s", a->user, a->jail,
            rc == SP_OS ? strerror(errno) : sp_err_text(rc));
    }
    if (rc == SP_OK && fflush(stdout) != 0) {
        say("standard output: %s", strerror(errno));
        rc = SP_OS;
    }
    if (rc == SP_OK)
        rc = fd_write_all(REPORT_FD, &report, sizeof report);
    _exit(rc == SP_OK ? 0 : 1);
}

/* ---- the tool --------------------------------------------------------------------------- */

static void
add_count(struct sweep_count *to, const struct sweep_count *c)
{
    to->files += c->files;
    to->bytes += c->bytes;
}

static void
add_totals(struct clean *c, const struct sweep_totals *t)
{
    add_count(&c->totals.found, &t->found);
    add_count(&c->totals.in_use, &t->in_use);
    add_count(&c->totals.kept, &t->kept);
    add_count(&c->totals.old, &t->old);
    add_count(&c->totals.removed, &t->removed);
    add_count(&c->totals.failed, &t->failed);
    c->totals.faults += t->faults;
    c->headed = c->headed || t->found.files > 0;
}

/* All of the report, or nothing. */
static bool
read_report(int fd, struct report *out)
{
    unsigned char *at = (unsigned char *)out;
    size_t len = 0;
    ssize_t got = 0;

    while (len < sizeof *out
           && ((got = read(fd, at + len, sizeof *out - len)) > 0
               || (got == -1 && errno == EINTR)))
        len += got > 0 ? (size_t)got : 0;
    return len == sizeof *out;
}

static enum sp_err
start(const struct clean *c, const struct account *a, int *report, pid_t *pid)
{
    int ends[2] = { -1, -1 };

    if (fflush(stdout) != 0 || pipe2(ends, O_CLOEXEC) == -1)
        return SP_OS;
    if ((*pid = fork()) == 0)
        visit(c, a, ends[1]);
    fd_close(&ends[1]);
    if (*pid == -1) {
        fd_close(&ends[0]);
        return SP_OS;
    }
    *report = ends[0];
    return SP_OK;
}

/* optional: an account whose jail does not have to be there. */
static void
look_into(struct clean *c, const struct account *a, bool optional)
{
    struct report report = { .absent = false };
    int fd = -1, status = 0;
    pid_t pid = -1;
    bool whole = false;

    if (start(c, a, &fd, &pid) != SP_OK) {
        say("%s: cannot start a process: %s", a->user, strerror(errno));
        c->faults++;
        return;
    }
    whole = read_report(fd, &report);
    fd_close(&fd);
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        continue;
    if (!whole || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        if (WIFSIGNALED(status))
            say("%s: its process was killed by signal %d", a->user, WTERMSIG(status));
        c->faults++;
    } else if (report.absent && !optional) {
        say("%s: its jail %s does not exist", a->user, a->jail);
        c->faults++;
    } else if (!report.absent) {
        add_totals(c, &report.totals);
    }
}

static void
unusable(struct clean *c, const char *name, const char *why)
{
    say("%s: this account cannot be used: %s", name, why);
    c->faults++;
}

/* ---- one account of each backend -------------------------------------------------------- */

/* SP_REFUSED: it has no such account. Other faults are said. */
static enum sp_err
clean_user(struct clean *c, const char *name)
{
    const struct settings *s = &c->site->settings;
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e = { .name = "" };
    struct account a;
    const char *why = "";
    enum sp_err rc = accounts_open(&db, c->site->database, ACCOUNTS_READ);

    if (rc != SP_OK) {
        say("users_database: %s", db.fault);
        c->faults++;
        accounts_close(&db);
        return SP_OK;
    }
    if ((rc = accounts_find(&db, name, &e)) != SP_OK && rc != SP_REFUSED)
        unusable(c, name, db.fault);
    accounts_close(&db);        /* never open across fork(2) */
    wipe(e.hash, sizeof e.hash);
    if (rc == SP_REFUSED)
        return rc;
    if (rc == SP_OK && derive_users(s, &e, &a, &why) != SP_OK)
        unusable(c, name, why);
    else if (rc == SP_OK)
        look_into(c, &a, s->jail_create);
    return SP_OK;
}

static enum sp_err
clean_system(struct clean *c, const char *name)
{
    const struct settings *s = &c->site->settings;
    struct sysuser u = { .name = "" };
    struct account a;
    const char *why = "";
    enum sp_err rc = sysuser_by_name(name, &u);

    if (rc == SP_REFUSED)
        return rc;
    if (rc != SP_OK) {
        unusable(c, name, "the system user cannot be looked up");
    } else if (derive_system_ids(s, &u, &a, &why) != SP_OK) {
        /* of all users of the system, some are not for logins */
        if (!c->all)
            unusable(c, name, why);
    } else if (derive_system_jail(s, &u, &a, &why) != SP_OK) {
        unusable(c, name, why);
    } else if (!s->jail_system_users) {
        unusable(c, name, "it has no jail (jail_system_users is false), and clean does not search"
                          " the whole system");
    } else {
        look_into(c, &a, c->all || s->jail_create);
    }
    return SP_OK;
}

static enum sp_err
clean_anonymous(struct clean *c, const char *name)
{
    struct account a;
    const char *why = "";

    if (!slice_equal_nocase(slice_of(name), "anonymous")
        && !slice_equal_nocase(slice_of(name), "ftp"))
        return SP_REFUSED;
    if (derive_anonymous(&c->site->settings, &a, &why) != SP_OK)
        unusable(c, name, why);
    else
        look_into(c, &a, false);
    return SP_OK;
}

/* ---- all accounts of each backend ------------------------------------------------------- */

static enum sp_err
add_name(void *names, const struct accounts_entry *e)
{
    return buf_add(names, e->name, strlen(e->name) + 1);
}

static enum sp_err
all_users(struct clean *c, struct buf *names)
{
    struct accounts db = ACCOUNTS_EMPTY;
    enum sp_err rc = SP_OK;

    /* as `sallyport check`: one that nobody has made yet is no fault */
    if (access(c->site->database, F_OK) == -1 && errno == ENOENT)
        return SP_OK;
    if ((rc = accounts_open(&db, c->site->database, ACCOUNTS_READ)) != SP_OK
        || (rc = accounts_each(&db, add_name, names)) != SP_OK)
        say("users_database: %s", rc == SP_NOMEM ? "out of memory" : db.fault);
    accounts_close(&db);
    return rc;
}

static enum sp_err
all_system(struct clean *c, struct buf *names)
{
    const struct settings *s = &c->site->settings;
    const struct passwd *p = NULL;
    enum sp_err rc = SP_OK;

    if (!s->jail_system_users) {
        if (!c->remove)
            say("note: system users are skipped, because they have no jail"
                " (jail_system_users is false)");
        return SP_OK;
    }
    setpwent();
    /* cppcheck-suppress getpwentCalled ; one thread */
    while (rc == SP_OK && (p = getpwent()) != NULL)
        if (p->pw_uid >= s->system_user_least_uid
            && (rc = buf_add(names, p->pw_name, strlen(p->pw_name) + 1)) != SP_OK)
            say("out of memory");
    endpwent();
    return rc;
}

static enum sp_err
all_anonymous(struct clean *c, struct buf *names)
{
    (void)c;
    return buf_add(names, "anonymous", sizeof "anonymous");
}

static const struct backend {
    const char *name;
    enum sp_err (*one)(struct clean *c, const char *name);
    enum sp_err (*all)(struct clean *c, struct buf *names);
} backends[] = {
    { "users", clean_user, all_users },
    { "pam", clean_system, all_system },
    { "anonymous", clean_anonymous, all_anonymous },
};

#define BACKENDS (sizeof backends / sizeof *backends)

static bool
is_used(const struct clean *c, const struct backend *b)
{
    return text_list_has(&c->site->settings.auth, slice_of(b->name));
}

/* A name means the account of the first backend that knows it, as in a login. */
static void
clean_named(struct clean *c, const char *name)
{
    const struct text_list *auth = &c->site->settings.auth;

    for (size_t i = 0; i < auth->count; i++)
        for (size_t k = 0; k < BACKENDS; k++)
            if (strcmp(auth->texts[i], backends[k].name) == 0
                && backends[k].one(c, name) != SP_REFUSED)
                return;
    say("%s: no such account", name);
    c->faults++;
}

static void
clean_backend(struct clean *c, const struct backend *b)
{
    struct buf names = BUF_EMPTY(NAMES_MOST);
    size_t at = 0;

    if (b->all(c, &names) != SP_OK)
        c->faults++;
    while (at < names.len) {
        const char *name = (const char *)names.at + at;

        SP_IGNORE(b->one(c, name));     /* refused: deleted since */
        at += strlen(name) + 1;
    }
    buf_free(&names);
}

/* ---- the command ------------------------------------------------------------------------ */

enum sp_err
clean_parse_age(const char *text, int64_t *out)
{
    unsigned long seconds = 0;

    if (strcmp(text, "0") != 0 && ban_parse_seconds(text, &seconds) != SP_OK)
        return SP_INPUT;
    *out = (int64_t)seconds;
    return SP_OK;
}

static enum sp_err
parse(struct clean *c, int argc, char **argv)
{
    int option = 0;

    optind = 0;                 /* a second list of words, in GNU's way */
    while ((option = options_next(argc, argv, OPTIONS_PLACE, table)) != -1) {
        switch (option) {
        case 'c':
            c->site->config = optarg;
            break;
        case 'd':
            c->site->database = optarg;
            break;
        case OPTION_REMOVE:
            c->remove = true;
            break;
        case OPTION_OLDER:
            if (clean_parse_age(optarg, &c->older) != SP_OK)
                return SP_INPUT;
            c->given = true;
            break;
        default:                /* getopt has said it */
            return SP_INPUT;
        }
    }
    c->all = optind == argc;
    for (int i = optind; i < argc; i++)
        if (!account_name_valid(slice_of(argv[i]))) {
            say("\"%s\" is not a valid account name", argv[i]);
            return SP_INPUT;
        }
    return SP_OK;
}

static enum say_exit
run(struct clean *c, char **names, int count)
{
    if (!c->given) {
        c->older = c->site->settings.unfinished_keep;
        if (c->older == 0 && c->remove)
            return say_end(SAY_USAGE, "--remove needs --older-than, for example --older-than 7d,"
                           " because unfinished_keep is 0 (keep forever)");
        if (c->older == 0)
            c->older = INT32_MAX;       /* shown, and none is old */
    }
    for (int i = 0; i < count; i++)
        clean_named(c, names[i]);
    for (size_t i = 0; c->all && i < BACKENDS; i++)
        if (is_used(c, &backends[i]))
            clean_backend(c, &backends[i]);
    sweep_say(&c->totals, c->remove);
    if (fflush(stdout) != 0)
        return say_end(SAY_FAILED, "standard output: %s", strerror(errno));
    return c->faults + c->totals.faults + c->totals.failed.files == 0 ? SAY_DONE : SAY_FAILED;
}

enum say_exit
clean_run(struct site *site, int argc, char **argv)
{
    struct clean c = { .site = site };
    enum say_exit code = SAY_FAILED;

    if (parse(&c, argc, argv) != SP_OK)
        return SAY_USAGE;
    if (site_load(site) == SP_OK)
        code = run(&c, argv + optind, argc - optind);
    site_clear(site);
    return code;
}
