/*
 * config/places.h - the directories and files that settings name
 *
 * Runs in: the monitor and the administrator's tool.     Blocks: on the disk.
 */
#ifndef SP_CONFIG_PLACES_H
#define SP_CONFIG_PLACES_H

#include <stdbool.h>

#include "config/inspect.h"

/* The directory itself; of a file (parent) the one that it lies in. */
void places_directory(struct inspect *i, const char *key, const char *path, bool parent,
                      const char *remedy);
/* run_directory: ours, or to be made; what workers have for their root is empty. */
void places_run_directory(struct inspect *i);
void places_log(struct inspect *i);
/* Without its directory the ledger keeps nothing: a warning. */
void places_state_directory(struct inspect *i);
/* Of anonymous_root, and of system_user_jail what stands before the first %. */
void places_jails(struct inspect *i, bool anonymous, bool system_users);

#endif
