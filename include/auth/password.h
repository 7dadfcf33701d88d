/*
 * auth/password.h - Argon2id by libsodium
 *
 * Runs in: login (root), the administrator's tool.   Blocks: as long as the hash costs.
 * Trusts:  nothing in a stored hash but its form, which is checked.
 *
 * sodium_init has been called before. The memory of one run is what the hash (or cost)
 * says: how many run side by side is bounded by auth/slots.h.
 */
#ifndef SP_AUTH_PASSWORD_H
#define SP_AUTH_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

#define PASSWORD_HASH_MAX 128   /* crypto_pwhash_STRBYTES, the NUL included */
#define PASSWORD_LEAST 8        /* bytes of a new password                  */

struct password_cost { int64_t memory_kib, passes; };

/* SP_NOMEM. */
SP_CHECK enum sp_err password_hash(const struct secret *password,
                                   struct password_cost cost,
                                   char out[PASSWORD_HASH_MAX]);
/* SP_REFUSED: another password; SP_INPUT: hash is none; SP_NOMEM: too little memory. */
SP_CHECK enum sp_err password_verify(const char hash[PASSWORD_HASH_MAX],
                                     const struct secret *password);
/*
 * A hash of the given cost that no password has: verifying against it is the same work as
 * against a real one. Costs nothing to make.
 */
SP_CHECK enum sp_err password_dummy(struct password_cost cost,
                                    char out[PASSWORD_HASH_MAX]);
/*
 * What a check of this hash costs less than one of the given cost, as memory times passes.
 * False: nothing worth making up for.
 */
bool password_missing_cost(const char hash[PASSWORD_HASH_MAX], struct password_cost cost,
                           struct password_cost *missing);
/* Was the hash made at another cost? */
bool password_outdated(const char hash[PASSWORD_HASH_MAX], struct password_cost cost);

#endif
