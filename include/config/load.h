/*
 * config/load.h - the configuration file: read, checked, explained
 *
 * Runs in: the monitor and the administrator's tool.     Blocks: on the file.
 * Trusts:  that who can write the file is the administrator. Nothing in its form.
 */
#ifndef SP_CONFIG_LOAD_H
#define SP_CONFIG_LOAD_H

#include "base/err.h"
#include "config/settings.h"

/* Called once for each fault: "FILE:LINE: KEY: what is wrong; what to do". */
typedef void config_fault(void *context, const char *text);

/*
 * Read file into *s (initialised here). Every fault is reported, not only the first.
 * SP_INPUT: there was one; SP_OS: the file cannot be read (reported too); SP_NOMEM.
 * On failure *s is empty. Checks what a text alone can tell (form, ranges, networks,
 * addresses, names of backends, as many keys as certificates, port range in order).
 */
SP_CHECK enum sp_err config_load(struct settings *s, const char *file, config_fault *fault,
                                 void *context);
/*
 * As config_load, but faults are passed over: what could be read is in *s, and the rest has
 * its defaults. For who must reach a running server while somebody edits its file.
 */
SP_CHECK enum sp_err config_load_readable(struct settings *s, const char *file,
                                          config_fault *unreadable, void *context);
/*
 * What only this machine can tell: users exist and are not root, files can be read, keys
 * are not readable by others, directories are there. Faults name key and remedy.
 * SP_INPUT: there was one.
 */
SP_CHECK enum sp_err config_check_machine(const struct settings *s, config_fault *fault,
                                          void *context);

#endif
