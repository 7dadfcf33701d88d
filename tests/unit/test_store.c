/* tests/unit/test_store.c - ledger/store.c */
#include "ledger/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit.h"
#include "wire/ledger.h"

extern const struct unit_suite suite_store;

struct place { char dir[64], file[96]; };

static void
make_place(struct place *p)
{
    *p = (struct place){ .dir = "/tmp/sallyport-unit-XXXXXX" };
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(p->dir));
    (void)snprintf(p->file, sizeof p->file, "%s/ledger.db", p->dir);
}

static void
remove_place(const struct place *p)
{
    char journal[128];

    (void)snprintf(journal, sizeof journal, "%s-journal", p->file);
    (void)unlink(journal);
    (void)unlink(p->file);
    CU_ASSERT_EQUAL(rmdir(p->dir), 0);
}

struct seen { unsigned count[LEDGER_TABLES]; struct msg_row last; };

static enum sp_err
see(void *context, const struct msg_row *row)
{
    struct seen *s = context;

    s->count[row->table]++;
    s->last = *row;
    return SP_OK;
}

/* Opens it anew, as after a restart. */
static struct seen
look(const struct place *p)
{
    struct store s = STORE_EMPTY;
    struct seen seen = { 0 };

    CU_ASSERT_EQUAL_FATAL(store_open(&s, p->file), SP_OK);
    CU_ASSERT_EQUAL(store_each(&s, see, &seen), SP_OK);
    store_close(&s);
    return seen;
}

static struct msg_row
row_of(unsigned table, uint64_t a, int64_t last)
{
    return (struct msg_row){ .table = (uint8_t)table, .kind = 2, .a = a,
                             .b = UINT64_MAX - a, .last = last, .until = INT64_MAX,
                             .count = UINT32_MAX };
}

static void
put(struct store *s, unsigned table, uint64_t a, int64_t last)
{
    const struct msg_row row = row_of(table, a, last);

    CU_ASSERT_EQUAL(store_put(s, &row), SP_OK);
}

static void
a_batch_is_whole_or_nothing(void)
{
    struct place p;
    struct store s = STORE_EMPTY;
    struct seen seen;

    make_place(&p);
    CU_ASSERT_EQUAL_FATAL(store_open(&s, p.file), SP_OK);
    for (unsigned table = 0; table < LEDGER_TABLES; table++)
        put(&s, table, UINT64_MAX - 5, 100);
    put(&s, LEDGER_NAME, UINT64_MAX - 5, 200);          /* takes the place of the first */
    CU_ASSERT_EQUAL(store_commit(&s, 0), SP_OK);
    put(&s, LEDGER_NAME, 7, 300);
    store_close(&s);                                    /* it dies here */
    seen = look(&p);
    for (unsigned table = 0; table < LEDGER_TABLES; table++)
        CU_ASSERT_EQUAL(seen.count[table], 1);
    CU_ASSERT_EQUAL(seen.last.a, UINT64_MAX - 5);
    CU_ASSERT_EQUAL(seen.last.b, 5);
    CU_ASSERT_EQUAL(seen.last.until, INT64_MAX);
    CU_ASSERT_EQUAL(seen.last.count, UINT32_MAX);
    remove_place(&p);
}

static void
failures_follow_anew(void)
{
    struct place p;
    struct store s = STORE_EMPTY;
    struct seen seen;

    make_place(&p);
    CU_ASSERT_EQUAL_FATAL(store_open(&s, p.file), SP_OK);
    for (unsigned table = 0; table < LEDGER_TABLES; table++)
        for (uint64_t i = 0; i < 3; i++)
            put(&s, table, i, 100);
    CU_ASSERT_EQUAL(store_commit(&s, 0), SP_OK);
    CU_ASSERT_EQUAL(store_forget(&s), SP_OK);
    put(&s, LEDGER_NETWORK, 9, 100);
    CU_ASSERT_EQUAL(store_commit(&s, 0), SP_OK);
    store_close(&s);
    seen = look(&p);
    CU_ASSERT_EQUAL(seen.count[LEDGER_KNOWN], 3);
    CU_ASSERT_EQUAL(seen.count[LEDGER_NETWORK], 1);
    CU_ASSERT_EQUAL(seen.count[LEDGER_NAME], 0);
    CU_ASSERT_EQUAL(seen.count[LEDGER_BAN], 0);
    remove_place(&p);
}

static void
old_addresses_go(void)
{
    struct place p;
    struct store s = STORE_EMPTY;
    struct seen seen;

    make_place(&p);
    CU_ASSERT_EQUAL_FATAL(store_open(&s, p.file), SP_OK);
    for (unsigned i = 0; i < STORE_KNOWN_MOST + 50; i++)
        put(&s, LEDGER_KNOWN, i, i);
    CU_ASSERT_EQUAL(store_commit(&s, 0), SP_OK);
    store_close(&s);
    seen = look(&p);
    CU_ASSERT_TRUE(seen.count[LEDGER_KNOWN] <= STORE_KNOWN_MOST + 1);
    CU_ASSERT_EQUAL_FATAL(store_open(&s, p.file), SP_OK);
    CU_ASSERT_EQUAL(store_commit(&s, STORE_KNOWN_MOST), SP_OK);
    store_close(&s);
    CU_ASSERT_EQUAL(look(&p).count[LEDGER_KNOWN], 50);
    remove_place(&p);
}

/* A limit of file size is a full disk to SQLite: that batch is lost, the next one is not. */
static void
a_full_disk_loses_one_batch(void)
{
    struct place p;
    struct store s = STORE_EMPTY;
    struct seen seen;
    struct rlimit before, small;
    struct sigaction ignore = { .sa_handler = SIG_IGN }, usual;
    enum sp_err rc = SP_OK;

    make_place(&p);
    CU_ASSERT_EQUAL_FATAL(store_open(&s, p.file), SP_OK);
    put(&s, LEDGER_BAN, 1, 100);
    CU_ASSERT_EQUAL(store_commit(&s, 0), SP_OK);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_EQUAL_FATAL(sigaction(SIGXFSZ, &ignore, &usual), 0);
    small = (struct rlimit){ 512, before.rlim_max };
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (unsigned i = 0; rc == SP_OK && i < 10; i++) {
        const struct msg_row row = row_of(LEDGER_BAN, 2, 100);

        if ((rc = store_put(&s, &row)) == SP_OK)
            rc = store_commit(&s, 0);
    }
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_EQUAL(sigaction(SIGXFSZ, &usual, NULL), 0);
    CU_ASSERT_EQUAL(rc, SP_OS);
    put(&s, LEDGER_BAN, 3, 100);
    CU_ASSERT_EQUAL(store_commit(&s, 0), SP_OK);
    store_close(&s);
    seen = look(&p);
    CU_ASSERT_EQUAL(seen.count[LEDGER_BAN], 2);
    CU_ASSERT_EQUAL(seen.last.a, 3);
    remove_place(&p);
}

static void
no_database(void)
{
    struct place p;
    struct store s = STORE_EMPTY;
    int fd = -1;

    make_place(&p);
    CU_ASSERT_FATAL((fd = open(p.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) != -1);
    CU_ASSERT_EQUAL(fd_write_all(fd, "this is a text and no database", 30), SP_OK);
    fd_close(&fd);
    CU_ASSERT_NOT_EQUAL(store_open(&s, p.file), SP_OK);
    store_close(&s);
    remove_place(&p);
}

static const struct unit_test tests[] = {
    { "a batch is there as a whole or not at all", a_batch_is_whole_or_nothing },
    { "failures and bans are told anew each time", failures_follow_anew },
    { "old known addresses go, and those past the bound", old_addresses_go },
    { "a full disk loses one batch", a_full_disk_loses_one_batch },
    { "a file that is no database is refused", no_database },
    { NULL, NULL }
};

const struct unit_suite suite_store = { "store", tests };
