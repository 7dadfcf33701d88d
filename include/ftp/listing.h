/*
 * ftp/listing.h - one directory entry as a line of text: ls form, names, facts
 *
 * Runs in: broker (writes the lines), worker (parses the options).      Blocks: never.
 * Trusts:  nothing in a name: what would forge a line is replaced.
 */
#ifndef SP_FTP_LISTING_H
#define SP_FTP_LISTING_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"

/* LISTING_STAT is LIST as the reply to `STAT path` wants it. */
enum listing_kind { LISTING_LIST, LISTING_NLST, LISTING_MLSD, LISTING_STAT };

/* Options of LIST and NLST, as ls(1) reads them. */
enum listing_option {
    LISTING_ALL = 1u << 0,          /* -a: . and .. and hidden names (-A: hidden names) */
    LISTING_ALMOST_ALL = 1u << 1,
    LISTING_LONG = 1u << 2,         /* -l: long lines, for NLST too                     */
    LISTING_ONE = 1u << 3,          /* -1: names only, for LIST too                     */
    LISTING_RECURSIVE = 1u << 4,    /* -R */
    LISTING_BY_TIME = 1u << 5,      /* -t */
    LISTING_REVERSE = 1u << 6,      /* -r */
    LISTING_BY_SIZE = 1u << 7,      /* -S */
    LISTING_DIRECTORY = 1u << 8,    /* -d: the directory itself                         */
    LISTING_CLASSIFY = 1u << 9,     /* -F: / * @ behind names                           */
};

enum file_kind { FILE_REGULAR, FILE_DIRECTORY, FILE_LINK, FILE_OTHER };

/* RFC 3659 section 7.5, and the UNIX. facts in use. */
enum fact {
    FACT_TYPE = 1u << 0, FACT_SIZE = 1u << 1, FACT_MODIFY = 1u << 2,
    FACT_CREATE = 1u << 3,
    FACT_PERM = 1u << 4, FACT_UNIQUE = 1u << 5, FACT_UNIX_MODE = 1u << 6,
    FACT_UNIX_OWNER = 1u << 7, FACT_UNIX_GROUP = 1u << 8,
    FACT_UNIX_UID = 1u << 9, FACT_UNIX_GID = 1u << 10,
    FACT_ALL = (1u << 11) - 1,
    /* on until OPTS MLST says otherwise */
    FACT_PRESET = FACT_ALL
};

/* What is known of one entry. created: 0 where the file system does not say. */
struct entry {
    struct slice name;              /* as it is on disk                                 */
    enum file_kind kind;
    uint32_t mode;                  /* st_mode, whole                                   */
    uint64_t links, size;
    uint32_t uid, gid;
    const char *owner, *group;      /* names, or NULL: the number is shown              */
    int64_t modified, created;      /* seconds since the epoch                          */
    uint64_t device, inode;
    bool link;                      /* the name is a symbolic link to all of this       */
    struct slice target;            /* where a symbolic link points; empty: not shown   */
    unsigned permits;               /* enum permit (wire/fail.h), for perm= */
    bool parent_writable;           /* the user may create and remove names beside it   */
    bool readable, writable, searchable;    /* the user may, by mode and owner          */
};

/*
 * Append one line with CRLF. now: seconds since the epoch, for the six months rule of ls:
 * "Nov 21 07:33" within them, "Nov 21  2025" else, in UTC. A control character in a name
 * becomes '?' in ls lines. RFC 3659 has no escape: an entry whose name has CR, LF or NUL
 * is shown with '?' in their place, too. SP_NOMEM.
 */
SP_CHECK enum sp_err listing_line(struct buf *out, const struct entry *e, int64_t now,
                                  unsigned options);
/* "facts name" without CRLF: MLSD adds it, MLST puts a space before. */
SP_CHECK enum sp_err listing_facts(struct buf *out, const struct entry *e,
                                   unsigned facts);
/* The name alone, with CRLF, prefix (may be empty) before it. */
SP_CHECK enum sp_err listing_name(struct buf *out, struct slice prefix,
                                  const struct entry *e, unsigned options);
/* "type*;size*;modify*;..." for FEAT (RFC 3659 section 7.8): '*' behind what is on. */
SP_CHECK enum sp_err listing_feature(struct buf *out, unsigned facts);
/* "type;size;modify;": those that are on, for the reply to OPTS MLST. */
SP_CHECK enum sp_err listing_chosen(struct buf *out, unsigned facts);
/* The parameter of OPTS MLST: "type;size;" to a mask; unknown names are passed over. */
unsigned listing_parse_facts(struct slice text);
/*
 * Parts the options of "-al name" from the name, as ls reads them: any number of words
 * beginning with '-', ended by "--". What ls knows and a server has no use for (-C, -h,
 * -L) is passed over, and so is an unknown letter where more words follow. The last word
 * is an option only if each of its letters is one: `LIST -file` names a file. *name: what
 * is left, from its first byte that is no blank where options came before it; it may be
 * empty.
 */
void listing_options(struct slice parameter, unsigned *options, struct slice *name);

#endif
