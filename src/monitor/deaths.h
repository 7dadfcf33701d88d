/*
 * monitor/deaths.h - accounts whose brokers die, and which are refused for a while
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: a session, or any process of the account, can make its broker die.
 * Owns:    a small table. Only an account that has logged in gets into it, and the one that
 *          died last longest ago gives its place, one that is not refused before others.
 *
 * The account is what counts, and not its address: who else comes from there has no part in
 * it. Bounds and times are those of violations (admission.h). Times are clock_ms().
 */
#ifndef SP_MONITOR_DEATHS_H
#define SP_MONITOR_DEATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/admission.h"

#define DEATHS_MOST 64u
#define DEATHS_ACCOUNT 300u             /* "backend:user" */

struct death {
    char account[DEATHS_ACCOUNT];       /* empty: unused */
    unsigned count;
    int64_t last, until;                /* until: 0, or it is refused */
};

struct deaths { struct death table[DEATHS_MOST]; };

/* A broker of the account died of a fault. True: the account is refused from now on. */
bool deaths_count(struct deaths *d, const struct admission_limits *l, const char *account,
                  int64_t now);
/* Is it refused? Borrowed until the next call; NULL: no. */
const struct death *deaths_find(const struct deaths *d, const char *account, int64_t now);
/* The i-th place, if that account is refused; NULL: it is not. i is below DEATHS_MOST. */
const struct death *deaths_at(const struct deaths *d, size_t i, int64_t now);
/* True: it was refused, and is no more. What was counted is forgotten. */
bool deaths_forgive(struct deaths *d, const char *account, int64_t now);

#endif
