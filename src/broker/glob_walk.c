/* broker/glob_walk.c - see broker/glob_walk.h */
#include "broker/glob_walk.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "broker/broker.h"
#include "broker/partial.h"
#include "broker/reader.h"
#include "broker/resolve.h"
#include "ftp/glob.h"

/*
 * Bytes of the paths found by one step. Each may be as long as a path can be, so the bound
 * on entries alone would leave room for hundreds of megabytes.
 */
#define PATHS_MOST (64u << 20)

struct walk {
    struct broker *b;
    const struct pattern *pattern;
    int64_t left;               /* entries that may still be looked at */
};

static struct slice
component_at(const char *at)
{
    return slice_from(at, strcspn(at, "/"));
}

bool
glob_walk_part(const char *path, struct pattern *out)
{
    const char *at = path;

    while (*at != '\0') {
        struct slice part = { NULL, 0 };

        at += strspn(at, "/");
        part = component_at(at);
        if (glob_has_magic(part)) {
            size_t len = (size_t)(at - path);

            while (len > 1 && path[len - 1] == '/')
                len--;
            return text_printf(out->base, sizeof out->base, "%.*s", (int)len, path)
                && text_copy(out->rest, sizeof out->rest, at);
        }
        at += part.len;
    }
    return false;
}

/* below + "/" + name into *out, if it may be a path at all. */
static enum sp_err
add(struct names *out, const char *below, const char *name, bool unfinished)
{
    char path[PATH_MAX];

    if (!text_printf(path, sizeof path, "%s%s%s", below, *below != '\0' ? "/" : "", name))
        return SP_OK;           /* longer than any path: nobody could ask for it */
    return names_add(out, path, unfinished, 0);
}

static enum sp_err
count_one(struct walk *w)
{
    return w->left-- > 0 ? SP_OK : broker_refuse(w->b, FAIL_TOO_MUCH);
}

/* The names in one directory that match. last: an unfinished upload may be meant, too. */
static enum sp_err
match_in(struct walk *w, const char *below, struct slice part, bool last,
         struct names *out)
{
    char path[PATH_MAX];
    struct reader r = READER_EMPTY;
    const char *name = NULL;
    bool unfinished = false;
    enum sp_err rc = SP_OK;

    if ((rc = count_one(w)) != SP_OK)
        return rc;
    if (resolve_join(w->b, w->pattern->base, below, path) != SP_OK
        || (rc = reader_open(w->b, path, &r)) != SP_OK)
        return rc == SP_NOMEM ? rc : SP_OK;
    while ((rc = reader_next(&r, &name, &unfinished)) == SP_OK) {
        if ((rc = count_one(w)) != SP_OK)
            break;
        if (!glob_match(part, slice_of(name)) || (unfinished && !last))
            continue;
        if ((rc = add(out, below, name, unfinished)) != SP_OK)
            break;
    }
    reader_close(&r);
    return rc == SP_CLOSED || rc == SP_OS ? SP_OK : rc;
}

/* The name that a component without magic says; false: none that a client could see. */
static bool
literal_name(struct slice part, char out[NAME_MAX + 1])
{
    unsigned char plain[NAME_MAX];
    struct slice name = SLICE_EMPTY;

    if (part.len > sizeof plain)
        return false;
    name = slice_from(plain, glob_unescape(part, plain));
    return slice_to_text(name, out, NAME_MAX + 1) == SP_OK && strchr(out, '/') == NULL
        && *out != '\0' && strcmp(out, ".") != 0 && strcmp(out, "..") != 0
        && !partial_is(name);
}

/* A component without magic: the one name it says, if that is there. */
static enum sp_err
literal_in(struct walk *w, const char *below, struct slice part, bool last,
           struct names *out)
{
    char dir[PATH_MAX], path[PATH_MAX], name[NAME_MAX + 1];
    struct seen seen = SEEN_EMPTY;
    enum sp_err rc = SP_OK;

    if ((rc = count_one(w)) != SP_OK)
        return rc;
    if (!literal_name(part, name)
        || resolve_join(w->b, w->pattern->base, below, dir) != SP_OK
        || resolve_join(w->b, dir, name, path) != SP_OK
        || resolve_seen(w->b, path, &seen) != SP_OK)
        return SP_OK;
    if (last || !seen.unfinished)
        rc = add(out, below, name, seen.unfinished);
    seen_clear(&seen);
    return rc;
}

/* One component of the pattern, against everything that the ones before it have found. */
static enum sp_err
step(struct walk *w, const struct names *from, struct slice part, bool last,
     struct names *to)
{
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < from->count && rc == SP_OK; i++) {
        if (glob_has_magic(part))
            rc = match_in(w, names_text(from, i), part, last, to);
        else
            rc = literal_in(w, names_text(from, i), part, last, to);
    }
    return rc;
}

enum sp_err
glob_walk(struct broker *b, const struct pattern *p, struct names *out)
{
    struct walk w = { .b = b, .pattern = p, .left = b->settings.glob_entries };
    const size_t most = out->max < PATHS_MOST ? out->max : PATHS_MOST;
    struct names from = NAMES_EMPTY(most), to = NAMES_EMPTY(most), other;
    const char *at = p->rest;
    enum sp_err rc = names_add(&from, "", false, 0);

    while (rc == SP_OK && *at != '\0') {
        struct slice part = component_at(at);

        at += part.len;
        at += strspn(at, "/");
        names_reset(&to);
        rc = step(&w, &from, part, *at == '\0', &to);
        other = from;
        from = to;
        to = other;
    }
    names_free(&to);
    if (rc == SP_NOMEM)
        rc = broker_refuse(b, FAIL_TOO_MUCH);
    if (rc != SP_OK) {
        names_free(&from);
        return rc;
    }
    names_free(out);
    *out = from;
    names_sort(out, false);
    return SP_OK;
}
