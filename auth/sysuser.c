/* auth/sysuser.c - see include/auth/sysuser.h */
#include "auth/sysuser.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "base/buf.h"

#define ROOM_LEAST 4096
#define ROOM_MOST ((size_t)1 << 20)     /* a group of some 50,000 members */

static enum sp_err
copy_user(const struct passwd *from, struct sysuser *out)
{
    struct sysuser u = { .uid = from->pw_uid, .gid = from->pw_gid };

    if (!text_copy(u.name, sizeof u.name, from->pw_name)
        || !text_copy(u.home, sizeof u.home, from->pw_dir != NULL ? from->pw_dir : ""))
        return SP_INPUT;
    *out = u;
    return SP_OK;
}

/* By name, or by uid where name is NULL. */
static enum sp_err
find_user(const char *name, uint32_t uid, struct sysuser *out)
{
    enum sp_err rc = SP_NOMEM;

    for (size_t room = ROOM_LEAST; room <= ROOM_MOST; room *= 2) {
        struct passwd entry = { 0 }, *found = NULL;
        char *texts = malloc(room);
        int error = 0;

        if (texts == NULL)
            return SP_NOMEM;
        error = name != NULL ? getpwnam_r(name, &entry, texts, room, &found)
            : getpwuid_r(uid, &entry, texts, room, &found);
        if (error == 0)
            rc = found != NULL ? copy_user(found, out) : SP_REFUSED;
        free(texts);
        if (error == 0)
            return rc;
        /* some NSS modules say "there is none" by an error: getpwnam_r(3) */
        if (error == ENOENT || error == ESRCH)
            return SP_REFUSED;
        if (error != ERANGE) {
            errno = error;
            return SP_OS;
        }
    }
    return SP_NOMEM;
}

enum sp_err
sysuser_by_name(const char *name, struct sysuser *out)
{
    return find_user(name, 0, out);
}

enum sp_err
sysuser_by_uid(uint32_t uid, struct sysuser *out)
{
    return find_user(NULL, uid, out);
}

/* By name, or by gid where wanted is NULL; then name gets it, if it fits. */
static enum sp_err
find_group(const char *wanted, uint32_t *gid, char *name, size_t name_room)
{
    for (size_t room = ROOM_LEAST; room <= ROOM_MOST; room *= 2) {
        struct group entry = { 0 }, *found = NULL;
        enum sp_err rc = SP_REFUSED;
        char *texts = malloc(room);
        int error = 0;

        if (texts == NULL)
            return SP_NOMEM;
        error = wanted != NULL ? getgrnam_r(wanted, &entry, texts, room, &found)
            : getgrgid_r(*gid, &entry, texts, room, &found);
        if (error == 0 && found != NULL) {
            *gid = found->gr_gid;
            rc = name == NULL || text_copy(name, name_room, found->gr_name) ? SP_OK
                                                                            : SP_INPUT;
        }
        free(texts);
        if (error == 0 || error == ENOENT || error == ESRCH)
            return rc;
        if (error != ERANGE) {
            errno = error;
            return SP_OS;
        }
    }
    return SP_NOMEM;
}

enum sp_err
sysuser_gid_of(const char *group, uint32_t *gid)
{
    return find_group(group, gid, NULL, 0);
}

void
sysuser_group_name(uint32_t gid, char out[ACCOUNT_NAME_MAX + 1])
{
    uint32_t wanted = gid;

    if (find_group(NULL, &wanted, out, ACCOUNT_NAME_MAX + 1) != SP_OK
            || !account_name_valid(slice_of(out)))
        (void)text_printf(out, ACCOUNT_NAME_MAX + 1, "%lu", (unsigned long)gid);
}

enum sp_err
sysuser_groups(const struct sysuser *u, uint32_t *groups, size_t *count)
{
    int most = ACCOUNT_GROUPS_MAX;

    _Static_assert(sizeof(gid_t) == sizeof *groups, "gid_t has 32 bits on Linux");
    if (getgrouplist(u->name, u->gid, groups, &most) == -1)
        return SP_INPUT;
    *count = (size_t)most;
    return SP_OK;
}
