/* auth/accounts_file.c - see auth/accounts_file.h */
#include "auth/accounts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define APPLICATION 0x73616c79  /* "saly": file(1) and we know our own files by it */

#define IMMUTABLE "?immutable=1"
#define URI_ROOM (sizeof "file://" + 3 * (size_t)ACCOUNT_PATH_MAX + sizeof IMMUTABLE)

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

static const char schema[] =
    "CREATE TABLE accounts ("
    " name TEXT NOT NULL PRIMARY KEY"
    "  CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255),"
    " password TEXT NOT NULL,"
    " uid INTEGER CHECK (uid BETWEEN 1 AND 4294967294),"
    " gid INTEGER CHECK (gid BETWEEN 1 AND 4294967294),"
    " extra_groups TEXT NOT NULL DEFAULT '',"
    " jail TEXT NOT NULL,"
    " start TEXT NOT NULL DEFAULT '/',"
    " writable INTEGER NOT NULL DEFAULT 1,"
    " umask INTEGER CHECK (umask BETWEEN 0 AND 511),"
    " expires INTEGER,"
    " disabled INTEGER NOT NULL DEFAULT 0,"
    " networks TEXT NOT NULL DEFAULT '',"
    " session_limit INTEGER NOT NULL DEFAULT 0,"
    " no_resumption INTEGER NOT NULL DEFAULT 0,"
    " no_close_notify INTEGER NOT NULL DEFAULT 0,"
    " cleartext_data INTEGER NOT NULL DEFAULT 0,"
    " ccc INTEGER NOT NULL DEFAULT 0,"
    " created INTEGER NOT NULL,"
    " changed INTEGER NOT NULL,"
    " last_login INTEGER,"
    " CHECK ((uid IS NULL) = (gid IS NULL)));"
    "PRAGMA application_id = " TEXT_OF(APPLICATION) ";"
    "PRAGMA user_version = " TEXT_OF(ACCOUNTS_VERSION) ";";

enum sp_err
accounts_fail(struct accounts *a, enum sp_err rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(a->fault, sizeof a->fault, format, args);
    va_end(args);
    return rc;
}

enum sp_err
accounts_fail_db(struct accounts *a, const char *doing)
{
    a->code = a->db != NULL ? sqlite3_errcode(a->db) : SQLITE_NOMEM;
    return accounts_fail(a, SP_OS, "%s: %s", doing,
                         a->db != NULL ? sqlite3_errmsg(a->db) : "out of memory");
}

enum sp_err
accounts_run(struct accounts *a, const char *sql)
{
    return sqlite3_exec(a->db, sql, NULL, NULL, NULL) == SQLITE_OK
        ? SP_OK : accounts_fail_db(a, "the users database");
}

/* Who may write the directory may lay a journal beside the file, and so write it, too. */
static enum sp_err
check_owner(struct accounts *a, const struct stat *st, const char *path)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return accounts_fail(a, SP_REFUSED,
                             "%s is owned by uid %lu; make root the owner (chown root)", path,
                             (unsigned long)st->st_uid);
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return accounts_fail(a, SP_REFUSED, "%s is writable by group or others;"
                             " run chmod go-w on it", path);
    return SP_OK;
}

static enum sp_err
directory_of(struct accounts *a, const char *file, char directory[ACCOUNT_PATH_MAX + 1])
{
    const char *slash = strrchr(file, '/');

    if (slash == NULL)
        (void)text_copy(directory, ACCOUNT_PATH_MAX + 1, ".");
    else if (slice_to_text(slice_from(file, (size_t)(slash - file) + 1), directory,
                           ACCOUNT_PATH_MAX + 1) != SP_OK)
        return accounts_fail(a, SP_INPUT, "the path of the users database is too long");
    return SP_OK;
}

/* The directory that holds file, through all links. */
static enum sp_err
check_directory(struct accounts *a, const char *file)
{
    char directory[ACCOUNT_PATH_MAX + 1] = "";
    struct stat st = { 0 };
    enum sp_err rc = directory_of(a, file, directory);

    if (rc != SP_OK)
        return rc;
    if (stat(directory, &st) == -1)
        return accounts_fail(a, SP_OS, "%s: %s; create the directory first", directory,
                             strerror(errno));
    return check_owner(a, &st, directory);
}

enum sp_err
accounts_file_check(struct accounts *a, const char *file, bool create)
{
    struct stat st = { 0 };
    int fd = -1;
    enum sp_err rc = check_directory(a, file);

    if (rc != SP_OK)
        return rc;
    if (create)
        fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (create && fd == -1 && errno != EEXIST)
        return accounts_fail(a, SP_OS, "cannot create %s: %s", file, strerror(errno));
    fd_close(&fd);
    /* a link would lead to another directory, which has not been looked at */
    if (lstat(file, &st) == -1)
        return accounts_fail(a, SP_OS, "%s: %s%s", file, strerror(errno),
                             errno == ENOENT ? "; `sallyport user add` creates it" : "");
    if (!S_ISREG(st.st_mode))
        return accounts_fail(a, SP_REFUSED, "%s is not a regular file", file);
    return check_owner(a, &st, file);
}

static enum sp_err
read_pragma(struct accounts *a, const char *sql, int *value)
{
    sqlite3_stmt *s = NULL;
    enum sp_err rc = SP_OK;

    if (sqlite3_prepare_v2(a->db, sql, -1, &s, NULL) != SQLITE_OK
            || sqlite3_step(s) != SQLITE_ROW)
        rc = accounts_fail_db(a, "cannot read the users database");
    else
        *value = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return rc;
}

/* What is looked at is one state of the file only inside a transaction. */
static enum sp_err
check_version(struct accounts *a, int *version)
{
    int application = 0, tables = 0;
    enum sp_err rc = SP_OK;

    if ((rc = read_pragma(a, "PRAGMA user_version", version)) != SP_OK
        || (rc = read_pragma(a, "PRAGMA application_id", &application)) != SP_OK
        || (rc = read_pragma(a, "SELECT count(*) FROM sqlite_master", &tables)) != SP_OK)
        return rc;
    if (tables == 0 && *version == 0)
        return SP_OK;
    if (application != APPLICATION)
        return accounts_fail(a, SP_INPUT, "the file is not a sallyport users database");
    if (*version != ACCOUNTS_VERSION)
        return accounts_fail(a, SP_INPUT,
                             "the users database has version %d; this program"
                             " supports version %d",
                             *version, ACCOUNTS_VERSION);
    return SP_OK;
}

static enum sp_err
look_at_version(struct accounts *a, int *version)
{
    enum sp_err rc = accounts_run(a, "BEGIN");

    if (rc == SP_OK)
        rc = check_version(a, version);
    (void)sqlite3_exec(a->db, "ROLLBACK", NULL, NULL, NULL);    /* nothing was written */
    return rc;
}

static enum sp_err
make_tables(struct accounts *a)
{
    int version = 0;
    enum sp_err rc = SP_OK;

    /* the journal's kind cannot change inside a transaction */
    if ((rc = accounts_run(a, "PRAGMA journal_mode = WAL")) != SP_OK
            || (rc = accounts_begin(a)) != SP_OK)
        return rc;
    if ((rc = check_version(a, &version)) == SP_OK && version == 0)
        rc = accounts_run(a, schema);
    if (rc == SP_OK)
        return accounts_commit(a);
    (void)sqlite3_exec(a->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/*
 * One maker at a time, by a lock on the directory: SQLite does not wait where the kind of
 * the journal changes. (Not on the file: closing a descriptor of it would drop SQLite's own
 * locks.)
 */
static enum sp_err
make_alone(struct accounts *a, const char *file)
{
    char directory[ACCOUNT_PATH_MAX + 1] = "";
    int fd = -1, version = 0;
    enum sp_err rc = directory_of(a, file, directory);

    if (rc != SP_OK)
        return rc;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1 || flock(fd, LOCK_EX) == -1)
        rc = accounts_fail(a, SP_OS, "cannot lock %s: %s", directory, strerror(errno));
    /* somebody else may have made them since */
    if (rc == SP_OK)
        rc = look_at_version(a, &version);
    if (rc == SP_OK && version != ACCOUNTS_VERSION)
        rc = make_tables(a);
    fd_close(&fd);
    return rc;
}

static enum sp_err
check_form(struct accounts *a, enum accounts_mode mode)
{
    int version = 0;
    enum sp_err rc = mode == ACCOUNTS_CREATE ? make_alone(a, a->file) : SP_OK;

    if (rc != SP_OK || (rc = look_at_version(a, &version)) != SP_OK)
        return rc;
    if (version == ACCOUNTS_VERSION)
        return SP_OK;
    return accounts_fail(a, SP_INPUT, "the users database is empty;"
                         " `sallyport user add` creates its tables");
}

/* ---- without SQLite's own files beside it ------------------------------------------ */

/* "file:" and the path, with what a URI has a use for written as %XX. */
static void
uri_of(const struct accounts *a, char uri[URI_ROOM])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = strlen("file:");

    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): terminated at the end */
    memcpy(uri, "file:", len);
    if (a->file[0] == '/') {    /* the empty name of a machine, before a path with // */
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): terminated at the end */
        memcpy(uri + len, "//", 2);
        len += 2;
    }
    for (const char *at = a->file; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;

        if (c == '/' || c == '.' || c == '-' || c == '_' || (c >= '0' && c <= '9')
            || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
            uri[len++] = *at;
        } else {
            uri[len++] = '%';
            uri[len++] = digits[c >> 4];
            uri[len++] = digits[c & 15];
        }
    }
    memcpy(uri + len, IMMUTABLE, sizeof IMMUTABLE);
}

/* Is there nothing that has not reached the database itself yet? */
static bool
log_is_empty(const struct accounts *a)
{
    char path[ACCOUNT_PATH_MAX + sizeof "-wal"];
    struct stat st = { 0 };

    if (!text_printf(path, sizeof path, "%s-wal", a->file))
        return false;
    return stat(path, &st) == -1 ? errno == ENOENT : st.st_size == 0;
}

static bool
take_stamp(const struct accounts *a, struct accounts_stamp *out)
{
    struct stat st = { 0 };

    if (stat(a->file, &st) == -1)
        return false;
    *out = (struct accounts_stamp){ st.st_ino, st.st_size, st.st_mtim };
    return true;
}

bool
accounts_file_changed(const struct accounts *a)
{
    struct accounts_stamp now = { 0, 0, { 0, 0 } };

    if (!a->unlocked)
        return false;
    return !log_is_empty(a) || !take_stamp(a, &now) || now.inode != a->stamp.inode
        || now.size != a->stamp.size || now.modified.tv_sec != a->stamp.modified.tv_sec
        || now.modified.tv_nsec != a->stamp.modified.tv_nsec;
}

/* ---- opening ----------------------------------------------------------------------- */

static enum sp_err
open_file(struct accounts *a, const char *name, int flags, enum accounts_mode mode)
{
    if (sqlite3_open_v2(name, &a->db, flags, NULL) != SQLITE_OK)
        return accounts_fail_db(a, a->file);
    (void)sqlite3_busy_timeout(a->db, ACCOUNTS_BUSY_MS);
    (void)sqlite3_db_config(a->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(a->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return check_form(a, mode);
}

/* Did SQLite want to write, to read? */
static bool
could_not_write(const struct accounts *a)
{
    switch (a->code & 0xff) {
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_FULL:
        return true;
    default:
        return false;
    }
}

/*
 * immutable=1 reads the file as it is, and trusts that it stays so: true while its log is
 * empty and nobody can make one, and looked at again when the answer has been read.
 */
static enum sp_err
open_unlocked(struct accounts *a)
{
    char uri[URI_ROOM];

    accounts_close(a);
    a->unlocked = true;
    uri_of(a, uri);
    if (!take_stamp(a, &a->stamp))
        return accounts_fail(a, SP_OS, "%s: %s", a->file, strerror(errno));
    return open_file(a, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, ACCOUNTS_READ);
}

enum sp_err
accounts_file_open(struct accounts *a, enum accounts_mode mode)
{
    int flags = mode == ACCOUNTS_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    enum sp_err rc = SP_OK;

    a->unlocked = false;
    a->code = SQLITE_OK;
    rc = open_file(a, a->file, flags, mode);
    if (rc == SP_OS && mode == ACCOUNTS_READ && could_not_write(a) && log_is_empty(a))
        rc = open_unlocked(a);
    return rc;
}
