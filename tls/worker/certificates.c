/* tls/worker/certificates.c - see certificates.h */
#include "tls/worker/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"

#define FILE_MAX ((size_t)1 << 20)
#define CHAIN_MAX 16

/* ---- reading ----------------------------------------------------------------------- */

static enum sp_err
complain(const char *file, const char *what)
{
    struct log_escaped name;

    log_event(EVENT_CERTIFICATE_UNUSABLE, "file=%s fault=\"%s\"",
              log_text(slice_of(file), &name), what);
    return SP_INPUT;
}

/* NULL at the end of the text, and where it is no certificate. */
static X509 *
next_certificate(BIO *text, OSSL_LIB_CTX *library)
{
    X509 *x = X509_new_ex(library, NULL);

    if (x != NULL && PEM_read_bio_X509(text, &x, NULL, NULL) == NULL) {
        X509_free(x);
        x = NULL;
    }
    return x;
}

/* As a difference: what makes a calendar date of it reads a time zone file. */
static enum sp_err
read_time(const ASN1_TIME *time, int64_t *seconds)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, rest = 0;
    enum sp_err rc = SP_INPUT;

    if (epoch != NULL && ASN1_TIME_diff(&days, &rest, epoch, time) == 1) {
        *seconds = (int64_t)days * 86400 + rest;
        rc = SP_OK;
    }
    ASN1_TIME_free(epoch);
    return rc;
}

static enum sp_err
check_leaf(struct certificate *c, const char *file)
{
    EVP_PKEY *key = X509_get0_pubkey(c->leaf);

    if (key == NULL)
        return complain(file, "cannot read its public key");
    if (EVP_PKEY_is_a(key, "RSA"))
        c->kind = CERTIFICATE_RSA;
    else if (EVP_PKEY_is_a(key, "EC"))
        c->kind = CERTIFICATE_EC;
    else
        return complain(file, "its key is not an RSA or ECDSA key");
    if (c->kind == CERTIFICATE_RSA && EVP_PKEY_get_bits(key) < 2048)
        return complain(file, "its RSA key has fewer than 2048 bits");
    if (read_time(X509_get0_notBefore(c->leaf), &c->from) != SP_OK
        || read_time(X509_get0_notAfter(c->leaf), &c->until) != SP_OK)
        return complain(file, "cannot read its dates");
    return SP_OK;
}

static enum sp_err
read_chain(struct certificate *c, BIO *text, OSSL_LIB_CTX *library, const char *file,
           bool is_der)
{
    X509 *x = NULL;

    if ((c->leaf = next_certificate(text, library)) == NULL)
        return complain(file, is_der ? "it is in DER format; convert it to PEM "
                        "(openssl x509 -inform DER)"
                        : "contains no PEM certificate");
    if ((c->chain = sk_X509_new_null()) == NULL)
        return SP_NOMEM;
    while ((x = next_certificate(text, library)) != NULL) {
        if (sk_X509_num(c->chain) >= CHAIN_MAX) {
            X509_free(x);
            return complain(file, "its chain is too long");
        }
        if (sk_X509_push(c->chain, x) <= 0) {
            X509_free(x);
            return SP_NOMEM;
        }
    }
    /* The end of the text is a line that never begins; all else is a broken block. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return complain(file, "a certificate in its chain is invalid");
    return SP_OK;
}

enum sp_err
certificate_read(struct certificate *out, OSSL_LIB_CTX *library, int fd, const char *file)
{
    struct buf bytes = BUF_EMPTY(FILE_MAX);
    struct certificate c = {0};
    BIO *text = NULL;
    enum sp_err rc = SP_NOMEM;

    ERR_clear_error();
    if ((rc = buf_read_all(&bytes, fd)) != SP_OK) {
        if (rc == SP_NOMEM)
            rc = complain(file, "too large for a certificate");
        goto out;
    }
    rc = SP_NOMEM;
    if ((text = BIO_new_mem_buf(bytes.at, (int)bytes.len)) == NULL)
        goto out;
    /* 0x30: SEQUENCE, with which every certificate in DER begins */
    if ((rc = read_chain(&c, text, library, file, bytes.len > 0 && bytes.at[0] == 0x30))
            != SP_OK
        || (rc = check_leaf(&c, file)) != SP_OK)
        goto out;
    *out = c;
    c = (struct certificate){0};
out:
    ERR_clear_error();
    certificate_clear(&c);
    BIO_free(text);
    buf_wipe(&bytes);           /* some keep the key in the same file */
    return rc;
}

void
certificate_clear(struct certificate *c)
{
    X509_free(c->leaf);
    sk_X509_pop_free(c->chain, X509_free);
    EVP_PKEY_free(c->key);
    *c = (struct certificate){0};
}

void
certificates_clear(struct certificates *all)
{
    for (size_t i = 0; i < all->count; i++)
        certificate_clear(&all->all[i]);
    all->count = 0;
}

/* ---- choosing ---------------------------------------------------------------------- */

static bool
names_include(const GENERAL_NAMES *names, GENERAL_NAME *wanted)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), wanted) == 0)
            return true;
    return false;
}

/* Does other have every subject alternative name that one has? One without any: no. */
static bool
covers(const X509 *other, const X509 *one)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(one, NID_subject_alt_name, NULL, NULL);
    GENERAL_NAMES *theirs = X509_get_ext_d2i(other, NID_subject_alt_name, NULL, NULL);
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    bool all = count > 0 && theirs != NULL;

    for (int i = 0; all && i < count; i++)
        all = names_include(theirs, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    GENERAL_NAMES_free(theirs);
    return all;
}

/* To OpenSSL a name with a dot in front means every name below it; a client means one. */
static bool
has_name(X509 *leaf, const char *name, unsigned flags)
{
    return name[0] != '.' && X509_check_host(leaf, name, strlen(name), flags, NULL) == 1;
}

static bool
is_current(const struct certificate *c, int64_t now)
{
    return c->from <= now && now <= c->until;
}

/* What a choice is made by. at: of which time they have to be, NULL: any. */
struct wish { const char *name; unsigned flags; const int64_t *at; };

static bool
fits(const struct certificates *all, const struct certificate *c, const struct wish *w)
{
    const struct certificate *first = &all->all[0];

    if (w->at != NULL && !is_current(c, *w->at))
        return false;
    if (w->name == NULL)
        return c == first || covers(c->leaf, first->leaf);
    return has_name(c->leaf, w->name, w->flags);
}

/* The first of each kind. False: none fits. */
static bool
choose(const struct certificates *all, const struct wish *w,
       struct certificate_choice *out)
{
    bool found = false;

    *out = (struct certificate_choice){0};
    for (size_t i = 0; i < all->count; i++) {
        const struct certificate *c = &all->all[i];

        if (out->of[c->kind] != NULL || !fits(all, c, w))
            continue;
        out->of[c->kind] = c;
        found = true;
    }
    return found;
}

void
certificates_choose(const struct certificates *all, const char *name, int64_t now,
                    struct certificate_choice *out)
{
    const unsigned wild = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    const unsigned exact = wild | X509_CHECK_FLAG_NO_WILDCARDS;
    const struct wish wishes[] = {
        { name, exact, &now }, { name, wild, &now }, { name, exact, NULL },
        { name, wild, NULL },  { NULL, 0, &now },    { NULL, 0, NULL },
    };
    size_t at = name != NULL && name[0] != '\0' ? 0 : 4;

    while (at < sizeof wishes / sizeof *wishes && !choose(all, &wishes[at], out))
        at++;
}

bool
certificates_have(const struct certificates *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (has_name(all->all[i].leaf, name, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            return true;
    return false;
}
