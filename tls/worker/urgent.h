/*
 * tls/worker/urgent.h - Telnet's urgent bytes between the records of a control connection
 *
 * Runs in: worker.                       Blocks: never.
 * Trusts:  nothing. What it takes out lies outside of every record, where whoever is in
 *          between could have put it; what is inside of one it leaves alone.
 *
 * Perl's Net::FTP announces ABOR by IAC IP IAC as urgent data, past its own TLS: three
 * bytes in the clear between two records. None of them can begin a record.
 */
#ifndef SP_TLS_WORKER_URGENT_H
#define SP_TLS_WORKER_URGENT_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define URGENT_MOST 64          /* bytes passed over between two records */

/* Where in the records the bytes so far have ended. allowed: the handshake is done. */
struct urgent {
    bool allowed;
    unsigned char header, passed;       /* bytes of this header, and passed over before it */
    size_t left;                        /* bytes of this record still to come              */
};

#define URGENT_EMPTY { false, 0, 0, 0 }

/* The kind of BIO for urgent_bio. SP_NOMEM. */
SP_CHECK enum sp_err urgent_method_new(BIO_METHOD **out);
/*
 * Puts a BIO before *bio that passes such bytes over while u->allowed; u must outlive it.
 * SP_NOMEM: *bio is as it was.
 */
SP_CHECK enum sp_err urgent_bio(BIO **bio, const BIO_METHOD *method, struct urgent *u);

#endif
