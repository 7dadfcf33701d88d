/* auth/account.c - see include/auth/account.h */
#include "auth/account.h"

#include <string.h>
#include <unistd.h>

#include "base/dots.h"
#include "base/privilege.h"
#include "config/settings.h"
#include "wire/grant.h"

bool
account_name_valid(struct slice name)
{
    if (name.len < 1 || name.len > ACCOUNT_NAME_MAX)
        return false;
    if ((name.len == 1 && name.at[0] == '.')
            || (name.len == 2 && name.at[0] == '.' && name.at[1] == '.'))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < 0x20 || name.at[i] == 0x7f || name.at[i] == '/')
            return false;
    return true;
}

static bool
append(char *out, size_t room, size_t *len, const char *text, size_t count)
{
    if (count >= room - *len)
        return false;
    memcpy(out + *len, text, count);
    *len += count;
    out[*len] = '\0';
    return true;
}

/* What stands behind a %; NULL: nothing that may be put into a path. */
static const char *
replacement(char letter, const struct account_names *names)
{
    const char *component = NULL;

    switch (letter) {
    case '%':
        return "%";
    case 'h':
        return names->home != NULL && names->home[0] == '/' ? names->home : NULL;
    case 'u':
        component = names->user;
        break;
    case 'g':
        component = names->group;
        break;
    default:
        return NULL;
    }
    return account_name_valid(slice_of(component)) ? component : NULL;
}

/* Is one of the parts between slashes ".."? */
enum sp_err
account_expand(const char *pattern, const struct account_names *names, char *out,
               size_t room)
{
    char path[ACCOUNT_PATH_MAX + 1] = "";
    size_t len = 0;

    for (const char *at = pattern; *at != '\0'; at++) {
        const char *part = at;
        size_t count = 1;

        if (*at == '%') {
            if ((part = replacement(*++at, names)) == NULL)
                return SP_INPUT;
            count = strlen(part);
        }
        if (!append(path, sizeof path, &len, part, count))
            return SP_INPUT;
    }
    if (path[0] != '/' || dots_climb(slice_of(path)))
        return SP_INPUT;
    return account_normalise(path, out, room);
}

enum sp_err
account_normalise(const char *path, char *out, size_t room)
{
    char made[ACCOUNT_PATH_MAX + 1] = "";
    size_t len = 0;

    for (const char *part = path; *part != '\0';) {
        size_t count = strcspn(part, "/");

        if (count == 2 && part[0] == '.' && part[1] == '.') {
            while (len > 0 && made[--len] != '/')
                continue;
            made[len] = '\0';
        } else if (count > 0 && !(count == 1 && part[0] == '.')) {
            if (!append(made, sizeof made, &len, "/", 1)
                    || !append(made, sizeof made, &len, part, count))
                return SP_INPUT;
        }
        part += count;
        part += strspn(part, "/");
    }
    return text_copy(out, room, len > 0 ? made : "/") ? SP_OK : SP_INPUT;
}

enum sp_err
account_check_ids(const struct account *a, const char **why)
{
    /* a container's arbitrary uid has group 0, and cannot leave it: see below */
    if (a->uid == 0 || (a->gid == 0 && privilege_is_root())) {
        *why = "uid 0 and gid 0 (root) may not log in";
        return SP_REFUSED;
    }
    if (a->uid == UINT32_MAX || a->gid == UINT32_MAX) {
        *why = "4294967295 is not a valid uid or gid";
        return SP_REFUSED;
    }
    for (size_t i = 0; i < a->group_count; i++)
        if (a->groups[i] == 0 || a->groups[i] == UINT32_MAX) {
            *why = "members of group 0 (root) may not log in";
            return SP_REFUSED;
        }
    if (!privilege_is_root() && (a->uid != geteuid() || a->gid != getegid())) {
        *why = "switching to the account's user requires a server started as root";
        return SP_REFUSED;
    }
    return SP_OK;
}

void
account_take_own_ids(struct account *a)
{
    a->uid = geteuid();
    a->gid = getegid();
    a->group_count = 0;
}

uint32_t
account_listed_flags(const struct settings *s, const char *name)
{
    const struct { const struct text_list *names; uint32_t flag; } lists[] = {
        { &s->no_resumption_users, ACCOUNT_NO_RESUMPTION },
        { &s->no_close_notify_users, ACCOUNT_NO_CLOSE_NOTIFY },
        { &s->cleartext_users, ACCOUNT_CLEAR_DATA },
        { &s->clear_command_users, ACCOUNT_CCC },
    };
    uint32_t flags = 0;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (text_list_has(lists[i].names, slice_of(name)))
            flags |= lists[i].flag;
    return flags;
}
