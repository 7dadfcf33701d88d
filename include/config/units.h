/*
 * config/units.h - sizes and times as people write them: "64 MiB", "15 min"
 *
 * Runs in: the monitor and the administrator's tool.     Blocks: never.
 */
#ifndef SP_CONFIG_UNITS_H
#define SP_CONFIG_UNITS_H

#include <stdint.h>

#include "base/err.h"

enum units_kind { UNITS_SIZE, UNITS_TIME };

#define UNITS_TEXT_MAX 32
#define UNITS_WHY_MAX 256
#define UNITS_ALL_TIME "ms, s, min, h or d"
#define UNITS_ALL_SIZE "B, KiB, MiB, GiB or TiB"

/*
 * A whole number and its unit, with or without a space between them. *number counts in
 * `unit`, which is one of the kind; a text that is no whole number of it is refused. Only 0
 * may stand without a unit: a bare number could be read in two ways. SP_INPUT: why says what
 * is wrong and what to write.
 */
SP_CHECK enum sp_err units_parse(enum units_kind kind, const char *unit, const char *text,
                                 int64_t *number, char why[UNITS_WHY_MAX]);
/* The same number in the largest unit that divides it: "15 min". 0 is "0". */
const char *units_text(enum units_kind kind, const char *unit, int64_t number,
                       char out[UNITS_TEXT_MAX]);

#endif
