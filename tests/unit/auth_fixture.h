/* tests/unit/auth_fixture.h - a place for logins: settings, database, monitor's end */
#ifndef SP_TESTS_AUTH_FIXTURE_H
#define SP_TESTS_AUTH_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/accounts.h"
#include "auth/attempt.h"
#include "auth/slots.h"
#include "auth/verdict.h"
#include "config/settings.h"
#include "wire/channel.h"

/* Everything lies below a directory of its own, mode 0700, removed by fixture_end. */
struct fixture {
    char directory[64], database[96], jail[96];
    struct settings settings;
    struct slots slots;
    struct channel monitor, login;      /* the two ends */
    struct attempt attempt;
    struct verdict verdict;
};

/* Ids that an account may have here: of nobody where we are root, else our own. */
uint32_t fixture_uid(void);
uint32_t fixture_gid(void);

/* Argon2 with 8192 KiB and one pass; the chain is "users"; the jail exists. */
void fixture_begin(struct fixture *f);
void fixture_end(struct fixture *f);
/* Replaces a LIST setting by the parts of a comma list. */
void fixture_list(struct text_list *list, const char *parts);
void fixture_text(char **setting, const char *text);
/* An enabled account in the jail with the password "right password", hashed at passes. */
struct accounts_entry fixture_entry(const struct fixture *f, const char *name,
                                    int passes);
void fixture_add(struct fixture *f, const struct accounts_entry *e);
struct accounts_entry fixture_find(struct fixture *f, const char *name);
/* A new attempt from 192.0.2.7. */
void fixture_attempt(struct fixture *f, const char *user, const char *password);

#endif
