/* broker/listing.c - see broker/listing.h */
#include "broker/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "broker/broker.h"
#include "broker/entry.h"
#include "broker/glob_walk.h"
#include "broker/partial.h"
#include "broker/permit.h"
#include "broker/resolve.h"
#include "wire/pack.h"

#define LINE_GUESS 72
#define SORTED_FOR_PROGRAMS 500 /* most names that are sorted unasked */
#define LAST_BATCH 4000         /* names, of the batches that are ordered by inode */

bool
listing_has(const struct listing *l, enum listing_option option)
{
    return (l->options & option) != 0;
}

bool
listing_needs_stat(const struct listing *l)
{
    return l->long_lines || l->kind == LISTING_MLSD
        || listing_has(l, LISTING_CLASSIFY) || listing_has(l, LISTING_RECURSIVE);
}

/* Nanoseconds since the epoch, as far as they fit: within 285 years of it. */
static int64_t
time_key(const struct statx *st)
{
    int64_t seconds = st->stx_mtime.tv_sec;

    if (seconds > 9000000000 || seconds < -9000000000)
        return seconds > 0 ? INT64_MAX : -INT64_MAX;
    return seconds * 1000000000 + entry_nanos(st);
}

/* What a name is sorted by before its bytes: newest first, or largest first. */
static int64_t
sort_key(const struct listing *l, const char *name, bool unfinished)
{
    char partial[NAME_MAX + 1] = "";
    struct statx st;

    if (!listing_has(l, LISTING_BY_TIME) && !listing_has(l, LISTING_BY_SIZE))
        return 0;
    if (unfinished)
        partial_name(name, partial);
    if (resolve_stat(l->dir, unfinished ? partial : name, &st) != SP_OK)
        return INT64_MAX;
    return listing_has(l, LISTING_BY_TIME) ? -time_key(&st) : -(int64_t)entry_size(&st);
}

enum sp_err
listing_next(struct listing *l, const char **name, bool *unfinished)
{
    bool all = l->kind == LISTING_MLSD || listing_has(l, LISTING_ALL)
        || listing_has(l, LISTING_ALMOST_ALL);
    enum sp_err rc = SP_OK;

    while ((rc = reader_next(&l->reader, name, unfinished)) == SP_OK)
        if (all || **name != '.')
            break;
    if (l->reader.fault != 0)
        l->missed = l->reader.fault;
    return rc;
}

/*
 * Programs that ask for names or facts sort for themselves: of many they need not wait for
 * the last. -R is told in the order of ls -R, whatever it is asked of.
 */
static bool
is_for_people(const struct listing *l)
{
    return l->long_lines || (l->kind != LISTING_MLSD && l->kind != LISTING_NLST)
        || listing_has(l, LISTING_BY_TIME) || listing_has(l, LISTING_BY_SIZE)
        || listing_has(l, LISTING_REVERSE) || listing_has(l, LISTING_RECURSIVE);
}

/* In which order inodes lie on the disk. */
static int64_t
inode_key(const struct listing *l)
{
    return l->reader.inode > INT64_MAX ? INT64_MAX : (int64_t)l->reader.inode;
}

/*
 * File systems with hashed directories (ext4) give names in an order that jumps all over the
 * disk, and read some hundred inodes at once. So the first names are looked up by inode:
 * they fetch most of what the rest needs, in one sweep. They come in growing batches, so that
 * the first line comes as soon as without. Behind them it would save nothing.
 */
bool
listing_by_inode(const struct listing *l)
{
    return listing_needs_stat(l) && l->more && l->names.count < LAST_BATCH;
}

enum sp_err
listing_more(struct listing *l)
{
    size_t most = l->names.count < SORTED_FOR_PROGRAMS / 2 ? SORTED_FOR_PROGRAMS
        : 2 * l->names.count;
    const char *name = NULL;
    bool unfinished = false;
    enum sp_err rc = SP_OK;

    names_reset(&l->names);
    while (l->names.count < most && (rc = listing_next(l, &name, &unfinished)) == SP_OK)
        if ((rc = names_add(&l->names, name, unfinished, inode_key(l))) != SP_OK)
            return rc;
    if (rc != SP_OK && rc != SP_CLOSED)
        return rc;
    l->more = rc == SP_OK;
    names_sort(&l->names, false);
    return SP_OK;
}

/* Into names, until there are too many to sort. The rest is written while it is read. */
static enum sp_err
collect(struct listing *l)
{
    uint64_t most = (uint64_t)l->b->settings.sorted_entries;
    bool by_inode = false;
    const char *name = NULL;
    bool unfinished = false;
    enum sp_err rc = SP_OK;

    if (most > SORTED_FOR_PROGRAMS && !is_for_people(l)) {
        most = SORTED_FOR_PROGRAMS;
        by_inode = listing_needs_stat(l);
    }
    names_reset(&l->names);
    l->more = false;
    if (listing_has(l, LISTING_ALL) && l->kind != LISTING_MLSD
        && ((rc = names_add(&l->names, ".", false, INT64_MIN)) != SP_OK
            || (rc = names_add(&l->names, "..", false, INT64_MIN)) != SP_OK))
        return rc;
    while (l->names.count < most) {
        if ((rc = listing_next(l, &name, &unfinished)) == SP_CLOSED) {
            if (by_inode)
                names_forget_keys(&l->names);
            names_sort(&l->names, listing_has(l, LISTING_REVERSE));
            return SP_OK;
        }
        if (rc != SP_OK
            || (rc = names_add(&l->names, name, unfinished,
                               by_inode ? inode_key(l) : sort_key(l, name, unfinished)))
                != SP_OK)
            return rc;
    }
    if (by_inode)
        names_sort(&l->names, false);
    l->more = true;
    return SP_OK;
}

enum sp_err
listing_enter(struct listing *l)
{
    struct statx st;
    enum sp_err rc = SP_OK;

    reader_close(&l->reader);
    if ((rc = reader_open(l->b, l->path, &l->reader)) != SP_OK)
        return rc;
    l->dir = l->reader.fd;
    l->parent_writable = resolve_stat(l->dir, "", &st) == SP_OK
        && entry_dir_writable(l->b, &st);
    return collect(l);
}

/* "dir" to "dir/", where the client named one and lines of names are asked for. */
static enum sp_err
prepare_contents(struct listing *l, const char *shown)
{
    size_t len = strlen(shown);

    l->contents = true;
    if (l->kind == LISTING_NLST && !l->long_lines && len > 0
        && !text_printf(l->prefix, sizeof l->prefix, "%s%s", shown,
                        shown[len - 1] == '/' ? "" : "/"))
        return broker_refuse(l->b, FAIL_NAME);
    text_copy_whole(l->top, sizeof l->top, l->path);
    return listing_enter(l);
}

/* One object, by the name it was asked for. */
static enum sp_err
prepare_single(struct listing *l, const char *shown, bool unfinished)
{
    struct place at = PLACE_EMPTY;
    struct statx st;
    enum sp_err rc = SP_OK;

    if (l->kind == LISTING_MLSD)
        return broker_refuse(l->b, FAIL_NOT_DIRECTORY);
    /* The jail itself has no name in a parent. */
    if (strspn(l->path, "/") == strlen(l->path)) {
        if ((rc = resolve_open(l->b, "/", O_PATH | O_DIRECTORY, &l->held)) != SP_OK)
            return rc;
        l->dir = l->held;
        text_copy_whole(l->single, sizeof l->single, *shown != '\0' ? shown : ".");
        return names_add(&l->names, ".", false, 0);
    }
    if ((rc = resolve_place(l->b, l->path, &at)) != SP_OK)
        return rc;
    l->held = fd_move(&at.dir);
    l->dir = l->held;
    l->parent_writable = resolve_stat(l->dir, "", &st) == SP_OK
        && entry_dir_writable(l->b, &st);
    text_copy_whole(l->single, sizeof l->single, shown);
    *(strrchr(l->path, '/') + 1) = '\0';
    return names_add(&l->names, at.name, unfinished, 0);
}

/*
 * How matches are shown: what the client typed before the first component with magic.
 * shown has as many components from there on as the pattern itself.
 */
static void
set_match_prefix(struct listing *l, const char *shown, const char *rest)
{
    const char *at = shown + strlen(shown);

    for (;; rest++) {
        rest = strchr(rest, '/');
        while (at > shown && at[-1] != '/')
            at--;
        if (rest == NULL || at == shown)
            break;
        at--;
    }
    text_printf_whole(l->prefix, sizeof l->prefix, "%.*s", (int)(at - shown), shown);
}

static enum sp_err
prepare_matches(struct listing *l, const struct pattern *p, const char *shown)
{
    enum sp_err rc = SP_OK;

    set_match_prefix(l, shown, p->rest);
    text_copy_whole(l->path, sizeof l->path, p->base);
    if ((rc = resolve_open(l->b, p->base, O_PATH | O_DIRECTORY, &l->held)) != SP_OK)
        return rc;
    l->dir = l->held;
    return glob_walk(l->b, p, &l->names);
}

static enum sp_err
prepare_path(struct listing *l, const char *shown)
{
    struct seen seen = SEEN_EMPTY;
    struct pattern pattern;
    struct place at = PLACE_EMPTY;
    struct statx st;
    bool directory = false, unfinished = false;
    enum sp_err rc = resolve_seen(l->b, l->path, &seen);

    if (rc == SP_OK) {
        directory = S_ISDIR(seen.st.stx_mode);
        unfinished = seen.unfinished;
        seen_clear(&seen);
        if (directory && (l->kind == LISTING_MLSD || !listing_has(l, LISTING_DIRECTORY)))
            return prepare_contents(l, shown);
        return prepare_single(l, shown, unfinished);
    }
    if (rc != SP_OS || (errno != ENOENT && errno != ELOOP))
        return rc;
    /* A link that leads nowhere can still be shown as what it is. */
    if (resolve_place(l->b, l->path, &at) == SP_OK) {
        bool there = resolve_stat(at.dir, at.name, &st) == SP_OK;

        place_clear(&at);
        if (there)
            return prepare_single(l, shown, false);
    }
    if (l->kind != LISTING_MLSD && glob_walk_part(l->path, &pattern))
        return prepare_matches(l, &pattern, shown);
    return broker_errno(ENOENT);
}

enum sp_err
listing_prepare(struct listing *l, struct broker *b, const struct msg_list *ask)
{
    char shown[PATH_MAX];
    enum sp_err rc = SP_OK;

    *l = (struct listing){
        .b = b, .kind = (enum listing_kind)ask->kind, .options = ask->options,
        .facts = ask->facts, .dir = -1, .held = -1, .reader = READER_EMPTY,
        .names = NAMES_EMPTY(LISTING_NAMES), .below = NAMES_EMPTY(LISTING_NAMES),
        .now = clock_seconds(), .out = BUF_EMPTY(LISTING_BUFFER), .pipe = -1
    };
    if (l->kind == LISTING_MLSD)
        l->options = 0;
    l->long_lines = listing_has(l, LISTING_LONG)
        || l->kind == LISTING_STAT
        || (l->kind == LISTING_LIST && !listing_has(l, LISTING_ONE));
    if ((rc = permit_check(b, ACT_LIST)) != SP_OK
        || (rc = resolve_text(b, ask->path, l->path)) != SP_OK)
        return rc;
    if (slice_to_text(ask->shown, shown, sizeof shown) != SP_OK)
        return broker_refuse(b, FAIL_NAME);
    return prepare_path(l, shown);
}

size_t
listing_size(const struct listing *l)
{
    return l->names.len + l->names.count * (listing_needs_stat(l) ? LINE_GUESS : 2);
}

void
listing_clear(struct listing *l)
{
    reader_close(&l->reader);
    fd_close(&l->held);
    names_free(&l->names);
    names_free(&l->below);
    buf_free(&l->out);
}
