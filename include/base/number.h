/*
 * base/number.h - numbers as text: the one parser of all that people and peers write
 *
 * Runs in: every process.                Blocks: never.
 * Trusts:  nothing. No sign, no blank, no prefix; what does not fit is refused.
 */
#ifndef SP_BASE_NUMBER_H
#define SP_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define NUMBER_TEXT_MAX 21      /* 20 digits and a NUL */

/* Decimal digits only, value at most most. SP_INPUT: anything else. */
SP_CHECK enum sp_err number_parse(struct slice text, uint64_t most, uint64_t *out);
/* As number_parse, in a base from 2 to 10. */
SP_CHECK enum sp_err number_parse_base(struct slice text, unsigned base, uint64_t most,
                                       uint64_t *out);
/*
 * The decimal number that text begins with; text then begins behind it. SP_INPUT: there is
 * none, or it is more than most; text stays as it was.
 */
SP_CHECK enum sp_err number_take(struct slice *text, uint64_t most, uint64_t *out);
/* The mode of a file: octal, one to five digits, at most 07777 ("644", "02775"). SP_INPUT. */
SP_CHECK enum sp_err number_parse_octal(struct slice text, uint32_t *out);
/* Decimal with a NUL behind it. Returns the length. */
size_t number_text(uint64_t value, char out[NUMBER_TEXT_MAX]);

#endif
