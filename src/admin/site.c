/* admin/site.c - see admin/site.h */
#include "admin/site.h"

#include <stdio.h>
#include <unistd.h>

#include "admin/say.h"
#include "config/load.h"

static void
show_fault(void *context, enum config_weight weight, const char *text)
{
    (void)context;
    (void)weight;
    say("%s", text);
}

const char *
site_config(const struct site *s)
{
    return s->config != NULL ? s->config : SITE_CONFIG;
}

enum sp_err
site_load(struct site *s)
{
    enum sp_err rc = SP_OK;

    if (s->config == NULL && access(SITE_CONFIG, F_OK) == -1) {
        if (s->database == NULL) {
            say("%s does not exist; use -c FILE to name the configuration, or -d FILE"
                " to name the users database", SITE_CONFIG);
            return SP_INPUT;
        }
        if ((rc = settings_init(&s->settings)) != SP_OK)
            say("out of memory");
        return rc;
    }
    if ((rc = config_load(&s->settings, site_config(s), show_fault, NULL)) != SP_OK) {
        if (rc == SP_NOMEM)
            say("out of memory");
        return rc;
    }
    if (s->database == NULL)
        s->database = s->settings.users_database;
    return SP_OK;
}

enum sp_err
site_load_place(struct site *s)
{
    enum sp_err rc = config_load_readable(&s->settings, site_config(s), show_fault, NULL);

    if (rc == SP_NOMEM)
        say("out of memory");
    return rc;
}

void
site_clear(struct site *s)
{
    settings_clear(&s->settings);
}
