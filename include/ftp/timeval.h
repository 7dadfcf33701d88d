/*
 * ftp/timeval.h - points in time as RFC 3659 section 2.3 writes them, in UTC
 *
 * Runs in: worker, broker.               Blocks: never.
 * Trusts:  nothing. No locale and no time zone plays a part.
 */
#ifndef SP_FTP_TIMEVAL_H
#define SP_FTP_TIMEVAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Seconds since the epoch (negative before 1970) and nanoseconds, 0 to 999999999. */
struct timeval_utc { int64_t seconds; uint32_t nanos; };

#define TIMEVAL_TEXT_MAX 25     /* "YYYYMMDDHHMMSS.nnnnnnnnn" and a NUL */

/*
 * "YYYYMMDDHHMMSS" or "YYYYMMDDHHMMSS.sss" (one digit or more; those past nine are
 * dropped). Second 60 is the one after 59. SP_INPUT: anything else, years 0001 to 9999.
 */
SP_CHECK enum sp_err timeval_parse(struct slice text, struct timeval_utc *out);
/*
 * "time name": a time as above, one space, a name that is not empty (MFMT, MFCT, and MDTM
 * of old clients that set a time by it). SP_INPUT: not of this form; MDTM then takes the
 * whole for a name.
 */
SP_CHECK enum sp_err timeval_parse_named(struct slice text, struct timeval_utc *when,
                                         struct slice *name);
/*
 * The parameter of SITE UTIME in both its forms: "YYYYMMDDhhmm[ss] name", and "name
 * YYYYMMDDhhmmss YYYYMMDDhhmmss YYYYMMDDhhmmss UTC" (access, modification, creation: the
 * second counts). SP_INPUT.
 */
SP_CHECK enum sp_err timeval_parse_utime(struct slice text, struct timeval_utc *modified,
                                         struct slice *name);

/*
 * With count digits (0 to 9) of the fraction; a fraction that is zero to these digits is left
 * away. A year that four digits cannot hold is shown as the nearest that they can.
 * Returns the length.
 */
size_t timeval_text(const struct timeval_utc *when, unsigned count,
                    char out[TIMEVAL_TEXT_MAX]);

#endif
