/* admin/check.c - see admin/check.h */
#include "admin/check.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/certificates.h"
#include "admin/options.h"
#include "admin/site.h"
#include "auth/accounts.h"
#include "config/load.h"

static const struct option table[] = {
    { "settings", no_argument, NULL, 's' },
    { NULL, 0, NULL, 0 }
};

static void
show_fault(void *context, enum config_weight weight, const char *text)
{
    (void)context;
    (void)weight;
    say("%s", text);
}

static void
show_preset(const struct setting_row *r)
{
    switch (r->type) {
    case SETTING_BOOL:
        printf("%s", r->number != 0 ? "true" : "false");
        return;
    case SETTING_NUMBER:
        printf("%lld", (long long)r->number);
        return;
    case SETTING_OCTAL:
        printf("\"%03llo\"", (unsigned long long)r->number);
        return;
    case SETTING_TEXT:
        printf("\"%s\"", r->text);
        return;
    case SETTING_LIST:
        printf("{%s}", r->text);
        return;
    }
}

static enum say_exit
show_settings(void)
{
    for (const struct setting_row *r = setting_rows(); r->name != NULL; r++) {
        printf("%s = ", r->name);
        show_preset(r);
        if (r->unit[0] != '\0')
            printf("  (%s)", r->unit);
        printf("\n    %s\n", r->help);
    }
    return fflush(stdout) == 0 ? SAY_DONE : SAY_FAILED;
}

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
    if ((rc = accounts_open(&db, s->database, ACCOUNTS_READ)) != SP_OK)
        say("users_database: %s", db.fault);
    accounts_close(&db);
    return rc;
}

enum say_exit
check_run(struct site *site, int argc, char **argv)
{
    enum say_exit code = SAY_FAILED;
    enum sp_err machine = SP_OK;
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
    if (site_load(site) == SP_OK) {
        machine = config_check_machine(&site->settings, show_fault, NULL);
        if (machine == SP_OK)
            machine = certificates_show(&site->settings);
        if (check_database(site) == SP_OK && machine == SP_OK) {
            printf("%s: no errors found\n", site->config);
            code = SAY_DONE;
        }
    }
    site_clear(site);
    return code;
}
