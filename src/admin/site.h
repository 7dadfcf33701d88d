/*
 * admin/site.h - which server the tool works for: its configuration and its database
 *
 * Runs in: the administrator's tool.     Blocks: on the file.
 * Owns:    its settings; the file names are lent.
 */
#ifndef SP_ADMIN_SITE_H
#define SP_ADMIN_SITE_H

#include "base/err.h"
#include "config/settings.h"

#ifndef SP_SYSCONFDIR
#define SP_SYSCONFDIR "/etc"
#endif
#define SITE_CONFIG SP_SYSCONFDIR "/sallyport/sallyport.conf"

struct site {
    const char *config;         /* -c; NULL: SITE_CONFIG              */
    const char *database;       /* -d; NULL: what the settings say    */
    struct settings settings;
};

/*
 * Reads the configuration and fills in the database. Without -c and without the file at
 * its usual place -d alone is enough: all settings have their defaults then. Says what is
 * wrong.
 */
SP_CHECK enum sp_err site_load(struct site *s);
/*
 * The same for who only has to find the running server: faults of the file are passed over,
 * as the server judges it itself, and the database plays no part.
 */
SP_CHECK enum sp_err site_load_place(struct site *s);
void site_clear(struct site *s);
const char *site_config(const struct site *s);

#endif
