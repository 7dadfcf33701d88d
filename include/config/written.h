/*
 * config/written.h - settings as they would be written in a configuration
 *
 * Runs in: the administrator's tool.     Blocks: never.
 */
#ifndef SP_CONFIG_WRITTEN_H
#define SP_CONFIG_WRITTEN_H

#include "base/buf.h"
#include "base/err.h"
#include "config/settings.h"

/*
 * Appends the value that *s has in this row: {"a", "b"}, "15 min", true. config_load reads it
 * back to the same. SP_NOMEM.
 */
SP_CHECK enum sp_err written_value(struct buf *out, struct settings *s,
                                   const struct setting_row *row);
/*
 * Appends all settings, in the order of the table. One that the file has is followed by
 * "# FILE:LINE"; a default is a comment. What is appended is a configuration of the same
 * meaning. SP_NOMEM.
 */
SP_CHECK enum sp_err written_file(struct buf *out, struct settings *s);

#endif
