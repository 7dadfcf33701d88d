/* tests/unit/auth_fixture.c - see auth_fixture.h */
#include "auth_fixture.h"

#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/password.h"
#include "unit.h"

uint32_t
fixture_uid(void)
{
    return geteuid() == 0 ? 54321 : geteuid();
}

uint32_t
fixture_gid(void)
{
    return geteuid() == 0 ? 54322 : getegid();
}

void
fixture_text(char **setting, const char *text)
{
    free(*setting);
    *setting = strdup(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(*setting);
}

void
fixture_list(struct text_list *list, const char *parts)
{
    struct slice rest = slice_of(parts), part = SLICE_EMPTY;

    for (size_t i = 0; i < list->count; i++)
        free(list->texts[i]);
    free(list->texts);
    list->count = 0;
    list->texts = calloc(8, sizeof *list->texts);
    CU_ASSERT_PTR_NOT_NULL_FATAL(list->texts);
    while (accounts_next_part(&rest, &part)) {
        CU_ASSERT_FATAL(list->count < 8);
        list->texts[list->count] = strndup((const char *)part.at, part.len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(list->texts[list->count]);
        list->count++;
    }
}

void
fixture_begin(struct fixture *f)
{
    int one = -1, other = -1;

    memset(f, 0, sizeof *f);
    CU_ASSERT_NOT_EQUAL_FATAL(sodium_init(), -1);
    (void)text_copy(f->directory, sizeof f->directory, "/tmp/sallyport-unit-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->directory));
    CU_ASSERT_FATAL(
        text_printf(f->database, sizeof f->database, "%s/users.db", f->directory));
    CU_ASSERT_FATAL(text_printf(f->jail, sizeof f->jail, "%s/jail", f->directory));
    CU_ASSERT_EQUAL_FATAL(mkdir(f->jail, 0755), 0);
    CU_ASSERT_EQUAL_FATAL(settings_init(&f->settings), SP_OK);
    fixture_text(&f->settings.users_database, f->database);
    fixture_text(&f->settings.run_directory, f->directory);
    fixture_list(&f->settings.auth, "users");
    f->settings.argon2_memory = 8192;
    f->settings.argon2_operations = 1;
    CU_ASSERT_EQUAL_FATAL(slots_open(&f->slots, f->directory, 2), SP_OK);
    CU_ASSERT_EQUAL_FATAL(channel_pair(&one, &other), SP_OK);
    channel_init(&f->monitor, one, MONITOR, LOGIN, ST_LOGIN);
    channel_init(&f->login, other, LOGIN, MONITOR, ST_START);
    attempt_init(&f->attempt, &f->settings, &f->login, &f->slots);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void
fixture_end(struct fixture *f)
{
    attempt_clear(&f->attempt);
    verdict_release(&f->verdict);
    slots_close(&f->slots);
    channel_clear(&f->monitor);
    channel_clear(&f->login);
    settings_clear(&f->settings);
    CU_ASSERT_EQUAL(nftw(f->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

struct accounts_entry
fixture_entry(const struct fixture *f, const char *name, int passes)
{
    struct accounts_entry e = { .own_ids = true,
                                .uid = fixture_uid(),
                                .gid = fixture_gid(),
                                .start = "/",
                                .writable = true,
                                .umask = -1 };
    struct password_cost cost = { .memory_kib = 8192, .passes = passes };
    struct secret password;

    secret_init(&password);
    CU_ASSERT_EQUAL_FATAL(secret_set(&password, slice_of("right password")), SP_OK);
    CU_ASSERT_EQUAL_FATAL(password_hash(&password, cost, e.hash), SP_OK);
    CU_ASSERT_FATAL(text_copy(e.name, sizeof e.name, name));
    CU_ASSERT_FATAL(text_copy(e.jail, sizeof e.jail, f->jail));
    secret_clear(&password);
    return e;
}

void
fixture_add(struct fixture *f, const struct accounts_entry *e)
{
    struct accounts db = ACCOUNTS_EMPTY;

    CU_ASSERT_EQUAL_FATAL(accounts_open(&db, f->database, ACCOUNTS_CREATE), SP_OK);
    CU_ASSERT_EQUAL_FATAL(accounts_add(&db, e), SP_OK);
    accounts_close(&db);
}

struct accounts_entry
fixture_find(struct fixture *f, const char *name)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e = { .umask = -1 };

    CU_ASSERT_EQUAL_FATAL(accounts_open(&db, f->database, ACCOUNTS_READ), SP_OK);
    CU_ASSERT_EQUAL(accounts_find(&db, name, &e), SP_OK);
    accounts_close(&db);
    return e;
}

void
fixture_attempt(struct fixture *f, const char *user, const char *password)
{
    attempt_clear(&f->attempt);
    attempt_init(&f->attempt, &f->settings, &f->login, &f->slots);
    attempt_set(&f->attempt, slice_of(user), slice_of(password));
    CU_ASSERT_EQUAL_FATAL(net_parse(&f->attempt.peer, slice_of("192.0.2.7")), SP_OK);
}
