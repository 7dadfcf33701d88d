/* src/ftp/facts.c - the facts of ftp/listing.h (RFC 3659 section 7.5) */
#include <sys/stat.h>

#include "ftp/listing.h"
#include "ftp/put.h"
#include "ftp/timeval.h"
#include "wire/grant.h"

/* all of a line but owner, group, name and target */
#define FACTS_FIXED 512
#define DATE_LENGTH 14          /* YYYYMMDDHHMMSS, without a fraction */

#define KNOWN(fact, name) { (fact), (name), sizeof(name) - 1 }

static const struct { unsigned fact; const char *name; size_t len; } facts_known[] = {
    KNOWN(FACT_TYPE, "type"), KNOWN(FACT_SIZE, "size"), KNOWN(FACT_MODIFY, "modify"),
    KNOWN(FACT_CREATE, "create"), KNOWN(FACT_PERM, "perm"), KNOWN(FACT_UNIQUE, "unique"),
    KNOWN(FACT_UNIX_MODE, "UNIX.mode"), KNOWN(FACT_UNIX_OWNER, "UNIX.owner"),
    KNOWN(FACT_UNIX_GROUP, "UNIX.group"), KNOWN(FACT_UNIX_UID, "UNIX.uid"),
    KNOWN(FACT_UNIX_GID, "UNIX.gid"),
};

#define FACTS_KNOWN (sizeof facts_known / sizeof *facts_known)

static bool
is_name(const struct entry *e, const char *name)
{
    return slice_equal(e->name, slice_of(name));
}

/* Clients cut the facts at a blank and part them at ';': such a target is not shown. */
static bool
fits_a_fact(struct slice target)
{
    for (size_t i = 0; i < target.len; i++)
        if (target.at[i] <= 0x20 || target.at[i] == 0x7f || target.at[i] == ';')
            return false;
    return target.len > 0;
}

/*
 * As RFC 3659 section 7.7.4 and Pure-FTPd write it. Without a target, as its erratum 1500 and
 * ProFTPD do: FileZilla and WinSCP know both, and enter what has either.
 */
static unsigned char *
put_link(unsigned char *at, struct slice target)
{
    if (!fits_a_fact(target))
        return put(at, "OS.unix=symlink", 15);
    at = put(at, "OS.unix=slink:", 14);
    return put(at, target.at, target.len);
}

static unsigned char *
put_type(unsigned char *at, const struct entry *e)
{
    switch (e->kind) {
    case FILE_REGULAR:
        return put(at, "file", 4);
    case FILE_DIRECTORY:
        if (e->link)
            return put_link(at, e->target);
        if (is_name(e, "."))
            return put(at, "cdir", 4);
        if (is_name(e, ".."))
            return put(at, "pdir", 4);
        return put(at, "dir", 3);
    case FILE_LINK:
        return put_link(at, e->target);
    case FILE_OTHER:
        break;
    }
    if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
        return put(at, S_ISCHR(e->mode) ? "OS.unix=chr" : "OS.unix=blk", 11);
    if (S_ISFIFO(e->mode))
        return put(at, "OS.unix=pipe", 12);
    return put(at, S_ISSOCK(e->mode) ? "OS.unix=socket" : "OS.unix=other",
               S_ISSOCK(e->mode) ? 14 : 13);
}

/* RFC 3659 section 7.5.5: which commands would not be refused, as far as is known. */
static unsigned char *
put_perm(unsigned char *at, const struct entry *e)
{
    unsigned p = e->permits;
    bool directory = e->kind == FILE_DIRECTORY;
    bool inside = directory && e->writable && e->searchable;
    /* "." and ".." are not removed or renamed by these names */
    bool removable = e->parent_writable && !(directory && (is_name(e, ".")
                                                           || is_name(e, "..")));

    if (e->kind == FILE_REGULAR && e->writable && (p & PERMIT_APPEND) != 0)
        *at++ = 'a';
    if (inside && (p & PERMIT_UPLOAD) != 0)
        *at++ = 'c';
    if (removable && (p & (directory && !e->link ? PERMIT_RMDIR : PERMIT_DELETE)) != 0)
        *at++ = 'd';
    if (directory && e->searchable)
        *at++ = 'e';
    if (removable && (p & PERMIT_RENAME) != 0)
        *at++ = 'f';
    if (directory && e->readable && (p & PERMIT_LIST) != 0)
        *at++ = 'l';
    if (inside && (p & PERMIT_MKDIR) != 0)
        *at++ = 'm';
    if (inside && (p & (PERMIT_DELETE | PERMIT_RMDIR)) != 0)
        *at++ = 'p';
    if (e->kind == FILE_REGULAR && e->readable && (p & PERMIT_DOWNLOAD) != 0)
        *at++ = 'r';
    if (e->kind == FILE_REGULAR && e->writable && (p & PERMIT_UPLOAD) != 0
        && (p & PERMIT_OVERWRITE) != 0)
        *at++ = 'w';
    return at;
}

static unsigned char *
put_time(unsigned char *at, int64_t seconds)
{
    char text[TIMEVAL_TEXT_MAX];
    struct timeval_utc when = { seconds, 0 };

    /* no fraction: .NET and Commons Net cannot read one, and no peer sends it */
    size_t len = timeval_text(&when, 0, text);

    return put(at, text, len);
}

static unsigned char *
put_permissions(unsigned char *at, uint32_t mode)
{
    for (unsigned shift = 12; shift > 0; shift -= 3)
        *at++ = (unsigned char)('0' + (mode >> (shift - 3) & 7));
    return at;
}

/* One value; NULL: this entry does not have the fact. */
static unsigned char *
put_fact(unsigned char *at, const struct entry *e, unsigned fact)
{
    switch ((enum fact)fact) {
    case FACT_TYPE:
        return put_type(at, e);
    case FACT_SIZE:
        return e->kind == FILE_DIRECTORY ? NULL : put_number(at, e->size, 0);
    case FACT_MODIFY:
        return put_time(at, e->modified);
    case FACT_CREATE:
        return e->created == 0 ? NULL : put_time(at, e->created);
    case FACT_PERM:
        return put_perm(at, e);
    case FACT_UNIQUE:
        at = put_base(at, e->device, 4);
        *at++ = 'g';
        return put_base(at, e->inode, 4);
    case FACT_UNIX_MODE:
        return put_permissions(at, e->mode);
    case FACT_UNIX_OWNER:
        return put_owner(at, e->owner, e->uid);
    case FACT_UNIX_GROUP:
        return put_owner(at, e->group, e->gid);
    case FACT_UNIX_UID:
        return put_number(at, e->uid, 0);
    case FACT_UNIX_GID:
        return put_number(at, e->gid, 0);
    case FACT_ALL:
        break;
    }
    return NULL;
}

enum sp_err
listing_facts(struct buf *out, const struct entry *e, unsigned facts)
{
    unsigned char *at = NULL, *value = NULL, *modified = NULL;
    enum sp_err rc = buf_reserve(out, FACTS_FIXED + owner_room(e->owner)
                                 + owner_room(e->group) + e->name.len + e->target.len);

    if (rc != SP_OK)
        return rc;
    at = out->at + out->len;
    for (size_t i = 0; i < FACTS_KNOWN; i++) {
        if ((facts & facts_known[i].fact) == 0)
            continue;
        value = put(at, facts_known[i].name, facts_known[i].len);
        *value++ = '=';
        if (facts_known[i].fact == FACT_MODIFY)
            modified = value;
        /* most files were made and last written in one second: its text is there already */
        if (facts_known[i].fact == FACT_CREATE && modified != NULL && e->created != 0
            && e->created == e->modified)
            value = put(value, modified, DATE_LENGTH);
        else if ((value = put_fact(value, e, facts_known[i].fact)) == NULL)
            continue;
        *value++ = ';';
        at = value;
    }
    *at++ = ' ';
    at = put_name(at, e->name, false);
    out->len = (size_t)(at - out->at);
    return SP_OK;
}

/* mark: behind each name that is on. all: the others are written, too. */
static enum sp_err
add_fact_names(struct buf *out, unsigned facts, const char *mark, bool all)
{
    size_t before = out->len;
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < FACTS_KNOWN && rc == SP_OK; i++) {
        bool on = (facts & facts_known[i].fact) != 0;

        if (on || all)
            rc = buf_add_text(out, facts_known[i].name);
        if (rc == SP_OK && on)
            rc = buf_add_text(out, mark);
        if (rc == SP_OK && (on || all))
            rc = buf_add_text(out, ";");
    }
    if (rc != SP_OK)
        out->len = before;
    return rc;
}

enum sp_err
listing_feature(struct buf *out, unsigned facts)
{
    return add_fact_names(out, facts, "*", true);
}

enum sp_err
listing_chosen(struct buf *out, unsigned facts)
{
    return add_fact_names(out, facts, "", false);
}

unsigned
listing_parse_facts(struct slice text)
{
    unsigned facts = 0;
    size_t from = 0;

    for (size_t i = 0; i <= text.len; i++) {
        struct slice word = SLICE_EMPTY;

        if (i < text.len && text.at[i] != ';')
            continue;
        if (i > from)
            word = slice_from(text.at + from, i - from);
        for (size_t k = 0; k < FACTS_KNOWN; k++)
            if (slice_equal_nocase(word, facts_known[k].name))
                facts |= facts_known[k].fact;
        from = i + 1;
    }
    return facts;
}
