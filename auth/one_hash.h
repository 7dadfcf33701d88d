/*
 * auth/one_hash.h - a password that one login has hashed twice is hashed once
 *
 * Runs in: login (root), while PAM checks a password.    Blocks: as crypt_r(3) does.
 * Trusts:  the PAM modules, which run in this process.
 * Owns:    what it remembers, until one_hash_end.
 *
 * pam_unix of Linux-PAM 1.5.2 (Debian 12) calls crypt_r(3) twice with the same words: its macro
 * x_strdup evaluates its argument two times. That is half of what a login costs. So this program
 * exports a crypt_r of its own, which the dynamic linker finds before libcrypt's. Between
 * one_hash_begin and one_hash_end it remembers the last password, setting and hash, and answers
 * the same question with the same hash. Outside of that, and in other threads, it remembers
 * nothing. All hashing is libcrypt's.
 *
 * Whoever reads this memory could read the password beside it, in the attempt and in PAM's own
 * item, which both live longer. Where libcrypt lacks crypt_rn(3), or a module brings another
 * crypt_r, everything works as it does without this.
 */
#ifndef SP_AUTH_ONE_HASH_H
#define SP_AUTH_ONE_HASH_H

#include "base/secret.h"

#define ONE_HASH_TEXT 384       /* CRYPT_OUTPUT_SIZE: of a setting or a hash, with a NUL */

struct crypt_data;

struct one_hash {
    struct secret phrase;
    char setting[ONE_HASH_TEXT], hash[ONE_HASH_TEXT];
};

/* o is lent until one_hash_end: this thread remembers in it. */
void one_hash_begin(struct one_hash *o);
/* Wipes it. Harmless on one that was not begun. */
void one_hash_end(struct one_hash *o);
/* What the exported crypt_r does: as crypt_r(3), never NULL. */
char *one_hash_crypt(const char *phrase, const char *setting, struct crypt_data *data);

#endif
