/* admin/check.c - see admin/check.h */
#include "admin/check.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/certificates.h"
#include "admin/options.h"
#include "admin/site.h"
#include "auth/accounts.h"
#include "base/buf.h"
#include "config/settings.h"
#include "config/written.h"

#define PATH_ROOM 4096
#define VALUE_MAX 65536         /* bytes of a default, as it is written */

static const struct option table[] = {
    { "settings", no_argument, NULL, 's' },
    { NULL, 0, NULL, 0 }
};

/* Numbers have a unit of their own; the value of a size or time says it. */
static const char *
unit_of(const struct setting_row *r)
{
    return r->type == SETTING_SIZE || r->type == SETTING_TIME ? "" : r->unit;
}

static enum say_exit
show_settings(void)
{
    struct buf value = BUF_EMPTY(VALUE_MAX);
    struct settings defaults;
    enum sp_err rc = settings_init(&defaults);

    for (const struct setting_row *r = setting_rows(); r->name != NULL && rc == SP_OK; r++) {
        value.len = 0;
        if ((rc = written_value(&value, &defaults, r)) != SP_OK)
            break;
        printf("%s = %.*s", r->name, (int)value.len, (const char *)value.at);
        if (unit_of(r)[0] != '\0')
            printf("  (%s)", r->unit);
        printf("\n    %s\n", r->help);
    }
    buf_free(&value);
    settings_clear(&defaults);
    if (rc != SP_OK)
        return say_end(SAY_FAILED, "out of memory");
    return fflush(stdout) == 0 ? SAY_DONE : SAY_FAILED;
}

/* ---- the server's own look ----------------------------------------------------------- */

/* Beside this program, as both are installed. */
static enum sp_err
find_server(char path[PATH_ROOM])
{
    char own[PATH_ROOM];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
    char *slash = NULL;

    if (len <= 0)
        return SP_OS;
    own[len] = '\0';
    if ((slash = strrchr(own, '/')) == NULL)
        return SP_INPUT;
    *slash = '\0';
    return text_printf(path, PATH_ROOM, "%s/sallyportd", own) ? SP_OK : SP_INPUT;
}

/*
 * `sallyportd -t`, which does all that a start does, but serves nobody. Its faults go where
 * ours go; that there are none, we say ourselves. SP_INPUT: it found one.
 */
static enum sp_err
ask_server(const char *file)
{
    static char test[] = "-t", config[] = "-c", null[] = "/dev/null";
    char path[PATH_ROOM] = "", name[PATH_ROOM] = "";
    char *const argv[] = { path, test, config, name, NULL };
    char *const no_environment[] = { NULL };
    posix_spawn_file_actions_t files;
    int status = 0, failed = 0;
    pid_t pid = -1;

    if (find_server(path) != SP_OK || !text_copy(name, sizeof name, file)) {
        say("cannot find sallyportd beside this program; install all of sallyport");
        return SP_INPUT;
    }
    (void)fflush(stdout);
    if ((failed = posix_spawn_file_actions_init(&files)) == 0) {
        if ((failed = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, null, O_WRONLY, 0))
            == 0)
            failed = posix_spawn(&pid, path, &files, NULL, argv, no_environment);
        (void)posix_spawn_file_actions_destroy(&files);
    }
    if (failed != 0) {
        say("%s: %s", path, strerror(failed));
        return SP_OS;
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return SP_OS;
    if (WIFSIGNALED(status))
        say("%s: killed by signal %d", path, WTERMSIG(status));
    return status == 0 ? SP_OK : SP_INPUT;
}

/* ---- the tool's ---------------------------------------------------------------------- */

/* Only where logins would look into it. One that nobody has made yet is no fault. */
static enum sp_err
check_database(const struct site *s)
{
    struct accounts db = ACCOUNTS_EMPTY;
    enum sp_err rc = SP_OK;

    if (!text_list_has(&s->settings.auth, slice_of("users")))
        return SP_OK;
    if (access(s->database, F_OK) == -1) {
        say("note: users_database: %s does not exist yet; `sallyport user add` creates it",
            s->database);
        return SP_OK;
    }
    /* the server looks into its own; this may be another one (-d) */
    if (strcmp(s->database, s->settings.users_database) != 0
        && (rc = accounts_open(&db, s->database, ACCOUNTS_READ)) != SP_OK)
        say("users_database: %s", db.fault);
    accounts_close(&db);
    return rc;
}

enum say_exit
check_run(struct site *site, int argc, char **argv)
{
    enum say_exit code = SAY_FAILED;
    enum sp_err certificates = SP_OK;
    int option = 0;

    optind = 0;                 /* a second list of words, in GNU's way */
    while ((option = options_next(argc, argv, OPTIONS_PLACE, table)) != -1) {
        if (option == 's')
            return show_settings();
        if (!options_place(site, option))
            return SAY_USAGE;
    }
    if (optind < argc)
        return say_end(SAY_USAGE,
                       "check: too many arguments; use -c to name the configuration file");
    if (site->config == NULL)
        site->config = SITE_CONFIG;
    if (ask_server(site->config) == SP_OK && site_load(site) == SP_OK) {
        certificates = certificates_show(&site->settings);
        if (check_database(site) == SP_OK && certificates == SP_OK) {
            printf("%s: no errors found\n", site->config);
            code = SAY_DONE;
        }
    }
    site_clear(site);
    return code;
}
