/* broker/entry.c - see broker/entry.h */
#include "broker/entry.h"

#include <sys/sysmacros.h>

#include "broker/broker.h"

enum file_kind
entry_kind(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return FILE_REGULAR;
    case S_IFDIR: return FILE_DIRECTORY;
    case S_IFLNK: return FILE_LINK;
    default: return FILE_OTHER;
    }
}

uint64_t
entry_size(const struct statx *st)
{
    return st->stx_size > INT64_MAX ? INT64_MAX : st->stx_size;
}

uint32_t
entry_nanos(const struct statx *st)
{
    return st->stx_mtime.tv_nsec > 999999999 ? 0 : st->stx_mtime.tv_nsec;
}

static bool
in_group(const struct broker *b, uint32_t gid)
{
    if (gid == b->gid)
        return true;
    for (size_t i = 0; i < b->group_count; i++)
        if (gid == b->groups[i])
            return true;
    return false;
}

/* The three bits that are ours: of owner, group or others. */
static unsigned
rights(const struct broker *b, const struct statx *st)
{
    if (st->stx_uid == b->uid)
        return st->stx_mode >> 6 & 07u;
    if (in_group(b, st->stx_gid))
        return st->stx_mode >> 3 & 07u;
    return st->stx_mode & 07u;
}

bool
entry_dir_writable(const struct broker *b, const struct statx *st)
{
    return S_ISDIR(st->stx_mode) && (rights(b, st) & 03u) == 03u;
}

void
entry_fill(const struct broker *b, const struct statx *st, struct slice name,
           struct entry *out)
{
    unsigned may = rights(b, st);

    *out = (struct entry){
        .name = name, .kind = entry_kind(st->stx_mode), .mode = st->stx_mode,
        .links = st->stx_nlink, .size = entry_size(st),
        .uid = st->stx_uid, .gid = st->stx_gid,
        .owner = st->stx_uid == b->uid && b->user[0] != '\0' ? b->user : NULL,
        .group = st->stx_gid == b->gid && b->group[0] != '\0' ? b->group : NULL,
        .modified = st->stx_mtime.tv_sec,
        .created = (st->stx_mask & STATX_BTIME) != 0 ? st->stx_btime.tv_sec : 0,
        .device = makedev(st->stx_dev_major, st->stx_dev_minor), .inode = st->stx_ino,
        .permits = b->permits, .readable = (may & 04u) != 0, .writable = (may & 02u) != 0,
        .searchable = (may & 01u) != 0
    };
}
