/*
 * admin/reload.h - `sallyport reload`: the configuration as it is now, or why not
 *
 * Runs in: the administrator's tool.     Blocks: until the server's verdict.
 */
#ifndef SP_ADMIN_RELOAD_H
#define SP_ADMIN_RELOAD_H

#include "admin/say.h"

struct site;

/* argv[0] is "reload". */
enum say_exit reload_run(struct site *site, int argc, char **argv);

#endif
