/*
 * tests/sandbox/sides.h - one side's real sandbox, laid open for the tests
 *
 * Runs in: sandbox-worker, sandbox-worker-tls (with tls_kernel = true), sandbox-broker,
 * sandbox-broker-read (of an account that may only read), sandbox-keyholder, sandbox-ledger.
 * Each has the text of its side's sandbox.c (side_NAME.c): the list which is tested is the
 * list which is loaded.
 */
#ifndef SP_TESTS_SANDBOX_SIDES_H
#define SP_TESTS_SANDBOX_SIDES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "process/seccomp.h"

struct side {
    const char *name;
    const struct seccomp_rule *rules;
    size_t count;
    bool has_jail;              /* it reaches one directory; the others reach nothing */
};

extern const struct side the_side;

/* Once, before the first child. */
SP_CHECK enum sp_err side_prepare(void);
/* As the side's own start does it, for good. Needs no_new_privs. */
SP_CHECK enum sp_err side_enter(int channel_fd);
/*
 * What the side does with Landlock, without its root directory and its filter. jail: the
 * directory of a side that has one, for an account that may write there or not.
 */
SP_CHECK enum sp_err side_landlock(const char *jail, bool writable);

/* calls.c, outside.c: how many tries went wrong, each said on standard output. */
unsigned try_calls(void);
unsigned try_outside(const char *top);

#endif
