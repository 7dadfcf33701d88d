/*
 * admin/clean.h - `sallyport clean`: unfinished uploads that nobody goes on with
 *
 * Runs in: the administrator's tool.     Blocks: on the database, NSS, and file systems.
 *
 * What lies in a jail is looked at by a process that has become the account, in the jail,
 * for good. The tool itself, which may be root, never looks into one.
 */
#ifndef SP_ADMIN_CLEAN_H
#define SP_ADMIN_CLEAN_H

#include <stdint.h>

#include "admin/say.h"
#include "base/err.h"

struct site;

/* argv[0] is "clean". */
enum say_exit clean_run(struct site *site, int argc, char **argv);
/* "0", "90s", "15min", "12h", "7d": into seconds. SP_INPUT (said). */
SP_CHECK enum sp_err clean_parse_age(const char *text, int64_t *out);

#endif
