/* src/ftp/listing.c - the ls lines and names of ftp/listing.h */
#include "ftp/listing.h"

#include <sys/stat.h>

#include "base/calendar.h"
#include "ftp/put.h"
#include "ftp/timeval.h"

/* all of a line but owner, group, name and target */
#define LINE_FIXED 160
/* half a mean Gregorian year, as ls has it */
#define SIX_MONTHS (31556952 / 2)
/* a file changed after the listing began is not from a year to come */
#define CLOCK_SLACK 60

/* The same as a column, left-aligned, with a blank behind it. */
static unsigned char *
put_owner_column(unsigned char *at, const char *name, uint32_t id)
{
    const size_t width = 8;
    unsigned char *end = put_owner(at, name, id);

    if ((size_t)(end - at) < width)
        end = put_spaces(end, width - (size_t)(end - at));
    *end++ = ' ';
    return end;
}

static unsigned char
mode_letter(const struct entry *e)
{
    switch (e->kind) {
    case FILE_REGULAR: return '-';
    case FILE_DIRECTORY: return 'd';
    case FILE_LINK: return 'l';
    case FILE_OTHER: break;
    }
    return S_ISFIFO(e->mode) ? 'p' : S_ISSOCK(e->mode) ? 's' : S_ISCHR(e->mode) ? 'c'
        : S_ISBLK(e->mode) ? 'b' : '-';
}

/* The execute place, shared with set-id and sticky. */
static unsigned char
execute_letter(bool execute, bool special, char with, char without)
{
    if (special)
        return (unsigned char)(execute ? with : without);
    return execute ? 'x' : '-';
}

static unsigned char *
put_mode(unsigned char *at, const struct entry *e)
{
    uint32_t m = e->mode;

    *at++ = mode_letter(e);
    *at++ = m & S_IRUSR ? 'r' : '-';
    *at++ = m & S_IWUSR ? 'w' : '-';
    *at++ = execute_letter(m & S_IXUSR, m & S_ISUID, 's', 'S');
    *at++ = m & S_IRGRP ? 'r' : '-';
    *at++ = m & S_IWGRP ? 'w' : '-';
    *at++ = execute_letter(m & S_IXGRP, m & S_ISGID, 's', 'S');
    *at++ = m & S_IROTH ? 'r' : '-';
    *at++ = m & S_IWOTH ? 'w' : '-';
    *at++ = execute_letter(m & S_IXOTH, m & S_ISVTX, 't', 'T');
    return at;
}

static unsigned char *
put_two(unsigned char *at, unsigned value)
{
    *at++ = (unsigned char)('0' + value / 10);
    *at++ = (unsigned char)('0' + value % 10);
    return at;
}

/* "Nov 21 07:33" or "Nov 21  2025". */
static unsigned char *
put_date(unsigned char *at, int64_t seconds, int64_t now)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct calendar p = { 0 };

    calendar_split(seconds, &p);
    at = put(at, months + (size_t)(p.month - 1) * 3, 3);
    *at++ = ' ';
    *at++ = (unsigned char)(p.day < 10 ? ' ' : '0' + p.day / 10);
    *at++ = (unsigned char)('0' + p.day % 10);
    *at++ = ' ';
    if (seconds > now - SIX_MONTHS && seconds <= now + CLOCK_SLACK) {
        at = put_two(at, p.hour);
        *at++ = ':';
        return put_two(at, p.minute);
    }
    *at++ = ' ';
    at = put_two(at, (unsigned)p.year / 100);
    return put_two(at, (unsigned)p.year % 100);
}

/* What -F puts behind a name. */
static unsigned char *
put_class(unsigned char *at, const struct entry *e)
{
    switch (e->kind) {
    case FILE_DIRECTORY:
        *at++ = '/';
        break;
    case FILE_LINK:
        *at++ = '@';
        break;
    case FILE_REGULAR:
        if ((e->mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0)
            *at++ = '*';
        break;
    case FILE_OTHER:
        if (S_ISFIFO(e->mode) || S_ISSOCK(e->mode))
            *at++ = S_ISFIFO(e->mode) ? '|' : '=';
        break;
    }
    return at;
}

enum sp_err
listing_line(struct buf *out, const struct entry *e, int64_t now, unsigned options)
{
    unsigned char *at = NULL;
    bool arrow = e->kind == FILE_LINK && e->target.len > 0;
    enum sp_err rc = buf_reserve(out, LINE_FIXED + owner_room(e->owner)
                                 + owner_room(e->group) + e->name.len + e->target.len);

    if (rc != SP_OK)
        return rc;
    at = out->at + out->len;
    at = put_mode(at, e);
    *at++ = ' ';
    at = put_number(at, e->links, 3);
    *at++ = ' ';
    at = put_owner_column(at, e->owner, e->uid);
    at = put_owner_column(at, e->group, e->gid);
    at = put_number(at, e->size, 8);
    *at++ = ' ';
    at = put_date(at, e->modified, now);
    *at++ = ' ';
    at = put_name(at, e->name, true);
    if (arrow) {
        at = put(at, " -> ", 4);
        at = put_name(at, e->target, true);
    } else if ((options & LISTING_CLASSIFY) != 0) {
        at = put_class(at, e);
    }
    at = put(at, "\r\n", 2);
    out->len = (size_t)(at - out->at);
    return SP_OK;
}

enum sp_err
listing_name(struct buf *out, struct slice prefix, const struct entry *e,
             unsigned options)
{
    unsigned char *at = NULL;
    enum sp_err rc = buf_reserve(out, prefix.len + e->name.len + 3);

    if (rc != SP_OK)
        return rc;
    at = out->at + out->len;
    at = put_name(at, prefix, false);
    at = put_name(at, e->name, false);
    if ((options & LISTING_CLASSIFY) != 0)
        at = put_class(at, e);
    at = put(at, "\r\n", 2);
    out->len = (size_t)(at - out->at);
    return SP_OK;
}
