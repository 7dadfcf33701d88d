/*
 * admin/certificates.h - until when the configured certificates are valid
 *
 * Runs in: the administrator's tool.     Blocks: on files, and for the keyholder.
 * Trusts:  the keyholder's program, as the server does: it alone reads certificates and
 *          keys, and judges them here as it will there.
 */
#ifndef SP_ADMIN_CERTIFICATES_H
#define SP_ADMIN_CERTIFICATES_H

#include "base/err.h"
#include "config/settings.h"

/*
 * One line for each. SP_INPUT: one has ended or not begun, or has a key that cannot be
 * served or is not its own (said). SP_OS: the keyholder cannot be asked (said).
 */
SP_CHECK enum sp_err certificates_show(const struct settings *s);

#endif
