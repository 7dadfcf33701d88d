/* auth/one_hash.c - see auth/one_hash.h */
#include "auth/one_hash.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stddef.h>
#ifdef HAVE_CRYPT_RN
#include <crypt.h>
#include <sodium.h>
#include <string.h>
#endif

/* crypt_r has no argument that could carry it. Modules with threads have none in theirs. */
static _Thread_local struct one_hash *current = NULL;

void
one_hash_begin(struct one_hash *o)
{
    wipe(o, sizeof *o);
    secret_init(&o->phrase);
    current = o;
}

void
one_hash_end(struct one_hash *o)
{
    current = NULL;
    secret_clear(&o->phrase);
    wipe(o, sizeof *o);
}

#ifdef HAVE_CRYPT_RN

_Static_assert(ONE_HASH_TEXT == CRYPT_OUTPUT_SIZE, "libcrypt's hashes have another size");

/* In a time that tells nothing but the lengths. */
static bool
is_same(const char *kept, size_t kept_len, const char *text)
{
    return strlen(text) == kept_len && sodium_memcmp(kept, text, kept_len) == 0;
}

static bool
is_known(const struct one_hash *o, const char *phrase, const char *setting)
{
    return o->phrase.set
        && is_same(secret_text(&o->phrase), o->phrase.len, phrase)
        && is_same(o->setting, strlen(o->setting), setting);
}

/* A failure ("*0") is not kept: it may have been one of memory. */
static void
remember(struct one_hash *o, const char *phrase, const char *setting, const char *hash)
{
    secret_clear(&o->phrase);
    if (hash[0] == '*' || !text_copy(o->setting, sizeof o->setting, setting)
        || !text_copy(o->hash, sizeof o->hash, hash))
        return;
    if (secret_set(&o->phrase, slice_of(phrase)) != SP_OK)
        secret_clear(&o->phrase);
}

char *
one_hash_crypt(const char *phrase, const char *setting, struct crypt_data *data)
{
    struct one_hash *o = current;

    if (o != NULL && phrase != NULL && setting != NULL && is_known(o, phrase, setting)) {
        memcpy(data->output, o->hash, sizeof data->output);
        return data->output;
    }
    /* unlike crypt_r it gives NULL for a failure, which output tells, too */
    (void)crypt_rn(phrase, setting, data, (int)sizeof *data);
    if (o != NULL && phrase != NULL && setting != NULL)
        remember(o, phrase, setting, data->output);
    return data->output;
}

#ifndef SP_SANITIZERS           /* their libraries have a crypt_r of their own */
/* Exported (Makefile.am), so that modules get it in place of libcrypt's. */
char *
crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
    return one_hash_crypt(phrase, setting, data);
}
#endif

#endif
