/*
 * admin/effective.h - `sallyport config`: what the server would read, written out
 *
 * Runs in: the administrator's tool.     Blocks: on the file.
 */
#ifndef SP_ADMIN_EFFECTIVE_H
#define SP_ADMIN_EFFECTIVE_H

#include "admin/say.h"

struct site;

/* argv[0] is "config". */
enum say_exit effective_run(struct site *site, int argc, char **argv);

#endif
