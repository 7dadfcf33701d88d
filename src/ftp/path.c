/* src/ftp/path.c - see ftp/path.h */
#include "ftp/path.h"

#include <string.h>

void
path_root(struct path *out)
{
    out->len = 1;
    out->text[0] = '/';
    out->text[1] = '\0';
}

/* Appends the components of a path to text, which has room for PATH_BYTES. */
static enum sp_err
add_components(char *text, size_t *len, struct slice path)
{
    size_t i = 0;

    while (i < path.len) {
        const unsigned char *at = path.at + i;
        const unsigned char *end = memchr(at, '/', path.len - i);
        size_t n = end == NULL ? path.len - i : (size_t)(end - at);

        i += n + 1;
        if (n == 0 || (n == 1 && at[0] == '.'))
            continue;
        if (n == 2 && at[0] == '.' && at[1] == '.') {
            while (*len > 0 && text[--*len] != '/')
                continue;
            continue;
        }
        if (n + 1 > PATH_BYTES - *len)
            return SP_INPUT;
        text[(*len)++] = '/';
        memcpy(text + *len, at, n);
        *len += n;
    }
    return SP_OK;
}

enum sp_err
path_join(struct path *out, struct slice cwd, struct slice parameter)
{
    char text[PATH_BYTES];
    size_t len = 0;

    if (cwd.len == 0 || *cwd.at != '/' || memchr(cwd.at, '\0', cwd.len) != NULL)
        return SP_INPUT;
    if (parameter.len > 0 && memchr(parameter.at, '\0', parameter.len) != NULL)
        return SP_INPUT;
    if ((parameter.len == 0 || *parameter.at != '/')
        && add_components(text, &len, cwd) != SP_OK)
        return SP_INPUT;
    if (add_components(text, &len, parameter) != SP_OK)
        return SP_INPUT;
    if (len == 0)
        text[len++] = '/';
    memcpy(out->text, text, len);
    out->text[len] = '\0';
    out->len = len;
    return SP_OK;
}

struct slice
path_slice(const struct path *p)
{
    return slice_from(p->text, p->len);
}

/* Length of what stands before the last slash. */
static size_t
last_slash(struct slice path)
{
    size_t i = path.len;

    while (i > 0 && path.at[i - 1] != '/')
        i--;
    return i == 0 ? 0 : i - 1;
}

struct slice
path_parent(struct slice path)
{
    size_t at = last_slash(path);

    return slice_from(path.at, at == 0 && path.len > 0 ? 1 : at);
}

struct slice
path_name(struct slice path)
{
    size_t at = last_slash(path);

    if (at < path.len && path.at[at] == '/')
        at++;
    return slice_from(path.at == NULL ? NULL : path.at + at, path.len - at);
}

enum sp_err
path_quote(struct buf *out, struct slice path)
{
    size_t need = path.len + 2;
    unsigned char *to = NULL;
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < path.len; i++)
        need += path.at[i] == '"';
    if ((rc = buf_reserve(out, need)) != SP_OK)
        return rc;
    to = out->at + out->len;
    *to++ = '"';
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = path.at[i];

        if (c == '"')
            *to++ = '"';
        *to++ = c < 0x20 || c == 0x7f ? '?' : c;
    }
    *to = '"';
    out->len += need;
    return SP_OK;
}
