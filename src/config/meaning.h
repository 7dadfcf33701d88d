/*
 * config/meaning.h - what a single value has to look like, beyond its type
 *
 * Runs in: the monitor and the administrator's tool.     Blocks: never.
 */
#ifndef SP_CONFIG_MEANING_H
#define SP_CONFIG_MEANING_H

#include <stdbool.h>
#include <stddef.h>

#define MEANING_WHY_MAX 512

/*
 * Is value one that the setting of this name understands (for a list: one of its entries)?
 * false: why says what is wrong and what to write.
 */
bool meaning_holds(const char *name, const char *value, char why[MEANING_WHY_MAX]);

#endif
