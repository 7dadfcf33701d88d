/*
 * auth/accounts.h - the users database: accounts in one SQLite file
 *
 * Runs in: login (root), the administrator's tool.   Blocks: on the file, and up to
 *          ACCOUNTS_BUSY_MS while somebody else writes.
 * Trusts:  a file that only root (or, rootless, the server's user) can write: owner and
 * mode of the file and of its directory are checked before SQLite reads a byte. Owns: its
 * SQLite connection. Never open across fork(2).
 *
 * The journal is a write-ahead log, so that logins read while the tool writes. SQLite makes
 * two files beside the database even to read it; where it cannot (a full disk, a disk without
 * inodes, a read-only mount) it is read without them.
 */
#ifndef SP_AUTH_ACCOUNTS_H
#define SP_AUTH_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "auth/account.h"
#include "auth/password.h"
#include "base/err.h"

#define ACCOUNTS_VERSION 1      /* PRAGMA user_version                */
#define ACCOUNTS_BUSY_MS 5000
#define ACCOUNTS_LIST_MAX 1023  /* bytes of the networks, or the groups, of one account */

struct sqlite3;
struct net_addr;

enum accounts_mode {
    ACCOUNTS_READ,              /* look up                                     */
    ACCOUNTS_WRITE,             /* change; the file must be there              */
    ACCOUNTS_CREATE             /* as WRITE, and make the file (mode 0600)     */
};

/* A file as it was when it was opened. */
struct accounts_stamp { ino_t inode; off_t size; struct timespec modified; };

/*
 * fault: what went wrong, and what to do, after a call that did not return SP_OK; code is
 * SQLite's own for it, if it was SQLite that failed.
 * unlocked: read without locks, since no lock can be had; stamp shows whether that was right.
 */
struct accounts {
    struct sqlite3 *db;
    int code;
    char fault[512];
    char file[ACCOUNT_PATH_MAX + 1];
    bool unlocked;
    struct accounts_stamp stamp;
};

#define ACCOUNTS_EMPTY { NULL, 0, "", "", false, { 0, 0, { 0, 0 } } }

struct accounts_entry {
    char name[ACCOUNT_NAME_MAX + 1];
    char hash[PASSWORD_HASH_MAX];
    bool own_ids;               /* false: those of guest_user                  */
    uint32_t uid, gid;
    char groups[ACCOUNTS_LIST_MAX + 1];     /* numbers, with commas            */
    char jail[ACCOUNT_PATH_MAX + 1];        /* may have %u, %g, %h in it       */
    char start[ACCOUNT_PATH_MAX + 1];
    bool writable;
    int umask;                  /* -1: the setting's                           */
    int64_t expires;            /* seconds since the epoch; 0: never           */
    bool disabled;
    char networks[ACCOUNTS_LIST_MAX + 1];   /* with commas; empty: from anywhere */
    uint32_t session_limit;     /* 0: none                                     */
    bool no_resumption, no_close_notify, cleartext_data, ccc;
    int64_t created, changed, last_login;   /* last_login 0: never             */
};

/*
 * SP_REFUSED: owner or mode of file or directory is not safe; SP_INPUT: no database of
 * ours, or of a newer version; SP_OS: SQLite or the system failed, or there is no such
 * file; SP_NOMEM.
 */
SP_CHECK enum sp_err accounts_open(struct accounts *a, const char *file,
                                   enum accounts_mode mode);
/* An unfinished transaction is rolled back. */
void accounts_close(struct accounts *a);

/* Between these nobody else writes. SP_OS. */
SP_CHECK enum sp_err accounts_begin(struct accounts *a);
SP_CHECK enum sp_err accounts_commit(struct accounts *a);

/* SP_REFUSED: no such account; SP_INPUT: a column does not fit; SP_OS. */
SP_CHECK enum sp_err accounts_find(struct accounts *a, const char *name,
                                   struct accounts_entry *out);
/* Calls each for every account, by name; stops at the first code that is not SP_OK. */
typedef enum sp_err accounts_each_fn(void *context, const struct accounts_entry *e);
SP_CHECK enum sp_err accounts_each(struct accounts *a, accounts_each_fn *each,
                                   void *context);

/* Calls each for the name of every account that may log in without TLS; most of them. */
typedef enum sp_err accounts_name_fn(void *context, const char *name);
SP_CHECK enum sp_err accounts_each_clear(struct accounts *a, unsigned most,
                                         accounts_name_fn *each, void *context);

/* SP_REFUSED: the name is taken; SP_OS. created and changed are set to now. */
SP_CHECK enum sp_err accounts_add(struct accounts *a, const struct accounts_entry *e);
/* Writes all but name, hash and times; changed is now. SP_REFUSED: no such account.
 * SP_OS. */
SP_CHECK enum sp_err accounts_change(struct accounts *a, const struct accounts_entry *e);
/*
 * A new hash. old: only while the stored one still equals it (NULL: whatever it is).
 * SP_REFUSED: no such account, or another hash by now; SP_OS.
 */
SP_CHECK enum sp_err accounts_set_hash(struct accounts *a, const char *name,
                                       const char *hash, const char *old);
/* last_login is now. SP_REFUSED: no such account; SP_OS. */
SP_CHECK enum sp_err accounts_logged_in(struct accounts *a, const char *name);
SP_CHECK enum sp_err accounts_delete(struct accounts *a, const char *name);

/* Is the peer in one of the networks (or is the list empty)? A text that is no network
 * matches nothing. */
bool accounts_network_allowed(const char *networks, const struct net_addr *peer);
/* "100,200" into numbers. SP_INPUT: no number, 0, or more than most. */
SP_CHECK enum sp_err accounts_parse_groups(const char *groups, uint32_t *out, size_t most,
                                           size_t *count);
/* Takes the next part of a comma list off *rest, blanks around it removed; false at the
 * end. */
bool accounts_next_part(struct slice *rest, struct slice *part);

#endif
