/* auth/accounts.c - see include/auth/accounts.h */
#include "auth/accounts.h"

#include <sqlite3.h>
#include <string.h>

#include "auth/accounts_file.h"
#include "base/clock.h"
#include "base/net.h"
#include "base/number.h"

#define COLUMNS \
    "name, password, uid, gid, extra_groups, jail, start, writable, umask, expires," \
    " disabled, networks, session_limit, no_resumption, no_close_notify," \
    " cleartext_data, ccc"

#define REREADS_MOST 8          /* by who reads without a lock, while others write */

static const char changing[] = "the users database changed while it was read without a lock;"
                               " free space in its directory, then try again";

enum sp_err
accounts_open(struct accounts *a, const char *file, enum accounts_mode mode)
{
    enum sp_err rc = SP_OK;

    *a = (struct accounts)ACCOUNTS_EMPTY;
    if ((rc = accounts_file_check(a, file, mode == ACCOUNTS_CREATE)) != SP_OK)
        return rc;
    if (!text_copy(a->file, sizeof a->file, file))
        return accounts_fail(a, SP_INPUT, "the path of the users database is too long");
    if ((rc = accounts_file_open(a, mode)) != SP_OK)
        accounts_close(a);      /* the fault stays to be read */
    return rc;
}

void
accounts_close(struct accounts *a)
{
    (void)sqlite3_close(a->db);
    a->db = NULL;
}

enum sp_err
accounts_begin(struct accounts *a)
{
    return accounts_run(a, "BEGIN IMMEDIATE");
}

enum sp_err
accounts_commit(struct accounts *a)
{
    return accounts_run(a, "COMMIT");
}

/* ---- rows out --------------------------------------------------------------------- */

static bool
read_text(sqlite3_stmt *s, int column, char *out, size_t room)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    size_t len = (size_t)sqlite3_column_bytes(s, column);

    return text != NULL && slice_to_text(slice_from(text, len), out, room) == SP_OK;
}

static bool
read_id(sqlite3_stmt *s, int column, uint32_t *out)
{
    int64_t id = sqlite3_column_int64(s, column);

    *out = (uint32_t)id;
    return id >= 0 && id <= UINT32_MAX;
}

static bool
is_null(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL;
}

/* Columns in the order of COLUMNS, then created, changed, last_login. */
static bool
read_row(sqlite3_stmt *s, struct accounts_entry *e)
{
    *e = (struct accounts_entry){ .umask = -1 };
    if (!read_text(s, 0, e->name, sizeof e->name)
        || !read_text(s, 1, e->hash, sizeof e->hash)
        || !read_text(s, 4, e->groups, sizeof e->groups)
        || !read_text(s, 5, e->jail, sizeof e->jail)
        || !read_text(s, 6, e->start, sizeof e->start)
        || !read_text(s, 11, e->networks, sizeof e->networks))
        return false;
    e->own_ids = !is_null(s, 2) && !is_null(s, 3);
    if (!read_id(s, 2, &e->uid) || !read_id(s, 3, &e->gid)
        || !read_id(s, 12, &e->session_limit))
        return false;
    e->writable = sqlite3_column_int(s, 7) != 0;
    if (!is_null(s, 8))
        e->umask = sqlite3_column_int(s, 8) & 0777;
    e->expires = sqlite3_column_int64(s, 9);
    e->disabled = sqlite3_column_int(s, 10) != 0;
    e->no_resumption = sqlite3_column_int(s, 13) != 0;
    e->no_close_notify = sqlite3_column_int(s, 14) != 0;
    e->cleartext_data = sqlite3_column_int(s, 15) != 0;
    e->ccc = sqlite3_column_int(s, 16) != 0;
    e->created = sqlite3_column_int64(s, 17);
    e->changed = sqlite3_column_int64(s, 18);
    e->last_login = sqlite3_column_int64(s, 19);
    return true;
}

static enum sp_err
prepare(struct accounts *a, const char *sql, sqlite3_stmt **s)
{
    return sqlite3_prepare_v2(a->db, sql, -1, s, NULL) == SQLITE_OK
        ? SP_OK : accounts_fail_db(a, "the users database");
}

static enum sp_err
find(struct accounts *a, const char *name, struct accounts_entry *out)
{
    sqlite3_stmt *s = NULL;
    enum sp_err rc = prepare(a, "SELECT " COLUMNS ", created, changed, last_login"
                             " FROM accounts WHERE name = ?1", &s);
    int step = 0;

    if (rc != SP_OK)
        goto out;
    (void)sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    if ((step = sqlite3_step(s)) == SQLITE_DONE)
        rc = accounts_fail(a, SP_REFUSED, "no such account");
    else if (step != SQLITE_ROW)
        rc = accounts_fail_db(a, "cannot read the account");
    else if (!read_row(s, out))
        rc = accounts_fail(a, SP_INPUT, "the account has an invalid value in the users database");
out:
    sqlite3_finalize(s);
    return rc;
}

enum sp_err
accounts_find(struct accounts *a, const char *name, struct accounts_entry *out)
{
    enum sp_err rc = find(a, name, out);

    for (unsigned i = 0; i < REREADS_MOST && accounts_file_changed(a); i++) {
        accounts_close(a);
        if ((rc = accounts_file_open(a, ACCOUNTS_READ)) != SP_OK)
            return rc;
        rc = find(a, name, out);
    }
    return accounts_file_changed(a) ? accounts_fail(a, SP_OS, changing) : rc;
}

enum sp_err
accounts_each(struct accounts *a, accounts_each_fn *each, void *context)
{
    sqlite3_stmt *s = NULL;
    struct accounts_entry e = { 0 };
    enum sp_err rc = prepare(a, "SELECT " COLUMNS ", created, changed, last_login"
                             " FROM accounts ORDER BY name", &s);
    int step = SQLITE_DONE;

    while (rc == SP_OK && (step = sqlite3_step(s)) == SQLITE_ROW) {
        if (!read_row(s, &e))
            rc = accounts_fail(a, SP_INPUT, "%s: invalid value in the users database", e.name);
        else
            rc = each(context, &e);
    }
    if (rc == SP_OK && step != SQLITE_DONE)
        rc = accounts_fail_db(a, "cannot read the accounts");
    sqlite3_finalize(s);
    if (rc == SP_OK && accounts_file_changed(a))
        rc = accounts_fail(a, SP_OS, changing);
    return rc;
}

enum sp_err
accounts_each_clear(struct accounts *a, unsigned most, accounts_name_fn *each, void *context)
{
    sqlite3_stmt *s = NULL;
    char name[ACCOUNT_NAME_MAX + 1] = "";
    enum sp_err rc = prepare(a, "SELECT name FROM accounts WHERE cleartext_data != 0"
                             " ORDER BY name LIMIT ?1", &s);
    int step = SQLITE_DONE;

    if (rc == SP_OK)
        (void)sqlite3_bind_int64(s, 1, most);
    while (rc == SP_OK && (step = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);

        if (text != NULL && text_copy(name, sizeof name, text))
            rc = each(context, name);
    }
    if (rc == SP_OK && step != SQLITE_DONE)
        rc = accounts_fail_db(a, "cannot read the accounts");
    sqlite3_finalize(s);
    return rc;
}

/* ---- rows in ---------------------------------------------------------------------- */

static void
bind_text(sqlite3_stmt *s, int at, const char *text)
{
    (void)sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

/* ?1 to ?17 in the order of COLUMNS, ?18 the time. */
static void
bind_row(sqlite3_stmt *s, const struct accounts_entry *e)
{
    bind_text(s, 1, e->name);
    bind_text(s, 2, e->hash);
    if (e->own_ids) {           /* what is not bound is NULL */
        (void)sqlite3_bind_int64(s, 3, e->uid);
        (void)sqlite3_bind_int64(s, 4, e->gid);
    }
    bind_text(s, 5, e->groups);
    bind_text(s, 6, e->jail);
    bind_text(s, 7, e->start);
    (void)sqlite3_bind_int(s, 8, e->writable);
    if (e->umask >= 0)
        (void)sqlite3_bind_int(s, 9, e->umask);
    if (e->expires != 0)
        (void)sqlite3_bind_int64(s, 10, e->expires);
    (void)sqlite3_bind_int(s, 11, e->disabled);
    bind_text(s, 12, e->networks);
    (void)sqlite3_bind_int64(s, 13, e->session_limit);
    (void)sqlite3_bind_int(s, 14, e->no_resumption);
    (void)sqlite3_bind_int(s, 15, e->no_close_notify);
    (void)sqlite3_bind_int(s, 16, e->cleartext_data);
    (void)sqlite3_bind_int(s, 17, e->ccc);
    (void)sqlite3_bind_int64(s, 18, clock_seconds());
}

/* Runs and frees a statement that changes one row. SP_REFUSED: it changed none. */
static enum sp_err
finish(struct accounts *a, sqlite3_stmt *s, const char *none)
{
    enum sp_err rc = SP_OK;

    if (sqlite3_step(s) == SQLITE_DONE)
        rc = sqlite3_changes(a->db) == 1 ? SP_OK
                                         : accounts_fail(a, SP_REFUSED, "%s", none);
    else if (sqlite3_extended_errcode(a->db) == SQLITE_CONSTRAINT_PRIMARYKEY)
        rc = accounts_fail(a, SP_REFUSED, "the account already exists");
    else
        rc = accounts_fail_db(a, "cannot write the users database");
    sqlite3_finalize(s);
    return rc;
}

static const char no_such[] = "no such account";

enum sp_err
accounts_add(struct accounts *a, const struct accounts_entry *e)
{
    sqlite3_stmt *s = NULL;
    enum sp_err rc =
        prepare(a,
                "INSERT INTO accounts (" COLUMNS ", created, changed)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
                " ?14, ?15, ?16, ?17, ?18, ?18)",
                &s);

    if (rc != SP_OK)
        return rc;
    bind_row(s, e);
    return finish(a, s, no_such);
}

enum sp_err
accounts_change(struct accounts *a, const struct accounts_entry *e)
{
    sqlite3_stmt *s = NULL;
    enum sp_err rc =
        prepare(a,
                "UPDATE accounts SET uid = ?3, gid = ?4, extra_groups = ?5,"
                " jail = ?6, start = ?7, writable = ?8, umask = ?9, expires = ?10,"
                " disabled = ?11, networks = ?12, session_limit = ?13,"
                " no_resumption = ?14, no_close_notify = ?15,"
                " cleartext_data = ?16, ccc = ?17, changed = ?18"
                " WHERE name = ?1",
                &s);

    if (rc != SP_OK)
        return rc;
    bind_row(s, e);
    return finish(a, s, no_such);
}

enum sp_err
accounts_set_hash(struct accounts *a, const char *name, const char *hash, const char *old)
{
    sqlite3_stmt *s = NULL;
    enum sp_err rc = prepare(a, "UPDATE accounts SET password = ?2, changed = ?3"
                             " WHERE name = ?1 AND (?4 IS NULL OR password = ?4)", &s);

    if (rc != SP_OK)
        return rc;
    bind_text(s, 1, name);
    bind_text(s, 2, hash);
    (void)sqlite3_bind_int64(s, 3, clock_seconds());
    if (old != NULL)
        bind_text(s, 4, old);
    return finish(a, s,
                  old == NULL ? no_such : "the password was changed in the meantime");
}

enum sp_err
accounts_logged_in(struct accounts *a, const char *name)
{
    sqlite3_stmt *s = NULL;
    enum sp_err rc = SP_OK;

    /* no login waits for the disk: a time lost with the power does no harm */
    if ((rc = accounts_run(a, "PRAGMA synchronous = NORMAL")) != SP_OK
        || (rc = prepare(a, "UPDATE accounts SET last_login = ?2 WHERE name = ?1", &s))
               != SP_OK)
        return rc;
    bind_text(s, 1, name);
    (void)sqlite3_bind_int64(s, 2, clock_seconds());
    return finish(a, s, no_such);
}

enum sp_err
accounts_delete(struct accounts *a, const char *name)
{
    sqlite3_stmt *s = NULL;
    enum sp_err rc = prepare(a, "DELETE FROM accounts WHERE name = ?1", &s);

    if (rc != SP_OK)
        return rc;
    bind_text(s, 1, name);
    return finish(a, s, no_such);
}

/* ---- lists in a column ------------------------------------------------------------ */

bool
accounts_next_part(struct slice *rest, struct slice *part)
{
    struct slice p = { rest->at, 0 };

    if (rest->at == NULL)
        return false;
    while (p.len < rest->len && p.at[p.len] != ',')
        p.len++;
    *rest = p.len == rest->len ? (struct slice)SLICE_EMPTY
        : slice_from(p.at + p.len + 1, rest->len - p.len - 1);
    while (p.len > 0 && p.at[0] == ' ')
        p = slice_from(p.at + 1, p.len - 1);
    while (p.len > 0 && p.at[p.len - 1] == ' ')
        p.len--;
    *part = p;
    return true;
}

bool
accounts_network_allowed(const char *networks, const struct net_addr *peer)
{
    struct slice rest = slice_of(networks), part = SLICE_EMPTY;
    struct net_network network = { 0 };

    if (rest.len == 0)
        return true;
    while (accounts_next_part(&rest, &part))
        if (net_parse_network(&network, part) == SP_OK && net_contains(&network, peer))
            return true;
    return false;
}

enum sp_err
accounts_parse_groups(const char *groups, uint32_t *out, size_t most, size_t *count)
{
    struct slice rest = slice_of(groups), part = SLICE_EMPTY;
    size_t found = 0;

    if (rest.len == 0) {
        *count = 0;
        return SP_OK;
    }
    while (accounts_next_part(&rest, &part)) {
        uint64_t number = 0;

        if (number_parse(part, UINT32_MAX - 1, &number) != SP_OK || number == 0
            || found == most)
            return SP_INPUT;
        out[found++] = (uint32_t)number;
    }
    *count = found;
    return SP_OK;
}
