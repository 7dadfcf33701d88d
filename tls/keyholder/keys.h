/*
 * tls/keyholder/keys.h - the private keys
 *
 * Runs in: keyholder.                    Blocks: on the file while one is read.
 * Trusts:  the administrator's files. Not what is to be signed: sign.h looks first.
 * Owns:    the keys, in locked memory as far as the kernel lets us.
 */
#ifndef SP_TLS_KEYHOLDER_KEYS_H
#define SP_TLS_KEYHOLDER_KEYS_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tls/keyholder/sign.h"

#define KEYS_MAX 32             /* as many as the setting may have */
#define KEY_FAULT_MAX 512

/*
 * certified: the public key of the certificate with this number; NULL: none was given. It is
 * valid from then until then, in seconds since the epoch.
 */
struct key {
    EVP_PKEY *key, *certified;
    enum sign_key kind;
    unsigned bits;
    int64_t from, until;
};

struct keys { struct key all[KEYS_MAX]; };

/*
 * Before the first key, once for the process: OpenSSL without its configuration file, and
 * room for private numbers that is locked and in no core dump. SP_OS: there is no such
 * room (the keys are loaded all the same; the caller logs it).
 */
SP_CHECK enum sp_err keys_prepare(void);

/*
 * The certificate (PEM, fd is read to its end) that the key with this number has to belong
 * to. One that cannot be read is passed over: the worker's template says what is wrong.
 */
void keys_expect(struct keys *k, unsigned index, int fd);

/*
 * Take a PEM file (fd is read to its end) as number index. SP_INPUT: it is no key that
 * can be served, or not that of its certificate; fault says which file, what is wrong and what to do. SP_OS, SP_NOMEM:
 * fault too.
 */
SP_CHECK enum sp_err keys_load(struct keys *k, unsigned index, int fd, struct slice file,
                               char fault[KEY_FAULT_MAX]);
/* "RSA" or "ECDSA". */
const char *key_kind_text(enum sign_key kind);

/*
 * Sign tbs, if sign_check lets us, into at most room bytes. SP_REFUSED: it does not, or
 * there is no such key; *why. SP_OS: OpenSSL failed; *why.
 */
SP_CHECK enum sp_err keys_sign(const struct keys *k, unsigned index, unsigned scheme,
                               struct slice tbs, unsigned char *at, size_t room,
                               size_t *len, const char **why);
void keys_clear(struct keys *k);

#endif
