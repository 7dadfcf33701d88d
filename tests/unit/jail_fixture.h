/*
 * tests/unit/jail_fixture.h - a broker in a temporary directory, for tests of its modules
 *
 * The directory has a "jail" and beside it an "outside" with a file "secret", which no
 * path may reach. There is no chroot here: the resolver has to hold alone.
 */
#ifndef SP_TESTS_JAIL_FIXTURE_H
#define SP_TESTS_JAIL_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "broker/broker.h"

struct jail_fixture {
    char top[64];               /* the temporary directory          */
    int jail;                   /* its "jail", opened               */
    struct broker b;            /* everything permitted, not durable */
};

void fixture_open(struct jail_fixture *f);
/* Removes everything. Asserts that no descriptor was left open since fixture_open. */
void fixture_close(struct jail_fixture *f);

/* Names are relative to the jail. */
void fixture_file(struct jail_fixture *f, const char *name, const char *content);
void fixture_dir(struct jail_fixture *f, const char *name);
void fixture_link(struct jail_fixture *f, const char *target, const char *name);
bool fixture_exists(const struct jail_fixture *f, const char *name);
/* Has the file exactly this content? */
bool fixture_has(const struct jail_fixture *f, const char *name, const char *content);
mode_t fixture_mode(const struct jail_fixture *f, const char *name);

/* Begin an upload, write text as the worker would; the result of upload_begin. */
enum sp_err fixture_upload(struct jail_fixture *f, const char *path, unsigned how,
                           uint64_t offset, const char *text);
/* The same after ALLO: it is to become size bytes long. */
enum sp_err fixture_announced(struct jail_fixture *f, const char *path, unsigned how,
                              uint64_t offset, uint64_t size, const char *text);
/* Lists into out, as text with '\n' for CRLF. */
enum sp_err fixture_list(struct jail_fixture *f, const char *path, const char *shown,
                         unsigned kind, unsigned options, char *out, size_t room);

#endif
