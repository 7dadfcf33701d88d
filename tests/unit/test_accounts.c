/* tests/unit/test_accounts.c - auth/accounts.c, auth/accounts_file.c */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth_fixture.h"
#include "base/clock.h"
#include "unit.h"

static void
round_trip(void)
{
    struct fixture f;
    struct accounts_entry e, back;

    fixture_begin(&f);
    e = fixture_entry(&f, "b\xc3\xb6" "b 'quoted\" %s", 1);
    (void)text_copy(e.groups, sizeof e.groups, "100,200");
    (void)text_copy(e.networks, sizeof e.networks, "192.0.2.0/24");
    (void)text_copy(e.start, sizeof e.start, "/in box");
    e.writable = false;
    e.umask = 027;
    e.expires = 4102444800;
    e.disabled = e.no_resumption = e.ccc = true;
    e.session_limit = 4000000000u;
    fixture_add(&f, &e);
    back = fixture_find(&f, e.name);
    CU_ASSERT_STRING_EQUAL(back.name, e.name);
    CU_ASSERT_STRING_EQUAL(back.hash, e.hash);
    CU_ASSERT_STRING_EQUAL(back.groups, "100,200");
    CU_ASSERT_STRING_EQUAL(back.networks, "192.0.2.0/24");
    CU_ASSERT_STRING_EQUAL(back.jail, f.jail);
    CU_ASSERT_STRING_EQUAL(back.start, "/in box");
    CU_ASSERT_TRUE(back.own_ids && back.uid == fixture_uid()
                   && back.gid == fixture_gid());
    CU_ASSERT_TRUE(back.disabled && back.no_resumption && back.ccc);
    CU_ASSERT_FALSE(back.writable || back.no_close_notify || back.cleartext_data);
    CU_ASSERT_EQUAL(back.umask, 027);
    CU_ASSERT_EQUAL(back.expires, 4102444800);
    CU_ASSERT_EQUAL(back.session_limit, 4000000000u);
    CU_ASSERT_TRUE(back.created > 0 && back.created == back.changed);
    CU_ASSERT_EQUAL(back.last_login, 0);
    fixture_end(&f);
}

static void
empty_columns(void)
{
    struct fixture f;
    struct accounts_entry e, back;

    fixture_begin(&f);
    e = fixture_entry(&f, "guest", 1);
    e.own_ids = false;
    fixture_add(&f, &e);
    back = fixture_find(&f, "guest");
    CU_ASSERT_FALSE(back.own_ids);
    CU_ASSERT_EQUAL(back.umask, -1);
    CU_ASSERT_EQUAL(back.expires, 0);
    fixture_end(&f);
}

static void
changes(void)
{
    struct fixture f;
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e, back;

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    CU_ASSERT_EQUAL_FATAL(accounts_open(&db, f.database, ACCOUNTS_WRITE), SP_OK);
    CU_ASSERT_EQUAL(accounts_add(&db, &e), SP_REFUSED);
    e.disabled = true;
    (void)text_copy(e.hash, sizeof e.hash, "not to be written");
    CU_ASSERT_EQUAL(accounts_change(&db, &e), SP_OK);
    CU_ASSERT_EQUAL(accounts_find(&db, "bob", &back), SP_OK);
    CU_ASSERT_TRUE(back.disabled);
    CU_ASSERT_STRING_NOT_EQUAL(back.hash, e.hash);
    CU_ASSERT_EQUAL(accounts_set_hash(&db, "bob", "new", "another"), SP_REFUSED);
    CU_ASSERT_EQUAL(accounts_set_hash(&db, "bob", "new", back.hash), SP_OK);
    CU_ASSERT_EQUAL(accounts_set_hash(&db, "bob", "newer", NULL), SP_OK);
    CU_ASSERT_EQUAL(accounts_logged_in(&db, "bob"), SP_OK);
    CU_ASSERT_EQUAL(accounts_find(&db, "bob", &back), SP_OK);
    CU_ASSERT_STRING_EQUAL(back.hash, "newer");
    CU_ASSERT_TRUE(back.last_login > 0);
    CU_ASSERT_EQUAL(accounts_delete(&db, "bob"), SP_OK);
    CU_ASSERT_EQUAL(accounts_delete(&db, "bob"), SP_REFUSED);
    CU_ASSERT_EQUAL(accounts_change(&db, &e), SP_REFUSED);
    CU_ASSERT_EQUAL(accounts_set_hash(&db, "bob", "x", NULL), SP_REFUSED);
    CU_ASSERT_EQUAL(accounts_logged_in(&db, "bob"), SP_REFUSED);
    CU_ASSERT_EQUAL(accounts_find(&db, "bob", &back), SP_REFUSED);
    CU_ASSERT_STRING_NOT_EQUAL(db.fault, "");
    accounts_close(&db);
    fixture_end(&f);
}

static void
unfinished(void)
{
    struct fixture f;
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e;

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    CU_ASSERT_EQUAL_FATAL(accounts_open(&db, f.database, ACCOUNTS_WRITE), SP_OK);
    CU_ASSERT_EQUAL(accounts_begin(&db), SP_OK);
    e.disabled = true;
    CU_ASSERT_EQUAL(accounts_change(&db, &e), SP_OK);
    /* a reader beside it is not held up, and sees what was */
    CU_ASSERT_FALSE(fixture_find(&f, "bob").disabled);
    accounts_close(&db);
    CU_ASSERT_FALSE(fixture_find(&f, "bob").disabled);
    fixture_end(&f);
}

static void
names_differ_by_case(void)
{
    struct fixture f;
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e, back;

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    CU_ASSERT_EQUAL_FATAL(accounts_open(&db, f.database, ACCOUNTS_READ), SP_OK);
    CU_ASSERT_EQUAL(accounts_find(&db, "Bob", &back), SP_REFUSED);
    CU_ASSERT_EQUAL(accounts_find(&db, "' OR 1=1 --", &back), SP_REFUSED);
    CU_ASSERT_EQUAL(accounts_find(&db, "%", &back), SP_REFUSED);
    CU_ASSERT_EQUAL(accounts_logged_in(&db, "bob"), SP_OS);     /* opened to read */
    accounts_close(&db);
    fixture_end(&f);
}

static enum sp_err
collect(void *context, const struct accounts_entry *e)
{
    strncat(context, e->name, 63 - strlen(context));
    return strcmp(e->name, "stop") == 0 ? SP_CLOSED : SP_OK;
}

static void
each_in_order(void)
{
    static const char *const names[] = { "zoe", "stop", "bob" };
    struct fixture f;
    struct accounts db = ACCOUNTS_EMPTY;
    char seen[64] = "";

    fixture_begin(&f);
    for (size_t i = 0; i < 3; i++) {
        struct accounts_entry e = fixture_entry(&f, names[i], 1);

        fixture_add(&f, &e);
    }
    CU_ASSERT_EQUAL_FATAL(accounts_open(&db, f.database, ACCOUNTS_READ), SP_OK);
    CU_ASSERT_EQUAL(accounts_each(&db, collect, seen), SP_CLOSED);
    CU_ASSERT_STRING_EQUAL(seen, "bobstop");
    accounts_close(&db);
    fixture_end(&f);
}

static void
open_fails(struct fixture *f, enum accounts_mode mode, enum sp_err expected)
{
    struct accounts db = ACCOUNTS_EMPTY;

    CU_ASSERT_EQUAL(accounts_open(&db, f->database, mode), expected);
    CU_ASSERT_STRING_NOT_EQUAL(db.fault, "");
    CU_ASSERT_PTR_NULL(db.db);
    accounts_close(&db);
}

static void
unsafe_files(void)
{
    struct fixture f;
    struct accounts_entry e;
    char other[128] = "";

    fixture_begin(&f);
    open_fails(&f, ACCOUNTS_READ, SP_OS);       /* not there */
    open_fails(&f, ACCOUNTS_WRITE, SP_OS);
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    CU_ASSERT_EQUAL(chmod(f.database, 0620), 0);
    open_fails(&f, ACCOUNTS_READ, SP_REFUSED);
    CU_ASSERT_EQUAL(chmod(f.database, 0602), 0);
    open_fails(&f, ACCOUNTS_WRITE, SP_REFUSED);
    CU_ASSERT_EQUAL(chmod(f.database, 0600), 0);
    CU_ASSERT_EQUAL(chmod(f.directory, 0777), 0);
    open_fails(&f, ACCOUNTS_READ, SP_REFUSED);
    CU_ASSERT_EQUAL(chmod(f.directory, 0700), 0);
    if (geteuid() == 0) {
        CU_ASSERT_EQUAL(chown(f.database, 1000, 0), 0);
        open_fails(&f, ACCOUNTS_READ, SP_REFUSED);
        CU_ASSERT_EQUAL(chown(f.database, 0, 0), 0);
    } else {
        printf("skipped aloud: another owner of the database needs root\n");
    }
    (void)text_printf(other, sizeof other, "%s/other.db", f.directory);
    CU_ASSERT_EQUAL(rename(f.database, other), 0);
    CU_ASSERT_EQUAL(symlink("other.db", f.database), 0);
    open_fails(&f, ACCOUNTS_READ, SP_REFUSED);
    open_fails(&f, ACCOUNTS_CREATE, SP_REFUSED);
    fixture_end(&f);
}

static void
new_file(void)
{
    struct fixture f;
    struct stat st = { 0 };
    struct accounts_entry e;
    mode_t before = umask(0);

    fixture_begin(&f);
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    (void)umask(before);
    CU_ASSERT_EQUAL(stat(f.database, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    fixture_end(&f);
}

static void
run_sql(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;

    CU_ASSERT_EQUAL_FATAL(sqlite3_open(f->database, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_close(db), SQLITE_OK);
}

static void
foreign_files(void)
{
    struct fixture f;
    struct accounts_entry e;
    int fd = -1;

    fixture_begin(&f);
    CU_ASSERT_NOT_EQUAL_FATAL(fd = open(f.database, O_CREAT | O_WRONLY, 0600), -1);
    open_fails(&f, ACCOUNTS_READ, SP_INPUT);    /* empty */
    CU_ASSERT_EQUAL(write(fd, "this is no database, whatever its name says it is", 49),
                    49);
    (void)close(fd);
    open_fails(&f, ACCOUNTS_READ, SP_OS);
    open_fails(&f, ACCOUNTS_CREATE, SP_OS);
    CU_ASSERT_EQUAL(unlink(f.database), 0);
    run_sql(&f, "CREATE TABLE songs (title TEXT)");
    CU_ASSERT_EQUAL(chmod(f.database, 0600), 0);
    open_fails(&f, ACCOUNTS_CREATE, SP_INPUT);
    CU_ASSERT_EQUAL(unlink(f.database), 0);
    e = fixture_entry(&f, "bob", 1);
    fixture_add(&f, &e);
    run_sql(&f, "PRAGMA user_version = 2");
    open_fails(&f, ACCOUNTS_READ, SP_INPUT);
    fixture_end(&f);
}

static void
impossible_columns(void)
{
    static const char *const cases[] = {
        "UPDATE accounts SET session_limit = -1",
        "UPDATE accounts SET session_limit = 4294967296",
        "UPDATE accounts SET jail = hex(zeroblob(3000))",
        "UPDATE accounts SET password = hex(zeroblob(80))",
        "UPDATE accounts SET jail = CAST(x'2f0061' AS TEXT)",
    };
    struct fixture f;
    struct accounts_entry e, back;

    fixture_begin(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct accounts db = ACCOUNTS_EMPTY;

        e = fixture_entry(&f, "bob", 1);
        fixture_add(&f, &e);
        run_sql(&f, cases[i]);
        CU_ASSERT_EQUAL_FATAL(accounts_open(&db, f.database, ACCOUNTS_WRITE), SP_OK);
        CU_ASSERT_EQUAL(accounts_find(&db, "bob", &back), SP_INPUT);
        CU_ASSERT_EQUAL(accounts_delete(&db, "bob"), SP_OK);
        accounts_close(&db);
    }
    fixture_end(&f);
}

/* Several processes make the same new database at once, as scripts do. */
static void
made_by_several(void)
{
    struct fixture f;
    pid_t pids[4] = { -1, -1, -1, -1 };

    fixture_begin(&f);
    (void)fflush(NULL);
    for (int i = 0; i < 4; i++)
        if ((pids[i] = fork()) == 0) {
            struct accounts db = ACCOUNTS_EMPTY;
            struct accounts_entry e = { .jail = "/", .start = "/", .umask = -1 };

            (void)text_printf(e.name, sizeof e.name, "user%d", i);
            if (accounts_open(&db, f.database, ACCOUNTS_CREATE) != SP_OK
                    || accounts_add(&db, &e) != SP_OK) {
                fprintf(stderr, "%s\n", db.fault);
                _exit(1);
            }
            accounts_close(&db);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) {
        int status = -1;

        CU_ASSERT_EQUAL(waitpid(pids[i], &status, 0), pids[i]);
        CU_ASSERT_EQUAL(status, 0);
    }
    CU_ASSERT_STRING_EQUAL(fixture_find(&f, "user3").name, "user3");
    fixture_end(&f);
}

static void
lists(void)
{
    static const struct { const char *list, *peer; bool allowed;
    } networks[] = {
        { "", "192.0.2.7", true },
        { "192.0.2.0/24", "192.0.2.7", true },
        { "192.0.2.0/24", "192.0.3.7", false },
        { "10.0.0.0/8, 192.0.2.7", "192.0.2.7", true },
        { "2001:db8::/32", "2001:db8::1", true },
        { "2001:db8::/32", "192.0.2.7", false },
        { "rubbish", "192.0.2.7", false },
        { ",", "192.0.2.7", false },
    };
    static const struct { const char *list; enum sp_err rc; size_t count;
    } groups[] = {
        { "", SP_OK, 0 },
        { "5", SP_OK, 1 },
        { "5,6", SP_OK, 2 },
        { "5, 4294967294", SP_OK, 2 },
        { "5,", SP_INPUT, 0 },
        { "0", SP_INPUT, 0 },
        { "4294967295", SP_INPUT, 0 },
        { "99999999999999999999", SP_INPUT, 0 },
        { "-1", SP_INPUT, 0 },
        { "x", SP_INPUT, 0 },
        { "1,2,3", SP_INPUT, 0 },
    };

    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct net_addr peer = NET_ADDR_EMPTY;

        CU_ASSERT_EQUAL(net_parse(&peer, slice_of(networks[i].peer)), SP_OK);
        CU_ASSERT_EQUAL(accounts_network_allowed(networks[i].list, &peer),
                        networks[i].allowed);
    }
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        uint32_t out[2] = { 0 };
        size_t count = 0;

        CU_ASSERT_EQUAL(accounts_parse_groups(groups[i].list, out, 2, &count),
                        groups[i].rc);
        CU_ASSERT_EQUAL(count, groups[i].count);
    }
}

static const struct unit_test tests[] = {
    { "an account comes back as it was added", round_trip },
    { "what is not set stays not set", empty_columns },
    { "only what is meant to change changes", changes },
    { "an unfinished change holds no reader up and leaves nothing", unfinished },
    { "names are compared exactly", names_differ_by_case },
    { "accounts are listed by name", each_in_order },
    { "a file that others could write is refused", unsafe_files },
    { "a new file is for its owner alone", new_file },
    { "a file that is not ours is refused", foreign_files },
    { "a column of an impossible value is refused", impossible_columns },
    { "several may make the database at once", made_by_several },
    { "lists of networks and groups are read to the letter", lists },
    { NULL, NULL }
};
const struct unit_suite suite_accounts = { "accounts", tests };
