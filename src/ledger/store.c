/* ledger/store.c - see ledger/store.h */
#include "ledger/store.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>

#include "base/log.h"
#include "wire/ledger.h"

static const char *const tables[LEDGER_TABLES] = {
    [LEDGER_KEY] = "secret", [LEDGER_KNOWN] = "known", [LEDGER_NETWORK] = "networks",
    [LEDGER_NAME] = "names", [LEDGER_BAN] = "bans"
};

static enum sp_err
fail(struct store *s, const char *what)
{
    log_event(EVENT_LEDGER_FAILED, "step=%s fault=\"%s\"", what,
              s->db == NULL ? "no memory" : sqlite3_errmsg(s->db));
    if (s->begun)
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->begun = false;
    return SP_OS;
}

static enum sp_err
run(struct store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SP_OK : fail(s, sql);
}

enum sp_err
store_open(struct store *s, const char *file)
{
    /* the directory is locked (main.c): the file itself needs no locks of SQLite's */
    static const char settings[] =
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE;"
        "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
        "PRAGMA cache_size = -1024";

    if (sqlite3_open_v2(file, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                        | SQLITE_OPEN_NOMUTEX, "unix-none") != SQLITE_OK)
        return fail(s, "open");
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (run(s, settings) != SP_OK)
        return SP_OS;
    for (size_t i = 0; i < LEDGER_TABLES; i++) {
        char sql[256];

        (void)snprintf(sql, sizeof sql,
                       "CREATE TABLE IF NOT EXISTS %s (kind INTEGER, a INTEGER, b INTEGER, "
                       "last INTEGER, until INTEGER, count INTEGER, "
                       "PRIMARY KEY (kind, a, b)) WITHOUT ROWID", tables[i]);
        if (run(s, sql) != SP_OK)
            return SP_OS;
    }
    return SP_OK;
}

void
store_close(struct store *s)
{
    (void)sqlite3_close(s->db);
    *s = (struct store)STORE_EMPTY;
}

/* ---- reading ----------------------------------------------------------------------- */

static enum sp_err
each_of(struct store *s, size_t table, store_row *each, void *context)
{
    sqlite3_stmt *rows = NULL;
    char sql[128];
    int step = SQLITE_DONE;
    enum sp_err rc = SP_OK;

    (void)snprintf(sql, sizeof sql, "SELECT kind, a, b, last, until, count FROM %s",
                   tables[table]);
    if (sqlite3_prepare_v2(s->db, sql, -1, &rows, NULL) != SQLITE_OK)
        return fail(s, sql);
    while (rc == SP_OK && (step = sqlite3_step(rows)) == SQLITE_ROW)
        rc = each(context, &(struct msg_row){
            .table = (uint8_t)table, .kind = (uint8_t)sqlite3_column_int(rows, 0),
            .a = (uint64_t)sqlite3_column_int64(rows, 1),
            .b = (uint64_t)sqlite3_column_int64(rows, 2),
            .last = sqlite3_column_int64(rows, 3), .until = sqlite3_column_int64(rows, 4),
            .count = (uint32_t)sqlite3_column_int64(rows, 5) });
    if (rc == SP_OK && step != SQLITE_DONE)
        rc = fail(s, sql);
    (void)sqlite3_finalize(rows);
    return rc;
}

enum sp_err
store_each(struct store *s, store_row *each, void *context)
{
    enum sp_err rc = SP_OK;

    for (size_t i = 0; rc == SP_OK && i < LEDGER_TABLES; i++)
        rc = each_of(s, i, each, context);
    return rc;
}

/* ---- writing ----------------------------------------------------------------------- */

static enum sp_err
begin(struct store *s)
{
    enum sp_err rc = SP_OK;

    if (s->begun)
        return SP_OK;
    if ((rc = run(s, "BEGIN IMMEDIATE")) == SP_OK)
        s->begun = true;
    return rc;
}

enum sp_err
store_put(struct store *s, const struct msg_row *row)
{
    sqlite3_stmt *put = NULL;
    char sql[128];
    bool done = false;

    if (begin(s) != SP_OK)
        return SP_OS;
    (void)snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO %s VALUES (?, ?, ?, ?, ?, ?)",
                   tables[row->table]);
    if (sqlite3_prepare_v2(s->db, sql, -1, &put, NULL) != SQLITE_OK)
        return fail(s, sql);
    (void)sqlite3_bind_int(put, 1, row->kind);
    (void)sqlite3_bind_int64(put, 2, (sqlite3_int64)row->a);
    (void)sqlite3_bind_int64(put, 3, (sqlite3_int64)row->b);
    (void)sqlite3_bind_int64(put, 4, row->last);
    (void)sqlite3_bind_int64(put, 5, row->until);
    (void)sqlite3_bind_int64(put, 6, row->count);
    done = sqlite3_step(put) == SQLITE_DONE;
    (void)sqlite3_finalize(put);
    return done ? SP_OK : fail(s, sql);
}

enum sp_err
store_forget(struct store *s)
{
    if (begin(s) != SP_OK)
        return SP_OS;
    return run(s, "DELETE FROM networks; DELETE FROM names; DELETE FROM bans");
}

enum sp_err
store_commit(struct store *s, int64_t oldest)
{
    char sql[256];

    if (begin(s) != SP_OK)
        return SP_OS;
    (void)snprintf(sql, sizeof sql,
                   "DELETE FROM known WHERE last < %lld OR last < (SELECT last FROM known "
                   "ORDER BY last DESC LIMIT 1 OFFSET %d)", (long long)oldest,
                   STORE_KNOWN_MOST);
    if (run(s, sql) != SP_OK || run(s, "COMMIT") != SP_OK)
        return SP_OS;
    s->begun = false;
    return SP_OK;
}
