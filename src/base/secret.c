/* src/base/secret.c - see base/secret.h */
#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

void
wipe(void *at, size_t len)
{
    explicit_bzero(at, len);
}

void
secret_init(struct secret *s)
{
    s->set = false;
    s->len = 0;
    s->bytes[0] = '\0';
}

enum sp_err
secret_set(struct secret *s, struct slice from)
{
    int saved = errno;

    if (from.len > SECRET_MAX
        || (from.len > 0 && memchr(from.at, '\0', from.len) != NULL))
        return SP_INPUT;
    /* from may lie inside s: it is moved before the rest is wiped. */
    if (mlock(s, sizeof *s) != 0)
        errno = saved;          /* RLIMIT_MEMLOCK: see the header */
    if (from.len > 0)
        memmove(s->bytes, from.at, from.len);
    wipe(s->bytes + from.len, sizeof s->bytes - from.len);
    s->len = from.len;
    s->set = true;
    return SP_OK;
}

const char *
secret_text(const struct secret *s)
{
    return (const char *)s->bytes;
}

void
secret_clear(struct secret *s)
{
    int saved = errno;
    bool was_set = s->set;

    wipe(s, sizeof *s);
    /* Pages are locked, not bytes: a neighbour on the same page loses its lock, never its
     * wiping. Only what was locked is unlocked, so that an empty secret costs no call. */
    if (was_set && munlock(s, sizeof *s) != 0)
        errno = saved;
}
