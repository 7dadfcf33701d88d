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

/* A warning keeps nobody from starting. */
enum config_weight { CONFIG_FAULT, CONFIG_WARNING };

/*
 * Called once for each: "FILE:LINE: KEY: what is wrong; what to do". The text of a warning
 * begins "warning: " behind the key.
 */
typedef void config_fault(void *context, enum config_weight weight, const char *text);

/*
 * Read file into *s (initialised here). Every fault is reported, not only the first.
 * SP_INPUT: there was one; SP_OS: the file cannot be read (reported too); SP_NOMEM.
 * On failure *s is empty. Checks what a text alone can tell (form, ranges, networks,
 * addresses, names of backends, as many keys as certificates, port range in order).
 */
SP_CHECK enum sp_err config_load(struct settings *s, const char *file, config_fault *fault,
                                 void *context);
/*
 * As config_load, but where single settings are wrong (SP_INPUT) *s is filled: those have
 * their defaults and are noted as faulty, so that config_check_machine can look at the
 * rest. *s is empty where nothing could be made of the file: s->file is NULL.
 */
SP_CHECK enum sp_err config_load_all(struct settings *s, const char *file,
                                     config_fault *fault, void *context);
/*
 * As config_load, but faults are passed over: what could be read is in *s, and the rest has
 * its defaults. For who must reach a running server while somebody edits its file.
 */
SP_CHECK enum sp_err config_load_readable(struct settings *s, const char *file,
                                          config_fault *unreadable, void *context);
/*
 * What only this machine can tell: users exist and are not root, files can be read, keys
 * are not readable by others, directories are there. Faults name key and remedy. Nothing is
 * said of a setting that is noted as faulty already. SP_INPUT: there was a fault.
 */
SP_CHECK enum sp_err config_check_machine(struct settings *s, config_fault *fault,
                                          void *context);
/*
 * Can it be listened on the addresses? Each is bound and let go at once, without listening.
 * What the server of this run_directory has is its own. Not for that server itself.
 * SP_INPUT: there was a fault.
 */
SP_CHECK enum sp_err config_check_addresses(struct settings *s, config_fault *fault,
                                            void *context);
/* A fault or warning that was found elsewhere, of a setting (key) or of none (NULL). */
void config_tell(struct settings *s, config_fault *fault, void *context,
                 enum config_weight weight, const char *key, const char *text);

#endif
