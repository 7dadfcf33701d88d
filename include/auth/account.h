/*
 * auth/account.h - who logged in, as what, and where: the result of the auth chain
 *
 * Runs in: login (root).                 Blocks: no.
 * Trusts:  the configuration. Not the name a client gave: it has passed attempt.h.
 * Owns:    nothing; an account is a value.
 */
#ifndef SP_AUTH_ACCOUNT_H
#define SP_AUTH_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define ACCOUNT_NAME_MAX 255    /* bytes of a name, without the NUL            */
#define ACCOUNT_PATH_MAX 4095   /* bytes of a path, without the NUL            */
#define ACCOUNT_GROUPS_MAX 1024 /* as many as GRANTED has room for             */

struct settings;

/* What PAM sets for the processes of a session. 0: nothing; memory in bytes, cpu in seconds. */
struct account_limits {
    uint64_t file_bound;        /* a file must not become as large as this: limit + 1 */
    uint64_t memory;
    uint32_t cpu, files;        /* files: descriptors */
    uint8_t nice;
};

struct account {
    char backend[33];
    char user[ACCOUNT_NAME_MAX + 1], group[ACCOUNT_NAME_MAX + 1];
    uint32_t uid, gid, groups[ACCOUNT_GROUPS_MAX];
    size_t group_count;
    char jail[ACCOUNT_PATH_MAX + 1], start[ACCOUNT_PATH_MAX + 1];
    uint32_t permits, flags;    /* enum permit, enum account_flag (wire/fail.h) */
    uint32_t umask, session_limit;
    struct account_limits limits;
};

/* What %u, %g and %h in a jail path stand for; home may be NULL (%h is refused then). */
struct account_names { const char *user, *group, *home; };

/*
 * May this be the name of an account? 1 to 255 bytes, one path component (no '/', neither
 * "." nor ".."), no control characters.
 */
bool account_name_valid(struct slice name);
/*
 * A jail path with %u, %g, %h and %% replaced, slashes collapsed. SP_INPUT: another %, a
 * name that is not one safe path component, a home or result that is not absolute, a ".."
 * in it, or no room.
 */
SP_CHECK enum sp_err account_expand(const char *pattern,
                                    const struct account_names *names, char *out,
                                    size_t room);
/* An absolute path without empty, "." and ".." parts ("..": up, but not above "/"); a
 * relative one counts from "/". SP_INPUT: no room. */
SP_CHECK enum sp_err account_normalise(const char *path, char *out, size_t room);
/*
 * Ids nobody may log in with: uid or gid 0, a group 0, the "nobody changed" id -1; and,
 * when the server itself is no root, every uid but its own. *why is set on SP_REFUSED.
 */
SP_CHECK enum sp_err account_check_ids(const struct account *a, const char **why);
/* The ids of a server that is not root, for accounts without ids of their own. */
void account_take_own_ids(struct account *a);
/* The flags that the lists of the configuration give to this name. */
uint32_t account_listed_flags(const struct settings *s, const char *name);

#endif
