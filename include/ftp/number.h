/*
 * ftp/number.h - numbers in commands
 *
 * Runs in: worker, broker.               Blocks: never.
 * Trusts:  nothing. No sign, no blank, no other base; what does not fit is refused.
 */
#ifndef SP_FTP_NUMBER_H
#define SP_FTP_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define NUMBER_TEXT_MAX 21      /* 20 digits and a NUL */

/* Decimal digits only, value at most most. SP_INPUT: anything else. */
SP_CHECK enum sp_err number_parse(struct slice text, uint64_t most, uint64_t *out);
/* Octal, one to five digits, at most 07777 ("644", "0644", "02775"). SP_INPUT. */
SP_CHECK enum sp_err number_parse_octal(struct slice text, uint32_t *out);
/* Decimal with a NUL behind it. Returns the length. */
size_t number_text(uint64_t value, char out[NUMBER_TEXT_MAX]);

#endif
