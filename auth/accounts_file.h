/*
 * auth/accounts_file.h - the file below the users database: safe owner, known form
 *
 * Runs in: login (root), the administrator's tool.   Blocks: on the file system.
 * Part of auth/accounts.h; nobody else includes it.
 */
#ifndef SP_AUTH_ACCOUNTS_FILE_H
#define SP_AUTH_ACCOUNTS_FILE_H

#include "auth/accounts.h"

/* Sets a->fault and returns rc. */
enum sp_err accounts_fail(struct accounts *a, enum sp_err rc, const char *format, ...)
    SP_PRINTF(3, 4);
/* As accounts_fail, with SQLite's own words; SP_OS. */
enum sp_err accounts_fail_db(struct accounts *a, const char *doing);
/* One statement without result. SP_OS. */
SP_CHECK enum sp_err accounts_run(struct accounts *a, const char *sql);

/* Owner and mode of file and directory; makes the file when create. As accounts_open. */
SP_CHECK enum sp_err accounts_file_check(struct accounts *a, const char *file,
                                         bool create);
/*
 * Opens a->file; its tables are there, of our version; made when the mode is ACCOUNTS_CREATE.
 * On failure a->db may be open.
 */
SP_CHECK enum sp_err accounts_file_open(struct accounts *a, enum accounts_mode mode);
/* Was it read without locks, and has it changed since it was opened? */
bool accounts_file_changed(const struct accounts *a);

#endif
