/*
 * admin/check.h - `sallyport check`: would the server start, and serve?
 *
 * Runs in: the administrator's tool.     Blocks: on files.
 */
#ifndef SP_ADMIN_CHECK_H
#define SP_ADMIN_CHECK_H

#include "admin/say.h"

struct site;

/* argv[0] is "check". */
enum say_exit check_run(struct site *site, int argc, char **argv);

#endif
